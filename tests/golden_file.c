/* golden_file.c - see golden_file.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "base/size.h"
#include "unit.h"

static char *join(const char *folder, const char *name)
{
    size_t len = strlen(folder) + strlen(name) + 2;
    char *path = malloc(len);
    if (!path)
        fail_msg("no memory for a path");
    snprintf(path, len, "%s/%s", folder, name);
    return path;
}

golden_file *golden_open(const char *folder)
{
    golden_file *g = calloc(1, sizeof *g);
    if (!g)
        fail_msg("%s: no memory", folder);
    g->folder = folder[0] == '/' ? join(folder, "") : join(TEST_DATA, folder);
    char *path = join(g->folder, "manifest.json");
    carat_err err;
    if (!ct_json_load(path, (size_t)64 << 20, &g->manifest, &err))
        fail_msg("%s", err.msg);
    free(path);
    if (!json_is_object(json_object_get(g->manifest, "arrays")))
        fail_msg("%s/manifest.json has no object 'arrays'", g->folder);
    return g;
}

void golden_close(golden_file *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_data; i++) {
        free(g->data[i].name);
        free(g->data[i].data);
    }
    json_decref(g->manifest);
    free(g->folder);
    free(g);
}

/* The whole file of that name, read once. */
static const struct golden_data *data_file(golden_file *g, const char *name)
{
    for (size_t i = 0; i < g->n_data; i++)
        if (strcmp(g->data[i].name, name) == 0)
            return &g->data[i];
    if (g->n_data == sizeof g->data / sizeof *g->data)
        fail_msg("%s: more than %zu data files", g->folder, g->n_data);
    struct golden_data *d = &g->data[g->n_data];
    char *path = join(g->folder, name), *bytes = NULL;
    carat_err err;
    if (!ct_read_file(path, (size_t)1 << 30, &bytes, &d->size, &err))
        fail_msg("%s", err.msg);
    free(path);
    d->data = (uint8_t *)bytes;
    d->name = strdup(name);
    if (!d->name)
        fail_msg("no memory for a name");
    g->n_data++;
    return d;
}

static golden_dtype dtype_by_name(const char *array, const char *name, size_t *size)
{
    static const struct {
        const char *name;
        golden_dtype dtype;
        size_t size;
    } known[] = { { "float32", GOLDEN_F32, 4 },
                  { "float64", GOLDEN_F64, 8 },
                  { "int32", GOLDEN_I32, 4 },
                  { "int64", GOLDEN_I64, 8 },
                  { "uint8", GOLDEN_U8, 1 } };
    for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) {
            *size = known[i].size;
            return known[i].dtype;
        }
    fail_msg("%s: unknown dtype '%s'", array, name ? name : "(none)");
    return GOLDEN_U8;
}

bool golden_find(golden_file *g, const char *name, golden_array *out)
{
    json_t *entry = json_object_get(json_object_get(g->manifest, "arrays"), name);
    if (!entry)
        return false;
    const char *file = json_string_value(json_object_get(entry, "file"));
    json_t *shape = json_object_get(entry, "shape"), *dim;
    json_int_t offset = json_integer_value(json_object_get(entry, "offset"));
    if (!file || !json_is_array(shape) || json_array_size(shape) > GOLDEN_MAX_DIM || offset < 0)
        fail_msg("%s: '%s' has no file, no shape of up to %d dimensions, or a bad offset", g->folder, name,
                 GOLDEN_MAX_DIM);

    golden_array a = { .n_dim = (int)json_array_size(shape), .count = 1 };
    size_t size = 1, i, bytes;
    a.dtype = dtype_by_name(name, json_string_value(json_object_get(entry, "dtype")), &size);
    for (i = 0; i < GOLDEN_MAX_DIM; i++)
        a.shape[i] = 1;
    json_array_foreach(shape, i, dim) {
        a.shape[i] = (size_t)json_integer_value(dim);
        if (!ct_mul_size(a.count, a.shape[i], &a.count))
            fail_msg("%s: the shape of '%s' overflows", g->folder, name);
    }
    const struct golden_data *d = data_file(g, file);
    if (!ct_mul_size(a.count, size, &bytes) || !ct_inside((uint64_t)offset, bytes, d->size))
        fail_msg("%s: '%s' does not lie inside %s", g->folder, name, file);
    if ((size_t)offset % size != 0)
        fail_msg("%s: '%s' is not aligned for its dtype", g->folder, name);
    a.data = d->data + offset;
    *out = a;
    return true;
}

golden_array golden_get(golden_file *g, const char *name)
{
    golden_array a = { 0 };
    if (!golden_find(g, name, &a))
        fail_msg("%s: there is no array '%s'", g->folder, name);
    return a;
}

static const void *typed(golden_file *g, const char *name, golden_dtype dtype, size_t n, size_t *count)
{
    golden_array a = golden_get(g, name);
    if (a.dtype != dtype)
        fail_msg("%s: '%s' has another dtype than the test wants", g->folder, name);
    if (n && a.count != n)
        fail_msg("%s: '%s' has %zu values, the test wants %zu", g->folder, name, a.count, n);
    if (count)
        *count = a.count;
    return a.data;
}

const float *golden_f32(golden_file *g, const char *name, size_t n, size_t *count)
{
    return typed(g, name, GOLDEN_F32, n, count);
}

const int32_t *golden_i32(golden_file *g, const char *name, size_t n, size_t *count)
{
    return typed(g, name, GOLDEN_I32, n, count);
}
