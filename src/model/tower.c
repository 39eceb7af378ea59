/* What a vision tower is: every tensor looked up and checked, under whichever names its file uses.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/tower.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "model/pictures.h"
#include "model/source.h"

#define MAX_NAME    160
#define LAYER_PARTS (CT_N_TOWER_PARTS - CT_FIRST_TOWER_LAYER_PART)

/* ---- names ---- */

static void part_name(const ct_tower *t, ct_tower_part part, size_t layer, char name[MAX_NAME])
{
    const ct_tower_part_info *info = ct_tower_part_get(part);
    const char *own = info->name[t->naming];
    if (t->is_swapped && strncmp(own, "ffn_", 4) == 0)
        own = strncmp(own, "ffn_up", 6) == 0 ? (strstr(own, "bias") ? "ffn_down.bias" : "ffn_down.weight")
                                             : (strstr(own, "bias") ? "ffn_up.bias" : "ffn_up.weight");
    bool is_projector = info->kind == CT_TOWER_NORM || info->kind == CT_TOWER_TRANSPOSED;
    if (part >= CT_FIRST_TOWER_LAYER_PART)
        snprintf(name, MAX_NAME, "%s%s.%zu.%s", t->prefix, t->naming == CT_TOWER_HF ? "encoder.layers" : "v.blk", layer,
                 own);
    else
        snprintf(name, MAX_NAME, "%s%s", is_projector ? t->mm_prefix : t->prefix, own);
}

static void find_prefix(ct_tower *t, const ct_source *s)
{
    static const char *const prefixes[][2] = {
        { "vision_tower.vision_model.", "multi_modal_projector." },
        { "model.vision_tower.vision_model.", "model.multi_modal_projector." },
        { "vision_tower.", "multi_modal_projector." },
        { "model.vision_tower.", "model.multi_modal_projector." },
    };
    char name[MAX_NAME];
    t->prefix = prefixes[0][0], t->mm_prefix = prefixes[0][1]; /* whose absence is reported */
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        snprintf(name, sizeof name, "%s%s", prefixes[i][0], ct_tower_part_get(CT_TOWER_PATCH)->name[CT_TOWER_HF]);
        if (ct_tensors_find(s->tensors, name) || ct_safetensors_skipped(s->st, name)) {
            t->prefix = prefixes[i][0], t->mm_prefix = prefixes[i][1];
            return;
        }
    }
}

static void find_naming(ct_tower *t, const ct_source *s)
{
    t->prefix = t->mm_prefix = "";
    t->naming = CT_TOWER_HF;
    if (s->st) {
        find_prefix(t, s);
        return;
    }
    bool is_ollama = ct_tensors_find(s->tensors, ct_tower_part_get(CT_TOWER_PATCH)->name[CT_TOWER_OLLAMA]);
    const ct_tensor *up = ct_tensors_find(s->tensors, "v.blk.0.ffn_up.weight");
    t->naming = is_ollama ? CT_TOWER_OLLAMA : CT_TOWER_MMPROJ;
    t->is_swapped = !is_ollama && up && t->cfg.ffn != t->cfg.hidden && up->dims[0] == t->cfg.ffn;
}

/* ---- types ---- */

static size_t type_index(ct_tower_part part, size_t layer)
{
    return part < CT_FIRST_TOWER_LAYER_PART ? part : layer * LAYER_PARTS + part;
}

ct_type ct_tower_type(const ct_tower *t, ct_tower_part part, size_t layer)
{
    return t->types[type_index(part, layer)];
}

static bool take_types(ct_tower *t, carat_err *err)
{
    t->types = calloc(CT_FIRST_TOWER_LAYER_PART + (size_t)t->cfg.n_layer * LAYER_PARTS, sizeof *t->types);
    return t->types || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the vision tower's description");
}

typedef struct sum {
    const ct_tower *t;
    uint64_t bytes[CT_N_TYPE];
} sum;

static bool add_bytes(void *arg, ct_tower_part part, size_t layer)
{
    sum *s = arg;
    size_t rows, cols, bytes;
    ct_type type = ct_tower_type(s->t, part, layer);
    ct_tower_part_shape(&s->t->cfg, s->t->text_width, part, &rows, &cols);
    if (ct_row_bytes(type, cols, &bytes))
        s->bytes[type] += (uint64_t)bytes * rows; /* within the limits of the configuration */
    return true;
}

ct_type ct_tower_main_type(const ct_tower *t)
{
    sum s = { .t = t };
    ct_type most = CT_F32;
    ct_tower_each(&t->cfg, add_bytes, &s);
    for (uint32_t k = 0; k < CT_N_TYPE; k++)
        if (s.bytes[k] > s.bytes[most])
            most = (ct_type)k;
    return most;
}

/* ---- from a file ---- */

static bool has_shape(const ct_tower *t, ct_tower_part part, const ct_tensor *x)
{
    size_t rows, cols, side = t->cfg.patch_size;
    ct_tower_part_shape(&t->cfg, t->text_width, part, &rows, &cols);
    if (part == CT_TOWER_PATCH && t->is_channels_last)
        return x->dims[0] == t->cfg.n_channel && x->dims[1] == side && x->dims[2] == side && x->dims[3] == rows;
    if (part == CT_TOWER_PATCH)
        return x->dims[0] == side && x->dims[1] == side && x->dims[2] == t->cfg.n_channel && x->dims[3] == rows;
    return x->dims[0] == cols && x->dims[1] == rows && x->dims[2] == 1 && x->dims[3] == 1;
}

