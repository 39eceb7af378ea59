/* Merges an adapter into a model's matrices, row by row, and writes the file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/merge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/lora.h"
#include "base/inputs.h"
#include "base/size.h"
#include "format/gguf_write.h"

#define CHUNK ((size_t)4 << 20) /* of a tensor, at a time */

/* A matrix of the model and what is added to it. */
typedef struct pair {
    const ct_lora_pair *of; /* NULL: nothing is */
    ct_type type;           /* of the merged matrix */
} pair;

typedef struct merge {
    const carat_merge_options *o;
    ct_gguf *model;
    ct_lora *adapter;
    const ct_tensors *matrices;
    ct_gguf_writer *w;
    pair *pairs;  /* [matrices->n] */
    double scale; /* of the options */
    ct_type type; /* of merged matrices that were quantised */
    uint64_t done, total;
    carat_merge_result *result;
} merge;

/* ---- what belongs to what ---- */

static bool check_model(merge *m, carat_err *err)
{
    ct_str s = { "", 0 };
    if (!ct_gguf_text(m->model, "general.architecture", &s, err))
        return false;
    if (s.len != 6 || memcmp(s.data, "gemma3", 6) != 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: its general.architecture is '%.*s', expected 'gemma3'", m->o->model,
                       (int)(s.len < 60 ? s.len : 60), s.data);
    m->scale = m->o->scale != 0 ? (double)m->o->scale : 1;
    return true;
}

static bool match(merge *m, carat_err *err)
{
    for (size_t i = 0; i < m->adapter->n; i++) {
        const ct_lora_pair *p = &m->adapter->pairs[i];
        const ct_tensor *t = ct_tensors_find(m->matrices, p->matrix);
        if (!t)
            return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: %.100s belongs to no matrix of %s",
                           m->o->adapter, p->a->name, m->o->model);
        if (t->n_dims != 2)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %s is no matrix", m->o->model, t->name);
        if (!ct_lora_fits(m->adapter, p, t->dims[1], t->dims[0], err))
            return false;
        m->pairs[t - m->matrices->items].of = p;
    }
    return true;
}

/* A merged matrix keeps its type if that is not quantised. A quantised one becomes m->type: rounded to as few bits again, it
 * would lose what was added. */
static ct_type type_of(const merge *m, const ct_tensor *w)
{
    return ct_type_get(w->type)->is_quantised || m->o->type ? m->type : w->type;
}

static bool plan(merge *m, carat_err *err)
{
    m->pairs = calloc(m->matrices->n + 1, sizeof *m->pairs);
    if (!m->pairs)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu matrices", m->matrices->n);
    if (!match(m, err))
        return false;
    for (size_t i = 0; i < m->matrices->n; i++) {
        const ct_tensor *t = &m->matrices->items[i];
        pair *p = &m->pairs[i];
        size_t bytes, row;
        p->type = t->type;
        if (p->of) {
            p->type = type_of(m, t);
            m->result->n_merged++;
        }
        if (!ct_row_bytes(p->type, t->dims[0], &row) || !ct_mul_size(row, t->bytes, &bytes))
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: rows of %llu do not divide into blocks of %s", t->name,
                           (unsigned long long)t->dims[0], ct_type_get(p->type)->name);
        m->total += t->bytes;
    }
    m->result->rank = m->adapter->max_rank;
    return true;
}

/* ---- keys ---- */

static const char *const replaced[] = { "general.name", "general.file_type", "tokenizer.chat_template" };

static bool is_replaced(const char *key)
{
    for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++)
        if (strcmp(replaced[i], key) == 0)
            return true;
    return false;
}

static bool copy_text(const ct_gguf *g, const char *key, char **out, carat_err *err)
{
    ct_str s = { NULL, 0 };
    *out = NULL;
    if (!ct_gguf_text(g, key, &s, err))
        return false;
    if (!s.data)
        return true;
    *out = strndup(s.data, s.len);
    return *out || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %s", key);
}

static bool write_name(merge *m, carat_err *err)
{
    char *base, *own, both[256];
    bool ok = copy_text(m->model, "general.name", &base, err);
    own = NULL;
    if (ok && m->adapter->gguf)
        ok = copy_text(m->adapter->gguf, "general.name", &own, err);
    if (ok) {
        snprintf(both, sizeof both, "%.100s + %.100s", base ? base : "Gemma 3",
                 own                ? own
                 : m->adapter->gguf ? "adapter"
                                    : m->adapter->name);
        ct_gguf_writer_text(m->w, "general.name", both);
    }
    free(base);
    free(own);
    return ok;
}

