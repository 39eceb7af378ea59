/* Opens, chooses, writes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quantise/quantise.h"

#include <stdlib.h>
#include <string.h>

#include "base/inputs.h"
#include "base/log.h"
#include "quantise/rows.h"

typedef struct part { /* what becomes a file: the model; the tower of its folder */
    ct_input in;
    ct_choices choices;
    ct_gguf_writer *w;
} part;

typedef struct work {
    const carat_quantize_options *o;
    part model, tower;
    ct_rows rows;
    carat_quantize_result *result;
} work;

/* ---- keys ---- */

/* As llama.cpp's quantiser says what a file was made with. */
static void write_imatrix_keys(const part *p, const char *path)
{
    const ct_imatrix *m = &p->choices.imatrix;
    ct_gguf_writer_text(p->w, "quantize.imatrix.file", path);
    if (m->dataset)
        ct_gguf_writer_text(p->w, "quantize.imatrix.dataset", m->dataset);
    ct_gguf_writer_u32(p->w, "quantize.imatrix.entries_count", (uint32_t)m->n);
    if (m->n_chunks)
        ct_gguf_writer_u32(p->w, "quantize.imatrix.chunks_count", m->n_chunks);
}

static bool write_keys(const work *k, part *p, carat_err *err)
{
    if (!ct_input_write_keys(&p->in, p->w, err))
        return false;
    if (p->choices.mix.file_type != UINT32_MAX && !p->in.is_tower)
        ct_gguf_writer_u32(p->w, "general.file_type", p->choices.mix.file_type);
    ct_gguf_writer_u32(p->w, "general.quantization_version", 2); /* the blocks of 2023 and later */
    if (k->o->imatrix && p == &k->model)
        write_imatrix_keys(p, k->o->imatrix);
    return true;
}

/* ---- tensors ---- */

/* Rounded twice a weight is further off than rounded once. */
static void look_at_input(const part *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->in.n; i++)
        n += ct_type_get(p->in.tensors[i].t->type)->is_quantised && p->choices.of[i].type != p->in.tensors[i].t->type &&
             ct_type_get(p->choices.of[i].type)->is_quantised;
    if (n)
        ct_logf(CARAT_LOG_WARN,
                "%s: %zu of its matrices are quantised already, and are quantised again: the errors add up", p->in.path,
                n);
}

static void say(const work *k, const part *p, size_t i)
{
    const ct_input_tensor *t = &p->in.tensors[i];
    const ct_choice *c = &p->choices.of[i];
    const carat_quantized q = {
        .name = t->name,
        .from = ct_type_get(t->t->type)->name,
        .to = ct_type_get(c->type)->name,
        .cols = t->t->dims[0],
        .rows = ct_input_rows(t),
        .bytes = ct_choice_bytes(t, c->type),
        .error = c->error,
        .has_importance = c->importance != NULL,
    };
    if (k->o->tensor)
        k->o->tensor(k->o->tensor_arg, &q);
}

static void declare_tensors(const part *p)
{
    for (size_t i = 0; i < p->in.n; i++)
        ct_gguf_writer_tensor(p->w, p->in.tensors[i].name, p->choices.of[i].type, p->in.tensors[i].t->n_dims,
                              p->in.tensors[i].t->dims);
}

static bool write_tensors(work *k, part *p, carat_err *err)
{
    declare_tensors(p);
    for (size_t i = 0; i < p->in.n; i++) {
        say(k, p, i);
        if (!ct_rows_write(&k->rows, &p->in.tensors[i], &p->choices.of[i], p->w, err))
            return false;
    }
    return ct_rows_flush(&k->rows, p->w, err);
}

/* ---- all of it ---- */

static void count(work *k)
{
    const part *p = &k->model;
    for (size_t i = 0; i < p->in.n; i++) {
        k->rows.total += p->in.tensors[i].t->bytes;
        k->result->bytes_in += p->in.tensors[i].t->bytes;
        k->result->bytes_out += ct_choice_bytes(&p->in.tensors[i], p->choices.of[i].type);
        k->result->n_changed += p->choices.of[i].type != p->in.tensors[i].t->type;
    }
    k->result->n_tensors = p->in.n;
    k->result->n_without_importance = p->choices.n_without;
    for (size_t i = 0; i < k->tower.in.n; i++)
        k->rows.total += k->tower.in.tensors[i].t->bytes;
}

