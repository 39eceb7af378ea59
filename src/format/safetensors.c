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

#include "base/looks_like.h"
#include "format/safetensors_part.h"

#define FIRST_BYTES ((size_t)64 << 10) /* grown to the header's length */
#define SINGLE      "model.safetensors"
#define INDEX       "model.safetensors.index.json"

void ct_safetensors_close(ct_safetensors *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_shard; i++) {
        ct_map_close(&s->shard[i]->map);
        free(s->shard[i]);
    }
    free(s->shard);
    free(s->tensors.items);
    free(s->skipped);
    ct_names_deinit(&s->names);
    free(s);
}

static ct_safetensors *new_safetensors(const char *path, carat_err *err)
{
    ct_safetensors *s = calloc(1, sizeof *s);
    if (!s)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the file's directory", path);
    return s;
}

/* A new shard at the end of the list, still without bytes. */
static ct_shard *add_shard(ct_safetensors *s, const char *name, carat_err *err)
{
    ct_shard **list = realloc(s->shard, (s->n_shard + 1) * sizeof *list);
    if (list)
        s->shard = list;
    ct_shard *shard = list ? calloc(1, sizeof *shard) : NULL;
    if (!shard) {
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the file's directory", name);
        return NULL;
    }
    shard->map.fd = -1;
    shard->name = name;
    s->shard[s->n_shard++] = shard;
    return shard;
}

static bool parse(ct_safetensors *s, ct_shard *shard, const char *path, carat_err *err)
{
    char buf[100];
    return ct_safetensors_parse(s, shard, err) || ct_fail_in(err, "%s", ct_short_path(path, buf));
}

static bool map_shard(ct_safetensors *s, ct_shard *shard, const char *path, carat_err *err)
{
    if (!ct_map_open_head(&shard->map, path, FIRST_BYTES, err))
        return false;
    shard->data = shard->map.data;
    shard->size = shard->map.size;
    return parse(s, shard, path, err);
}

static bool open_single(ct_safetensors *s, const char *path, carat_err *err)
{
    ct_shard *shard = add_shard(s, path, err);
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

/* ---- the index ---- */

/* A shard is a plain file in the index's own folder; an index that names any other path is refused. */
static bool check_shard_name(const json_t *v, const char *tensor, carat_err *err)
{
    const char *name = json_string_value(v);
    if (!name)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "the file of tensor '%.64s' is %s, expected a name", tensor,
                       ct_json_kind(v));
    size_t len = json_string_length(v);
    if (len == 0 || len > 200 || name[0] == '.' || strchr(name, '/') || strchr(name, '\\') ||
        ct_names_odd_byte(name, len) < len)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "the file of tensor '%.64s' is '%.64s', expected the plain name of a file beside the index",
                       tensor, name);
    return true;
}

static ct_shard *find_shard(const ct_safetensors *s, const char *name)
{
    for (size_t i = s->n_shard; i-- > 0;) /* the last is the most likely: an index goes shard by shard */
        if (strcmp(s->shard[i]->name, name) == 0)
            return s->shard[i];
    return NULL;
}

static bool list_shards(ct_safetensors *s, json_t *weight_map, carat_err *err)
{
    const char *tensor;
    json_t *v;
    json_object_foreach(weight_map, tensor, v) {
        if (!check_shard_name(v, tensor, err))
            return false;
        if (find_shard(s, json_string_value(v)))
            continue;
        if (s->n_shard == CT_SAFETENSORS_MAX_SHARDS)
            return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "more than %d shards", CT_SAFETENSORS_MAX_SHARDS);
        const char *name = ct_names_keep(&s->names, json_string_value(v), json_string_length(v));
        if (!name)
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the names of the shards");
        if (!add_shard(s, name, err))
            return false;
    }
    return s->n_shard > 0 || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'weight_map' names no tensor");
}

static bool open_shards(ct_safetensors *s, const char *folder, carat_err *err)
{
    for (size_t i = 0; i < s->n_shard; i++) {
        char *path = join(folder, s->shard[i]->name);
        if (!path)
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the path of a shard");
        bool ok = map_shard(s, s->shard[i], path, err);
        free(path);
        if (!ok)
            return ct_fail_in(err, "shard %zu of %zu", i + 1, s->n_shard);
    }
    return true;
}

/* Does the shard hold this tensor, read or skipped? */
static bool has_tensor(const ct_safetensors *s, const ct_shard *shard, const char *name)
{
    const ct_tensor *t = ct_tensors_find(&s->tensors, name);
    if (t)
        return t->map == &shard->map;
    const ct_skipped *k = ct_safetensors_find_skipped(s, name);
    return k && k->shard == shard;
}