static bool refuse_shape(const ct_tower *t, const ct_source *s, ct_tower_part part, const ct_tensor *x, carat_err *err)
{
    char shape[96];
    size_t rows, cols;
    ct_tower_part_shape(&t->cfg, t->text_width, part, &rows, &cols);
    ct_tensor_shape(x, shape);
    if (part == CT_TOWER_PROJECT && x->dims[1] == t->cfg.hidden && x->n_dims == 2)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "%s: a projector to a text model of width %llu, but this one's width is %zu", s->path,
                       (unsigned long long)x->dims[0], t->text_width);
    if (part == CT_TOWER_PATCH)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: tensor '%s' is %s, expected [%u, %u, %u, %u]", s->path,
                       x->name, shape, t->cfg.patch_size, t->cfg.patch_size, t->cfg.n_channel, t->cfg.hidden);
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: tensor '%s' is %s, expected [%zu, %zu]", s->path, x->name,
                   shape, cols, rows);
}

typedef struct survey {
    ct_tower *t;
    const ct_source *src;
    carat_err *err;
} survey;

static bool add_tensor(void *arg, ct_tower_part part, size_t layer)
{
    survey *s = arg;
    ct_tower *t = s->t;
    char name[MAX_NAME];
    const ct_tensor *x;
    part_name(t, part, layer, name);
    if (!ct_source_find(s->src, name, &x, s->err))
        return false;
    if (part == CT_TOWER_PATCH && !has_shape(t, part, x)) { /* perhaps the other way round */
        t->is_channels_last = true;
        t->is_channels_last = has_shape(t, part, x);
    }
    if (!has_shape(t, part, x))
        return refuse_shape(t, s->src, part, x, s->err);
    t->types[type_index(part, layer)] = x->type;
    t->tensor_bytes += x->bytes;
    t->n_params += x->dims[0] * x->dims[1] * x->dims[2] * x->dims[3];
    return true;
}

const ct_tensor *ct_tower_tensor(const ct_tower *t, const ct_source *src, ct_tower_part part, size_t layer)
{
    char name[MAX_NAME];
    part_name(t, part, layer, name);
    return ct_tensors_find(src->tensors, name);
}

/* Layers beyond those of the header: then the file contradicts its header. */
static bool no_more_layers(const ct_tower *t, const ct_source *s, carat_err *err)
{
    char name[MAX_NAME];
    part_name(t, CT_FIRST_TOWER_LAYER_PART, t->cfg.n_layer, name);
    if (ct_tensors_find(s->tensors, name))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: tensor '%s', but the header states %u layers", s->path,
                       name, t->cfg.n_layer);
    return true;
}

static bool describe(ct_tower *t, const char *path, ct_source *src, carat_err *err)
{
    survey s = { t, src, err };
    if (!ct_source_open_vision(src, path, &t->cfg, err) || !ct_pictures_check(src, &t->cfg, err) || !take_types(t, err))
        return false;
    t->path = strdup(path);
    if (!t->path)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the vision tower's description", path);
    t->is_packed = src->pack != NULL;
    find_naming(t, src);
    return ct_tower_each(&t->cfg, add_tensor, &s) && no_more_layers(t, src, err);
}

static bool new_tower(size_t text_width, ct_tower **out, carat_err *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the vision tower's description");
    (*out)->text_width = text_width;
    return true;
}

bool ct_tower_describe(const char *path, size_t text_width, ct_source *src, ct_tower **out, carat_err *err)
{
    *src = (ct_source){ 0 };
    if (!new_tower(text_width, out, err))
        return false;
    if (describe(*out, path, src, err))
        return true;
    ct_tower_close(*out);
    *out = NULL;
    return false;
}

/* ---- one that is not ---- */

typedef struct imagined {
    ct_tower *t;
    ct_type type;
    carat_err *err;
} imagined;

/* What blocks do not fit stays in half precision: rows that they do not divide, and the projector, which is stored
 * across (text width fastest). */
static ct_type written_type(ct_tower_part part, size_t cols, ct_type type)
{
    const ct_type_info *info = ct_type_get(type);
    ct_tower_kind kind = ct_tower_part_get(part)->kind;
    if (part == CT_TOWER_PATCH || (kind != CT_TOWER_MATRIX && kind != CT_TOWER_TRANSPOSED))
        return CT_F32;
    bool fits = kind == CT_TOWER_MATRIX ? cols % (size_t)info->block == 0 : !info->is_quantised;
    return fits ? type : CT_F16;
}

static bool set_type(void *arg, ct_tower_part part, size_t layer)
{
    imagined *i = arg;
    size_t rows, cols, bytes;
    ct_tower_part_shape(&i->t->cfg, i->t->text_width, part, &rows, &cols);
    ct_type type = written_type(part, cols, i->type);
    if (!ct_row_bytes(type, cols, &bytes))
        return ct_fail(i->err, CARAT_EARG, CARAT_NOWHERE, "vision tower: %s of %zu columns cannot be of type %s",
                       ct_tower_part_get(part)->name[CT_TOWER_MMPROJ], cols, ct_type_get(type)->name);
    i->t->types[type_index(part, layer)] = type;
    i->t->tensor_bytes += (uint64_t)bytes * rows;
    i->t->n_params += (uint64_t)rows * cols;
    return true;
}

bool ct_tower_imagine(const ct_vision_config *c, size_t text_width, ct_type type, ct_tower **out, carat_err *err)
{
    if (!new_tower(text_width, out, err))
        return false;
    ct_tower *t = *out;
    t->cfg = *c;
    t->naming = CT_TOWER_MMPROJ;
    t->prefix = t->mm_prefix = "";
    if (take_types(t, err) && ct_tower_each(c, set_type, &(imagined){ t, type, err }))
        return true;
    ct_tower_close(t);
    *out = NULL;
    return false;
}

void ct_tower_close(ct_tower *t)
{
    if (!t)
        return;
    free(t->types);
    free(t->path);
    free(t);
}
