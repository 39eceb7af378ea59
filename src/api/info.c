/* What a model file is, for people and for programs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/buf.h"

/* The description and its strings stand in one allocation, so freeing it is one call. */
typedef struct ct_info_block {
    carat_model_info info;
    ct_buf path, container, name, published, types, warnings, vision_path, vision_types;
} ct_info_block;

static void list_types(const ct_model *m, ct_buf *out)
{
    for (uint32_t t = 0; t < CT_N_TYPE; t++)
        if (m->type_tensors[t])
            ct_buf_fmt(out, "%s%s %u", out->len ? ", " : "", ct_type_get(t)->name, m->type_tensors[t]);
}

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

static void fill_vision(const ct_vision_facts *f, carat_model_info *i)
{
    i->has_vision = true;
    i->vision_layers = f->shape.n_layer;
    i->vision_hidden = f->shape.hidden;
    i->vision_ffn = f->shape.ffn;
    i->vision_heads = f->shape.n_head;
    i->image_size = f->shape.image_size;
    i->patch_size = f->shape.patch_size;
    i->tokens_per_image = f->shape.tokens_per_image;
    i->vision_weight_bytes = f->size.weights;
    i->vision_work_bytes = f->size.work;
}

bool ct_info_new(const ct_model *m, size_t weight_bytes, const char *vision_path, const ct_kernels *k, int n_threads,
                 bool exact, carat_model_info **out, carat_err *err)
{
    *out = NULL;
    ct_info_block *b = calloc(1, sizeof *b);
    if (!b)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the model's description");
    ct_buf *all[] = { &b->path,  &b->container, &b->name,        &b->published,
                      &b->types, &b->warnings,  &b->vision_path, &b->vision_types };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ct_buf_init(all[i], 1 << 20);
        ct_buf_str(all[i], "");
    }
    ct_buf_str(&b->path, m->path);
    ct_buf_str(&b->container, m->is_gguf ? "GGUF" : "Hugging Face folder");
    ct_buf_str(&b->name, m->cfg.name);
    if (m->cfg.published)
        ct_buf_fmt(&b->published, "Gemma 3 %s", m->cfg.published->name);
    list_types(m, &b->types);
    ct_buf_str(&b->vision_path, vision_path);
    ct_vision_facts vision;
    bool sees = vision_path[0];
    if (sees && !ct_vision_describe(vision_path, m->cfg.hidden, k, n_threads, exact, &vision, &b->vision_types, err)) {
        carat_model_info_free(&b->info);
        return false;
    }
    for (uint32_t i = 0; i < m->cfg.n_notes; i++)
        ct_buf_fmt(&b->warnings, "%s%s", i ? "\n" : "", m->cfg.notes[i]);

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
    if (sees)
        fill_vision(&vision, info);
    info->is_instruction_tuned = m->chat_template != NULL;
    info->n_pieces = m->n_pieces;
    info->n_params = m->n_params;
    info->file_bytes = m->file_bytes;
    info->weight_bytes = weight_bytes;
    fill_shape(&m->cfg, info);
    *out = info;
    return true;
}

void carat_model_info_free(carat_model_info *info)
{
    if (!info)
        return;
    ct_info_block *b = (ct_info_block *)info; /* info is its first member */
    ct_buf *all[] = { &b->path,  &b->container, &b->name,        &b->published,
                      &b->types, &b->warnings,  &b->vision_path, &b->vision_types };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ct_buf_deinit(all[i]);
    free(b);
}

bool carat_model_describe(const char *path, carat_model_info **out, carat_err *err)
{
    *out = NULL;
    ct_model *m;
    size_t bytes;
    if (!ct_model_peek(path, NULL, &m, &bytes, err))
        return false;
    ct_kernels k;
    char vision[4096];
    ct_kernels_for(&k, ct_cpu_detect());
    /* A tower that is in doubt or does not fit is no reason not to tell about the text model. */
    if (!ct_vision_find(m, NULL, vision, NULL))
        vision[0] = '\0';
    bool ok = ct_info_new(m, bytes, vision, &k, ct_cpu_default(), false, out, err) ||
              (vision[0] && ct_info_new(m, bytes, "", &k, ct_cpu_default(), false, out, err));
    ct_model_close(m);
    return ok;
}
