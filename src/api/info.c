/* What a model file is, for people and for programs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/buf.h"
#include "model/family.h"
#include "model/sentence.h"

/* The description and its strings stand in one allocation, so freeing it is one call. */
typedef struct ct_info_block {
    carat_model_info info;
    carat_sampling sampling;
    carat_task tasks[CT_MAX_TASKS];
    ct_buf path, container, name, published, types, warnings, vision_path, vision_types, template_note, template,
        family;
    ct_buf task_texts; /* names and prompts, each with its NUL */
} ct_info_block;

static void fill_shape(const ct_config *c, carat_model_info *i)
{
    i->n_layer = c->n_layer;
    for (size_t l = 0; l < c->n_layer; l++)
        i->n_global += c->is_global[l];
    i->hidden = c->hidden;
    i->ffn = c->ffn;
    i->n_head = c->n_head;
    i->n_kv_head = c->n_kv_head;
    i->head_dim = c->head_dim;
    i->n_vocab = c->n_vocab;
    i->window = c->window;
    i->context = c->context;
    i->eps = (double)c->eps;
    i->query_scale = (double)c->query_scale;
    i->rope_base_global = c->rope_global.base;
    i->rope_base_local = c->rope_local.base;
    i->rope_factor = c->rope_global.factor;
}

typedef struct type_counts {
    const ct_tower *t;
    uint32_t n[CT_N_TYPE];
} type_counts;

static bool count_type(void *arg, ct_tower_part part, size_t layer)
{
    type_counts *c = arg;
    c->n[ct_tower_type(c->t, part, layer)]++;
    return true;
}

static void list_vision_types(const ct_tower *t, ct_buf *out)
{
    type_counts c = { .t = t };
    ct_tower_each(&t->cfg, count_type, &c);
    ct_type_counts(c.n, out);
}

static void fill_vision(const ct_vision_config *c, const ct_footprint *bytes, carat_model_info *i)
{
    i->has_vision = true;
    i->vision_layers = c->n_layer;
    i->vision_hidden = c->hidden;
    i->vision_ffn = c->ffn;
    i->vision_heads = c->n_head;
    i->image_size = c->image_size;
    i->patch_size = c->patch_size;
    i->tokens_per_image = c->tokens_per_image;
    i->vision_weight_bytes = bytes->tower;
    i->vision_work_bytes = bytes->tower_work;
}

/* ---- embedding models ---- */

static void write_tasks(const ct_model *m, ct_info_block *b)
{
    for (size_t i = 0; m->tasks && i < m->tasks->n; i++) {
        ct_buf_add(&b->task_texts, m->tasks->v[i].name, strlen(m->tasks->v[i].name) + 1);
        ct_buf_add(&b->task_texts, m->tasks->v[i].prompt, strlen(m->tasks->v[i].prompt) + 1);
    }
}

static void fill_embedding(const ct_model *m, ct_info_block *b)
{
    static const size_t trained[] = { 768, 512, 256,
                                      128 }; /* Matryoshka representations: EmbeddingGemma's model card */
    carat_model_info *i = &b->info;
    const char *text = b->task_texts.data;
    i->is_embedding = m->cfg.is_encoder;
    if (m->cfg.is_encoder && m->cfg.published) {
        i->embedding_dims = trained;
        i->n_embedding_dims = sizeof trained / sizeof *trained;
    }
    for (; m->tasks && i->n_tasks < m->tasks->n; i->n_tasks++) {
        b->tasks[i->n_tasks].name = text;
        text += strlen(text) + 1;
        b->tasks[i->n_tasks].prompt = text;
        text += strlen(text) + 1;
    }
    i->tasks = b->tasks;
}

static void write_texts(const ct_checkpoint *c, const ct_turn_format *turns, ct_info_block *b)
{
    const ct_model *m = c->model;
    ct_buf_str(&b->path, m->path);
    ct_buf_str(&b->container, m->is_packed ? "pack" : m->is_gguf ? "GGUF" : "Hugging Face folder");
    ct_buf_str(&b->name, m->cfg.name);
    if (m->cfg.published)
        ct_buf_str(&b->published, m->cfg.published->title);
    ct_type_counts(m->type_tensors, &b->types);
    for (uint32_t i = 0; i < m->cfg.n_notes; i++)
        ct_buf_fmt(&b->warnings, "%s%s", i ? "\n" : "", m->cfg.notes[i]);
    if (*c->note) /* a tower that is there and not used */
        ct_buf_fmt(&b->warnings, "%s%s", m->cfg.n_notes ? "\n" : "", c->note);
    ct_buf_str(&b->template_note, turns->note);
    ct_buf_str(&b->template, m->chat_template ? m->chat_template : "");
    ct_family_of(m, &b->family);
    write_tasks(m, b);
    if (!c->tower)
        return;
    ct_buf_str(&b->vision_path, c->tower->path);
    list_vision_types(c->tower, &b->vision_types);
}

