/* Opening a model: look every tensor up, reserve the whole arena, pack in parallel.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/layout.h"
#include "model/packing.h"
#include "model/source.h"

typedef struct loader {
    const ct_source *src;
    const ct_model_options *opt;
    ct_pool *pool;
    ct_model *m;
    carat_err *err;
    uint64_t done, total; /* source bytes */
} loader;

/* ---- looking up ---- */

static ct_type type_in_source(void *arg, ct_part part, size_t layer)
{
    loader *ld = arg;
    const ct_tensor *t = NULL;
    ct_source_tensor(ld->src, &ld->m->cfg, part, layer, &t, NULL); /* checked before by survey */
    return t->type;
}

/* Checks a tensor and adds it to the model's figures. */
static bool survey(void *arg, ct_part part, size_t layer)
{
    loader *ld = arg;
    const ct_tensor *t;
    if (!ct_source_tensor(ld->src, &ld->m->cfg, part, layer, &t, ld->err))
        return false;
    ld->total += t->bytes;
    ld->m->n_params += t->dims[0] * t->dims[1];
    if (!ct_part_get(part)->is_norm) {
        ld->m->type_tensors[t->type]++;
        ld->m->type_bytes[t->type] += t->bytes;
    }
    return true;
}

/* ---- packing ---- */

static bool report(void *arg, uint64_t bytes)
{
    loader *ld = arg;
    ld->done += bytes;
    if (!ld->opt->progress || ld->opt->progress(ld->opt->progress_arg, ld->done, ld->total))
        return true;
    return ct_fail(ld->err, CARAT_ECANCELLED, CARAT_NOWHERE, "%s: loading was stopped", ld->src->path);
}

/* Norm weights become f32. Safetensors hold w of y = x (1 + w); GGUF writers have added the 1 already. */
static bool load_norm(const ct_source *src, const ct_tensor *t, float *w, carat_err *err)
{
    ct_window from;
    if (!ct_tensor_window(t, 0, t->bytes, &from, err))
        return false;
    ct_unpack_row(t->type, from.data, w, t->dims[0]);
    ct_window_close(&from);
    if (src->st)
        for (size_t i = 0; i < t->dims[0]; i++)
            w[i] += 1.0f;
    return true;
}

static bool load_part(void *arg, ct_part part, size_t layer)
{
    loader *ld = arg;
    const ct_tensor *t = NULL;
    ct_source_tensor(ld->src, &ld->m->cfg, part, layer, &t, NULL);
    if (!ct_part_get(part)->is_norm)
        return ct_matrix_pack(ld->pool, t, ct_layout_matrix(ld->m, part, layer), report, ld, ld->err);
    if (!load_norm(ld->src, t, *ct_layout_norm(ld->m, part, layer), ld->err))
        return false;
    ld->done += t->bytes;
    return true;
}

/* ---- vocabulary ---- */

static void add_stop(ct_model *m, int32_t id)
{
    if (id < 0 || (uint32_t)id >= m->cfg.n_vocab || m->n_stops == CT_MAX_STOPS)
        return;
    for (uint32_t i = 0; i < m->n_stops; i++)
        if (m->stops[i] == id)
            return;
    m->stops[m->n_stops++] = id;
}

/* Every piece needs a row, but for the image placeholder: a text-only table of 262144 rows goes with a tokenizer.json
 * that knows <image_soft_token> 262144, whose row is never looked up. */
static bool check_vocab(ct_model *m, carat_err *err)
{
    const ct_tok_info *f = ct_tok_facts(m->tok);
    size_t n = f->n_pieces;
    while (n > m->cfg.n_vocab && f->image_soft_token == (int32_t)(n - 1))
        n--;
    if (n > m->cfg.n_vocab)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %zu tokens, but the embedding table has %u rows",
                       m->path, f->n_pieces, m->cfg.n_vocab);
    m->n_pieces = (uint32_t)n;
    add_stop(m, f->eos);
    add_stop(m, f->end_of_turn);
    if (m->cfg.image_token < 0)
        m->cfg.image_token = f->image_soft_token;
    return true;
}

