/* names.h - models by name: sizes, published fine-tunes, names of hubs.
 *
 * "4b", "gemma-3-4b-it", "google/gemma-3-4b-it-qat-q4_0-gguf", "gemma3:4b", "medgemma-27b-text-it", "functiongemma".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_WEIGH_NAMES_H
#define CT_WEIGH_NAMES_H

#include "model/config.h"

typedef struct ct_named {
    char title[64];        /* "MedGemma 4B" */
    const ct_published *p; /* its shape */
    bool has_vision;
    const char *quant; /* the quantisation that the name states, or NULL */
} ct_named;

/* Errors: CARAT_EARG (no such model; with similar names), CARAT_EUNSUPPORTED (another architecture, by name). */
bool ct_weigh_name(const char *name, ct_named *out, carat_err *err);

/* "qat-q4_0" or a mix of model/mix.h. */
bool ct_weigh_knows_quant(const char *quant);

#endif