static bool write_template(merge *m, carat_err *err)
{
    char *own = NULL;
    const char *given = m->o->chat_template ? m->o->chat_template : m->adapter->chat_template;
    if (given) {
        ct_gguf_writer_text(m->w, "tokenizer.chat_template", given);
        return true;
    }
    bool ok = copy_text(m->model, "tokenizer.chat_template", &own, err);
    if (ok && own)
        ct_gguf_writer_text(m->w, "tokenizer.chat_template", own);
    free(own);
    return ok;
}

/* A chat's turns end with a token that a pre-trained model's file need not name; llama.cpp needs it named. */
static void write_end_of_turn(merge *m)
{
    const ct_gguf_kv *tokens = ct_gguf_find(m->model, "tokenizer.ggml.tokens");
    ct_gguf_cursor c = { 0 };
    ct_str s;
    if (!tokens || ct_gguf_find(m->model, "tokenizer.ggml.eot_token_id"))
        return;
    for (uint32_t i = 0; ct_gguf_next_str(tokens, &c, &s); i++)
        if (s.len == 13 && memcmp(s.data, "<end_of_turn>", 13) == 0) {
            ct_gguf_writer_u32(m->w, "tokenizer.ggml.eot_token_id", i);
            return;
        }
}

static bool write_keys(merge *m, carat_err *err)
{
    for (size_t i = 0; i < ct_gguf_n_kv(m->model); i++)
        if (!is_replaced(ct_gguf_kv_at(m->model, i)->key))
            ct_gguf_writer_copy(m->w, ct_gguf_kv_at(m->model, i));
    write_end_of_turn(m);
    return write_name(m, err) && write_template(m, err);
}

/* ---- rows ---- */

static bool step(merge *m, size_t bytes, carat_err *err)
{
    m->done += bytes;
    return !m->o->progress || m->o->progress(m->o->progress_arg, m->done, m->total) ||
           ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
}

static bool copy(merge *m, const ct_tensor *t, carat_err *err)
{
    bool ok = true;
    for (size_t at = 0, n; ok && at < t->bytes; at += n) {
        ct_window w = { 0 };
        n = t->bytes - at < CHUNK ? t->bytes - at : CHUNK;
        ok = ct_tensor_window(t, at, n, &w, err) && ct_gguf_writer_data(m->w, w.data, n, err) && step(m, n, err);
        ct_window_close(&w);
    }
    return ok;
}

static bool is_finite(const ct_tensor *t, const float *x, size_t n, carat_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: it has, or would have, numbers that are not finite",
                           t->name);
    return true;
}

/* All of a small tensor as float32, the caller's. NULL: no memory, or the file is cut. */
static float *unpack(const ct_tensor *t, carat_err *err)
{
    ct_window w = { 0 };
    size_t rows = (size_t)(t->dims[1] * t->dims[2] * t->dims[3]), cols = (size_t)t->dims[0], row = 0, n;
    float *x = ct_row_bytes(t->type, cols, &row) && ct_mul_size(rows, cols, &n) && ct_mul_size(n, sizeof *x, &n)
                   ? malloc(n + 1)
                   : NULL;
    if (!x)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %s", t->name);
    bool ok = x && ct_tensor_window(t, 0, t->bytes, &w, err);
    for (size_t r = 0; ok && r < rows; r++) {
        ct_unpack_row(t->type, w.data + r * row, x + r * cols, cols);
        ok = is_finite(t, x + r * cols, cols, err);
    }
    ct_window_close(&w);
    if (!ok) {
        free(x);
        return NULL;
    }
    return x;
}

/* x += scale * b A, where b is a row of B. */
static void add_row(float *x, const float *a, const float *b, size_t rank, size_t cols, float scale)
{
    for (size_t r = 0; r < rank; r++) {
        const float by = scale * b[r];
        for (size_t c = 0; c < cols; c++)
            x[c] += by * a[r * cols + c];
    }
}

/* Rows of one matrix, and what they are made of. */
typedef struct rows {
    const ct_tensor *t;
    float *a, *b, *x;
    uint8_t *out;
    size_t cols, row, out_row, rank;
    float scale;
} rows;

