/* gguf.c - opens a GGUF file, or all the parts of a split one, and owns what was read.
 *
 * A split model is a series of complete GGUF files NAME-00001-of-00003.gguf ... whose keys split.no (from 0),
 * split.count and split.tensors.count state their order. The first has the metadata; each has a share of the tensors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "format/gguf_part.h"

/* Each part keeps a file descriptor open, and a process may have 1024. */
#define MAX_PARTS 256
/* The copy grows as the header is read; one with Gemma's vocabulary has 6 MiB. */
#define FIRST_BYTES ((size_t)1 << 20)

static void close_part(ct_gguf_part *p)
{
    if (!p)
        return;
    free(p->kv);
    free(p->sorted);
    ct_map_close(&p->map);
    free(p);
}

void ct_gguf_close(ct_gguf *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_part; i++)
        close_part(g->part[i]);
    ct_names_deinit(&g->names);
    free(g->part);
    free(g->tensors.items);
    free(g->path);
    free(g);
}

static bool parse(ct_gguf *g, ct_gguf_part *p, const char *path, carat_err *err)
{
    char buf[100];
    return ct_gguf_parse(g, p, err) || ct_fail_in(err, "%s", ct_short_path(path, buf));
}

/* Opens and reads one file. *out is set as soon as there is something to be closed. */
static bool open_part(ct_gguf *g, const char *path, ct_gguf_part **out, carat_err *err)
{
    ct_gguf_part *p = *out = calloc(1, sizeof *p);
    if (!p)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the file's directory", path);
    if (!ct_map_open_head(&p->map, path, FIRST_BYTES, err))
        return false;
    p->data = p->map.data;
    p->size = p->map.size;
    return parse(g, p, path, err);
}

/* "-00002-of-00003.gguf" */
static void part_suffix(char buf[64], size_t i, size_t n)
{
    snprintf(buf, 64, "-%05zu-of-%05zu.gguf", i + 1, n);
}

static bool check_part(const ct_gguf_part *p, size_t i, size_t n, const char *path, carat_err *err)
{
    char buf[100];
    if (p->split_no == (int64_t)i && p->split_count == (int64_t)n)
        return true;
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                   "%s: it is part %lld of %lld (split.no, split.count), expected %zu of %zu", ct_short_path(path, buf),
                   (long long)p->split_no + 1, (long long)p->split_count, i + 1, n);
}

/* The part opened first states how many there are: makes room, puts it in its place, opens the others. */
static bool open_series(ct_gguf *g, carat_err *err)
{
    ct_gguf_part *first = g->part[0];
    size_t n = (size_t)first->split_count, no = (size_t)first->split_no, len = strlen(g->path);
    char suffix[64], buf[100];
    if (n > MAX_PARTS || no >= n)
        return ct_fail(err, n > MAX_PARTS ? CARAT_ELIMIT : CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: part %zu of %zu (split.no, split.count); up to %d parts can be opened",
                       ct_short_path(g->path, buf), no + 1, n, MAX_PARTS);
    part_suffix(suffix, no, n);
    size_t stem = len - strlen(suffix);
    if (len <= strlen(suffix) || strcmp(g->path + stem, suffix) != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: is part %zu of %zu, so its name should end in '%s' to find the others",
                       ct_short_path(g->path, buf), no + 1, n, suffix);
    ct_gguf_part **part = calloc(n, sizeof *part);
    char *path = malloc(len + sizeof suffix);
    bool ok = part && path;
    if (!ok) {
        free(part);
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for %zu parts", ct_short_path(g->path, buf), n);
        goto done;
    }
    free(g->part);
    g->part = part;
    g->n_part = n;
    part[no] = first;
    memcpy(path, g->path, stem);
    for (size_t i = 0; ok && i < n; i++) {
        part_suffix(suffix, i, n);
        memcpy(path + stem, suffix, strlen(suffix) + 1);
        if (i != no && !open_part(g, path, &part[i], err))
            ok = ct_fail_in(err, "part %zu of %zu", i + 1, n);
        ok = ok && check_part(part[i], i, n, path, err);
    }
done:
    free(path);
    return ok;
}

