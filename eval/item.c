/* Rows to items: the choices and which is right, what is asked, what is to be answered.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/item.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "eval/fill.h"
#include "eval/formulas.h"
#include "eval/ifeval.h"
#include "eval/rows.h"

#define MOST_TEXT ((size_t)4 << 20)
#define text_of   ct_eval_text_of

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a text");
}

/* A text as it is asked: the caller frees it. NULL: no memory. */
static char *as_asked(const ct_eval_task *t, const char *text, carat_err *err)
{
    char *s = json_is_true(json_object_get(t->about, "clean")) ? ct_eval_clean(text) : strdup(text);
    if (!s)
        no_memory(err);
    return s;
}

static char *filled(const ct_eval_task *t, const char *template, const json_t *row, carat_err *err)
{
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    char *s = ct_eval_fill(template, row, &b, err) ? as_asked(t, b.data ? b.data : "", err) : NULL;
    ct_buf_deinit(&b);
    return s;
}

/* ---- choices ---- */

static bool room_for(ct_eval_item *item, size_t n, const char *where, carat_err *err)
{
    if (n < 2 || n > CT_EVAL_MOST_CHOICES)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' has %zu answers, expected 2 to %d", where, n,
                       CT_EVAL_MOST_CHOICES);
    item->choices = calloc(n, sizeof *item->choices);
    item->right = calloc(n, sizeof *item->right);
    return (item->choices && item->right) || no_memory(err);
}

static bool take_choice(ct_eval_item *item, char *text, bool is_right)
{
    item->right[item->n] = is_right;
    item->choices[item->n++] = text;
    return text != NULL;
}

/* A list of texts, or of objects with texts and perhaps labels. labels: [n] borrowed. */
static bool read_list(const ct_eval_task *t, const json_t *layout, const json_t *row, ct_eval_item *item,
                      const char **labels, carat_err *err)
{
    const json_t *list = json_object_get(layout, "choices"), *list_is = list;
    const bool is_path = json_is_string(list);
    if (is_path)
        list = ct_eval_at(row, json_string_value(list));
    const size_t n = json_array_size(list);
    if (!room_for(item, n, is_path ? json_string_value(list_is) : "choices", err))
        return false;
    const char *text_key = text_of(layout, "choice", ""), *label_key = text_of(layout, "label", NULL);
    while (item->n < n) {
        const json_t *element = json_array_get(list, item->n),
                     *text = is_path ? ct_eval_at(element, text_key) : element;
        if (!json_is_string(text))
            return ct_fail(err, CARAT_EFORMAT, item->n, "answer %zu is %s, expected a text", item->n,
                           text ? ct_json_kind(text) : "missing");
        labels[item->n] = label_key ? json_string_value(ct_eval_at(element, label_key)) : NULL;
        const char *words = json_string_value(text);
        if (!take_choice(item, is_path ? as_asked(t, words, err) : filled(t, words, row, err), false))
            return false;
    }
    return true;
}

/* {"a text": 1, "another": 0}: those with the highest score are right. */
static bool read_scores(const ct_eval_task *t, const json_t *layout, const json_t *row, ct_eval_item *item,
                        carat_err *err)
{
    const char *where = text_of(layout, "choices", ""), *text;
    const json_t *scores = ct_eval_at(row, where);
    json_t *score;
    double best = -1e300;
    if (!room_for(item, json_object_size(scores), where, err))
        return false;
    json_object_foreach((json_t *)(uintptr_t)scores, text, score) {
        if (!json_is_number(score))
            return ct_fail(err, CARAT_EFORMAT, item->n, "'%s': the score of an answer is %s, expected a number", where,
                           ct_json_kind(score));
        best = json_number_value(score) > best ? json_number_value(score) : best;
    }
    json_object_foreach((json_t *)(uintptr_t)scores, text, score) {
        if (!take_choice(item, as_asked(t, text, err), json_number_value(score) >= best))
            return false;
    }
    return true;
}

/* Paths of texts, each of which may be several. */
static bool add_paths(const ct_eval_task *t, const json_t *paths, const char *split, const json_t *row, bool is_right,
                      json_t *texts, json_t *marks, carat_err *err)
{
    size_t i;
    json_t *field;
    json_array_foreach(paths, i, field) {
        const char *where = json_string_value(field), *text = json_string_value(ct_eval_at(row, where));
        if (!text)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' is missing, or no text", where);
        while (text && *text) {
            const char *next = split ? strstr(text, split) : NULL;
            size_t len = next ? (size_t)(next - text) : strlen(text);
            const char *after = next ? next + strlen(split) : NULL;
            while (len && strchr(" \t\r\n", *text))
                text++, len--;
            while (len && strchr(" \t\r\n", text[len - 1]))
                len--;
            char *one = strndup(text, len), *clean = one ? as_asked(t, one, err) : NULL;
            if (clean && len &&
                (json_array_append_new(texts, json_string(clean)) != 0 ||
                 json_array_append_new(marks, json_boolean(is_right)) != 0)) {
                free(clean);
                clean = NULL;
            }
            free(one);
            free(clean);
            if (!clean)
                return no_memory(err);
            text = after;
        }
    }
    return true;
}

