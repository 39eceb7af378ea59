/* safetensors_part.h - inside the safetensors reader: one file, and how its bytes become a directory.
 *
 * safetensors.c finds and opens files, safetensors_parse.c reads one file's header.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FORMAT_SAFETENSORS_PART_H
#define CT_FORMAT_SAFETENSORS_PART_H

#include "base/json.h"
#include "format/kept_names.h"
#include "format/safetensors.h"

#define CT_SAFETENSORS_MAX_HEADER  ((size_t)100000000) /* the reference reader's limit */
#define CT_SAFETENSORS_MAX_TENSORS ((size_t)1 << 20)
#define CT_SAFETENSORS_MAX_NAME    256
#define CT_SAFETENSORS_MAX_SHARDS  256 /* each keeps a file descriptor open */

typedef struct ct_shard {
    ct_map map;       /* zeroed when the bytes are the caller's */
    const char *name; /* as the index spells it */
    const uint8_t *data;
    size_t size;
} ct_shard;

/* A tensor left out of the directory because of its dtype. */
typedef struct ct_skipped {
    const char *name, *dtype;
    const ct_shard *shard;
} ct_skipped;

struct ct_safetensors {
    ct_shard **shard;
    size_t n_shard;
    ct_tensors tensors;
    ct_skipped *skipped; /* sorted by name once all is read */
    size_t n_skipped;
    ct_names names;
};

/* Reads the header in shard->data and appends its tensors to s. Messages do not name the file. */
bool ct_safetensors_parse(ct_safetensors *s, ct_shard *shard, carat_err *err);

/* After the last file: sorts by name, refuses a name that appears twice. */
bool ct_safetensors_sort(ct_safetensors *s, carat_err *err);

const ct_skipped *ct_safetensors_find_skipped(const ct_safetensors *s, const char *name);

/* Parses a header or an index: a JSON object of no more values than a model can have. The caller decrefs *out. */
bool ct_safetensors_json(const char *text, size_t len, json_t **out, carat_err *err);

#endif
