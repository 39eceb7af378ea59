/* The tower's tensors: their names in three layouts, their shapes, and loading them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "vision/tower.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "model/packing.h"

#define MAX_NAME 160

/* ---- names and shapes ---- */

enum extent { ONE, HIDDEN, FFN, PATCH, PATCHES, TEXT };

/* Published folders and what transformers writes today; llama.cpp's mmproj; Ollama's single file. */
enum naming { HF, MMPROJ, OLLAMA };

enum kind {
    MATRIX,
    VECTOR,     /* of the tower: as it stands */
    SOFT_NORM,  /* of the projector: safetensors hold w of y = x (1 + w), GGUF writers have added the 1 */
    TRANSPOSED, /* the projector's matrix */
};

typedef struct part {
    const char *name[3]; /* by naming; of a layer, what follows its number */
    enum kind kind;
    size_t offset; /* of a ct_matrix or a float * in ct_tower or ct_tower_layer */
    enum extent rows, cols;
} part;

#define T(field) offsetof(ct_tower, field)
#define L(field) offsetof(ct_tower_layer, field)

static const part tower_parts[] = {
    { { "embeddings.patch_embedding.weight", "v.patch_embd.weight", "v.patch_embedding.weight" },
      MATRIX,
      T(patch.w),
      HIDDEN,
      PATCH },
    { { "embeddings.patch_embedding.bias", "v.patch_embd.bias", "v.patch_embedding.bias" },
      VECTOR,
      T(patch.b),
      ONE,
      HIDDEN },
    { { "embeddings.position_embedding.weight", "v.position_embd.weight", "v.position_embedding.weight" },
      VECTOR,
      T(position),
      PATCHES,
      HIDDEN },
    { { "post_layernorm.weight", "v.post_ln.weight", "v.post_layernorm.weight" }, VECTOR, T(post_w), ONE, HIDDEN },
    { { "post_layernorm.bias", "v.post_ln.bias", "v.post_layernorm.bias" }, VECTOR, T(post_b), ONE, HIDDEN },
    { { "mm_soft_emb_norm.weight", "mm.soft_emb_norm.weight", "mm.mm_soft_emb_norm.weight" },
      SOFT_NORM,
      T(soft_norm),
      ONE,
      HIDDEN },
    { { "mm_input_projection_weight", "mm.input_projection.weight", "mm.mm_input_projection.weight" },
      TRANSPOSED,
      T(project),
      HIDDEN,
      TEXT },
};

#define BOTH(hf, mmproj, ollama, to, rows, cols)                                                                       \
    { { hf ".weight", mmproj ".weight", ollama ".weight" }, MATRIX, L(to.w), rows, cols },                             \
    {                                                                                                                  \
        { hf ".bias", mmproj ".bias", ollama ".bias" }, VECTOR, L(to.b), ONE, rows                                     \
    }
