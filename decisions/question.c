/* One question: {"type", "instructions", "criteria"}, and its answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decisions/inside.h"
#include "openai/fields.h"

/* clang-format off */
static const ct_openai_field fields[] = {
    { "type", 0, CT_FIELD_HONOURED, NULL, NULL },
    { "instructions", 0, CT_FIELD_HONOURED, NULL, NULL },
    { "criteria", 0, CT_FIELD_HONOURED, NULL, NULL },
    { "policy", 0, CT_FIELD_HONOURED, NULL, NULL },
};
/* clang-format on */
static const ct_openai_rows rows = { fields, sizeof fields / sizeof *fields, 0, "a question" };
static const char *const types[] = { "choice", "score", "noul", "policy" };

bool ct_decisions_no_memory(ct_openai_fault *f, const char *what)
{
    ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %s", what);
    return ct_openai_refuse_err(f, "");
}

char *ct_content_text(const json_t *v)
{
    ct_buf text;
    ct_buf_init(&text, (size_t)1 << 30);
    if (json_is_string(v))
        ct_buf_str(&text, ""), ct_buf_add(&text, json_string_value(v), json_string_length(v));
    else
        ct_json_write(v, &text);
    return ct_buf_take(&text);
}

bool ct_is_content(const json_t *v)
{
    const char *text = json_string_value(v);
    return text ? strlen(text) == json_string_length(v) : json_is_object(v) || json_is_array(v);
}

static bool refuse(const ct_question *q, const char *field, const char *expected, ct_openai_fault *f)
{
    char param[sizeof q->where + 24];
    snprintf(param, sizeof param, "%s.%s", q->where, field);
    return ct_openai_refuse(f, 400, "invalid_value", param, "'%s' is not %s", param, expected);
}

/* ---- possible answers ---- */

static bool make_room(ct_question *q, size_t n, ct_openai_fault *f)
{
    q->names = calloc(n, sizeof *q->names);
    q->meanings = calloc(n, sizeof *q->meanings);
    q->texts = calloc(n, sizeof *q->texts);
    q->continuations = calloc(n, sizeof *q->continuations);
    q->probabilities = calloc(n, sizeof *q->probabilities);
    return (q->names && q->meanings && q->texts && q->continuations && q->probabilities) ||
           ct_decisions_no_memory(f, "a question");
}

/* meaning may be NULL, or null. */
static bool add(ct_question *q, const char *name, const json_t *meaning, ct_openai_fault *f)
{
    const size_t i = q->n++;
    const bool has_meaning = meaning && !json_is_null(meaning);
    if (!*name)
        return refuse(q, "criteria", "without an option whose name is empty", f);
    if (has_meaning && !ct_is_content(meaning))
        return refuse(q, "criteria", "made of texts without NUL characters, objects, lists or null", f);
    q->names[i] = strdup(name);
    q->meanings[i] = has_meaning ? ct_content_text(meaning) : NULL;
    return (q->names[i] && (q->meanings[i] || !has_meaning)) || ct_decisions_no_memory(f, "a question");
}

static bool has_name(const ct_question *q, const char *name)
{
    for (size_t i = 0; i < q->n; i++)
        if (strcmp(q->names[i], name) == 0)
            return true;
    return false;
}

/* {"option": what it means or null}, or a list of options. */
static bool read_choice(ct_question *q, json_t *criteria, ct_openai_fault *f)
{
    const size_t n = json_is_object(criteria) ? json_object_size(criteria) : json_array_size(criteria);
    const char *name;
    json_t *v;
    if (n == 0 || n > CT_DECISIONS_MAX_OPTIONS)
        return refuse(q, "criteria", "an object of 1 to 255 options", f);
    if (!make_room(q, n, f))
        return false;
    for (size_t i = 0; i < json_array_size(criteria); i++) {
        const json_t *option = json_array_get(criteria, i);
        name = json_string_value(option);
        if (!name || strlen(name) != json_string_length(option) || has_name(q, name))
            return refuse(q, "criteria", "a list of different texts", f);
        if (!add(q, name, NULL, f))
            return false;
    }
    if (json_is_object(criteria))
        json_object_foreach(criteria, name, v)
            if (!add(q, name, v, f))
                return false;
    return true;
}

/* Levels, lowest first: they are called by their numbers. */
static bool read_score(ct_question *q, const json_t *criteria, ct_openai_fault *f)
{
    const size_t n = json_array_size(criteria);
    char name[8];
    if (n < 2 || n > CT_DECISIONS_MAX_LEVELS)
        return refuse(q, "criteria", "a list of 2 to 10 levels, lowest first", f);
    if (!make_room(q, n, f))
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *level = json_array_get(criteria, i);
        snprintf(name, sizeof name, "%zu", i);
        if (!ct_is_content(level))
            return refuse(q, "criteria", "a list of levels that are texts, objects or lists", f);
        if (!add(q, name, level, f))
            return false;
    }
    return true;
}

/* {"true", "false"}: what they mean; may be missing. */
static bool read_noul(ct_question *q, json_t *criteria, ct_openai_fault *f)
{
    const char *key;
    json_t *v;
    const bool is_there = criteria && !json_is_null(criteria);
    if (is_there && !json_is_object(criteria))
        return refuse(q, "criteria", "an object with true and false", f);
    json_object_foreach(criteria, key, v)
        if (strcmp(key, "true") != 0 && strcmp(key, "false") != 0)
            return refuse(q, "criteria", "an object with no more than true and false", f);
    return make_room(q, 2, f) && add(q, "Yes", json_object_get(criteria, "true"), f) &&
           add(q, "No", json_object_get(criteria, "false"), f);
}

