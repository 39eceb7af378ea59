/* IFEval's items, what is loose about an answer, sums.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/ifeval.h"

#include <stdlib.h>
#include <string.h>

#include "eval/text.h"

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for instructions");
}

/* Without what is null, as Hugging Face's rows have every argument of every kind. */
static json_t *args_of(const json_t *kwargs)
{
    const char *key;
    json_t *value, *args = json_object();
    json_object_foreach((json_t *)(uintptr_t)kwargs, key, value) {
        if (!json_is_null(value) && json_object_set(args, key, value) != 0) {
            json_decref(args);
            return NULL;
        }
    }
    return args;
}

bool ct_eval_ifeval_read(const json_t *row, ct_eval_item *item, carat_err *err)
{
    const json_t *ids = json_object_get(row, "instruction_id_list"), *all = json_object_get(row, "kwargs");
    const size_t n = json_array_size(ids);
    if (!n || json_array_size(all) != n)
        return ct_fail(
            err, CARAT_EFORMAT, CARAT_NOWHERE,
            "'instruction_id_list' has %zu instructions and 'kwargs' %zu, expected as many, and one at least", n,
            json_array_size(all));
    item->rules = json_array();
    for (size_t i = 0; i < n; i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        if (!id || !json_is_object(json_array_get(all, i)))
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "instruction %zu is no text, or its 'kwargs' no object",
                           i + 1);
        json_t *args = args_of(json_array_get(all, i));
        const char *lacks = args ? ct_eval_ifeval_lacks(id, args) : NULL;
        if (lacks) {
            json_decref(args);
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                           *lacks ? "'kwargs' %zu of %.60s: '%s' is missing, or of another kind"
                                  : "instruction %zu, '%.60s', is none of IFEval's%s",
                           i + 1, id, lacks);
        }
        if (!args || json_array_append_new(item->rules, json_pack("{s:s, s:o}", "id", id, "args", args)) != 0)
            return no_memory(err);
    }
    return true;
}

/* ---- judging ---- */

#define N_LOOSE 8

static bool is_blank(const char *text)
{
    char *s = ct_eval_trimmed(text);
    const bool is = !s || !*s;
    free(s);
    return is;
}

/* All of lines first to last but so many at the end. */
static char *lines_of(const char *text, bool drops_first, bool drops_last)
{
    const char *first = drops_first ? strchr(text, '\n') : text, *end = text + strlen(text);
    if (first && drops_first)
        first++;
    if (!first)
        return strdup("");
    if (drops_last) {
        const char *last = strrchr(text, '\n');
        end = last && last >= first ? last : first;
    }
    char *part = strndup(first, (size_t)(end - first)), *s = part ? ct_eval_trimmed(part) : NULL;
    free(part);
    return s;
}

/* The answer, and what is left of it by leaving out lines and asterisks. */
static bool make_loose(const char *answer, char *texts[N_LOOSE])
{
    texts[0] = strdup(answer);
    texts[1] = lines_of(answer, true, false);
    texts[2] = lines_of(answer, false, true);
    texts[3] = lines_of(answer, true, true);
    bool ok = true;
    for (int i = 0; i < 4; i++) {
        texts[4 + i] = texts[i] ? ct_eval_replaced(texts[i], "*", "") : NULL;
        ok = ok && texts[i] && texts[4 + i];
    }
    return ok;
}

static ct_eval_verdict check(const json_t *rule, const char *text)
{
    return is_blank(text) ? CT_EVAL_NOT_FOLLOWED
                          : ct_eval_ifeval_check(json_string_value(json_object_get(rule, "id")),
                                                 json_object_get(rule, "args"), text);
}

/* By any of the texts. */
static ct_eval_verdict check_loose(const json_t *rule, char *const texts[N_LOOSE])
{
    ct_eval_verdict v = CT_EVAL_NOT_FOLLOWED;
    for (int i = 0; i < N_LOOSE && v != CT_EVAL_FOLLOWED; i++) {
        const ct_eval_verdict one = check(rule, texts[i]);
        v = one == CT_EVAL_NOT_FOLLOWED ? v : one;
    }
    return v;
}

static json_t *verdict_json(ct_eval_verdict v)
{
    return v == CT_EVAL_NOT_JUDGED ? json_null() : json_boolean(v == CT_EVAL_FOLLOWED);
}

json_t *ct_eval_ifeval_judge(const ct_eval_item *item, const char *answer)
{
    size_t i;
    json_t *rule, *rules = json_array();
    char *texts[N_LOOSE] = { NULL };
    bool ok = rules && make_loose(answer, texts);
    json_array_foreach(item->rules, i, rule) {
        ok = ok && json_array_append_new(rules, json_pack("{s:O, s:o, s:o}", "id", json_object_get(rule, "id"),
                                                          "strict", verdict_json(check(rule, answer)), "loose",
                                                          verdict_json(check_loose(rule, texts)))) == 0;
    }
    for (int k = 0; k < N_LOOSE; k++)
        free(texts[k]);
    if (ok)
        return rules;
    json_decref(rules);
    return NULL;
}

/* ---- sums ---- */

static ct_eval_verdict verdict_of(const json_t *rule, const char *how)
{
    const json_t *v = json_object_get(rule, how);
    return json_is_true(v) ? CT_EVAL_FOLLOWED : json_is_false(v) ? CT_EVAL_NOT_FOLLOWED : CT_EVAL_NOT_JUDGED;
}

ct_eval_verdict ct_eval_ifeval_whole(const json_t *rules, const char *how)
{
    size_t i;
    json_t *rule;
    ct_eval_verdict all = CT_EVAL_FOLLOWED;
    json_array_foreach(rules, i, rule) {
        const ct_eval_verdict v = verdict_of(rule, how);
        if (v == CT_EVAL_NOT_JUDGED)
            return v; /* even where another is not followed: who is left out must not depend on the answer more than it does */
        all = v == CT_EVAL_NOT_FOLLOWED ? v : all;
    }
    return all;
}

static bool is_surely_not(const json_t *rules, const char *how)
{
    size_t i;
    json_t *rule;
    json_array_foreach(rules, i, rule) {
        if (verdict_of(rule, how) == CT_EVAL_NOT_FOLLOWED)
            return true;
    }
    return false;
}

static void add(ct_eval_followed *f, ct_eval_verdict v, bool is_surely)
{
    f->n++;
    f->n_judged += v != CT_EVAL_NOT_JUDGED;
    f->right += v == CT_EVAL_FOLLOWED;
    f->sure += is_surely;
}

bool ct_eval_ifeval_add(ct_eval_ifeval *sum, const json_t *rules)
{
    static const char *const hows[] = { "strict", "loose" };
    size_t i;
    json_t *rule;
    if (!json_array_size(rules))
        return false;
    for (int how = 0; how < 2; how++) {
        add(&sum->prompts[how], ct_eval_ifeval_whole(rules, hows[how]), is_surely_not(rules, hows[how]));
        json_array_foreach(rules, i, rule) {
            const ct_eval_verdict v = verdict_of(rule, hows[how]);
            const char *id = json_string_value(json_object_get(rule, "id"));
            if (!id)
                return false;
            add(&sum->instructions[how], v, v == CT_EVAL_NOT_FOLLOWED);
            if (how == 0 && v == CT_EVAL_NOT_JUDGED && sum->not_judged) {
                const json_int_t had = json_integer_value(json_object_get(sum->not_judged, id));
                json_object_set_new(sum->not_judged, id, json_integer(had + 1));
            }
        }
    }
    return true;
}
