/* The fields of POST /completion -> those of /v1/completions, and what these have no word for.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "llamacpp/completion.h"

#define MOST (1 << 30) /* tokens: no limit */

/* clang-format off */
static const ct_openai_field fields[] = {
#define X(field) { field, 0, CT_FIELD_HONOURED, NULL, NULL },
    X("prompt") X("model") X("n_predict") X("max_tokens") X("min_tokens") X("n_cmpl") X("stream") X("stop") X("ignore_eos")
    X("temperature") X("top_k") X("top_p") X("min_p") X("seed") X("samplers")
    X("repeat_penalty") X("repeat_last_n") X("presence_penalty") X("frequency_penalty") X("logit_bias")
    X("grammar") X("json_schema") X("lora") X("n_probs") X("return_tokens") X("timings_per_token")
#undef X
#define X(field) { field, 0, CT_FIELD_HARMLESS, NULL, NULL },
    /* caches, places and guesses: ours are exact, and contexts are never shifted */
    X("cache_prompt") X("id_slot") X("n_cache_reuse") X("n_keep") X("n_discard") X("speculative.n_max")
    X("speculative.n_min") X("speculative.p_min") X("backend_sampling")
    /* of ways to draw tokens that are off */
    X("mirostat_tau") X("mirostat_eta") X("dynatemp_exponent") X("xtc_threshold") X("dry_base") X("dry_allowed_length")
    X("dry_penalty_last_n") X("dry_sequence_breakers")
#undef X
#define X(field) { field, 0, CT_FIELD_REFUSED, NULL, NULL },
#define Y(field, unless) { field, 0, CT_FIELD_REFUSED, unless, NULL },
    Y("typical_p", "=1") Y("tfs_z", "=1") Y("top_n_sigma", "-1") X("dynatemp_range") X("xtc_probability") X("dry_multiplier")
    X("mirostat") Y("adaptive_target", "-1") X("min_keep") X("penalize_nl") X("post_sampling_probs") Y("t_max_predict_ms", "-1")
    Y("t_max_prompt_ms", "-1") X("n_indent") X("return_progress") X("response_fields") X("grammar_lazy") X("grammar_triggers")
    X("preserved_tokens") X("echo") X("suffix") X("system_prompt")
    { "image_data", 0, CT_FIELD_REFUSED, NULL, "{\"prompt_string\", \"multimodal_data\"} as the prompt" },
#undef X
#undef Y
};
/* clang-format on */
static const ct_openai_rows rows = { fields, sizeof fields / sizeof *fields, 0, "a request for /completion" };

static bool read_int(const json_t *body, const char *key, int64_t min, int64_t max, int64_t *to, ct_openai_fault *f)
{
    return ct_json_int(body, "body", key, min, max, to, &f->err) || ct_openai_refuse_err(f, key);
}

/* ---- logit_bias ---- */

static bool put_bias(json_t *to, int64_t id, const json_t *bias, ct_openai_fault *f)
{
    char key[24];
    snprintf(key, sizeof key, "%lld", (long long)id);
    json_t *v = json_is_false(bias) ? json_integer(-100) : json_incref((json_t *)(uintptr_t)bias);
    return json_object_set_new(to, key, v) == 0 || ct_llamacpp_no_memory(f, "the request");
}

/* A token by its id, or the tokens of a text. */
static bool add_bias(json_t *to, const carat_tokenizer *tok, const json_t *of, const json_t *bias, ct_openai_fault *f)
{
    if (json_is_integer(of))
        return put_bias(to, json_integer_value(of), bias, f);
    if (!json_is_string(of))
        return ct_openai_refuse(f, 400, "invalid_value", "logit_bias",
                                "'logit_bias' has %s where a token's id or a text is expected", ct_json_kind(of));
    int32_t *ids;
    size_t n;
    if (json_string_length(of) == 0)
        return ct_openai_refuse(f, 400, "invalid_value", "logit_bias",
                                "'logit_bias' has an empty text, which has no tokens");
    bool ok = ct_llamacpp_ids(tok, of, false, false, "logit_bias", &ids, &n, f);
    for (size_t i = 0; ok && i < n; i++)
        ok = put_bias(to, ids[i], bias, f);
    if (n || ok)
        free(ids);
    return ok;
}

static bool is_number(const char *s)
{
    char *end;
    strtol(s, &end, 10);
    return end != s && !*end;
}