static bool merge_rows(merge *m, const rows *s, ct_type type, carat_err *err)
{
    const size_t n_rows = (size_t)s->t->dims[1], step_rows = CHUNK / s->row ? CHUNK / s->row : 1;
    bool ok = true;
    for (size_t r = 0, n; ok && r < n_rows; r += n) {
        ct_window w = { 0 };
        n = n_rows - r < step_rows ? n_rows - r : step_rows;
        ok = ct_tensor_window(s->t, r * s->row, n * s->row, &w, err);
        for (size_t i = 0; ok && i < n; i++) {
            ct_unpack_row(s->t->type, w.data + i * s->row, s->x, s->cols);
            add_row(s->x, s->a, s->b + (r + i) * s->rank, s->rank, s->cols, s->scale);
            if (type == CT_F32)
                memcpy(s->out, s->x, s->out_row);
            else
                ct_quantise_row(type, s->x, s->out, s->cols);
            ok = is_finite(s->t, s->x, s->cols, err) && ct_gguf_writer_data(m->w, s->out, s->out_row, err);
        }
        ct_window_close(&w);
        ok = ok && step(m, n * s->row, err);
    }
    return ok;
}

static bool merge_one(merge *m, const ct_tensor *t, const pair *p, carat_err *err)
{
    rows s = { .t = t, .cols = (size_t)t->dims[0], .rank = p->of->rank };
    s.scale = (float)(m->scale * p->of->scale);
    bool ok = ct_row_bytes(t->type, s.cols, &s.row) && ct_row_bytes(p->type, s.cols, &s.out_row);
    s.x = malloc(s.cols * sizeof *s.x);
    s.out = malloc(s.out_row);
    if (!ok || !s.x || !s.out || !ct_quantise_prepare(p->type))
        ok = ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a row of %s", t->name);
    ok = ok && (s.a = unpack(p->of->a, err)) && (s.b = unpack(p->of->b, err)) && merge_rows(m, &s, p->type, err);
    free(s.a);
    free(s.b);
    free(s.x);
    free(s.out);
    return ok;
}

/* In the order of the model's file, so that the copy reads it from front to back. */
static int by_place(const void *x, const void *y)
{
    const ct_tensor *a = *(const ct_tensor *const *)x, *b = *(const ct_tensor *const *)y;
    if (a->map != b->map)
        return a->map < b->map ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static bool write_tensors(merge *m, carat_err *err)
{
    const size_t n = m->matrices->n;
    const ct_tensor **order = calloc(n + 1, sizeof *order);
    bool ok = order || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu matrices", n);
    for (size_t i = 0; ok && i < n; i++)
        order[i] = &m->matrices->items[i];
    if (ok)
        qsort(order, n, sizeof *order, by_place);
    for (size_t i = 0; ok && i < n; i++)
        ct_gguf_writer_tensor(m->w, order[i]->name, m->pairs[order[i] - m->matrices->items].type, order[i]->n_dims,
                              order[i]->dims);
    for (size_t i = 0; ok && i < n; i++) {
        const pair *p = &m->pairs[order[i] - m->matrices->items];
        ok = p->of ? merge_one(m, order[i], p, err) : copy(m, order[i], err);
    }
    free(order);
    return ok;
}

/* ---- all of it ---- */

static bool open_both(merge *m, carat_err *err)
{
    if (!ct_gguf_open(m->o->model, &m->model, err) || !ct_lora_open(m->o->adapter, &m->adapter, err))
        return false;
    m->matrices = ct_gguf_tensors(m->model);
    return true;
}

static bool take_type(merge *m, carat_err *err)
{
    m->type = CT_Q8_0;
    if (m->o->type && !ct_type_by_name(m->o->type, &m->type))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "no type '%.40s', expected q8_0, bf16, f16, f32, q6_k ...",
                       m->o->type);
    return m->type == CT_F32 || ct_type_get(m->type)->can_quantise ||
           ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "weights cannot be written in %s", ct_type_get(m->type)->name);
}

bool ct_merge(const carat_merge_options *o, const char *path, carat_merge_result *result, carat_err *err)
{
    merge m = { .o = o, .result = result };
    const char *const inputs[] = { o->model, o->adapter };
    if (!ct_inputs_stay(path, inputs, sizeof inputs / sizeof *inputs, err))
        return false;
    bool ok = take_type(&m, err) && open_both(&m, err) && check_model(&m, err) && plan(&m, err) &&
              ct_gguf_create(path, &m.w, err);
    if (ok) {
        ok = write_keys(&m, err) && write_tensors(&m, err);
        if (ok)
            ok = ct_gguf_finish(m.w, err);
        else
            ct_gguf_abandon(m.w);
    }
    free(m.pairs);
    ct_lora_close(m.adapter);
    ct_gguf_close(m.model);
    return ok;
}
