/* Opens, chooses, writes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quantise/quantise.h"

#include <stdlib.h>
#include <string.h>

#include "base/inputs.h"
#include "base/log.h"
#include "quantise/rows.h"

typedef struct work {
    const carat_quantize_options *o;
    ct_input in;
    ct_choices choices;
    ct_rows rows;
    ct_gguf_writer *w;
    carat_quantize_result *result;
} work;

/* ---- keys ---- */

/* As llama.cpp's quantiser says what a file was made with. */
static void write_imatrix_keys(const work *k)
{
    const ct_imatrix *m = &k->choices.imatrix;
    if (!k->o->imatrix)
        return;
    ct_gguf_writer_text(k->w, "quantize.imatrix.file", k->o->imatrix);
    if (m->dataset)
        ct_gguf_writer_text(k->w, "quantize.imatrix.dataset", m->dataset);
    ct_gguf_writer_u32(k->w, "quantize.imatrix.entries_count", (uint32_t)m->n);
    if (m->n_chunks)
        ct_gguf_writer_u32(k->w, "quantize.imatrix.chunks_count", m->n_chunks);
}

static bool write_keys(work *k, carat_err *err)
{
    if (!ct_input_write_keys(&k->in, k->w, err))
        return false;
    if (k->choices.mix.file_type != UINT32_MAX && !k->in.is_tower)
        ct_gguf_writer_u32(k->w, "general.file_type", k->choices.mix.file_type);
    ct_gguf_writer_u32(k->w, "general.quantization_version", 2); /* the blocks of 2023 and later */
    write_imatrix_keys(k);
    return true;
}

/* ---- tensors ---- */

/* Rounded twice a weight is further off than rounded once. */
static void look_at_input(const work *k)
{
    size_t n = 0;
    for (size_t i = 0; i < k->in.n; i++)
        n += ct_type_get(k->in.tensors[i].t->type)->is_quantised && k->choices.of[i].type != k->in.tensors[i].t->type &&
             ct_type_get(k->choices.of[i].type)->is_quantised;
    if (n)
        ct_logf(CARAT_LOG_WARN,
                "%s: %zu of its matrices are quantised already, and are quantised again: the errors add up",
                k->o->input, n);
}

static void say(const work *k, size_t i)
{
    const ct_input_tensor *t = &k->in.tensors[i];
    const ct_choice *c = &k->choices.of[i];
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

static bool write_tensors(work *k, carat_err *err)
{
    for (size_t i = 0; i < k->in.n; i++)
        ct_gguf_writer_tensor(k->w, k->in.tensors[i].name, k->choices.of[i].type, k->in.tensors[i].t->n_dims,
                              k->in.tensors[i].t->dims);
    for (size_t i = 0; i < k->in.n; i++) {
        say(k, i);
        if (!ct_rows_write(&k->rows, &k->in.tensors[i], &k->choices.of[i], k->w, err))
            return false;
    }
    return ct_rows_flush(&k->rows, k->w, err);
}

static void count(work *k)
{
    for (size_t i = 0; i < k->in.n; i++) {
        k->rows.total += k->in.tensors[i].t->bytes;
        k->result->bytes_in += k->in.tensors[i].t->bytes;
        k->result->bytes_out += ct_choice_bytes(&k->in.tensors[i], k->choices.of[i].type);
        k->result->n_changed += k->choices.of[i].type != k->in.tensors[i].t->type;
    }
    k->result->n_tensors = k->in.n;
    k->result->n_without_importance = k->choices.n_without;
}

static bool prepare(work *k, carat_err *err)
{
    size_t widest = 1;
    if (!ct_input_open(&k->in, k->o->input, err) || !ct_choose(&k->in, k->o, &k->choices, err))
        return false;
    for (size_t i = 0; i < k->in.n; i++)
        widest = k->in.tensors[i].t->dims[0] > widest ? (size_t)k->in.tensors[i].t->dims[0] : widest;
    k->rows.progress = k->o->progress;
    k->rows.progress_arg = k->o->progress_arg;
    if (!ct_rows_open(&k->rows, (int)k->o->n_threads, widest, err))
        return false;
    if (k->o->target_bytes && !ct_choose_for_size(&k->in, &k->choices, k->o->target_bytes, &k->rows, err))
        return false;
    ct_choices_look(&k->in, &k->choices, k->o->imatrix);
    look_at_input(k);
    count(k);
    return true;
}

static bool write_file(work *k, const char *path, carat_err *err)
{
    if (!ct_gguf_create(path, &k->w, err))
        return false;
    if (write_keys(k, err) && write_tensors(k, err))
        return ct_gguf_finish(k->w, err);
    ct_gguf_abandon(k->w);
    return false;
}

bool ct_quantise(const carat_quantize_options *o, const char *path, carat_quantize_result *result, carat_err *err)
{
    work k = { .o = o, .result = result };
    const char *const inputs[] = { o->input, o->imatrix };
    if (!ct_inputs_stay(path, inputs, sizeof inputs / sizeof *inputs, err))
        return false;
    const bool ok = prepare(&k, err) && write_file(&k, path, err);
    ct_rows_close(&k.rows);
    ct_choices_close(&k.choices);
    ct_input_close(&k.in);
    return ok;
}
