/* Steps after the transformer, from a folder's small JSON files.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/sentence.h"

#include <stdio.h>
#include <string.h>

#include "model/beside.h"
#include "model/no_model.h"

#define MAX_STEPS 8

static bool unsupported(const char *path, const char *what, const char *found, carat_err *err)
{
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: %s '%.50s', which Carat does not do", path, what,
                   found);
}

/* ---- pooling ---- */

/* The ways of pooling are one flag each; transformers 5's sentence-transformers writes the name alone. */
static bool check_pooling(const json_t *o, const char *path, carat_err *err)
{
    static const char prefix[] = "pooling_mode_";
    bool with_prompt = true, mean = false;
    const char *key, *mode = NULL;
    const json_t *v;
    if (!ct_json_bool(o, path, "include_prompt", &with_prompt, err) ||
        !ct_json_bool(o, path, "pooling_mode_mean_tokens", &mean, err) ||
        !ct_json_text(o, path, "pooling_mode", &mode, err))
        return false;
    json_object_foreach((json_t *)(uintptr_t)o, key, v) /* jansson walks objects that are not const */
        if (strncmp(key, prefix, sizeof prefix - 1) == 0 && strcmp(key, "pooling_mode_mean_tokens") != 0 &&
            json_is_true(v))
            return unsupported(path, "pools by", key, err);
    if (mode && strcmp(mode, "mean") != 0)
        return unsupported(path, "pools by", mode, err);
    if (!mean && !mode)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: 'pooling_mode_mean_tokens' is not true", path);
    return with_prompt ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "%s: 'include_prompt' is false; Carat pools over all tokens of prompt and text", path);
}

/* ---- dense layers ---- */

static bool check_dense(const json_t *o, const char *path, int64_t in, int64_t most, int64_t *out, carat_err *err)
{
    const char *act = NULL;
    int64_t n_in = 0;
    bool bias = false;
    *out = 0;
    if (!ct_json_text(o, path, "activation_function", &act, err) || !ct_json_bool(o, path, "bias", &bias, err) ||
        !ct_json_int(o, path, "in_features", 1, CT_MAX_FFN, &n_in, err) ||
        !ct_json_int(o, path, "out_features", 1, most, out, err))
        return false;
    if (bias)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: 'bias' is true, which Carat does not do", path);
    if (!act || strcmp(act, "torch.nn.modules.linear.Identity") != 0)
        return unsupported(path, "'activation_function' is", act ? act : "missing", err);
    return (n_in == in && *out > 0) ||
           ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %lld to %lld features, expected %lld to at least 1", path,
                   (long long)n_in, (long long)*out, (long long)in);
}

static bool open_dense(ct_source *s, const char *module, size_t i, carat_err *err)
{
    char folder[4096];
    if (!ct_source_join(s->path, module, folder))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "path of %zu bytes is too long", strlen(s->path));
    if (!ct_has_file(folder, "model.safetensors"))
        return ct_refuse_folder(folder, "model.safetensors", err);
    return ct_safetensors_open(folder, &s->dense[i], err);
}

/* ---- the steps ---- */

typedef struct steps {
    ct_source *s;
    ct_config *c;
    size_t n_dense;
    int64_t width; /* of what the next step gets */
    bool has_transformer, has_pooling, has_norm;
} steps;

/* The path of a module becomes part of a file's name: a folder beside the model's files, and nothing else. */
static bool is_plain(const char *module)
{
    return *module && *module != '.' && strlen(module) < 64 && !strpbrk(module, "/\\");
}

static bool read_module(steps *st, const char *module, const char *kind, carat_err *err)
{
    char name[128], path[4096];
    json_t *o = NULL;
    int64_t out = 0;
    if (!is_plain(module))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: modules.json: the path of a %s is '%.40s'", st->s->path,
                       kind, module);
    snprintf(name, sizeof name, "%s/config.json", module);
    bool ok = ct_beside_json(st->s, name, path, &o, err);
    if (ok && !o)
        ok = ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: no such file, which modules.json names", path);
    if (ok && strcmp(kind, "Pooling") == 0) {
        ok = check_pooling(o, path, err);
    } else if (ok) {
        ok = check_dense(o, path, st->width, CT_MAX_FFN, &out, err) && open_dense(st->s, module, st->n_dense, err);
        if (ok && st->n_dense == 0)
            st->c->dense = (uint32_t)out;
        st->n_dense++;
        st->width = out;
    }
    json_decref(o);
    return ok;
}

