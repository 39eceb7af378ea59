/* What a checkpoint is: every tensor looked up and checked, the vocabulary read.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "model/beside.h"
#include "model/sentence.h"

/* ---- types ---- */

#define LAYER_PARTS (CT_N_PARTS - CT_FIRST_LAYER_PART)

static size_t type_index(ct_part part, size_t layer)
{
    return part < CT_FIRST_LAYER_PART ? part : layer * LAYER_PARTS + part;
}

ct_type ct_model_type(const ct_model *m, ct_part part, size_t layer)
{
    return m->types[type_index(part == CT_PART_HEAD && m->cfg.tied ? CT_PART_EMBED : part, layer)];
}

static bool take_types(ct_model *m, carat_err *err)
{
    m->types = calloc(CT_FIRST_LAYER_PART + (size_t)m->cfg.n_layer * LAYER_PARTS, sizeof *m->types);
    return m->types || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a model's description");
}

/* ---- looking up ---- */

typedef struct survey {
    ct_model *m;
    const ct_source *src;
    carat_err *err;
} survey;

/* Checks a tensor and adds it to the model's figures. */
static bool add_tensor(void *arg, ct_part part, size_t layer)
{
    survey *s = arg;
    const ct_tensor *t;
    if (!ct_source_tensor(s->src, &s->m->cfg, part, layer, &t, s->err))
        return false;
    s->m->tensor_bytes += t->bytes;
    s->m->n_params += t->dims[0] * t->dims[1];
    if (ct_part_get(part)->is_norm)
        return true;
    s->m->types[type_index(part, layer)] = t->type;
    s->m->type_tensors[t->type]++;
    return true;
}

static bool describe(ct_model *m, const char *path, bool trust_header, ct_source *src, carat_err *err)
{
    survey s = { m, src, err };
    if (!ct_source_open(src, path, trust_header, &m->cfg, err))
        return false;
    m->path = strdup(path);
    if (!m->path)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the model's description", path);
    m->is_gguf = src->gguf != NULL;
    m->is_packed = src->pack != NULL;
    m->file_bytes = ct_source_bytes(src);
    m->head_bytes = ct_source_mapped_bytes(src);
    m->n_pieces = m->cfg.n_vocab;
    if (!take_types(m, err))
        return false;
    if (!ct_source_settle_head(src, &m->cfg, err) || !ct_part_each(&m->cfg, add_tensor, &s) ||
        !ct_source_no_strangers(src, &m->cfg, err))
        return ct_source_explain(src, err);
    if (*src->quantised_by)
        ct_config_note(&m->cfg, path, "configuration: quantised by %s, but the weights are whole; using them",
                       src->quantised_by);
    return true;
}

bool ct_model_describe(const char *path, bool trust_header, ct_source *src, ct_model **out, carat_err *err)
{
    *src = (ct_source){ 0 };
    ct_model *m = *out = calloc(1, sizeof *m);
    if (!m)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the model's description", path);
    if (describe(m, path, trust_header, src, err))
        return true;
    ct_model_close(m);
    *out = NULL;
    return false;
}

typedef struct imagined {
    ct_model *m;
    ct_type_of *type_of;
    void *arg;
} imagined;

static bool set_type(void *arg, ct_part part, size_t layer)
{
    imagined *i = arg;
    if (!ct_part_get(part)->is_norm)
        i->m->types[type_index(part, layer)] = i->type_of(i->arg, part, layer);
    return true;
}

bool ct_model_imagine(const ct_config *c, ct_type_of *type_of, void *arg, ct_model **out, carat_err *err)
{
    ct_model *m = *out = calloc(1, sizeof *m);
    if (!m)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a model's description");
    m->cfg = *c;
    m->n_pieces = c->n_vocab;
    if (!take_types(m, err)) {
        ct_model_close(m);
        *out = NULL;
        return false;
    }
    return ct_part_each(c, set_type, &(imagined){ m, type_of, arg });
}

/* ---- vocabulary ---- */

bool ct_model_is_stop(const ct_model *m, int32_t id)
{
    for (uint32_t i = 0; i < m->n_stops; i++)
        if (m->stops[i] == id)
            return true;
    return false;
}

