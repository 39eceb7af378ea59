/* What the page asks before anything is sent to a model: which crops of an image the model would see, and what models
 * need.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "openai/fields.h"
#include "openai/openai.h"
#include "planner/planner.h"
#include "server/inside.h"

/* clang-format off */
static const ct_openai_field crops_fields[] = {
#define X(field) { field, 0, CT_FIELD_HONOURED, NULL, NULL },
    X("model") X("image") X("pan_scan")
};
static const ct_openai_field weigh_fields[] = {
    X("model") X("type") X("kv") X("parallel") X("images") X("shared") X("text_only")
#undef X
};
/* clang-format on */
static const ct_openai_rows crops_rows = { crops_fields, sizeof crops_fields / sizeof *crops_fields, 0,
                                           "a request for /carat/crops" };
static const ct_openai_rows weigh_rows = { weigh_fields, sizeof weigh_fields / sizeof *weigh_fields, 0,
                                           "a request for /carat/weigh" };

static bool check(const ct_talk_scene *s, const json_t *body, const ct_openai_rows *rows, ct_openai_fault *f)
{
    ct_openai_list none;
    if (!json_is_object(body))
        return ct_openai_refuse(f, 400, "invalid_value", "", "the body is not an object");
    ct_openai_list_init(&none, s->options->mode);
    const bool ok = ct_openai_check_rows(body, rows, "", s->unknown ? s->unknown : &none, f);
    ct_buf_deinit(&none.names);
    return ok;
}

static bool text_of(const json_t *body, const char *key, const char **to, ct_openai_fault *f)
{
    return ct_json_text(body, "body", key, to, &f->err) || ct_openai_refuse_err(f, key);
}

/* One of some words; the first where there is none. */
static bool word_of(const json_t *body, const char *key, const char *const *words, size_t n, size_t *to,
                    ct_openai_fault *f)
{
    const char *v = NULL;
    *to = 0;
    if (!text_of(body, key, &v, f))
        return false;
    for (size_t i = 0; v && i < n; i++)
        if (strcmp(v, words[i]) == 0) {
            *to = i;
            return true;
        }
    return !v || ct_openai_refuse(f, 400, "invalid_value", key, "body: '%s' is '%.40s', expected one of '%s' and so on",
                                  key, v, words[0]);
}

/* ---- crops ---- */

static json_t *boxes_of(const carat_picture *p, const carat_pan_scan *pan, size_t n)
{
    json_t *views = json_array();
    for (size_t i = 0; i < n; i++) {
        carat_box b = { .struct_size = sizeof b };
        if (carat_picture_box(p, pan, i, &b, NULL))
            json_array_append_new(views, json_pack("{s:i, s:i, s:i, s:i}", "x", (int)b.x, "y", (int)b.y, "width",
                                                   (int)b.width, "height", (int)b.height));
    }
    return views;
}

bool ct_ask_crops(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f)
{
    static const char *const modes[] = { "auto", "off", "on" }; /* as carat_pan_scan_mode */
    carat_pan_scan pan = s->options->pan_scan;
    carat_picture *p = NULL;
    size_t mode, n;
    pan.struct_size = sizeof pan;
    if (!check(s, body, &crops_rows, f) || !word_of(body, "pan_scan", modes, 3, &mode, f) ||
        !ct_openai_image(json_object_get(body, "image"), NULL, "", "image", &p, f))
        return false;
    if (mode)
        pan.mode = (carat_pan_scan_mode)mode;
    bool ok = carat_picture_n_views(p, &pan, &n, &f->err) || ct_openai_refuse_err(f, "image");
    if (ok)
        *reply = json_pack("{s:i, s:i, s:o, s:I}", "width", (int)carat_picture_width(p), "height",
                           (int)carat_picture_height(p), "views", boxes_of(p, &pan, n), "tokens_per_view",
                           (json_int_t)carat_engine_info(s->engine)->tokens_per_image);
    carat_picture_free(p);
    return ok;
}

/* ---- the planner ---- */

static bool count_of(const json_t *body, const char *key, int64_t max, size_t *to, ct_openai_fault *f)
{
    int64_t v = 0;
    if (!ct_json_int(body, "body", key, 0, max, &v, &f->err))
        return ct_openai_refuse_err(f, key);
    *to = (size_t)v;
    return true;
}

/* Published names, and the server's own models: what other files there are on this machine is not everybody's business. */
static bool check_name(const ct_talk_scene *s, const char *name, ct_openai_fault *f)
{
    if (s->path || !name || (strlen(name) < 100 && name[0] != '/' && name[0] != '.' && !strstr(name, ".gguf")))
        return true;
    return ct_openai_refuse(f, 400, "invalid_value", "model",
                            "body: 'model' is '%.60s', expected a published model, such as '4b' or "
                            "'google/gemma-3-12b-it', or one of this server",
                            name);
}

static bool read_query(const ct_talk_scene *s, const json_t *body, carat_weigh_query *q, carat_options *o,
                       ct_openai_fault *f)
{
    static const char *const caches[] = { "f16", "q8_0" }; /* as carat_cache_type */
    const char *name = NULL, *type = NULL;
    bool is_text_only = false;
    size_t cache;
    if (!check(s, body, &weigh_rows, f) || !text_of(body, "model", &name, f) || !check_name(s, name, f) ||
        !text_of(body, "type", &type, f) || !word_of(body, "kv", caches, 2, &cache, f) ||
        !count_of(body, "parallel", 1024, &o->n_sessions, f) || !count_of(body, "images", 1024, &q->n_images, f) ||
        !count_of(body, "shared", 1 << 20, &q->shared, f))
        return false;
    if (!ct_json_bool(body, "body", "text_only", &is_text_only, &f->err))
        return ct_openai_refuse_err(f, "text_only");
    q->model = s->path ? s->path : name && *name ? name : NULL;
    q->quant = type && *type && !s->path ? type : NULL;
    o->cache = (carat_cache_type)cache;
    o->vision = is_text_only ? CARAT_VISION_OFF : CARAT_VISION_AUTO;
    return true;
}

bool ct_ask_weigh(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f)
{
    carat_options options = { .struct_size = sizeof options };
    carat_weigh_query q = { .struct_size = sizeof q, .options = &options };
    if (!read_query(s, body, &q, &options, f))
        return false;
    planner_grid *grid = calloc(1, sizeof *grid);
    if (!grid)
        return ct_openai_refuse(f, 500, "server_error", "", "no memory for a grid");
    bool ok = planner_grid_fill(&q, s->path != NULL, grid, &f->err) || ct_openai_refuse_err(f, "model");
    if (ok)
        *reply = json_pack("{s:o}", "grid", planner_grid_json(grid));
    free(grid);
    return ok;
}