/* One of ShieldGemma's by name, or a text; nothing else stands beside it. */
static bool read_policy(ct_question *q, const json_t *v, ct_openai_fault *f)
{
    const json_t *policy = json_object_get(v, "policy"), *criteria = json_object_get(v, "criteria");
    q->policy = json_string_value(policy);
    if (!q->policy || !*q->policy || strlen(q->policy) != json_string_length(policy) || strchr(q->policy, '<'))
        return refuse(q, "policy", "dangerous, sexual, violence, or a text without '<'", f);
    if (q->instructions || (criteria && !json_is_null(criteria)))
        return refuse(q, q->instructions ? "instructions" : "criteria", "part of a question about a policy", f);
    return make_room(q, 2, f) && add(q, "Yes", NULL, f) && add(q, "No", NULL, f);
}

bool ct_question_read(ct_question *q, const char *id, const json_t *v, ct_openai_list *unknown, ct_openai_fault *f)
{
    json_t *criteria = json_object_get(v, "criteria");
    const json_t *instructions = json_object_get(v, "instructions");
    const char *type = json_string_value(json_object_get(v, "type"));
    size_t k = 0;
    q->id = id;
    snprintf(q->where, sizeof q->where, "questions.%.40s", id);
    if (!json_is_object(v))
        return ct_openai_refuse(f, 400, "invalid_value", q->where, "'%s' is %s, expected an object", q->where,
                                ct_json_kind(v));
    if (!ct_openai_check_rows(v, &rows, q->where, unknown, f))
        return false;
    while (k < 4 && !(type && strcmp(type, types[k]) == 0))
        k++;
    if (k == 4)
        return refuse(q, "type", "choice, score, noul or policy", f);
    q->type = (ct_question_type)k;
    const bool has_instructions = instructions && !json_is_null(instructions);
    if (has_instructions ? !ct_is_content(instructions) : q->type == CT_QUESTION_NOUL)
        return refuse(q, "instructions", "a text, an object or a list", f);
    if (has_instructions && !(q->instructions = ct_content_text(instructions)))
        return ct_decisions_no_memory(f, "a question");
    if (q->type == CT_QUESTION_POLICY)
        return read_policy(q, v, f);
    if (json_object_get(v, "policy") && !json_is_null(json_object_get(v, "policy")))
        return refuse(q, "policy", "part of a question of this type", f);
    return q->type == CT_QUESTION_CHOICE  ? read_choice(q, criteria, f)
           : q->type == CT_QUESTION_SCORE ? read_score(q, criteria, f)
                                          : read_noul(q, criteria, f);
}

void ct_question_deinit(ct_question *q)
{
    for (size_t i = 0; i < q->n; i++) {
        free(q->names[i]);
        free(q->meanings[i]);
        free(q->texts[i]);
    }
    free(q->names);
    free(q->meanings);
    free(q->texts);
    free(q->continuations);
    free(q->probabilities);
    free(q->instructions);
    carat_prompt_free(q->prompt);
}

/* ---- the answer ---- */

static size_t best(const ct_question *q)
{
    size_t at = 0;
    for (size_t i = 1; i < q->n; i++)
        if (q->probabilities[i] > q->probabilities[at])
            at = i;
    return at;
}

/* 1: all of it is with one of them; 0: each is as likely as the others. */
static double confidence(const ct_question *q)
{
    const double n = (double)q->n, c = q->n > 1 ? (n * q->probabilities[best(q)] - 1) / (n - 1) : 1;
    return c < 0 ? 0 : c > 1 ? 1 : c;
}

static double expected(const ct_question *q)
{
    double sum = 0;
    for (size_t i = 0; i < q->n; i++)
        sum += q->probabilities[i] * (double)i;
    return sum;
}

static json_t *by_name(const ct_question *q, bool is_legend)
{
    json_t *o = json_object();
    bool ok = o != NULL;
    for (size_t i = 0; ok && i < q->n; i++) /* names are JSON's own texts: valid UTF-8 */
        ok = json_object_set_new_nocheck(
                 o, q->names[i], is_legend ? ct_json_from_str(q->meanings[i]) : json_real(q->probabilities[i])) == 0;
    if (ok)
        return o;
    json_decref(o);
    return NULL;
}

json_t *ct_question_answer(const ct_question *q)
{
    if (q->type == CT_QUESTION_NOUL)
        return json_pack("{s:s, s:f}", "type", "noul", "noul", q->probabilities[0]);
    if (q->type == CT_QUESTION_POLICY)
        return json_pack("{s:s, s:o, s:f}", "type", "policy", "policy", ct_json_from_str(q->policy), "violates",
                         q->probabilities[0]);
    if (q->type == CT_QUESTION_CHOICE)
        return json_pack("{s:s, s:o, s:o, s:f}", "type", "choice", "choice", ct_json_from_str(q->names[best(q)]),
                         "probabilities", by_name(q, false), "confidence", confidence(q));
    return json_pack("{s:s, s:f, s:o, s:o, s:f}", "type", "score", "score", expected(q), "legend", by_name(q, true),
                     "probabilities", by_name(q, false), "confidence", confidence(q));
}