static bool read_right_and_wrong(const ct_eval_task *t, const json_t *layout, const json_t *row, ct_eval_item *item,
                                 carat_err *err)
{
    json_t *texts = json_array(), *marks = json_array();
    const char *split = text_of(layout, "split", NULL);
    bool ok = (texts && marks) || no_memory(err);
    ok = ok && add_paths(t, json_object_get(layout, "right"), split, row, true, texts, marks, err) &&
         add_paths(t, json_object_get(layout, "wrong"), split, row, false, texts, marks, err) &&
         room_for(item, json_array_size(texts), "right and wrong", err);
    for (size_t i = 0; ok && i < json_array_size(texts); i++)
        ok = take_choice(item, strdup(json_string_value(json_array_get(texts, i))),
                         json_is_true(json_array_get(marks, i))) ||
             no_memory(err);
    json_decref(texts);
    json_decref(marks);
    return ok;
}

static bool read_answer(const json_t *layout, const json_t *row, const char *const labels[], ct_eval_item *item,
                        carat_err *err)
{
    const char *key = text_of(layout, "answer", ""), *is = text_of(layout, "answer_is", "index");
    const json_t *v = ct_eval_at(row, key);
    const char *s = json_string_value(v);
    char letter[2] = "A", *end = NULL;
    int64_t number = json_is_integer(v) ? json_integer_value(v) : s && *s ? strtoll(s, &end, 10) : -1;
    if (end && *end)
        number = -1;
    item->answer = SIZE_MAX;
    if (strcmp(is, "label") != 0) {
        number -= strcmp(is, "number") == 0;
        item->answer = number >= 0 ? (size_t)number : SIZE_MAX;
    }
    for (size_t i = 0; s && strcmp(is, "label") == 0 && i < item->n; i++, letter[0]++)
        if (strcmp(labels[i] ? labels[i] : letter, s) == 0)
            item->answer = i;
    if (item->answer >= item->n)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' names none of the %zu answers: %s", key, item->n,
                       s   ? s
                       : v ? "a number out of range"
                           : "it is missing");
    item->right[item->answer] = true;
    return true;
}

static void shuffle(const ct_eval_task *t, size_t nth, ct_eval_item *item)
{
    uint64_t state = t->seed ^ (nth + 1) * 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i + 1 < item->n; i++) {
        const size_t k = i + (size_t)(ct_rng_unit(&state) * (double)(item->n - i));
        char *text = item->choices[i];
        const bool right = item->right[i];
        item->choices[i] = item->choices[k];
        item->right[i] = item->right[k];
        item->choices[k] = text;
        item->right[k] = right;
    }
}

static bool read_choices(const ct_eval_task *t, const json_t *layout, const json_t *row, size_t nth, ct_eval_item *item,
                         carat_err *err)
{
    const char *labels[CT_EVAL_MOST_CHOICES] = { NULL };
    bool ok;
    if (json_object_get(layout, "right"))
        ok = read_right_and_wrong(t, layout, row, item, err);
    else if (strcmp(text_of(layout, "choices_are", ""), "scores") == 0)
        ok = read_scores(t, layout, row, item, err);
    else
        ok = read_list(t, layout, row, item, labels, err) && read_answer(layout, row, labels, item, err);
    if (ok && json_is_true(json_object_get(t->about, "shuffle")))
        shuffle(t, nth, item);
    for (item->answer = 0; ok && item->answer < item->n && !item->right[item->answer];)
        item->answer++;
    return ok && (item->answer < item->n || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "no answer is right"));
}

/* For prompts: {listed}, all choices, {letter}, the right one's, and {with_shots}. */
static bool list_choices(const ct_eval_task *t, const ct_eval_item *item, json_t *row, carat_err *err)
{
    const char *option = text_of(t->about, "option", NULL), *unless = text_of(t->about, "option_if", NULL);
    if (unless && json_is_false(ct_eval_at(row, unless)))
        option = NULL;
    if (option && strstr(option, "{letter}") && item->n > 26)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%zu answers, expected 26 at most", item->n);
    char letter[2] = { (char)('A' + item->answer % 26), 0 };
    ct_buf b;
    bool ok = true;
    ct_buf_init(&b, MOST_TEXT);
    for (size_t i = 0; ok && option && i < item->n; i++) {
        char one[2] = { (char)('A' + i % 26), 0 };
        json_t *fields = json_pack("{s:s, s:s, s:O*}", "letter", one, "text", item->choices[i], "file",
                                   json_object_get(row, "file"));
        ok = fields ? ct_eval_fill(option, fields, &b, err) : no_memory(err);
        json_decref(fields);
    }
    if (ok && (json_object_set_new(row, "listed", json_string(b.data ? b.data : "")) != 0 ||
               json_object_set_new(row, "letter", json_string(letter)) != 0))
        ok = no_memory(err);
    ct_buf_deinit(&b);
    return ok;
}

