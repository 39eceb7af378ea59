/* PEFT's folder: which tensor is a factor of which matrix, and what adapter_config.json says of scales and of all else.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/lora.h"
#include "adapter/pattern.h"

/* ---- adapter_config.json ---- */

/* Settings that change nothing where an adapter is used: where it came from, how it was trained, which modules it was put into
 * (its tensors say that). */
static const char *const harmless[] = {
    "auto_mapping",
    "base_model_name_or_path",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "ensure_weight_tying",
    "loftq_config",
    "eva_config",
    "megatron_config",
    "lora_alpha",
    "r",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
    "peft_type",
    "bias",
    "init_lora_weights",
    "modules_to_save",
    "use_dora",
    "fan_in_fan_out",
};

static bool is_harmless(const char *key)
{
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (strcmp(harmless[i], key) == 0)
            return true;
    return false;
}

/* Does a setting ask for nothing? */
static bool is_off(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) || (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) || (json_is_object(v) && json_object_size(v) == 0) ||
           (json_is_number(v) && json_number_value(v) == 0);
}

static bool refuse(const ct_lora *l, const char *key, const char *why, carat_err *err)
{
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: adapter_config.json: '%.60s'%s", l->path, key, why);
}

static bool refuse_modules(const ct_lora *l, const json_t *v, carat_err *err)
{
    const char *first = json_string_value(json_is_array(v) ? json_array_get(v, 0) : v);
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "%s: adapter_config.json: 'modules_to_save' has '%.60s': modules that were trained whole are not "
                   "part of a LoRA "
                   "adapter here; merge it into its model with PEFT",
                   l->path, first ? first : "");
}

/* Some ways to begin a training change the weights that the adapter is added to. */
static bool check_start(const ct_lora *l, const json_t *v, carat_err *err)
{
    const char *s = json_string_value(v);
    if (!s || strcmp(s, "gaussian") == 0 || strcmp(s, "eva") == 0 || strcmp(s, "orthogonal") == 0 ||
        strcmp(s, "mini") == 0)
        return true;
    return ct_fail(
        err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
        "%s: adapter_config.json: 'init_lora_weights' is '%.40s', which also changes the model that the adapter "
        "belongs to",
        l->path, s);
}

static bool check_settings(const ct_lora *l, const json_t *config, carat_err *err)
{
    const char *type = json_string_value(json_object_get(config, "peft_type")), *key;
    const json_t *bias = json_object_get(config, "bias");
    json_t *v;
    if (!json_is_object(config))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: adapter_config.json is %s, expected an object", l->path,
                       ct_json_kind(config));
    if (!type || strcmp(type, "LORA") != 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: adapter_config.json: 'peft_type' is '%.40s', expected 'LORA'", l->path, type ? type : "");
    if (!is_off(json_object_get(config, "use_dora")))
        return refuse(l, "use_dora", ": DoRA is not supported; merge it into its model with PEFT", err);
    if (!is_off(json_object_get(config, "fan_in_fan_out")))
        return refuse(l, "fan_in_fan_out", " is not what a Gemma 3 has", err);
    if (!is_off(json_object_get(config, "modules_to_save")))
        return refuse_modules(l, json_object_get(config, "modules_to_save"), err);
    if (!is_off(bias) && !(json_is_string(bias) && strcmp(json_string_value(bias), "none") == 0))
        return refuse(l, "bias", " is not 'none': a Gemma 3 has no biases", err);
    if (!check_start(l, json_object_get(config, "init_lora_weights"), err))
        return false;
    json_object_foreach((json_t *)(uintptr_t)config, key, v)
        if (!is_harmless(key) && !is_off(v))
            return refuse(l, key, " is set, which is not supported", err);
    return true;
}

/* ---- ranks and scales ---- */

typedef struct scales {
    const ct_lora *l;
    int64_t r;
    double alpha;
    bool is_rank_stabilised;
    const json_t *rank_pattern, *alpha_pattern; /* objects, or NULL */
} scales;