void ct_model_add_stop(ct_model *m, int32_t id)
{
    if (id < 0 || (uint32_t)id >= m->n_pieces || ct_model_is_stop(m, id))
        return;
    if (m->n_stops == CT_MAX_STOPS)
        m->cfg.n_eos_over++;
    else
        m->stops[m->n_stops++] = id;
}

/* An id that a file names as an end. Ordinary text is not one, whatever the file says: the answer would break off. */
static void add_named_stop(ct_model *m, int32_t id, const char *from)
{
    size_t len;
    const char *piece = ct_tok_bytes(m->tok, id, &len);
    if ((uint32_t)id >= m->n_pieces)
        ct_config_note(&m->cfg, m->path, "end token: %s names %d, the vocabulary has 0 to %u; ignored", from, id,
                       m->n_pieces - 1);
    else if (!ct_tok_can_end(m->tok, id))
        ct_config_note(&m->cfg, m->path, "end token: %s names %d '%.*s', which is ordinary text; ignored", from, id,
                       (int)(len < 40 ? len : 40), piece);
    else {
        ct_tok_make_control(m->tok, id);
        ct_model_add_stop(m, id);
    }
}

static void add_stops(ct_model *m, const char *eos_token)
{
    static const char from[] = "the tokenizer's eos_token";
    const ct_tok_info *f = ct_tok_facts(m->tok);
    ct_model_add_stop(m, f->eos);
    ct_model_add_stop(m, f->end_of_turn);
    for (uint32_t i = 0; i < m->cfg.n_eos; i++)
        add_named_stop(m, m->cfg.eos[i], m->cfg.eos_from[i]);
    int32_t id = eos_token ? ct_tok_find(m->tok, eos_token, strlen(eos_token)) : -1;
    if (id >= 0)
        add_named_stop(m, id, from);
    else if (eos_token && *eos_token)
        ct_config_note(&m->cfg, m->path, "end token: %s is '%.40s', which the vocabulary does not have; ignored", from,
                       eos_token);
    if (m->cfg.n_eos_over)
        ct_config_note(&m->cfg, m->path, "end tokens: %u more than the %d that are kept are ignored", m->cfg.n_eos_over,
                       CT_MAX_STOPS);
}

/* Every piece that text is made of needs a row. Added tokens do not until a prompt has one, which is then refused
 * (api/ids.h): trainers extend the tokenizer without the model, and a text-only table of 262144 rows goes with a
 * tokenizer.json that has <image_soft_token> 262144. */
static bool check_vocab(ct_model *m, carat_err *err)
{
    const ct_tok_info *f = ct_tok_facts(m->tok);
    size_t n = f->n_pieces;
    for (; n > m->cfg.n_vocab; n--)
        if (!ct_tok_is_added(m->tok, (int32_t)(n - 1)))
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %zu tokens, but the embedding table has %u rows",
                           m->path, f->n_pieces, m->cfg.n_vocab);
    m->n_pieces = (uint32_t)n;
    if (m->cfg.image_token < 0)
        m->cfg.image_token = f->image_soft_token;
    return true;
}

static bool read_tasks(ct_model *m, const ct_source *src, carat_err *err)
{
    if (!m->cfg.is_encoder)
        return true;
    m->tasks = calloc(1, sizeof *m->tasks);
    if (!m->tasks)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its prompts", m->path);
    return ct_tasks_read(src, m->tasks, err);
}

bool ct_model_read_vocab(ct_model *m, const ct_source *src, carat_err *err)
{
    ct_beside b;
    bool ok = ct_beside_read(src, &m->cfg, &b, err) && ct_source_tokenizer(src, &m->tok, err) && check_vocab(m, err) &&
              read_tasks(m, src, err);
    if (ok) {
        add_stops(m, b.eos_token);
        m->advice = b.advice;
        m->chat_template = b.chat_template;
        b.chat_template = NULL;
    }
    ct_beside_deinit(&b);
    return ok;
}

void ct_model_close(ct_model *m)
{
    if (!m)
        return;
    ct_tokenizer_close(m->tok);
    if (m->tasks)
        ct_tasks_deinit(m->tasks);
    free(m->tasks);
    free(m->types);
    free(m->path);
    free(m->chat_template);
    free(m);
}
