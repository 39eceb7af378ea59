/* "keep_alive", and requests that ask for no answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "ollama/inside.h"

/* Units of Go's time.ParseDuration, in seconds. Longer names before those that they begin with. */
static const struct {
    const char *name;
    double seconds;
} units[] = {
    { "ns", 1e-9 }, { "us", 1e-6 }, { "\xc2\xb5s", 1e-6 }, { "\xce\xbcs", 1e-6 },
    { "ms", 1e-3 }, { "h", 3600 },  { "m", 60 },           { "s", 1 },
};

/* Digits with at most one point; false: none. No locale has a part in it. */
static bool take_number(const char **s, double *to)
{
    double v = 0, unit = 1;
    bool has_digit = false, has_point = false;
    for (;; (*s)++) {
        const char c = **s;
        if (c >= '0' && c <= '9') {
            v = v * 10 + (c - '0');
            unit *= has_point ? 10 : 1;
            has_digit = true;
        } else if (c == '.' && !has_point) {
            has_point = true;
        } else {
            *to = v / unit;
            return has_digit;
        }
    }
}

static bool take_unit(const char **s, double *seconds)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strncmp(*s, units[i].name, strlen(units[i].name)) == 0) {
            *s += strlen(units[i].name);
            *seconds = units[i].seconds;
            return true;
        }
    return false;
}

/* "1h30m", "-1", "0.5s". */
static bool parse(const char *s, double *to)
{
    const bool is_negative = *s == '-';
    double v, unit, sum = 0;
    s += *s == '-' || *s == '+';
    const char *begin = s;
    do {
        const bool is_first = s == begin;
        if (!take_number(&s, &v))
            return false;
        if (is_first && !*s) /* a number of seconds */
            unit = 1;
        else if (!take_unit(&s, &unit))
            return false;
        sum += v * unit;
    } while (*s);
    *to = is_negative ? -sum : sum;
    return isfinite(sum);
}

/* Is there something to answer? */
static bool asks(const json_t *body, const char *key)
{
    const json_t *v = json_object_get(body, key);
    if (json_is_string(v))
        return json_string_length(v) > 0;
    return v && !json_is_null(v) && !(json_is_array(v) && json_array_size(v) == 0);
}

bool ct_ollama_keep_alive(const json_t *body, double *seconds, bool *is_only_load, ct_openai_fault *f)
{
    static const char *const questions[] = { "messages", "prompt", "images", "input", "suffix" };
    const json_t *v = json_object_get(body, "keep_alive");
    double to = 0;
    *is_only_load = true;
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        *is_only_load = *is_only_load && !asks(body, questions[i]);
    if (!v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0))
        return true;
    if (json_is_number(v))
        to = json_number_value(v);
    else if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v) ||
             !parse(json_string_value(v), &to))
        return ct_openai_refuse(
            f, 400, "invalid_value", "keep_alive",
            "'keep_alive' is %s%.40s%s, expected seconds or a duration such as '5m'", json_is_string(v) ? "'" : "",
            json_is_string(v) ? json_string_value(v) : ct_json_kind(v), json_is_string(v) ? "'" : "");
    *seconds = to < 0 ? INFINITY : to;
    return true;
}

json_t *ct_ollama_loaded(const ct_talk_kind *kind, const char *model, bool unloads)
{
    char now[CT_OLLAMA_TIME];
    json_t *name = ct_json_from_str(model);
    if (kind == &ct_ollama_talk_embed)
        return json_pack("{s:o, s:[]}", "model", name, "embeddings");
    if (kind == &ct_ollama_talk_embeddings) {
        json_decref(name);
        return json_pack("{s:[]}", "embedding");
    }
    const bool is_chat = kind == &ct_ollama_talk_chat;
    json_t *answer = is_chat ? json_pack("{s:s, s:s}", "role", "assistant", "content", "") : json_string("");
    return json_pack("{s:o, s:s, s:o, s:b, s:s}", "model", name, "created_at", ct_ollama_now(now),
                     is_chat ? "message" : "response", answer, "done", 1, "done_reason", unloads ? "unload" : "load");
}
