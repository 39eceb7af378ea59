/* Opens what is to be quantised, or compared, and lists its tensors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quantise/input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "model/write_gguf.h"

/* ---- names ---- */

/* Which part a tensor of a GGUF file is. */
static ct_part part_of(const char *name, size_t *layer)
{
    const char *suffix = name;
    *layer = 0;
    if (strncmp(name, "blk.", 4) == 0) {
        char *end;
        *layer = strtoul(name + 4, &end, 10);
        suffix = *end == '.' ? end + 1 : name;
    }
    for (ct_part p = suffix == name ? 0 : CT_FIRST_LAYER_PART; p < CT_N_PARTS; p++)
        if (strcmp(ct_part_get(p)->gguf, suffix) == 0)
            return p;
    return CT_N_PARTS;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), n_end = strlen(end);
    return n >= n_end && strcmp(s + n - n_end, end) == 0;
}

/* May a tower's tensor be quantised? The matrices of its layers may; patches, positions and the projector, which is read
 * transposed, may not (ct_tower_imagine). */
static bool is_tower_matrix(const char *name)
{
    return strncmp(name, "v.blk.", 6) == 0;
}

void ct_input_describe(ct_input_tensor *i, const ct_tensor *t)
{
    i->t = t;
    i->is_vision = strncmp(i->name, "v.", 2) == 0 || strncmp(i->name, "mm.", 3) == 0;
    i->part = i->is_vision ? CT_N_PARTS : part_of(i->name, &i->layer);
    const bool is_norm = i->part < CT_N_PARTS ? ct_part_get(i->part)->is_norm : strstr(i->name, "_norm.weight") != NULL;
    i->is_matrix = t->n_dims == 2 && t->dims[1] > 1 && ends_with(i->name, ".weight") && !is_norm &&
                   (!i->is_vision || is_tower_matrix(i->name));
}

/* ---- GGUF ---- */

static int by_place(const void *x, const void *y)
{
    const ct_tensor *a = ((const ct_input_tensor *)x)->t, *b = ((const ct_input_tensor *)y)->t;
    if (a->map != b->map)
        return a->map < b->map ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

void ct_input_sort(ct_input *in)
{
    qsort(in->tensors, in->n, sizeof *in->tensors, by_place);
}

static bool no_memory(const ct_input *in, carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its list of tensors", in->path);
}

static bool list_gguf(ct_input *in, const ct_tensors *all, carat_err *err)
{
    in->tensors = calloc(all->n + 1, sizeof *in->tensors);
    if (!in->tensors)
        return no_memory(in, err);
    for (size_t k = 0; k < all->n; k++) {
        ct_input_tensor *i = &in->tensors[in->n++];
        snprintf(i->name, sizeof i->name, "%s", all->items[k].name);
        ct_input_describe(i, &all->items[k]);
    }
    ct_input_sort(in);
    return true;
}

static bool is_arch(const ct_str *s, const char *name)
{
    return s->data && s->len == strlen(name) && memcmp(s->data, name, s->len) == 0;
}

static bool open_text(ct_input *in, carat_err *err)
{
    if (!ct_model_describe(in->path, false, &in->src, &in->model, err) ||
        !ct_model_read_vocab(in->model, &in->src, err))
        return false;
    in->cfg = in->model->cfg;
    return true;
}

/* Is it a tower's file? What is no GGUF file at all, open_text says. */
static bool is_tower(const char *path)
{
    ct_gguf *g;
    ct_str arch = { NULL, 0 };
    if (!ct_gguf_open(path, &g, NULL))
        return false;
    const bool is =
        ct_gguf_text(g, "general.architecture", &arch, NULL) && (is_arch(&arch, "clip") || is_arch(&arch, "mmproj"));
    ct_gguf_close(g);
    return is;
}

static bool open_gguf(ct_input *in, carat_err *err)
{
    ct_vision_config v;
    in->is_tower = is_tower(in->path);
    if (in->is_tower ? !ct_source_open_vision(&in->src, in->path, &v, err) : !open_text(in, err))
        return false;
    return list_gguf(in, in->src.tensors, err);
}

/* ---- folders ---- */

typedef struct listing {
    ct_input *in;
    carat_err *err;
} listing;

static bool list_part(void *arg, ct_part part, size_t layer)
{
    const listing *l = arg;
    ct_input_tensor *i = &l->in->tensors[l->in->n];
    const ct_tensor *t;
    if (!ct_source_tensor(&l->in->src, &l->in->cfg, part, layer, &t, l->err))
        return false;
    if (part < CT_FIRST_LAYER_PART)
        snprintf(i->name, sizeof i->name, "%s", ct_part_get(part)->gguf);
    else
        snprintf(i->name, sizeof i->name, "blk.%zu.%s", layer, ct_part_get(part)->gguf);
    ct_input_describe(i, t);
    i->adds_one = ct_part_get(part)->is_norm;
    l->in->n++;
    return true;
}

static bool open_folder(ct_input *in, carat_err *err)
{
    if (!open_text(in, err))
        return false;
    in->tensors = calloc((size_t)in->cfg.n_layer * CT_N_PARTS + CT_N_PARTS, sizeof *in->tensors);
    if (!in->tensors)
        return no_memory(in, err);
    in->leaves_tower = in->cfg.vision.present;
    return ct_part_each(&in->cfg, list_part, &(listing){ in, err });
}

/* ---- all of it ---- */

bool ct_input_open(ct_input *in, const char *path, carat_err *err)
{
    struct stat st;
    *in = (ct_input){ .path = path };
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? open_folder(in, err) : open_gguf(in, err);
}

void ct_input_close(ct_input *in)
{
    free(in->tensors);
    ct_model_close(in->model);
    ct_tower_close(in->tower);
    ct_source_close(&in->src);
    *in = (ct_input){ 0 };
}

/* Of how a file was quantised: another's are not the new one's. */
static bool is_of_quantising(const char *key)
{
    return strcmp(key, "general.file_type") == 0 || strcmp(key, "general.quantization_version") == 0 ||
           strncmp(key, "quantize.", 9) == 0;
}

bool ct_input_write_keys(const ct_input *in, ct_gguf_writer *w, carat_err *err)
{
    const ct_gguf *g = in->src.gguf;
    if (in->tower) {
        ct_write_tower_keys(w, &in->tower->cfg, in->tower->text_width);
        return true;
    }
    if (!g)
        return ct_write_model_keys(w, in->model, err);
    for (size_t i = 0; i < ct_gguf_n_kv(g); i++)
        if (!is_of_quantising(ct_gguf_kv_at(g, i)->key))
            ct_gguf_writer_copy(w, ct_gguf_kv_at(g, i));
    return true;
}

size_t ct_input_rows(const ct_input_tensor *t)
{
    return (size_t)(t->t->dims[1] * t->t->dims[2] *
                    t->t->dims[3]); /* their product with dims[0] is in memory's range */
}

size_t ct_input_row_bytes(const ct_input_tensor *t)
{
    return t->t->bytes / ct_input_rows(t);
}

void ct_input_unpack(const ct_input_tensor *t, const uint8_t *bytes, size_t n, float *out)
{
    const size_t cols = (size_t)t->t->dims[0], row = ct_input_row_bytes(t);
    for (size_t r = 0; r < n; r++)
        ct_unpack_row(t->t->type, bytes + r * row, out + r * cols, cols);
    for (size_t i = 0; t->adds_one && i < n * cols; i++)
        out[i] += 1;
}