bool ct_info_new(const ct_checkpoint *c, const ct_turn_format *turns, const ct_footprint *bytes, carat_model_info **out,
                 carat_err *err)
{
    *out = NULL;
    const ct_model *m = c->model;
    ct_info_block *b = calloc(1, sizeof *b);
    if (!b)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the model's description");
    ct_buf *all[] = { &b->path,        &b->container,    &b->name,          &b->published, &b->types,      &b->warnings,
                      &b->vision_path, &b->vision_types, &b->template_note, &b->template,  &b->task_texts, &b->family };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ct_buf_init(all[i],
                    all[i] == &b->template ? SIZE_MAX / 2 : 1 << 20); /* a template is as long as the file has it */
        ct_buf_str(all[i], "");
    }
    ct_api_advice(c->model, &b->sampling, &b->info.sampling_fields); /* may add to the notes */
    write_texts(c, turns, b);
    bool failed = false;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        failed = failed || all[i]->failed;
    carat_model_info *info = &b->info;
    if (failed) {
        carat_model_info_free(info);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the model's description");
    }
    info->path = b->path.data;
    info->container = b->container.data;
    info->name = b->name.data;
    info->published = b->published.data;
    info->weight_types = b->types.data;
    info->warnings = b->warnings.data;
    info->vision_path = b->vision_path.data;
    info->vision_types = b->vision_types.data;
    if (c->tower)
        fill_vision(&c->tower->cfg, bytes, info);
    info->sampling = &b->sampling;
    info->sampling_from = info->sampling_fields ? m->advice.from : "";
    info->chat_template = ct_turn_format_name(turns);
    info->chat_template_note = b->template_note.data;
    info->chat_template_text = b->template.data;
    info->family = b->family.data;
    info->is_instruction_tuned = *info->chat_template;
    info->n_pieces = m->n_pieces;
    info->n_params = m->n_params;
    info->file_bytes = m->file_bytes;
    info->weight_bytes = bytes->weights;
    fill_shape(&m->cfg, info);
    fill_embedding(m, b);
    *out = info;
    return true;
}

void carat_model_info_free(carat_model_info *info)
{
    if (!info)
        return;
    ct_info_block *b = (ct_info_block *)info; /* info is its first member */
    ct_buf *all[] = { &b->path,        &b->container,    &b->name,          &b->published, &b->types,      &b->warnings,
                      &b->vision_path, &b->vision_types, &b->template_note, &b->template,  &b->task_texts, &b->family };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ct_buf_deinit(all[i]);
    free(b);
}

/* What weights and tower take, with everything else as small as possible. */
static bool weigh(const ct_checkpoint *c, ct_footprint *out, carat_err *err)
{
    static const carat_options defaults;
    const ct_sizes least = { .max_batch = 1, .max_context = 1, .n_slots = 1 };
    ct_backend b;
    bool ok = ct_api_open_backend(&defaults, NULL, &b, err) &&
              b.bytes(b.self, &(ct_desc){ .text = c->model, .tower = c->tower }, &least, out, err);
    if (b.close)
        b.close(b.self);
    return ok;
}

bool carat_model_describe(const char *path, carat_model_info **out, carat_err *err)
{
    static const ct_checkpoint_options any; /* a tower that is ambiguous or does not fit is left out */
    ct_checkpoint c;
    ct_turn_format turns;
    ct_footprint bytes;
    *out = NULL;
    bool ok =
        ct_checkpoint_open(path, &any, &c, err) && ct_model_read_vocab(c.model, &c.text, err) && weigh(&c, &bytes, err);
    if (ok)
        ct_turn_format_choose(c.model, NULL, &turns);
    ok = ok && ct_info_new(&c, &turns, &bytes, out, err);
    ct_checkpoint_close(&c);
    return ok;
}
