/* Opening a scale: which model is meant, its description, its tower.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "weigh/weigh.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/layout.h"
#include "model/shape_fields.h"
#include "model/source.h"
#include "weigh/names.h"
#include "weigh/tower.h"

#define MAX_IMAGES 8192 /* of a prompt */

/* ---- which model ---- */

static bool open_name(ct_estimate *s, carat_err *err)
{
    ct_named named;
    ct_config c;
    if (!ct_weigh_name(s->q.model ? s->q.model : "4b", &named, err))
        return false;
    if (s->options.mmproj)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: its tower is known; --mmproj is for a model's file",
                       named.title);
    ct_config_of(named.p, &c);
    c.vision.present = named.has_vision;
    if (s->q.shape &&
        (!ct_shape_apply(s->q.shape, &c, &s->is_custom, err) || !ct_config_finish(&c, "shape", true, err)))
        return false;
    snprintf(s->name, sizeof s->name, "%s%s", s->is_custom ? "a shape made from " : "", named.title);
    snprintf(s->quant, sizeof s->quant, "%s", s->q.quant ? s->q.quant : named.quant ? named.quant : "q4_k_m");
    s->could_see = named.has_vision;
    return ct_estimate_describe(&c, s->quant, &s->own, &s->weight_bytes, &s->tensor_bytes, err);
}

static void list_types(const ct_model *m, char *out, size_t size)
{
    size_t len = 0;
    for (uint32_t t = 0; t < CT_N_TYPE && len < size; t++)
        if (m->type_tensors[t])
            len += (size_t)snprintf(out + len, size - len, "%s%s %u", len ? ", " : "", ct_type_get(t)->name,
                                    m->type_tensors[t]);
}

typedef struct file_sum {
    const ct_source *source;
    const ct_config *c;
    uint64_t bytes;
} file_sum;

static bool add_tensor(void *arg, ct_part part, size_t layer)
{
    file_sum *f = arg;
    const ct_tensor *t;
    if (!ct_source_tensor(f->source, f->c, part, layer, &t, NULL))
        return false;
    f->bytes += t->bytes;
    return true;
}

/* Bytes of the text model's tensors and of all tensors of a file or folder. */
static bool sum_file(const ct_estimate *s, uint64_t *text, uint64_t *all, carat_err *err)
{
    ct_source source = { 0 };
    ct_config c;
    bool ok = ct_source_open(&source, s->q.model, s->options.trust_header, &c, err);
    file_sum f = { &source, &s->m->cfg, 0 };
    *all = 0;
    if (ok && !ct_layout_each(&s->m->cfg, add_tensor, &f))
        ok = ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: changed while it was read", s->q.model);
    for (size_t i = 0; ok && i < source.tensors->n; i++)
        *all += source.tensors->items[i].bytes;
    *text = f.bytes;
    ct_source_close(&source);
    return ok;
}

static bool open_file(ct_estimate *s, const char *tower, carat_err *err)
{
    const ct_model_options o = { .no_tokenizer = true, .trust_header = s->options.trust_header };
    if (s->q.shape)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: a file has its own shape", s->q.model);
    if (s->q.quant)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: a file has its own types; --quant is for models by name",
                       s->q.model);
    if (!ct_model_peek(s->q.model, &o, &s->own, &s->weight_bytes, err))
        return false;
    s->m = s->own;
    s->is_file = true;
    snprintf(s->name, sizeof s->name, "%s", *s->m->cfg.name ? s->m->cfg.name : s->q.model);
    list_types(s->m, s->quant, sizeof s->quant);
    s->could_see = s->m->cfg.vision.present || tower;
    uint64_t all;
    if (!sum_file(s, &s->tensor_bytes, &all, err))
        return false;
    s->vision_tensor_bytes = all - s->tensor_bytes; /* of a tower in the same file */
    return true;
}

static bool is_there(const char *path)
{
    struct stat st;
    size_t n = strlen(path);
    return stat(path, &st) == 0 || (n > 5 && strcmp(path + n - 5, ".gguf") == 0);
}

/* ---- the tower ---- */

/* Towers are published in half precision beside every quantisation of the text model. */
static bool weigh_named_tower(ct_estimate *s, const ct_vision_options *o, carat_err *err)
{
    char path[64];
    int fd;
    ct_type type = strcasecmp(s->quant, "f32") == 0 ? CT_F32 : strcasecmp(s->quant, "bf16") == 0 ? CT_BF16 : CT_F16;
    s->tower = s->m->cfg.vision;
    s->tower_type = type;
    if (!ct_weigh_tower_file(&s->tower, s->m->cfg.hidden, type, &fd, &s->vision_tensor_bytes, &s->n_vision_params, err))
        return false;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool ok = ct_vision_bytes(path, s->m->cfg.hidden, &s->kernels, s->n_threads, o, &s->vision, err);
    close(fd);
    return ok;
}