/* A sentence with a gap: what is behind it is scored after each name. */
static bool split_gap(const char *gap, const char *sentence, ct_eval_item *item, carat_err *err)
{
    const char *at = strstr(sentence, gap);
    if (!at)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "the sentence has no gap '%s'", gap);
    const char *rest = at + strlen(gap);
    rest += strspn(rest, " ");
    size_t len = strlen(rest);
    while (len && rest[len - 1] == ' ')
        len--;
    item->contexts = calloc(item->n, sizeof *item->contexts);
    for (size_t i = 0; item->contexts && i < item->n; i++) {
        ct_buf b;
        ct_buf_init(&b, MOST_TEXT);
        ct_buf_add(&b, sentence, (size_t)(at - sentence));
        ct_buf_str(&b, item->choices[i]);
        free(item->choices[i]);
        item->choices[i] = strndup(rest, len);
        item->contexts[i] = ct_buf_take(&b);
        item->n_contexts = i + 1;
        if (!item->choices[i] || !item->contexts[i])
            return no_memory(err);
    }
    return item->contexts || no_memory(err);
}

/* ---- answers ---- */

static bool add_target(json_t *targets, const json_t *v, const char *after, const char *key, carat_err *err)
{
    const char *text = json_string_value(v);
    char number[32];
    if (json_is_integer(v)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        text = number;
    }
    if (!text)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' is %s, expected a text", key,
                       v ? ct_json_kind(v) : "missing");
    for (const char *at = after ? strstr(text, after) : NULL; at; at = strstr(text, after))
        text = at + strlen(after);
    if (after && text == json_string_value(v))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' has no '%s' in it", key, after);
    size_t len = strlen(text);
    while (len && strchr(" \t\r\n", *text))
        text++, len--;
    while (len && strchr(" \t\r\n", text[len - 1]))
        len--;
    return json_array_append_new(targets, json_stringn(text, len)) == 0 || no_memory(err);
}