/* The tower's types are those of vision_type alone. */
static bool open_parts(work *k, carat_err *err)
{
    carat_quantize_options text = *k->o;
    const carat_quantize_options tower = { .vision_type = k->o->vision_type };
    ct_input *in = &k->model.in;
    if (k->o->mmproj)
        text.vision_type = NULL;
    if (!ct_input_open(in, k->o->input, err))
        return false;
    if (in->leaves_tower && !k->o->mmproj)
        ct_logf(CARAT_LOG_WARN, "%s: its vision tower is not written: GGUF files keep it apart (mmproj)", in->path);
    if (!k->o->mmproj)
        return ct_choose(in, &text, &k->model.choices, err);
    if (!in->leaves_tower)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: no folder with a vision tower, of which %s could be made",
                       in->path, k->o->mmproj);
    return ct_choose(in, &text, &k->model.choices, err) &&
           ct_input_open_tower(&k->tower.in, k->o->input, in->cfg.hidden, err) &&
           ct_choose(&k->tower.in, &tower, &k->tower.choices, err);
}

static size_t widest_of(const ct_input *in)
{
    size_t widest = 1;
    for (size_t i = 0; i < in->n; i++)
        widest = in->tensors[i].t->dims[0] > widest ? (size_t)in->tensors[i].t->dims[0] : widest;
    return widest;
}

/* What comes before the data, in whatever types that will be. */
static bool head_bytes(const work *k, part *p, uint64_t *bytes, carat_err *err)
{
    ct_buf head;
    ct_buf_init(&head, SIZE_MAX / 2);
    if (!ct_gguf_create_head(p->in.path, &p->w, err))
        return false;
    bool ok = write_keys(k, p, err);
    if (ok) {
        declare_tensors(p);
        ok = ct_gguf_finish_head(p->w, &head, err);
    } else {
        ct_gguf_abandon(p->w);
    }
    p->w = NULL;
    *bytes = head.len;
    ct_buf_deinit(&head);
    return ok;
}

static bool choose_for_size(work *k, carat_err *err)
{
    uint64_t head = 0;
    return head_bytes(k, &k->model, &head, err) &&
           ct_choose_for_size(&k->model.in, &k->model.choices, head, k->o->target_bytes, &k->rows, err);
}

static bool prepare(work *k, carat_err *err)
{
    if (!open_parts(k, err))
        return false;
    const size_t widest = widest_of(&k->model.in), other = widest_of(&k->tower.in);
    k->rows.progress = k->o->progress;
    k->rows.progress_arg = k->o->progress_arg;
    if (!ct_rows_open(&k->rows, (int)k->o->n_threads, other > widest ? other : widest, err))
        return false;
    if (k->o->target_bytes && !choose_for_size(k, err))
        return false;
    ct_choices_look(&k->model.in, &k->model.choices, k->o->imatrix);
    look_at_input(&k->model);
    count(k);
    return true;
}

static bool write_part(work *k, part *p, const char *path, carat_err *err)
{
    return ct_gguf_create(path, &p->w, err) && write_keys(k, p, err) && write_tensors(k, p, err);
}

static bool finish(part *p, carat_err *err)
{
    ct_gguf_writer *w = p->w;
    p->w = NULL;
    return ct_gguf_finish(w, err);
}

/* No file takes its place before all have been written. */
static bool write_files(work *k, const char *path, carat_err *err)
{
    const bool has_tower = k->o->mmproj != NULL;
    return write_part(k, &k->model, path, err) && (!has_tower || write_part(k, &k->tower, k->o->mmproj, err)) &&
           finish(&k->model, err) && (!has_tower || finish(&k->tower, err));
}

static void close_part(part *p)
{
    ct_gguf_abandon(p->w);
    ct_choices_close(&p->choices);
    ct_input_close(&p->in);
}

static bool inputs_stay(const carat_quantize_options *o, const char *path, carat_err *err)
{
    const char *const inputs[] = { o->input, o->imatrix, path };
    if (!ct_inputs_stay(path, inputs, 2, err))
        return false;
    if (o->mmproj && strcmp(o->mmproj, path) == 0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: the model's file and the tower's, expected two names",
                       path);
    return !o->mmproj || ct_inputs_stay(o->mmproj, inputs, 3, err);
}

bool ct_quantise(const carat_quantize_options *o, const char *path, carat_quantize_result *result, carat_err *err)
{
    work k = { .o = o, .result = result };
    const bool ok = inputs_stay(o, path, err) && prepare(&k, err) && write_files(&k, path, err);
    ct_rows_close(&k.rows);
    close_part(&k.model);
    close_part(&k.tower);
    return ok;
}
