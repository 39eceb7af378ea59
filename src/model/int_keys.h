/* int_keys.h - tables of the whole numbers that a header states, for both kinds of header.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_INT_KEYS_H
#define CT_MODEL_INT_KEYS_H

#include <stddef.h>
#include <string.h>

#include "model/config.h"

typedef struct ct_int_key {
    const char *key; /* NULL ends a table */
    size_t offset;   /* of a uint32_t in the structure that is filled */
    int64_t max;     /* the least is 1 */
    bool required;
} ct_int_key;

#define CT_TEXT_AT(field)  offsetof(ct_config, field)
#define CT_TOWER_AT(field) offsetof(ct_vision_config, field)

#define CT_MAX_IMAGE_SIZE 16384
#define CT_MAX_PATCH_SIZE 1024

static inline void ct_int_key_put(const ct_int_key *k, void *base, int64_t value)
{
    const uint32_t v = (uint32_t)value;
    memcpy((char *)base + k->offset, &v, sizeof v);
}

/* From GGUF metadata: keys "<arch>.<key>" into base; absent ones leave it as it is. Errors:
 * CARAT_EFORMAT (a key out of range, or a required one that is absent). */
bool ct_int_keys_from_gguf(const ct_gguf *g, const char *arch, const ct_int_key *keys, void *base, carat_err *err);

#endif