static bool read_targets(const json_t *layout, const json_t *row, ct_eval_item *item, carat_err *err)
{
    const char *key = text_of(layout, "target", item->n ? "letter" : NULL),
               *after = text_of(layout, "target_after", NULL);
    if (!key)
        return true;
    const json_t *v = ct_eval_at(row, key);
    item->targets = json_array();
    bool ok = item->targets || no_memory(err);
    if (json_is_array(v)) {
        ok = ok && (json_array_size(v) || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' is empty", key));
        for (size_t i = 0; ok && i < json_array_size(v); i++)
            ok = add_target(item->targets, json_array_get(v, i), after, key, err);
        return ok;
    }
    return ok && add_target(item->targets, v, after, key, err);
}

static bool fill_if(const ct_eval_task *t, const json_t *layout, const char *key, const json_t *row, char **out,
                    carat_err *err)
{
    const char *template = text_of(layout, key, NULL);
    return !template || (*out = filled(t, template, row, err));
}

/* A program's template, but for {answer}. */
static bool fill_program(const ct_eval_task *t, const char *key, json_t *row, char **out, carat_err *err)
{
    json_object_set_new(row, "answer", json_string("{answer}"));
    const bool ok = fill_if(t, t->about, key, row, out, err);
    json_object_del(row, "answer");
    return ok;
}

static bool read_generated(const ct_eval_task *t, const json_t *layout, json_t *row, ct_eval_item *item, carat_err *err)
{
    return read_targets(layout, row, item, err) && fill_if(t, layout, "chat", row, &item->chat, err) &&
           fill_if(t, layout, "solution", row, &item->solution, err) &&
           fill_program(t, "program", row, &item->program, err) &&
           fill_program(t, "chat_program", row, &item->chat_program, err);
}

static bool read_picture(const json_t *layout, const json_t *row, ct_eval_item *item, carat_err *err)
{
    const char *template = text_of(layout, "picture", NULL), *where = text_of(layout, "picture_at", NULL);
    if (!template && !where)
        return true;
    item->pictures = calloc(1, sizeof *item->pictures);
    if (!item->pictures)
        return no_memory(err);
    item->n_pictures = 1;
    if (where)
        return ct_eval_picture_of(ct_eval_at(row, where), item->pictures, err) || ct_fail_in(err, "'%s'", where);
    ct_buf b;
    ct_buf_init(&b, 1 << 12);
    const bool ok =
        ct_eval_fill(template, row, &b, err) && ct_eval_picture_named(b.data ? b.data : "", item->pictures, err);
    ct_buf_deinit(&b);
    return ok;
}

/* ---- an item ---- */

static char *id_of(const json_t *layout, const json_t *row)
{
    const json_t *v = ct_eval_at(row, text_of(layout, "id", CT_EVAL_LINE));
    ct_buf b;
    ct_buf_init(&b, 1 << 16);
    if (json_is_string(v))
        ct_buf_str(&b, json_string_value(v));
    else if (json_is_integer(v))
        ct_buf_fmt(&b, "%lld", (long long)json_integer_value(v));
    char *s = b.len ? ct_buf_take(&b) : NULL;
    ct_buf_deinit(&b);
    return s;
}

static bool read_context(const ct_eval_task *t, const json_t *layout, const json_t *row, ct_eval_item *item,
                         carat_err *err)
{
    char *prompt = filled(t, text_of(layout, "prompt", ""), row, err);
    const char *gap = text_of(t->about, "gap", NULL);
    if (!prompt)
        return false;
    if (gap) {
        const bool ok = split_gap(gap, prompt, item, err);
        free(prompt);
        return ok;
    }
    /* A token begins with its space: " " belongs to what is scored. */
    for (size_t len = strlen(prompt); !t->is_generated && len && prompt[len - 1] == ' '; len--)
        prompt[len - 1] = '\0';
    item->contexts = calloc(1, sizeof *item->contexts);
    if (!item->contexts) {
        free(prompt);
        return no_memory(err);
    }
    item->contexts[item->n_contexts++] = prompt;
    return true;
}

bool ct_eval_item_read(ct_eval_task *t, const char *file, const json_t *layout, json_t *row, size_t nth,
                       ct_eval_item *item, carat_err *err)
{
    const json_int_t line = json_integer_value(json_object_get(row, CT_EVAL_LINE));
    const bool has_choices = json_object_get(layout, "choices") || json_object_get(layout, "right");
    bool ok = json_object_set_new(row, "with_shots",
                                  json_string(t->n_shots ? text_of(t->about, "with_shots", "") : "")) == 0 ||
              no_memory(err);
    ok = ok && (!json_is_true(json_object_get(t->about, "boxed")) || ct_eval_math_add_fields(row, err));
    ok = ok && (!has_choices || (read_choices(t, layout, row, nth, item, err) && list_choices(t, item, row, err))) &&
         read_context(t, layout, row, item, err) && (!t->is_generated || read_generated(t, layout, row, item, err)) &&
         read_picture(layout, row, item, err) &&
         (!json_is_true(json_object_get(t->about, "rules")) || ct_eval_ifeval_read(row, item, err));
    const char *group_key = text_of(layout, "group", NULL);
    if (ok && group_key) {
        const char *group = json_string_value(ct_eval_at(row, group_key));
        ok = group ? ct_eval_task_group(t, group, &item->group, err)
                   : ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' is missing, or no text", group_key);
    }
    item->id = id_of(layout, row);
    return ok || ct_fail_in(err, "%s:%lld", file, (long long)line);
}

const json_t *ct_eval_layout(const ct_eval_task *t, const char *file, const json_t *row, carat_err *err)
{
    size_t i;
    json_t *layout;
    const char *wanted = "";
    json_array_foreach(json_object_get(t->about, "layouts"), i, layout) {
        wanted = text_of(layout, "has", "");
        if (ct_eval_at(row, wanted))
            return layout;
    }
    ct_fail(err, CARAT_EFORMAT, 1, "%s:%lld: no layout of %s that is known: '%s' is missing", file,
            (long long)json_integer_value(json_object_get(row, CT_EVAL_LINE)), t->title, wanted);
    return NULL;
}

void ct_eval_item_free(ct_eval_item *item)
{
    for (size_t i = 0; i < item->n_contexts; i++)
        free(item->contexts[i]);
    for (size_t i = 0; i < item->n; i++)
        free(item->choices[i]);
    for (size_t i = 0; i < item->n_pictures; i++)
        ct_eval_picture_free(&item->pictures[i]);
    free(item->pictures);
    free(item->contexts);
    free(item->choices);
    free(item->right);
    free(item->id);
    free(item->chat);
    free(item->solution);
    free(item->program);
    free(item->chat_program);
    json_decref(item->targets);
    json_decref(item->messages);
    json_decref(item->functions);
    json_decref(item->calls);
    json_decref(item->rules);
    *item = (ct_eval_item){ 0 };
}