/* Transformer, Pooling, two Dense or none, Normalize, in this order. */
static bool take_step(steps *st, const char *path, const char *type, const char *module, carat_err *err)
{
    const char *dot = strrchr(type, '.'), *kind = dot ? dot + 1 : type;
    bool is_next = false, ok = true;
    if (strcmp(kind, "Transformer") == 0) {
        is_next = !st->has_transformer;
        st->has_transformer = true;
        ok = !*module || ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                                 "%s: the transformer is in '%.40s', expected beside it", path, module);
    } else if (strcmp(kind, "Pooling") == 0) {
        is_next = st->has_transformer && !st->has_pooling;
        st->has_pooling = true;
        ok = read_module(st, module, kind, err);
    } else if (strcmp(kind, "Dense") == 0) {
        is_next = st->has_pooling && !st->has_norm && st->n_dense < 2;
        ok = !is_next || read_module(st, module, kind, err);
    } else if (strcmp(kind, "Normalize") == 0) {
        is_next = st->has_pooling && !st->has_norm;
        st->has_norm = true;
    } else {
        return unsupported(path, "a step of the type", type, err);
    }
    return ok && (is_next || ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                                     "%s: '%s' is in a place that Carat does not know; expected Transformer, Pooling, "
                                     "Dense, Dense, Normalize",
                                     path, kind));
}

static bool read_steps(steps *st, const json_t *list, const char *path, carat_err *err)
{
    if (!json_is_array(list) || json_array_size(list) > MAX_STEPS)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: expected a list of at most %d modules", path, MAX_STEPS);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *m = json_array_get(list, i);
        const char *type = NULL, *module = "";
        if (!ct_json_text(m, path, "type", &type, err) || !ct_json_text(m, path, "path", &module, err))
            return false;
        if (!type)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: module %zu has no type", path, i);
        if (!take_step(st, path, type, module, err))
            return false;
    }
    if (!st->has_pooling || !st->has_norm)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: no %s among the modules", path,
                       st->has_pooling ? "Normalize" : "Pooling");
    return (st->n_dense != 1 && st->width == st->c->hidden) ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "%s: %zu dense layers to a width of %lld, expected two that lead to %u, or none", path, st->n_dense,
                   (long long)st->width, st->c->hidden);
}

/* The longest text that the model's maker provides for. */
static bool read_limit(const ct_source *s, ct_config *c, carat_err *err)
{
    char path[4096];
    json_t *o = NULL;
    int64_t most = c->context;
    bool lowers = false;
    bool ok = ct_beside_json(s, "sentence_bert_config.json", path, &o, err) &&
              (!o || (ct_json_int(o, path, "max_seq_length", 1, CT_MAX_CONTEXT, &most, err) &&
                      ct_json_bool(o, path, "do_lower_case", &lowers, err)));
    json_decref(o);
    if (ok && lowers)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: 'do_lower_case' is true, which Carat does not do",
                       path);
    if (ok && most < c->context)
        c->context = (uint32_t)most;
    return ok;
}

bool ct_sentence_open(ct_source *s, bool trust_header, ct_config *c, carat_err *err)
{
    char path[4096];
    json_t *list;
    steps st = { .s = s, .c = c, .width = c->hidden };
    c->dense = 0;
    if (!ct_beside_json(s, "modules.json", path, &list, err))
        return false;
    if (!list && !trust_header)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: an embedding model without modules.json, which says what follows the transformer: take the "
                       "whole folder, "
                       "with 1_Pooling, 2_Dense and 3_Dense",
                       s->path);
    if (!list)
        ct_config_note(c, s->path,
                       "no modules.json: vectors are the mean alone, without dense layers, as the header is trusted");
    bool ok = !list || read_steps(&st, list, path, err);
    json_decref(list);
    return ok && read_limit(s, c, err);
}