#define NORM(hf, mmproj, to)                                                                                           \
    { { hf ".weight", mmproj ".weight", hf ".weight" }, VECTOR, L(to##_w), ONE, HIDDEN },                              \
    {                                                                                                                  \
        { hf ".bias", mmproj ".bias", hf ".bias" }, VECTOR, L(to##_b), ONE, HIDDEN                                     \
    }

static const part layer_parts[] = {
    NORM("layer_norm1", "ln1", norm1),
    BOTH("self_attn.q_proj", "attn_q", "attn_q", q, HIDDEN, HIDDEN),
    BOTH("self_attn.k_proj", "attn_k", "attn_k", k, HIDDEN, HIDDEN),
    BOTH("self_attn.v_proj", "attn_v", "attn_v", v, HIDDEN, HIDDEN),
    BOTH("self_attn.out_proj", "attn_out", "attn_output", o, HIDDEN, HIDDEN),
    NORM("layer_norm2", "ln2", norm2),
    BOTH("mlp.fc1", "ffn_up", "mlp.fc1", fc1, FFN, HIDDEN),
    BOTH("mlp.fc2", "ffn_down", "mlp.fc2", fc2, HIDDEN, FFN),
};

#define N_TOWER (sizeof tower_parts / sizeof *tower_parts)
#define N_LAYER (sizeof layer_parts / sizeof *layer_parts)

typedef struct finder {
    ct_tower *t;
    const ct_source *s;
    ct_pool *pool;
    ct_arena *arena;
    enum naming naming;
    const char *prefix;    /* of the tower's HF names */
    const char *mm_prefix; /* of the projector's */
    bool is_swapped;       /* an early mmproj file: ffn_up is fc2 and ffn_down fc1 */
    carat_err *err;
} finder;

static size_t extent_of(const ct_tower *t, enum extent e)
{
    const ct_vision_config *c = &t->cfg;
    switch (e) {
    case HIDDEN:
        return c->hidden;
    case FFN:
        return c->ffn;
    case PATCH:
        return (size_t)c->n_channel * c->patch_size * c->patch_size;
    case PATCHES:
        return ct_vision_patches(c);
    case TEXT:
        return t->text_width;
    default:
        return 1;
    }
}

static void part_name(const finder *f, const part *p, bool is_layer, size_t layer, char name[MAX_NAME])
{
    const char *own = p->name[f->naming];
    if (f->is_swapped && strncmp(own, "ffn_", 4) == 0)
        own = strncmp(own, "ffn_up", 6) == 0 ? (strstr(own, "bias") ? "ffn_down.bias" : "ffn_down.weight")
                                             : (strstr(own, "bias") ? "ffn_up.bias" : "ffn_up.weight");
    if (is_layer)
        snprintf(name, MAX_NAME, "%s%s.%zu.%s", f->prefix, f->naming == HF ? "encoder.layers" : "v.blk", layer, own);
    else
        snprintf(name, MAX_NAME, "%s%s", p->kind == SOFT_NORM || p->kind == TRANSPOSED ? f->mm_prefix : f->prefix, own);
}

/* ---- which file is this ---- */

static bool find_hf(finder *f)
{
    static const char *const prefixes[][2] = {
        { "vision_tower.vision_model.", "multi_modal_projector." },
        { "model.vision_tower.vision_model.", "model.multi_modal_projector." },
        { "vision_tower.", "multi_modal_projector." },
        { "model.vision_tower.", "model.multi_modal_projector." },
    };
    char name[MAX_NAME];
    f->prefix = prefixes[0][0], f->mm_prefix = prefixes[0][1]; /* whose absence is reported */
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        snprintf(name, sizeof name, "%s%s", prefixes[i][0], tower_parts[0].name[HF]);
        if (ct_tensors_find(f->s->tensors, name) || ct_safetensors_skipped(f->s->st, name)) {
            f->prefix = prefixes[i][0], f->mm_prefix = prefixes[i][1];
            break;
        }
    }
    return true;
}

static void find_naming(finder *f)
{
    f->prefix = f->mm_prefix = "";
    f->naming = HF;
    if (f->s->st) {
        find_hf(f);
        return;
    }
    f->naming = ct_tensors_find(f->s->tensors, tower_parts[0].name[OLLAMA]) ? OLLAMA : MMPROJ;
    const ct_tensor *up = ct_tensors_find(f->s->tensors, "v.blk.0.ffn_up.weight");
    f->is_swapped = f->naming == MMPROJ && up && f->t->cfg.ffn != f->t->cfg.hidden && up->dims[0] == f->t->cfg.ffn;
}

/* ---- looking up ---- */

static bool has_shape(const finder *f, const part *p, const ct_tensor *t)
{
    size_t rows = extent_of(f->t, p->rows), cols = extent_of(f->t, p->cols), side = f->t->cfg.patch_size;
    if (p->cols == PATCH)
        return t->dims[0] == side && t->dims[1] == side && t->dims[2] == f->t->cfg.n_channel && t->dims[3] == rows;
    return t->dims[0] == cols && t->dims[1] == rows && t->dims[2] == 1 && t->dims[3] == 1;
}

static bool look_up(const finder *f, const part *p, bool is_layer, size_t layer, const ct_tensor **out)
{
    char name[MAX_NAME], shape[96];
    part_name(f, p, is_layer, layer, name);
    if (!ct_source_find(f->s, name, out, f->err))
        return false;
    if (has_shape(f, p, *out))
        return true;
    if (p->kind == TRANSPOSED && (*out)->dims[1] == f->t->cfg.hidden && (*out)->n_dims == 2)
        return ct_fail(f->err, CARAT_EARG, CARAT_NOWHERE,
                       "%s: a projector to a text model of width %llu, but this one's width is %zu", f->s->path,
                       (unsigned long long)(*out)->dims[0], f->t->text_width);
    if (p->cols == PATCH)
        return ct_fail(f->err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: tensor '%s' is %s, expected [%u, %u, %u, %u]",
                       f->s->path, name, ct_tensor_shape(*out, shape), f->t->cfg.patch_size, f->t->cfg.patch_size,
                       f->t->cfg.n_channel, f->t->cfg.hidden);
    return ct_fail(f->err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: tensor '%s' is %s, expected [%zu, %zu]", f->s->path, name,
                   ct_tensor_shape(*out, shape), extent_of(f->t, p->cols), extent_of(f->t, p->rows));
}

/* Calls fn for every tensor of the tower, in the order of the arena. */
typedef bool part_fn(finder *f, const part *p, const ct_tensor *t, void *place);

static bool each_part(finder *f, part_fn *fn)
{
    const ct_tensor *t;
    for (size_t i = 0; i < N_TOWER; i++)
        if (!look_up(f, &tower_parts[i], false, 0, &t) ||
            !fn(f, &tower_parts[i], t, (char *)f->t + tower_parts[i].offset))
            return false;
    for (size_t l = 0; l < f->t->cfg.n_layer; l++)
        for (size_t i = 0; i < N_LAYER; i++)
            if (!look_up(f, &layer_parts[i], true, l, &t) ||
                !fn(f, &layer_parts[i], t, (char *)&f->t->layers[l] + layer_parts[i].offset))
                return false;
    return true;
}

/* Layers that the header does not know of: then the file is not what its header says. */
static bool no_more_layers(const finder *f)
{
    char name[MAX_NAME];
    part_name(f, &layer_parts[0], true, f->t->cfg.n_layer, name);
    if (ct_tensors_find(f->s->tensors, name))
        return ct_fail(f->err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: tensor '%s', but the header states %u layers",
                       f->s->path, name, f->t->cfg.n_layer);
    return true;
}

/* ---- sizes ---- */

/* Describes the part and takes (or counts) its bytes. */
static bool take_part(finder *f, const part *p, const ct_tensor *t, void *place)
{
    size_t rows = extent_of(f->t, p->rows), cols = extent_of(f->t, p->cols), bytes;
    if (p->kind == VECTOR || p->kind == SOFT_NORM) {
        float *w = ct_arena_take(f->arena, rows * cols, sizeof *w);
        memcpy(place, &w, sizeof w);
        return true;
    }
    ct_matrix m = { .type = t->type, .rows = rows, .cols = cols };
    if (p->kind == TRANSPOSED) {
        m.rows = cols, m.cols = rows;
        if (ct_type_get(t->type)->is_quantised) /* blocks run along the file's rows */
            m.type = CT_F32;
    }
    if (!ct_pack_bytes(m.type, m.rows, m.cols, &bytes))
        return ct_fail(f->err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%s': %zu x %zu cannot be of type %s", f->s->path,
                       t->name, m.rows, m.cols, ct_type_get(m.type)->name);
    m.bytes = bytes;
    m.packed = ct_arena_take(f->arena, bytes, 1);
    memcpy(place, &m, sizeof m);
    return true;
}

static bool take_all(finder *f, ct_arena *a)
{
    f->arena = a;
    if (!each_part(f, take_part))
        return false;
    if (a->overflow)
        return ct_fail(f->err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: the vision weights' size overflows", f->s->path);
    return true;
}

/* ---- loading ---- */

static bool load_vector(const finder *f, const part *p, const ct_tensor *t, float *w)
{
    ct_window from;
    size_t row_bytes = t->bytes / t->dims[1];
    if (!ct_tensor_window(t, 0, t->bytes, &from, f->err))
        return false;
    for (size_t r = 0; r < t->dims[1]; r++)
        ct_unpack_row(t->type, from.data + r * row_bytes, w + r * t->dims[0], t->dims[0]);
    ct_window_close(&from);
    if (p->kind == SOFT_NORM && f->naming == HF)
        for (size_t i = 0; i < t->dims[0]; i++)
            w[i] += 1.0f;
    return true;
}

/* One row of the file, a column of the packed matrix. */
static void scatter(const ct_tensor *t, const uint8_t *row, float *values, const ct_matrix *m, uint8_t *to, size_t col,
                    size_t elem)
{
    const uint8_t *from = row;
    if (m->type != t->type) {
        ct_unpack_row(t->type, row, values, m->rows);
        from = (const uint8_t *)values;
    }
    for (size_t r = 0; r < m->rows; r++)
        memcpy(to + (r * m->cols + col) * elem, from + r * elem, elem);
}

static bool load_transposed(finder *f, const ct_tensor *t, const ct_matrix *m)
{
    size_t elem = m->type == CT_F32 ? 4 : 2, row_bytes = t->bytes / m->cols, bytes;
    size_t n_panels = (m->rows + CT_PANEL - 1) / CT_PANEL, stride = m->cols * elem;
    bool ok = ct_mul_size(m->rows, stride, &bytes);
    uint8_t *whole = ok ? malloc(bytes) : NULL;
    float *values = malloc(m->rows * sizeof *values);
    if (!whole || !values) {
        free(whole), free(values);
        return ct_fail(f->err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory to transpose the projector", f->s->path);
    }
    ct_window from;
    if (!ct_tensor_window(t, 0, t->bytes, &from, f->err)) {
        free(whole), free(values);
        return false;
    }
    for (size_t c = 0; c < m->cols; c++)
        scatter(t, from.data + c * row_bytes, values, m, whole, c, elem);
    ct_window_close(&from);
    for (size_t p = 0; p < n_panels; p++) {
        size_t row = p * CT_PANEL, n = m->rows - row < CT_PANEL ? m->rows - row : CT_PANEL;
        ct_pack_panel(m->type, whole + row * stride, stride, (int)n, m->cols, m->packed + p * (m->bytes / n_panels));
    }
    free(whole), free(values);
    return true;
}

static bool load_part(finder *f, const part *p, const ct_tensor *t, void *place)
{
    if (p->kind == MATRIX)
        return ct_matrix_pack(f->pool, t, place, NULL, NULL, f->err);
    if (p->kind == TRANSPOSED)
        return load_transposed(f, t, place);
    float *w;
    memcpy(&w, place, sizeof w);
    return load_vector(f, p, t, w);
}

/* ---- open ---- */

bool ct_tower_survey(ct_tower *t, ct_source *s, const char *path, size_t text_width, size_t *bytes, carat_err *err)
{
    *t = (ct_tower){ .text_width = text_width };
    if (!ct_source_open_vision(s, path, &t->cfg, err))
        return false;
    t->layers = calloc(t->cfg.n_layer, sizeof *t->layers);
    if (!t->layers)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the vision tower's description", path);
    finder f = { .t = t, .s = s, .err = err };
    ct_arena count;
    ct_arena_count(&count);
    find_naming(&f);
    if (!take_all(&f, &count) || !no_more_layers(&f))
        return false;
    *bytes = count.used;
    return true;
}

bool ct_tower_load(ct_tower *t, const ct_source *s, ct_pool *pool, size_t bytes, carat_err *err)
{
    finder f = { .t = t, .s = s, .pool = pool, .err = err };
    find_naming(&f);
    if (!ct_arena_init(&t->arena, bytes))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for %zu MiB of vision weights", s->path,
                       (bytes >> 20) + 1);
    return take_all(&f, &t->arena) && each_part(&f, load_part);
}

void ct_tower_close(ct_tower *t)
{
    ct_arena_deinit(&t->arena);
    free(t->layers);
    *t = (ct_tower){ 0 };
}
