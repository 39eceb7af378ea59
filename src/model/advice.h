/* advice.h - the sampling settings that a checkpoint recommends.
 *
 *   folder   generation_config.json: do_sample (false: temperature 0), temperature, top_k, top_p, min_p,
 *            repetition_penalty
 *   GGUF     general.sampling.temp, .top_k, .top_p, .min_p, .penalty_repeat, .penalty_last_n (-1: the whole context)
 *
 * What else these may say about sampling, and Carat does not do, is noted by name (ct_config_note), and so is a value of
 * another type. Ranges are the sampler's matter (api/advice.c).
 *
 * Sources: transformers' GenerationConfig; llama.cpp's metadata keys.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_ADVICE_H
#define CT_MODEL_ADVICE_H

#include "model/config.h"

typedef struct ct_advice {
    const char *from; /* "generation_config.json" or "general.sampling"; NULL: nothing is recommended */
    unsigned fields;  /* carat_sampling_field: which of these are set */
    double temperature, top_k, top_p, min_p, repetition_penalty, penalty_window;
} ct_advice;

void ct_advice_from_gguf(const ct_gguf *g, ct_config *c, ct_advice *out);
/* g: a generation_config.json, or NULL; what names it in notes. */
void ct_advice_from_json(const json_t *g, const char *what, ct_config *c, ct_advice *out);

#endif