/* Of a tower's tensors; a text model may stand beside it. */
static ct_type main_type(const ct_tensors *t)
{
    uint64_t bytes[CT_N_TYPE] = { 0 };
    ct_type most = CT_F32;
    for (size_t i = 0; i < t->n; i++)
        if (strncmp(t->items[i].name, "v.", 2) == 0 || strstr(t->items[i].name, "vision"))
            bytes[t->items[i].type] += t->items[i].bytes;
    for (uint32_t k = 0; k < CT_N_TYPE; k++)
        if (bytes[k] > bytes[most])
            most = (ct_type)k;
    return most;
}

static bool weigh_tower_file(ct_estimate *s, const char *path, const ct_vision_options *o, carat_err *err)
{
    ct_source source = { 0 };
    bool ok = ct_vision_bytes(path, s->m->cfg.hidden, &s->kernels, s->n_threads, o, &s->vision, err) &&
              ct_source_open_vision(&source, path, &s->tower, err);
    if (ok && strcmp(path, s->q.model) != 0) {
        s->vision_tensor_bytes = 0;
        for (size_t i = 0; i < source.tensors->n; i++)
            s->vision_tensor_bytes += source.tensors->items[i].bytes;
    }
    if (ok)
        s->tower_type = main_type(source.tensors);
    else
        s->vision = (ct_vision_size){ 0 };
    ct_source_close(&source);
    return ok;
}

static bool weigh_tower(ct_estimate *s, const char *tower, carat_err *err)
{
    const carat_options *asked = &s->options;
    const ct_vision_options o = { .exact = asked->is_exact };
    bool wanted = asked->vision != CARAT_VISION_OFF, required = asked->vision == CARAT_VISION_REQUIRED;
    carat_err why;
    if (s->could_see && wanted && !s->is_file)
        return weigh_named_tower(s, &o, err);
    if (s->could_see && wanted && tower) {
        if (weigh_tower_file(s, tower, &o, &why))
            return true;
        if (required || asked->mmproj || why.code == CARAT_ENOMEM) {
            if (err)
                *err = why;
            return false;
        }
        snprintf(s->note, sizeof s->note, "text only: %.200s", why.msg); /* as the engine does it */
    } else if (required) {
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: this model cannot see: no vision tower in it%s",
                       s->name, s->is_file ? ", no mmproj file beside it" : "");
    }
    s->vision_tensor_bytes = 0;
    return true;
}

/* ---- opening ---- */

static bool check_query(ct_estimate *s, carat_err *err)
{
    carat_weigh_query *q = &s->q;
    const carat_options *o = &s->options;
    char msg[160];
    unsigned mask;
    if (!q->n_images)
        q->n_images = 1;
    if (q->n_images > MAX_IMAGES)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu images in a prompt, expected at most %d", q->n_images,
                       MAX_IMAGES);
    if (o->n_threads < 0 || o->n_threads > CT_MAX_THREADS)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%d threads, expected 1 to %d", o->n_threads, CT_MAX_THREADS);
    if (q->quant && !ct_weigh_knows_quant(q->quant))
        return ct_estimate_describe(&(ct_config){ .n_layer = 1 }, q->quant, &s->own, &s->weight_bytes, &s->tensor_bytes,
                                    err);
    if (!ct_cpu_by_name(o->cpu ? o->cpu : getenv("CARAT_CPU"), &mask, msg))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s", msg);
    ct_kernels_for(&s->kernels, mask);
    s->n_threads = o->n_threads ? o->n_threads : ct_cpu_default();
    return true;
}

bool ct_estimate_open(const carat_weigh_query *q, const char *tower, ct_estimate *s, carat_err *err)
{
    *s = (ct_estimate){ .q = *q, .options = *q->options };
    if (!check_query(s, err))
        return false;
    bool is_path = q->model && is_there(q->model);
    if (!(is_path ? open_file(s, tower, err) : open_name(s, err)))
        return false;
    s->m = s->own;
    return weigh_tower(s, tower, err);
}

void ct_estimate_close(ct_estimate *s)
{
    ct_model_close(s->own);
    s->own = NULL;
    s->m = NULL;
}
