/* Recommended sampling settings out of a header or a generation_config.json.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/advice.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A setting by its two names; a NULL name: that container does not have it. */
typedef struct setting {
    const char *gguf, *hf;
    unsigned field;
    size_t at; /* in ct_advice */
} setting;

static const setting settings[] = {
    { "temp", "temperature", CARAT_SAMPLING_TEMPERATURE, offsetof(ct_advice, temperature) },
    { "top_k", "top_k", CARAT_SAMPLING_TOP_K, offsetof(ct_advice, top_k) },
    { "top_p", "top_p", CARAT_SAMPLING_TOP_P, offsetof(ct_advice, top_p) },
    { "min_p", "min_p", CARAT_SAMPLING_MIN_P, offsetof(ct_advice, min_p) },
    { "penalty_repeat", "repetition_penalty", CARAT_SAMPLING_REPETITION, offsetof(ct_advice, repetition_penalty) },
    { "penalty_last_n", NULL, CARAT_SAMPLING_WINDOW, offsetof(ct_advice, penalty_window) },
};

/* What Carat does not do, and the value that asks for nothing. */
typedef struct foreign {
    const char *name;
    double off;
} foreign;

static void put(ct_advice *a, const setting *s, const char *from, double v)
{
    memcpy((char *)a + s->at, &v, sizeof v);
    a->fields |= s->field;
    a->from = from;
}

/* ---- GGUF ---- */

static const foreign gguf_foreign[] = { { "general.sampling.xtc_probability", 0 }, { "general.sampling.mirostat", 0 } };

void ct_advice_from_gguf(const ct_gguf *g, ct_config *c, ct_advice *out)
{
    char key[64];
    double v;
    carat_err err;
    *out = (ct_advice){ 0 };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        snprintf(key, sizeof key, "general.sampling.%s", settings[i].gguf);
        if (!ct_gguf_find(g, key))
            continue;
        if (ct_gguf_num(g, key, &v, &err))
            put(out, &settings[i], "general.sampling", v);
        else
            ct_config_note(c, ct_gguf_path(g), "sampling: %s is not a number; ignored", key);
    }
    for (size_t i = 0; i < sizeof gguf_foreign / sizeof *gguf_foreign; i++) {
        v = gguf_foreign[i].off;
        if (!ct_gguf_num(g, gguf_foreign[i].name, &v, &err) || v != gguf_foreign[i].off)
            ct_config_note(c, ct_gguf_path(g), "sampling: %s is not something that Carat does; ignored",
                           gguf_foreign[i].name);
    }
    if (ct_gguf_find(g, "general.sampling.sequence"))
        ct_config_note(c, ct_gguf_path(g), "sampling: general.sampling.sequence, the order of steps, is ignored");
}

/* ---- a folder ---- */

static const foreign hf_foreign[] = {
    { "typical_p", 1 },
    { "epsilon_cutoff", 0 },
    { "eta_cutoff", 0 },
    { "num_beams", 1 },
    { "num_beam_groups", 1 },
    { "diversity_penalty", 0 },
    { "penalty_alpha", 0 },
    { "no_repeat_ngram_size", 0 },
    { "length_penalty", 1 },
    { "top_h", 0 },
    { "encoder_repetition_penalty", 1 },
    { "guidance_scale", 1 },
};
static const char *const hf_lists[] = { "suppress_tokens", "begin_suppress_tokens", "bad_words_ids",
                                        "sequence_bias",   "forced_bos_token_id",   "forced_eos_token_id" };

static bool says_something(const json_t *v, double off)
{
    if (json_is_array(v) || json_is_object(v))
        return json_array_size(v) + json_object_size(v) > 0;
    return v && !json_is_null(v) && !(json_is_number(v) && json_number_value(v) == off);
}

static void note_foreign(const json_t *g, const char *what, ct_config *c)
{
    for (size_t i = 0; i < sizeof hf_foreign / sizeof *hf_foreign; i++)
        if (says_something(json_object_get(g, hf_foreign[i].name), hf_foreign[i].off))
            ct_config_note(c, what, "sampling: '%s' is not something that Carat does; ignored", hf_foreign[i].name);
    for (size_t i = 0; i < sizeof hf_lists / sizeof *hf_lists; i++)
        if (says_something(json_object_get(g, hf_lists[i]), -1))
            ct_config_note(c, what, "sampling: '%s' is not something that Carat does; ignored", hf_lists[i]);
}

void ct_advice_from_json(const json_t *g, const char *what, ct_config *c, ct_advice *out)
{
    static const char from[] = "generation_config.json";
    *out = (ct_advice){ 0 };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const json_t *v = settings[i].hf ? json_object_get(g, settings[i].hf) : NULL;
        if (json_is_number(v))
            put(out, &settings[i], from, json_number_value(v));
        else if (v && !json_is_null(v))
            ct_config_note(c, what, "sampling: '%s' is %s, expected a number; ignored", settings[i].hf,
                           ct_json_kind(v));
    }
    const json_t *draws = json_object_get(g, "do_sample");
    if (json_is_false(draws))
        put(out, &settings[0], from, 0); /* whatever the temperature beside it */
    else if (draws && !json_is_null(draws) && !json_is_true(draws))
        ct_config_note(c, what, "sampling: 'do_sample' is %s, expected true or false; ignored", ct_json_kind(draws));
    note_foreign(g, what, c);
}