static bool add_named(json_t *to, const carat_tokenizer *tok, const char *key, const json_t *bias, ct_openai_fault *f)
{
    json_t *of = is_number(key) ? json_integer(strtol(key, NULL, 10)) : json_string_nocheck(key);
    const bool ok = of ? add_bias(to, tok, of, bias, f) : ct_llamacpp_no_memory(f, "the request");
    json_decref(of);
    return ok;
}

/* [[17, -1.5], ["text", false]], or {"17": -1.5, "text": false}: false bans. */
static bool read_bias(const json_t *v, const carat_tokenizer *tok, json_t *to, ct_openai_fault *f)
{
    json_t *all = json_object(), *bias;
    const char *key;
    bool ok = all || ct_llamacpp_no_memory(f, "the request");
    if (ok && !json_is_array(v) && !json_is_object(v))
        ok = ct_openai_refuse(f, 400, "invalid_value", "logit_bias", "'logit_bias' is %s, expected a list or an object",
                              ct_json_kind(v));
    for (size_t i = 0; ok && i < json_array_size(v); i++) {
        const json_t *pair = json_array_get(v, i);
        ok = json_array_size(pair) == 2
                 ? add_bias(all, tok, json_array_get(pair, 0), json_array_get(pair, 1), f)
                 : ct_openai_refuse(f, 400, "invalid_value", "logit_bias",
                                    "'logit_bias'[%zu] is not a pair of a token and its bias", i);
    }
    if (ok && json_is_object(v))
        json_object_foreach((json_t *)(uintptr_t)v, key, bias)
            ok = ok && add_named(all, tok, key, bias, f);
    if (!ok) {
        json_decref(all);
        return false;
    }
    return json_object_set_new(to, "logit_bias", all) == 0 || ct_llamacpp_no_memory(f, "the request");
}

/* ---- samplers ---- */

typedef struct filters { /* which are named, and where */
    bool has_penalties, has_temperature, has_top_k, has_top_p, has_min_p;
    size_t n, n_before; /* top_k, top_p, min_p: named; before the temperature */
    bool are_in_order;
} filters;

static bool take_sampler(filters *to, const char *name)
{
    static const char *const off[] = { "dry", "xtc", "typ_p", "typical_p", "top_n_sigma", "infill", "adaptive_p" };
    bool *const known[] = { &to->has_top_k, &to->has_top_p, &to->has_min_p };
    static const char *const names[] = { "top_k", "top_p", "min_p" };
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (strcmp(name, off[i]) == 0)
            return true; /* what switches it on is refused */
    for (size_t i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            for (size_t k = i; k < 3; k++)
                to->are_in_order = to->are_in_order && !*known[k];
            *known[i] = true;
            to->n++;
            return true;
        }
    if (strcmp(name, "penalties") == 0) {
        to->are_in_order = to->are_in_order && !to->has_penalties && !to->has_temperature && to->n == 0;
        to->has_penalties = true;
        return true;
    }
    if (strcmp(name, "temperature") != 0)
        return false;
    to->are_in_order = to->are_in_order && !to->has_temperature;
    to->has_temperature = true;
    to->n_before = to->n;
    return true;
}

/* Those that are not named are off, whatever their settings say. */
static bool switch_off(const filters *of, json_t *to)
{
    return (of->has_top_k || json_object_set_new(to, "top_k", json_integer(0)) == 0) &&
           (of->has_top_p || json_object_set_new(to, "top_p", json_integer(1)) == 0) &&
           (of->has_min_p || json_object_set_new(to, "min_p", json_integer(0)) == 0) &&
           (of->has_temperature || json_object_set_new(to, "temperature", json_integer(1)) == 0) &&
           (of->has_penalties || (json_object_set_new(to, "repeat_penalty", json_integer(1)) == 0 &&
                                  json_object_set_new(to, "presence_penalty", json_integer(0)) == 0 &&
                                  json_object_set_new(to, "frequency_penalty", json_integer(0)) == 0));
}

