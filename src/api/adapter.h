/* adapter.h - adapters of an engine, and which of them a sequence uses. Inside api/.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_ADAPTER_H
#define CT_API_ADAPTER_H

#include "api/internal.h"

/* Those of an engine's options, opened: headers only. */
typedef struct ct_adapter_files {
    ct_lora *v[CT_MAX_ADAPTERS]; /* [n] */
    double scale[CT_MAX_ADAPTERS];
    size_t n;
} ct_adapter_files;

/* Close it even after a failure. Errors: those of ct_lora_open, CARAT_EARG (sizes, names, scales). */
bool ct_adapter_files_open(const carat_options *o, ct_adapter_files *all, carat_err *err);
void ct_adapter_files_close(ct_adapter_files *all);
/* The chat template that came with the first that has one; NULL: none has. */
const char *ct_adapter_files_template(const ct_adapter_files *all, bool of_used_ones);

/* Into an engine whose backend is loaded, with the blend that is used where nothing is said. Errors: those of
 * carat_adapter_load. */
bool ct_adapters_load(carat_engine *e, const ct_adapter_files *all, carat_err *err);
void ct_adapters_free(carat_engine *e);

/* What a caller asks for. *out NULL: none is used. Errors: as carat_session_use_adapters. */
bool ct_api_blend(carat_engine *e, const carat_adapter_use *uses, size_t n, ct_blend **out, carat_err *err);
/* What keys and values of a sequence with these adapters depend on. */
void ct_api_fingerprint(const carat_engine *e, const ct_blend *b, uint8_t out[CT_FINGERPRINT]);

#endif
