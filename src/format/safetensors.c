/* safetensors.c - finds and opens the files of a Hugging Face model: one, or the shards that an index names.
 *
 *     model.safetensors                                            all of it in one file
 *     model.safetensors.index.json  { "weight_map": { "tensor": "model-00001-of-00003.safetensors", ... } }
 *
 * A folder with both is read from the single file, as the reference library does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "format/safetensors_part.h"

#define FIRST_BYTES ((size_t)64 << 10) /* grown to the header's length */
#define SINGLE      "model.safetensors"
#define INDEX       "model.safetensors.index.json"

void carat_safetensors_close(carat_safetensors *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_shard; i++) {
        carat_map_close(&s->shard[i]->map);
        free(s->shard[i]);
    }
    free(s->shard);
    free(s->tensors.items);
    free(s->skipped);
    carat_names_deinit(&s->names);
    free(s);
}

static carat_safetensors *new_safetensors(const char *path, carat_err *err)
{
    carat_safetensors *s = calloc(1, sizeof *s);
    if (!s)
        carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the file's directory", path);
    return s;
}

/* A new shard at the end of the list, still without bytes. */
static carat_shard *add_shard(carat_safetensors *s, const char *name, carat_err *err)
{
    carat_shard **list = realloc(s->shard, (s->n_shard + 1) * sizeof *list);
    if (list)
        s->shard = list;
    carat_shard *shard = list ? calloc(1, sizeof *shard) : NULL;
    if (!shard) {
        carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the file's directory", name);
        return NULL;
    }
    shard->map.fd = -1;
    shard->name = name;
    s->shard[s->n_shard++] = shard;
    return shard;
}

static bool parse(carat_safetensors *s, carat_shard *shard, const char *path, carat_err *err)
{
    char buf[100];
    return carat_safetensors_parse(s, shard, err) || carat_fail_in(err, "%s", carat_short_path(path, buf));
}

static bool map_shard(carat_safetensors *s, carat_shard *shard, const char *path, carat_err *err)
{
    if (!carat_map_open_head(&shard->map, path, s->only_heads ? FIRST_BYTES : SIZE_MAX, err))
        return false;
    shard->data = shard->map.data;
    shard->size = shard->map.size;
    return parse(s, shard, path, err);
}

static bool open_single(carat_safetensors *s, const char *path, carat_err *err)
{
    carat_shard *shard = add_shard(s, path, err);
    return shard && map_shard(s, shard, path, err);
}

/* folder/name; NULL: no memory. The caller frees it. */
static char *join(const char *folder, const char *name)
{
    size_t room = strlen(folder) + strlen(name) + 2;
    char *path = malloc(room);
    if (path)
        snprintf(path, room, "%s/%s", folder, name);
    return path;
}

/* --- the index ---------------------------------------------------------------------------------------------------- */

/* A shard is a plain file in the index's own folder, whatever the index says. */
static bool check_shard_name(const json_t *v, const char *tensor, carat_err *err)
{
    const char *name = json_string_value(v);
    if (!name)
        return carat_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "the file of tensor '%.64s' is %s, expected a name",
                          tensor, carat_json_kind(v));
    size_t len = json_string_length(v);
    if (len == 0 || len > 200 || name[0] == '.' || strchr(name, '/') || strchr(name, '\\') ||
        carat_names_odd_byte(name, len) < len)
        return carat_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                          "the file of tensor '%.64s' is '%.64s', expected the plain name of a file beside the index",
                          tensor, name);
    return true;
}

static carat_shard *find_shard(const carat_safetensors *s, const char *name)
{
    for (size_t i = s->n_shard; i-- > 0;) /* the last is the likeliest: an index runs shard by shard */
        if (strcmp(s->shard[i]->name, name) == 0)
            return s->shard[i];
    return NULL;
}

static bool list_shards(carat_safetensors *s, json_t *weight_map, carat_err *err)
{
    const char *tensor;
    json_t *v;
    json_object_foreach(weight_map, tensor, v) {
        if (!check_shard_name(v, tensor, err))
            return false;
        if (find_shard(s, json_string_value(v)))
            continue;
        if (s->n_shard == CARAT_SAFETENSORS_MAX_SHARDS)
            return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "more than %d shards", CARAT_SAFETENSORS_MAX_SHARDS);
        const char *name = carat_names_keep(&s->names, json_string_value(v), json_string_length(v));
        if (!name)
            return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the names of the shards");
        if (!add_shard(s, name, err))
            return false;
    }
    return s->n_shard > 0 || carat_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'weight_map' names no tensor");
}

static bool open_shards(carat_safetensors *s, const char *folder, carat_err *err)
{
    for (size_t i = 0; i < s->n_shard; i++) {
        char *path = join(folder, s->shard[i]->name);
        if (!path)
            return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the path of a shard");
        bool ok = map_shard(s, s->shard[i], path, err);
        free(path);
        if (!ok)
            return carat_fail_in(err, "shard %zu of %zu", i + 1, s->n_shard);
    }
    return true;
}

