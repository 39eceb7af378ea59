/* Opening an estimate: which model is meant, its description, its tower.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "weigh/weigh.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "model/shape_fields.h"
#include "weigh/names.h"

#define MAX_IMAGES 8192 /* of a prompt */

/* ---- which model ---- */

static bool open_name(ct_estimate *s, carat_err *err)
{
    ct_named named;
    ct_config c;
    if (!ct_weigh_name(s->q.model ? s->q.model : "4b", &named, err))
        return false;
    if (s->options.mmproj)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "%s: this model's vision tower is known; --mmproj is only for a model's file", named.title);
    ct_config_of(named.p, &c);
    c.vision.present = named.has_vision;
    if (s->q.shape &&
        (!ct_shape_apply(s->q.shape, &c, &s->is_custom, err) || !ct_config_finish(&c, "shape", true, err)))
        return false;
    snprintf(s->name, sizeof s->name, "%s%s", s->is_custom ? "a shape made from " : "", named.title);
    snprintf(s->quant, sizeof s->quant, "%s", s->q.quant ? s->q.quant : named.quant ? named.quant : "q4_k_m");
    s->could_see = named.has_vision;
    return ct_estimate_describe(&c, s->quant, &s->own.model, &s->tensor_bytes, err);
}

/* Cut where there is no room: a file may hold every type there is. */
static void list_types(const ct_model *m, char *out, size_t size)
{
    ct_buf b;
    ct_buf_init(&b, 4096);
    ct_type_counts(m->type_tensors, &b);
    snprintf(out, size, "%s", b.data ? b.data : "");
    ct_buf_deinit(&b);
}

static bool open_file(ct_estimate *s, carat_err *err)
{
    const carat_options *q = &s->options;
    const ct_checkpoint_options o = { .trust_header = q->trusts_header, .vision = q->vision, .mmproj = q->mmproj };
    if (s->q.shape)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "%s: a file states its own shape; shape options are only for models by name", s->q.model);
    if (s->q.quant)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "%s: a file states its own types; --quant is only for models by name", s->q.model);
    if (!ct_checkpoint_open(s->q.model, &o, &s->own, err))
        return false;
    ct_checkpoint_close_files(&s->own);
    const ct_model *m = s->own.model;
    s->is_file = true;
    snprintf(s->name, sizeof s->name, "%s", *m->cfg.name ? m->cfg.name : s->q.model);
    snprintf(s->note, sizeof s->note, "%.230s", s->own.note);
    list_types(m, s->quant, sizeof s->quant);
    s->could_see = s->own.could_see;
    s->tensor_bytes = m->tensor_bytes;
    return true;
}

static bool is_there(const char *path)
{
    struct stat st;
    size_t n = strlen(path);
    return stat(path, &st) == 0 || (n > 5 && strcmp(path + n - 5, ".gguf") == 0);
}

/* Towers are published in half precision beside every quantisation of the text model. */
static bool imagine_tower(ct_estimate *s, carat_err *err)
{
    const ct_model *m = s->own.model;
    carat_vision_use use = s->options.vision;
    if (use == CARAT_VISION_REQUIRED && !s->could_see)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: this model has no vision tower", s->name);
    if (use == CARAT_VISION_OFF || !s->could_see)
        return true;
    ct_type type = strcasecmp(s->quant, "f32") == 0 ? CT_F32 : strcasecmp(s->quant, "bf16") == 0 ? CT_BF16 : CT_F16;
    return ct_tower_imagine(&m->cfg.vision, m->cfg.hidden, type, &s->own.tower, err);
}

/* It is a file, whatever the model is. */
static bool open_draft(ct_estimate *s, carat_err *err)
{
    const ct_checkpoint_options o = { .trust_header = s->options.trusts_header, .vision = CARAT_VISION_OFF };
    if (!s->options.draft)
        return true;
    if (!ct_checkpoint_open(s->options.draft, &o, &s->own_draft, err))
        return false;
    ct_checkpoint_close_files(&s->own_draft);
    s->draft = s->own_draft.model;
    return true;
}

/* ---- opening ---- */

static bool check_query(ct_estimate *s, carat_err *err)
{
    carat_weigh_query *q = &s->q;
    if (!q->n_images)
        q->n_images = 1;
    if (q->n_images > MAX_IMAGES)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu images in a prompt, expected at most %d", q->n_images,
                       MAX_IMAGES);
    if (q->quant && !ct_weigh_knows_quant(q->quant))
        return ct_estimate_describe(&(ct_config){ .n_layer = 1 }, q->quant, &s->own.model, &s->tensor_bytes, err);
    return true;
}

bool ct_estimate_open(const carat_weigh_query *q, const ct_backend *b, int n_threads, ct_estimate *s, carat_err *err)
{
    *s = (ct_estimate){ .q = *q, .options = *q->options, .b = b, .n_threads = n_threads };
    if (!check_query(s, err))
        return false;
    bool is_path = q->model && is_there(q->model);
    if (!(is_path ? open_file(s, err) : open_name(s, err) && imagine_tower(s, err)))
        return false;
    if (!open_draft(s, err))
        return false;
    s->desc = (ct_desc){ .text = s->own.model, .tower = s->own.tower };
    s->vision_tensor_bytes = s->own.tower ? s->own.tower->tensor_bytes : 0;
    return true;
}

void ct_estimate_close(ct_estimate *s)
{
    ct_checkpoint_close(&s->own);
    ct_checkpoint_close(&s->own_draft);
    s->draft = NULL;
    s->desc = (ct_desc){ .text = NULL };
}
