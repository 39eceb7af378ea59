/* Rows to items: what is asked, what is to be answered.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/item_inside.h"

#include <stdlib.h>
#include <string.h>

#include "eval/fill.h"
#include "eval/formulas.h"
#include "eval/ifeval.h"
#include "eval/rows.h"

#define text_of ct_eval_text_of

bool ct_eval_no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a text");
}

char *ct_eval_as_asked(const ct_eval_task *t, const char *text, carat_err *err)
{
    char *s = json_is_true(json_object_get(t->about, "clean")) ? ct_eval_clean(text) : strdup(text);
    if (!s)
        ct_eval_no_memory(err);
    return s;
}

char *ct_eval_filled(const ct_eval_task *t, const char *template, const json_t *row, carat_err *err)
{
    ct_buf b;
    ct_buf_init(&b, CT_EVAL_MOST_TEXT);
    char *s = ct_eval_fill(template, row, &b, err) ? ct_eval_as_asked(t, b.data ? b.data : "", err) : NULL;
    ct_buf_deinit(&b);
    return s;
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
        ct_buf_init(&b, CT_EVAL_MOST_TEXT);
        ct_buf_add(&b, sentence, (size_t)(at - sentence));
        ct_buf_str(&b, item->choices[i]);
        free(item->choices[i]);
        item->choices[i] = strndup(rest, len);
        item->contexts[i] = ct_buf_take(&b);
        item->n_contexts = i + 1;
        if (!item->choices[i] || !item->contexts[i])
            return ct_eval_no_memory(err);
    }
    return item->contexts || ct_eval_no_memory(err);
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
    return json_array_append_new(targets, json_stringn(text, len)) == 0 || ct_eval_no_memory(err);
}

static bool read_targets(const json_t *layout, const json_t *row, ct_eval_item *item, carat_err *err)
{
    const char *key = text_of(layout, "target", item->n ? "letter" : NULL),
               *after = text_of(layout, "target_after", NULL);
    if (!key)
        return true;
    const json_t *v = ct_eval_at(row, key);
    item->targets = json_array();
    bool ok = item->targets || ct_eval_no_memory(err);
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
    return !template || (*out = ct_eval_filled(t, template, row, err));
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
        return ct_eval_no_memory(err);
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
    char *prompt = ct_eval_filled(t, text_of(layout, "prompt", ""), row, err);
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
        return ct_eval_no_memory(err);
    }
    item->contexts[item->n_contexts++] = prompt;
    return true;
}

bool ct_eval_item_read(ct_eval_task *t, const json_t *layout, json_t *row, size_t nth, ct_eval_item *item,
                       carat_err *err)
{
    const bool has_choices = json_object_get(layout, "choices") || json_object_get(layout, "right");
    bool ok = json_object_set_new(row, "with_shots",
                                  json_string(t->n_shots ? text_of(t->about, "with_shots", "") : "")) == 0 ||
              ct_eval_no_memory(err);
    ok = ok && (!json_is_true(json_object_get(t->about, "boxed")) || ct_eval_math_add_fields(row, err));
    ok = ok && (!has_choices || ct_eval_choices_read(t, layout, row, nth, item, err)) &&
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
    return ok;
}

const json_t *ct_eval_layout(const ct_eval_task *t, const json_t *row, carat_err *err)
{
    size_t i;
    json_t *layout;
    const char *wanted = "";
    json_array_foreach(json_object_get(t->about, "layouts"), i, layout) {
        wanted = text_of(layout, "has", "");
        if (ct_eval_at(row, wanted))
            return layout;
    }
    ct_fail(err, CARAT_EFORMAT, 1, "no layout of %s that is known: '%s' is missing", t->title, wanted);
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