static bool check_index(const ct_safetensors *s, json_t *weight_map, carat_err *err)
{
    const char *tensor;
    json_t *v;
    json_object_foreach(weight_map, tensor, v)
        if (!has_tensor(s, find_shard(s, json_string_value(v)), tensor))
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "tensor '%.64s' should be in '%.64s', which lacks it",
                           tensor, json_string_value(v));
    return true;
}

static bool load_index(const char *path, json_t **out, carat_err *err)
{
    char *text, buf[100];
    size_t len;
    if (!ct_read_file(path, CT_SAFETENSORS_MAX_HEADER, &text, &len, err))
        return false;
    bool ok = ct_safetensors_json(text, len, out, err) || ct_fail_in(err, "%s", ct_short_path(path, buf)) ||
              ct_explain_text(ct_short_path(path, buf), text, len, err);
    free(text);
    return ok;
}

static bool open_index(ct_safetensors *s, const char *folder, const char *path, carat_err *err)
{
    json_t *index;
    char buf[100];
    if (!load_index(path, &index, err))
        return false;
    json_t *weight_map = json_object_get(index, "weight_map");
    bool ok = json_is_object(weight_map) ||
              ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'weight_map' is %s, expected an object",
                      weight_map ? ct_json_kind(weight_map) : "missing");
    ok = ok && list_shards(s, weight_map, err);
    if (!ok)
        ct_fail_in(err, "%s", ct_short_path(path, buf));
    ok = ok && open_shards(s, folder, err) && ct_safetensors_sort(s, err);
    if (ok && !check_index(s, weight_map, err))
        ok = ct_fail_in(err, "%s", ct_short_path(path, buf));
    json_decref(index);
    return ok;
}

/* ---- opening ---- */

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static bool open_folder(ct_safetensors *s, const char *folder, carat_err *err)
{
    char *single = join(folder, SINGLE), *index = join(folder, INDEX), buf[100];
    bool ok;
    if (!single || !index)
        ok = ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a path");
    else if (exists(single))
        ok = open_single(s, single, err) && ct_safetensors_sort(s, err);
    else if (exists(index))
        ok = open_index(s, folder, index, err);
    else
        ok =
            ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: has neither " SINGLE " nor " INDEX, ct_short_path(folder, buf));
    free(single);
    free(index);
    return ok;
}

bool ct_safetensors_open(const char *path, ct_safetensors **out, carat_err *err)
{
    *out = NULL;
    struct stat st;
    if (stat(path, &st) != 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", path, strerror(errno));
    ct_safetensors *s = new_safetensors(path, err);
    if (!s)
        return false;
    bool ok =
        S_ISDIR(st.st_mode) ? open_folder(s, path, err) : open_single(s, path, err) && ct_safetensors_sort(s, err);
    if (!ok) {
        ct_safetensors_close(s);
        return false;
    }
    *out = s;
    return true;
}

bool ct_safetensors_open_memory(const char *path, const void *data, size_t size, ct_safetensors **out, carat_err *err)
{
    *out = NULL;
    ct_safetensors *s = new_safetensors(path, err);
    if (!s)
        return false;
    ct_shard *shard = add_shard(s, path, err);
    if (shard) {
        shard->data = data;
        shard->size = size;
    }
    if (!shard || !parse(s, shard, path, err) || !ct_safetensors_sort(s, err)) {
        ct_safetensors_close(s);
        return false;
    }
    *out = s;
    return true;
}

const ct_tensors *ct_safetensors_tensors(const ct_safetensors *s)
{
    return &s->tensors;
}

uint64_t ct_safetensors_file_bytes(const ct_safetensors *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n_shard; i++)
        sum += s->shard[i]->size;
    return sum;
}

uint64_t ct_safetensors_mapped_bytes(const ct_safetensors *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n_shard; i++)
        sum += s->shard[i]->map.mapped;
    return sum;
}

const char *ct_safetensors_first_skipped(const ct_safetensors *s, const char **dtype)
{
    *dtype = s->n_skipped ? s->skipped[0].dtype : NULL;
    return s->n_skipped ? s->skipped[0].name : NULL;
}

const char *ct_safetensors_skipped(const ct_safetensors *s, const char *name)
{
    const ct_skipped *k = ct_safetensors_find_skipped(s, name);
    return k ? k->dtype : NULL;
}