static bool read_pattern(const ct_lora *l, const json_t *config, const char *key, const json_t **out, carat_err *err)
{
    const json_t *v = json_object_get(config, key);
    *out = is_off(v) ? NULL : v;
    return !*out || json_is_object(v) ||
           ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: adapter_config.json: '%s' is %s, expected an object",
                   l->path, key, ct_json_kind(v));
}

static bool read_scales(const ct_lora *l, const json_t *config, scales *s, carat_err *err)
{
    char what[160];
    snprintf(what, sizeof what, "%.100s: adapter_config.json", l->path);
    *s = (scales){ .l = l, .r = 8, .alpha = 8 }; /* PEFT's defaults */
    return ct_json_int(config, what, "r", 1, CT_LORA_MAX_RANK, &s->r, err) &&
           ct_json_num(config, what, "lora_alpha", &s->alpha, err) &&
           ct_json_bool(config, what, "use_rslora", &s->is_rank_stabilised, err) &&
           read_pattern(l, config, "rank_pattern", &s->rank_pattern, err) &&
           read_pattern(l, config, "alpha_pattern", &s->alpha_pattern, err);
}

/* What the first key that fits a module says of it; *v stays where none does. */
static bool look_up(const scales *s, const json_t *pattern, const char *which, const char *module, double *v,
                    carat_err *err)
{
    const char *key;
    json_t *number;
    if (!pattern)
        return true;
    json_object_foreach((json_t *)(uintptr_t)pattern, key, number) {
        bool fits;
        if (!ct_pattern_fits(key, module, &fits, err))
            return ct_fail_in(err, "%s: adapter_config.json: '%s'", s->l->path, which);
        if (!fits)
            continue;
        *v = json_number_value(number);
        return json_is_number(number) || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                                                 "%s: adapter_config.json: '%s' has %s for '%.60s', expected a number",
                                                 s->l->path, which, ct_json_kind(number), key);
    }
    return true;
}

static bool set_scale(const scales *s, ct_lora_pair *p, const char *module, carat_err *err)
{
    double rank = (double)s->r, alpha = s->alpha;
    if (!look_up(s, s->rank_pattern, "rank_pattern", module, &rank, err) ||
        !look_up(s, s->alpha_pattern, "alpha_pattern", module, &alpha, err))
        return false;
    const uint64_t found = p->a ? p->a->dims[1] : p->b->dims[0];
    if ((double)found != rank)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: '%.100s' has a rank of %llu, but adapter_config.json states %.16g", s->l->path,
                       (p->a ? p->a : p->b)->name, (unsigned long long)found, rank);
    p->scale = alpha / (s->is_rank_stabilised ? sqrt(rank) : rank);
    return (isfinite((float)p->scale) && p->scale != 0) ||
           ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: adapter_config.json: an alpha of %.16g for '%.80s'",
                   s->l->path, alpha, module);
}

/* ---- names of tensors ---- */

typedef struct factor {
    ct_part part;
    size_t layer;
    bool is_a;
    char module[CT_LORA_NAME]; /* "model.layers.0.self_attn.q_proj": as PEFT calls it within the model */
} factor;

/* Cuts ".lora_A.weight", or ".lora_A.NAME.weight", off: *module is how long the rest is. */
static bool cut_factor(const char *name, size_t *module, bool *is_a)
{
    const char *at = strstr(name, ".lora_A."), *other = strstr(name, ".lora_B.");
    *is_a = at != NULL;
    at = at ? at : other;
    if (!at)
        return false;
    const char *rest = at + 8, *dot = strchr(rest, '.');
    if (dot) /* the adapter's name */
        rest = dot + 1;
    *module = (size_t)(at - name);
    return strcmp(rest, "weight") == 0 && (!dot || dot > at + 8);
}

/* PEFT's own prefix, which its patterns do not see. */
static const char *within_model(const char *name)
{
    static const char own[] = "base_model.model.";
    return strncmp(name, own, sizeof own - 1) == 0 ? name + sizeof own - 1 : name;
}