/* Does the shard hold this tensor, read or skipped? */
static bool has_tensor(const carat_safetensors *s, const carat_shard *shard, const char *name)
{
    const carat_tensor *t = carat_tensors_find(&s->tensors, name);
    if (t)
        return t->map == &shard->map;
    const carat_skipped *k = carat_safetensors_find_skipped(s, name);
    return k && k->shard == shard;
}

static bool check_index(const carat_safetensors *s, json_t *weight_map, carat_err *err)
{
    const char *tensor;
    json_t *v;
    json_object_foreach(weight_map, tensor, v)
        if (!has_tensor(s, find_shard(s, json_string_value(v)), tensor))
            return carat_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "tensor '%.64s' should be in '%.64s', which lacks it",
                              tensor, json_string_value(v));
    return true;
}

static bool load_index(const char *path, json_t **out, carat_err *err)
{
    char *text, buf[100];
    size_t len;
    if (!carat_read_file(path, CARAT_SAFETENSORS_MAX_HEADER, &text, &len, err))
        return false;
    bool ok = carat_safetensors_json(text, len, out, err) || carat_fail_in(err, "%s", carat_short_path(path, buf));
    free(text);
    return ok;
}

static bool open_index(carat_safetensors *s, const char *folder, const char *path, carat_err *err)
{
    json_t *index;
    char buf[100];
    if (!load_index(path, &index, err))
        return false;
    json_t *weight_map = json_object_get(index, "weight_map");
    bool ok = json_is_object(weight_map) ||
              carat_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'weight_map' is %s, expected an object",
                         weight_map ? carat_json_kind(weight_map) : "missing");
    ok = ok && list_shards(s, weight_map, err);
    if (!ok)
        carat_fail_in(err, "%s", carat_short_path(path, buf));
    ok = ok && open_shards(s, folder, err) && carat_safetensors_sort(s, err);
    if (ok && !check_index(s, weight_map, err))
        ok = carat_fail_in(err, "%s", carat_short_path(path, buf));
    json_decref(index);
    return ok;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static bool open_folder(carat_safetensors *s, const char *folder, carat_err *err)
{
    char *single = join(folder, SINGLE), *index = join(folder, INDEX), buf[100];
    bool ok;
    if (!single || !index)
        ok = carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a path");
    else if (exists(single))
        ok = open_single(s, single, err) && carat_safetensors_sort(s, err);
    else if (exists(index))
        ok = open_index(s, folder, index, err);
    else
        ok = carat_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: has neither " SINGLE " nor " INDEX,
                        carat_short_path(folder, buf));
    free(single);
    free(index);
    return ok;
}

static bool open_files(const char *path, bool only_heads, carat_safetensors **out, carat_err *err)
{
    *out = NULL;
    struct stat st;
    if (stat(path, &st) != 0)
        return carat_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", path, strerror(errno));
    carat_safetensors *s = new_safetensors(path, err);
    if (!s)
        return false;
    s->only_heads = only_heads;
    bool ok =
        S_ISDIR(st.st_mode) ? open_folder(s, path, err) : open_single(s, path, err) && carat_safetensors_sort(s, err);
    if (!ok) {
        carat_safetensors_close(s);
        return false;
    }
    *out = s;
    return true;
}

bool carat_safetensors_open(const char *path, carat_safetensors **out, carat_err *err)
{
    return open_files(path, false, out, err);
}

bool carat_safetensors_open_head(const char *path, carat_safetensors **out, carat_err *err)
{
    return open_files(path, true, out, err);
}

bool carat_safetensors_open_memory(const char *path, const void *data, size_t size, carat_safetensors **out,
                                   carat_err *err)
{
    *out = NULL;
    carat_safetensors *s = new_safetensors(path, err);
    if (!s)
        return false;
    carat_shard *shard = add_shard(s, path, err);
    if (shard) {
        shard->data = data;
        shard->size = size;
    }
    if (!shard || !parse(s, shard, path, err) || !carat_safetensors_sort(s, err)) {
        carat_safetensors_close(s);
        return false;
    }
    *out = s;
    return true;
}

const carat_tensors *carat_safetensors_tensors(const carat_safetensors *s)
{
    return &s->tensors;
}

uint64_t carat_safetensors_file_bytes(const carat_safetensors *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n_shard; i++)
        sum += s->shard[i]->size;
    return sum;
}

uint64_t carat_safetensors_mapped_bytes(const carat_safetensors *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n_shard; i++)
        sum += s->shard[i]->map.mapped;
    return sum;
}

const char *carat_safetensors_skipped(const carat_safetensors *s, const char *name)
{
    const carat_skipped *k = carat_safetensors_find_skipped(s, name);
    return k ? k->dtype : NULL;
}
