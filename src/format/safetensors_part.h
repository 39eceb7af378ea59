/* safetensors_part.h - inside the safetensors reader: one file, and how its bytes become a directory.
 *
 * safetensors.c finds and opens files, safetensors_parse.c reads one file's header.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_FORMAT_SAFETENSORS_PART_H
#define CARAT_FORMAT_SAFETENSORS_PART_H

#include "base/json.h"
#include "format/names.h"
#include "format/safetensors.h"

#define CARAT_SAFETENSORS_MAX_HEADER  ((size_t)100000000) /* the reference reader's limit */
#define CARAT_SAFETENSORS_MAX_TENSORS ((size_t)1 << 20)
#define CARAT_SAFETENSORS_MAX_NAME    256
#define CARAT_SAFETENSORS_MAX_SHARDS  256 /* each keeps a file descriptor open */

typedef struct carat_shard {
    carat_map map;    /* zeroed when the bytes are the caller's */
    const char *name; /* as the index spells it */
    const uint8_t *data;
    size_t size;
} carat_shard;

/* A tensor left out of the directory because of its dtype. */
typedef struct carat_skipped {
    const char *name, *dtype;
    const carat_shard *shard;
} carat_skipped;

struct carat_safetensors {
    bool only_heads; /* are mapped */
    carat_shard **shard;
    size_t n_shard;
    carat_tensors tensors;
    carat_skipped *skipped; /* sorted by name once all is read */
    size_t n_skipped;
    carat_names names;
};

/* Reads the header in shard->data and appends its tensors to s. Messages do not name the file. */
bool carat_safetensors_parse(carat_safetensors *s, carat_shard *shard, carat_err *err);

/* After the last file: sorts by name, refuses a name that appears twice. */
bool carat_safetensors_sort(carat_safetensors *s, carat_err *err);

const carat_skipped *carat_safetensors_find_skipped(const carat_safetensors *s, const char *name);

/* Parses a header or an index: a JSON object of no more values than a model can have. The caller decrefs *out. */
bool carat_safetensors_json(const char *text, size_t len, json_t **out, carat_err *err);

#endif