/* Skips the words that lead to the layers: classes of transformers nest the language model in several ways. */
static const char *behind_prefix(const char *name)
{
    static const char *const words[] = { "base_model.", "model.", "language_model." };
    for (size_t i = 0; i < sizeof words / sizeof *words;) {
        const size_t n = strlen(words[i]);
        if (strncmp(name, words[i], n) == 0) {
            name += n;
            i = 0;
        } else {
            i++;
        }
    }
    return name;
}

/* "layers.3.self_attn.q_proj", of n bytes. */
static bool find_part(const char *own, size_t n, ct_part *part, size_t *layer)
{
    const char *end = own + n;
    *layer = 0;
    bool in_layer = strncmp(own, "layers.", 7) == 0 && own[7] >= '0' && own[7] <= '9';
    if (in_layer) {
        char *stop;
        unsigned long l = strtoul(own + 7, &stop, 10);
        if (*stop != '.' || l >= CT_MAX_LAYERS)
            return false;
        *layer = l;
        own = stop + 1;
    }
    for (ct_part p = in_layer ? CT_FIRST_LAYER_PART : 0; p < (in_layer ? CT_N_PARTS : CT_FIRST_LAYER_PART); p++) {
        const char *hf = ct_part_get(p)->hf;
        const size_t len = strlen(hf) - strlen(".weight");
        if (!ct_part_get(p)->is_norm && own < end && (size_t)(end - own) == len && strncmp(own, hf, len) == 0) {
            *part = p;
            return true;
        }
    }
    return false;
}

static bool read_name(const ct_lora *l, const char *name, factor *f, carat_err *err)
{
    size_t n;
    const char *own = behind_prefix(name);
    if (strstr(name, "lora_magnitude_vector"))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: '%.140s' is part of a DoRA, which is not supported",
                       l->path, name);
    if (!cut_factor(name, &n, &f->is_a))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: '%.140s' is no factor of a matrix: it is not supported", l->path, name);
    if (own >= name + n || !find_part(own, n - (size_t)(own - name), &f->part, &f->layer))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: '%.140s' belongs to no matrix of a Gemma 3's language model", l->path, name);
    const char *module = within_model(name);
    snprintf(f->module, sizeof f->module, "%.*s", (int)(n - (size_t)(module - name)), module);
    return true;
}

/* ---- all of it ---- */

static bool add_tensor(ct_lora *l, const scales *s, const ct_tensor *t, carat_err *err)
{
    factor f;
    if (!read_name(l, t->name, &f, err) || !ct_lora_add(l, f.part, f.layer, f.is_a, t, err))
        return false;
    const ct_lora_pair given = { .a = f.is_a ? t : NULL, .b = f.is_a ? NULL : t };
    ct_lora_pair own = given; /* each factor has the stated rank */
    if (!set_scale(s, &own, f.module, err))
        return false;
    for (size_t i = 0; i < l->n; i++)
        if (l->pairs[i].part == f.part && l->pairs[i].layer == f.layer)
            l->pairs[i].scale = own.scale;
    return true;
}

static bool add_tensors(ct_lora *l, const json_t *config, carat_err *err)
{
    const ct_tensors *all = ct_safetensors_tensors(l->st);
    const char *dtype, *stranger = ct_safetensors_first_skipped(l->st, &dtype);
    scales s;
    if (stranger)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: '%.100s' is %.20s, expected F32, F16 or BF16",
                       l->path, stranger, dtype);
    if (!read_scales(l, config, &s, err))
        return false;
    for (size_t i = 0; i < all->n; i++)
        if (!add_tensor(l, &s, &all->items[i], err))
            return false;
    return true;
}

bool ct_lora_read_peft(ct_lora *l, const json_t *config, carat_err *err)
{
    return check_settings(l, config, err) && add_tensors(l, config, err);
}