static bool read_samplers(const json_t *v, ct_llamacpp_wishes *w, ct_openai_fault *f)
{
    filters of = { .are_in_order = true };
    if (!json_is_array(v))
        return ct_openai_refuse(f, 400, "invalid_value", "samplers", "'samplers' is %s, expected a list of names",
                                ct_json_kind(v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *name = json_string_value(json_array_get(v, i));
        if (!name || !take_sampler(&of, name))
            return ct_openai_refuse(f, 400, "unsupported_value", "samplers",
                                    "'samplers' names '%.40s', which is not known",
                                    name ? name : ct_json_kind(json_array_get(v, i)));
    }
    if (!of.are_in_order || (of.has_temperature && of.n_before != 0 && of.n_before != of.n))
        return ct_openai_refuse(f, 400, "unsupported_value", "samplers",
                                "'samplers' are in another order than penalties, top_k, top_p, min_p, with temperature "
                                "before or behind these three");
    w->has_order = true;
    w->order = of.has_temperature && of.n && of.n_before == of.n ? CARAT_TEMP_LAST : CARAT_TEMP_FIRST;
    return switch_off(&of, w->body) || ct_llamacpp_no_memory(f, "the request");
}

/* ---- numbers ---- */

static bool read_lengths(const json_t *body, ct_llamacpp_wishes *w, size_t deflt, ct_openai_fault *f)
{
    int64_t most = -1, probs = 0, window = 0;
    const json_t *n_predict = json_object_get(body, "n_predict"), *last = json_object_get(body, "repeat_last_n");
    const bool has_own = n_predict && !json_is_null(n_predict);
    if (!read_int(body, has_own ? "n_predict" : "max_tokens", -2, MOST, &most, f) ||
        !read_int(body, "n_probs", 0, CT_OPENAI_MAX_TOP, &probs, f) ||
        !read_int(body, "repeat_last_n", -1, MOST, &window, f))
        return false;
    const json_t *given = json_object_get(body, has_own ? "n_predict" : "max_tokens");
    w->generates_nothing = most == 0;
    w->max_tokens = most > 0 ? (size_t)most : given && !json_is_null(given) ? 0 : deflt;
    w->n_probs = (int)probs;
    w->has_window = last && !json_is_null(last);
    w->window = (int)window;
    return json_object_set_new(w->body, "max_tokens", json_integer(w->max_tokens ? (json_int_t)w->max_tokens : MOST)) ==
               0 ||
           ct_llamacpp_no_memory(f, "the request");
}

/* -1 is any seed, as if there were none. */
static bool take_seed(const json_t *body, json_t *to, ct_openai_fault *f)
{
    json_t *v = json_object_get(body, "seed");
    if (!v || (json_is_integer(v) && json_integer_value(v) == -1))
        return true;
    return json_object_set(to, "seed", v) == 0 || ct_llamacpp_no_memory(f, "the request");
}

/* ---- all of it ---- */

static bool copy_same(const json_t *body, json_t *to, ct_openai_fault *f)
{
    static const char *const same[] = {
        "model", "temperature", "top_k",       "top_p", "min_p",          "min_tokens",       "ignore_eos",
        "stop",  "grammar",     "json_schema", "lora",  "repeat_penalty", "presence_penalty", "frequency_penalty"
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        json_t *v = json_object_get(body, same[i]);
        if (v && json_object_set(to, same[i], v) != 0)
            return ct_llamacpp_no_memory(f, "the request");
    }
    json_t *n = json_object_get(body, "n_cmpl");
    return !n || json_object_set(to, "n", n) == 0 || ct_llamacpp_no_memory(f, "the request");
}

bool ct_llamacpp_read_wishes(const ct_talk_scene *s, const json_t *body, ct_llamacpp_wishes *w, ct_openai_fault *f)
{
    const json_t *bias = json_object_get(body, "logit_bias"), *samplers = json_object_get(body, "samplers");
    *w = (ct_llamacpp_wishes){ .body = json_pack("{s:s}", "prompt", "") }; /* each prompt takes its place */
    if (!w->body)
        return ct_llamacpp_no_memory(f, "the request");
    return ct_llamacpp_check(s, body, &rows, f) && copy_same(body, w->body, f) && take_seed(body, w->body, f) &&
           ct_llamacpp_bool(body, "stream", &w->streams, f) &&
           ct_llamacpp_bool(body, "return_tokens", &w->has_tokens, f) &&
           ct_llamacpp_bool(body, "timings_per_token", &w->has_timings, f) &&
           read_lengths(body, w, s->options->max_tokens, f) &&
           (!bias || json_is_null(bias) || read_bias(bias, carat_engine_tokenizer(s->engine), w->body, f)) &&
           (!samplers || json_is_null(samplers) || read_samplers(samplers, w, f));
}