static bool check_total(const ct_gguf *g, carat_err *err)
{
    char buf[100];
    int64_t said = g->part[0]->split_tensors;
    if (said < 0 || said == (int64_t)g->tensors.n)
        return true;
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %zu tensors in %zu parts, but split.tensors.count is %lld",
                   ct_short_path(g->path, buf), g->tensors.n, g->n_part, (long long)said);
}

/* A container with room for one part: most models have no more. */
static ct_gguf *new_gguf(const char *path, carat_err *err)
{
    ct_gguf *g = calloc(1, sizeof *g);
    if (g) {
        g->path = strdup(path);
        g->part = calloc(1, sizeof *g->part);
        g->n_part = g->part ? 1 : 0;
    }
    if (g && g->path && g->part)
        return g;
    ct_gguf_close(g);
    ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the file's directory", path);
    return NULL;
}

bool ct_gguf_open(const char *path, ct_gguf **out, carat_err *err)
{
    *out = NULL;
    ct_gguf *g = new_gguf(path, err);
    if (!g)
        return false;
    bool ok = open_part(g, path, &g->part[0], err);
    if (ok && g->part[0]->split_count > 1)
        ok = open_series(g, err) && check_total(g, err);
    char buf[100];
    if (ok && !ct_tensors_sort(&g->tensors, err))
        ok = ct_fail_in(err, "%s", ct_short_path(path, buf));
    if (!ok) {
        ct_gguf_close(g);
        return false;
    }
    *out = g;
    return true;
}

/* Room for any tensor; sums of places stay within size_t. */
#define ELSEWHERE (SIZE_MAX / 4)

static bool open_memory(const char *path, const void *data, size_t size, size_t elsewhere, ct_gguf **out,
                        carat_err *err)
{
    *out = NULL;
    ct_gguf *g = new_gguf(path, err);
    if (!g)
        return false;
    char buf[100];
    ct_gguf_part *p = g->part[0] = calloc(1, sizeof *p);
    bool ok = p != NULL;
    if (!ok) {
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the file's directory", path);
    } else {
        p->map.fd = -1;
        p->data = data;
        p->size = size;
        p->elsewhere = elsewhere;
        ok = parse(g, p, path, err);
    }
    if (ok && p->split_count > 1)
        ok = ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: one part of a split file, given alone",
                     ct_short_path(path, buf));
    if (ok && !ct_tensors_sort(&g->tensors, err))
        ok = ct_fail_in(err, "%s", ct_short_path(path, buf));
    if (!ok) {
        ct_gguf_close(g);
        return false;
    }
    *out = g;
    return true;
}

bool ct_gguf_open_memory(const char *path, const void *data, size_t size, ct_gguf **out, carat_err *err)
{
    return open_memory(path, data, size, 0, out, err);
}

bool ct_gguf_open_head(const char *path, const void *data, size_t size, ct_gguf **out, carat_err *err)
{
    return size <= ELSEWHERE ? open_memory(path, data, size, ELSEWHERE, out, err)
                             : ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: a head of %zu bytes", path, size);
}

const ct_tensors *ct_gguf_tensors(const ct_gguf *g)
{
    return &g->tensors;
}

const char *ct_gguf_path(const ct_gguf *g)
{
    return g->path;
}

uint64_t ct_gguf_file_bytes(const ct_gguf *g)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < g->n_part; i++)
        sum += g->part[i]->size;
    return sum;
}

uint64_t ct_gguf_mapped_bytes(const ct_gguf *g)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < g->n_part; i++)
        sum += g->part[i]->map.mapped;
    return sum;
}

size_t ct_gguf_directory_bytes(const ct_gguf *g)
{
    return g->directory_bytes + g->names.bytes;
}

size_t ct_gguf_n_kv(const ct_gguf *g)
{
    return g->part[0]->n_kv;
}

const ct_gguf_kv *ct_gguf_kv_at(const ct_gguf *g, size_t i)
{
    return i < g->part[0]->n_kv ? &g->part[0]->kv[i] : NULL;
}
