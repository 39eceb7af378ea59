/* The choices of an item: lists, objects with scores, right and wrong ones; which is right, and their order.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "eval/fill.h"
#include "eval/item_inside.h"
#include "eval/rows.h"

#define text_of ct_eval_text_of

static bool room_for(ct_eval_item *item, size_t n, const char *where, carat_err *err)
{
    if (n < 2 || n > CT_EVAL_MOST_CHOICES)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' has %zu answers, expected 2 to %d", where, n,
                       CT_EVAL_MOST_CHOICES);
    item->choices = calloc(n, sizeof *item->choices);
    item->right = calloc(n, sizeof *item->right);
    return (item->choices && item->right) || ct_eval_no_memory(err);
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
        if (!take_choice(item, is_path ? ct_eval_as_asked(t, words, err) : ct_eval_filled(t, words, row, err), false))
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
        if (!take_choice(item, ct_eval_as_asked(t, text, err), json_number_value(score) >= best))
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
            char *one = strndup(text, len), *clean = one ? ct_eval_as_asked(t, one, err) : NULL;
            if (clean && len &&
                (json_array_append_new(texts, json_string(clean)) != 0 ||
                 json_array_append_new(marks, json_boolean(is_right)) != 0)) {
                free(clean);
                clean = NULL;
            }
            free(one);
            free(clean);
            if (!clean)
                return ct_eval_no_memory(err);
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
    bool ok = (texts && marks) || ct_eval_no_memory(err);
    ok = ok && add_paths(t, json_object_get(layout, "right"), split, row, true, texts, marks, err) &&
         add_paths(t, json_object_get(layout, "wrong"), split, row, false, texts, marks, err) &&
         room_for(item, json_array_size(texts), "right and wrong", err);
    for (size_t i = 0; ok && i < json_array_size(texts); i++)
        ok = take_choice(item, strdup(json_string_value(json_array_get(texts, i))),
                         json_is_true(json_array_get(marks, i))) ||
             ct_eval_no_memory(err);
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
    const int64_t first = strcmp(is, "number") == 0;
    int64_t number = json_is_integer(v) ? json_integer_value(v) : s && *s ? strtoll(s, &end, 10) : -1;
    if (end && *end)
        number = -1;
    item->answer = SIZE_MAX;
    if (strcmp(is, "label") != 0 && number >= first)
        item->answer = (size_t)(number - first);
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
    ct_buf_init(&b, CT_EVAL_MOST_TEXT);
    for (size_t i = 0; ok && option && i < item->n; i++) {
        char one[2] = { (char)('A' + i % 26), 0 };
        json_t *fields = json_pack("{s:s, s:s, s:O*}", "letter", one, "text", item->choices[i], "file",
                                   json_object_get(row, "file"));
        ok = fields ? ct_eval_fill(option, fields, &b, err) : ct_eval_no_memory(err);
        json_decref(fields);
    }
    if (ok && (json_object_set_new(row, "listed", json_string(b.data ? b.data : "")) != 0 ||
               json_object_set_new(row, "letter", json_string(letter)) != 0))
        ok = ct_eval_no_memory(err);
    ct_buf_deinit(&b);
    return ok;
}

bool ct_eval_choices_read(const ct_eval_task *t, const json_t *layout, json_t *row, size_t nth, ct_eval_item *item,
                          carat_err *err)
{
    return read_choices(t, layout, row, nth, item, err) && list_choices(t, item, row, err);
}