static bool open_vocab(loader *ld)
{
    ct_model *m = ld->m;
    m->n_pieces = m->cfg.n_vocab;
    ct_source_more_eos(ld->src, &m->cfg);
    m->chat_template = ct_source_template(ld->src);
    if (!ld->opt->no_tokenizer && (!ct_source_tokenizer(ld->src, &m->tok, ld->err) || !check_vocab(m, ld->err)))
        return false;
    for (uint32_t i = 0; i < m->cfg.n_eos; i++)
        add_stop(m, m->cfg.eos[i]);
    return true;
}

/* ---- open ---- */

/* Everything up to the vocabulary: configuration, directory, the arena's size. */
static bool describe(loader *ld, ct_source *src, const char *path, size_t *bytes)
{
    ct_model *m = ld->m;
    if (!ct_source_open(src, path, ld->opt->trust_header, &m->cfg, ld->err))
        return false;
    m->path = strdup(path);
    m->layers = calloc(m->cfg.n_layer, sizeof *m->layers);
    if (!m->path || !m->layers)
        return ct_fail(ld->err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the model's description", path);
    m->is_gguf = src->gguf != NULL;
    m->file_bytes = ct_source_bytes(src);
    m->head_bytes = ct_source_mapped_bytes(src);
    for (size_t i = 0; i < m->cfg.n_layer; i++)
        m->layers[i].is_global = m->cfg.is_global[i];
    if (!ct_layout_each(&m->cfg, survey, ld) || !ct_source_no_strangers(src, &m->cfg, ld->err))
        return false;
    ct_arena count;
    ct_arena_count(&count);
    if (!ct_layout_take(&m->cfg, m, &count, type_in_source, ld, ld->err))
        return ct_fail_in(ld->err, "%s", path);
    *bytes = count.used;
    if (m->cfg.tied)
        m->head = m->embed;
    return true;
}

static bool load(loader *ld, size_t bytes)
{
    ct_model *m = ld->m;
    if (!ct_arena_init(&m->arena, bytes))
        return ct_fail(ld->err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for %zu MiB of weights", m->path,
                       (bytes >> 20) + 1);
    if (!ct_layout_take(&m->cfg, m, &m->arena, type_in_source, ld, ld->err) || !ct_layout_each(&m->cfg, load_part, ld))
        return false;
    if (m->cfg.tied)
        m->head = m->embed;
    return true;
}

static bool open_model(const char *path, const ct_model_options *opt, ct_pool *pool, bool weights, ct_model **out,
                       size_t *bytes, carat_err *err)
{
    static const ct_model_options none;
    ct_source src = { 0 };
    *out = NULL;
    ct_model *m = calloc(1, sizeof *m);
    if (!m)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the model's description", path);
    loader ld = { .src = &src, .opt = opt ? opt : &none, .pool = pool, .m = m, .err = err };
    bool ok = describe(&ld, &src, path, bytes) &&
              (!weights || !ld.opt->admit || ld.opt->admit(ld.opt->admit_arg, m, *bytes, err)) && open_vocab(&ld) &&
              (!weights || load(&ld, *bytes));
    ct_source_close(&src);
    if (!ok) {
        ct_model_close(m);
        return false;
    }
    *out = m;
    return true;
}

bool ct_model_open(const char *path, const ct_model_options *opt, ct_pool *pool, ct_model **out, carat_err *err)
{
    size_t bytes;
    return open_model(path, opt, pool, true, out, &bytes, err);
}

bool ct_model_peek(const char *path, const ct_model_options *opt, ct_model **out, size_t *bytes, carat_err *err)
{
    return open_model(path, opt, NULL, false, out, bytes, err);
}

void ct_model_close(ct_model *m)
{
    if (!m)
        return;
    carat_tokenizer_close(m->tok);
    ct_arena_deinit(&m->arena);
    free(m->layers);
    free(m->path);
    free(m->chat_template);
    free(m);
}
