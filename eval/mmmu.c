/* MMMU's rows to items; its answers to letters, texts and numbers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/mmmu.h"

#include <stdlib.h>
#include <string.h>

#include "eval/files.h"
#include "eval/item.h"
#include "eval/rows.h"

#define MOST_TEXT     ((size_t)4 << 20)
#define MOST_PICTURES 7

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an item");
}

/* ---- Python's lists of texts ---- */

/* The escaped character behind a backslash, as Python reads it; *at is moved behind it. */
static void unescape(const char **at, ct_buf *b)
{
    static const char letters[] = "nrtabfv\\'\"", means[] = "\n\r\t\a\b\f\v\\'\"";
    const char *which = **at ? strchr(letters, **at) : NULL;
    if (which) {
        ct_buf_char(b, means[which - letters]);
        ++*at;
    } else {
        ct_buf_char(b, '\\'); /* "\d" is two characters there too */
    }
}

json_t *ct_eval_python_list(const char *text)
{
    const char *at = text + strspn(text, " \n\t");
    if (*at++ != '[')
        return NULL;
    json_t *list = json_array();
    bool ok = list != NULL, ends = false;
    for (at += strspn(at, " \n\t"); ok && !(ends = *at == ']');) {
        const char quote = *at++;
        ct_buf b;
        ct_buf_init(&b, MOST_TEXT);
        ct_buf_add(&b, "", 0);
        ok = quote == '\'' || quote == '"';
        while (ok && *at && *at != quote) {
            if (*at == '\\') {
                at++;
                unescape(&at, &b);
            } else {
                ct_buf_char(&b, *at++);
            }
        }
        ok = ok && *at++ == quote && !b.failed && json_array_append_new(list, json_stringn(b.data, b.len)) == 0;
        ct_buf_deinit(&b);
        at += ok ? strspn(at, " \n\t") : 0;
        if (ok && *at == ',') {
            at++;
            at += strspn(at, " \n\t");
        } else {
            ok = ok && *at == ']';
        }
    }
    if (ok && ends && !at[1 + strspn(at + 1, " \n\t")])
        return list;
    json_decref(list);
    return NULL;
}

/* ---- rows ---- */

static const char *text_of(const json_t *row, const char *key, carat_err *err)
{
    const json_t *v = json_object_get(row, key);
    const char *s = json_string_value(v);
    if (s && strlen(s) == json_string_length(v))
        return s;
    ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' is %s, expected a text", key, v ? ct_json_kind(v) : "missing");
    return NULL;
}

static bool read_options(const json_t *row, ct_eval_item *item, carat_err *err)
{
    json_t *v = json_object_get(row, "options"), *option;
    json_t *list = json_is_string(v) ? ct_eval_python_list(json_string_value(v)) : json_incref(v);
    const size_t n = json_array_size(list);
    size_t i;
    bool ok = (n >= 2 && n <= 26) ||
              ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'options' is no list of 2 to 26 texts: %zu", n);
    item->choices = ok ? calloc(n, sizeof *item->choices) : NULL;
    item->right = ok ? calloc(n, sizeof *item->right) : NULL;
    ok = ok && ((item->choices && item->right) || no_memory(err));
    json_array_foreach(list, i, option) {
        if (!ok)
            break;
        const char *s = json_string_value(option);
        ok = (s && strlen(s) == json_string_length(option)) ||
             ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "option %zu is no text", i + 1);
        ok = ok && ((item->choices[item->n] = strdup(s)) || no_memory(err));
        item->n += ok;
    }
    json_decref(list);
    return ok;
}

static bool set_right(const char *answer, ct_eval_item *item, carat_err *err)
{
    item->answer = answer[0] >= 'A' && !answer[1] ? (size_t)(answer[0] - 'A') : SIZE_MAX;
    if (item->answer >= item->n)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'answer' names none of the %zu options: %.20s", item->n,
                       answer);
    item->right[item->answer] = true;
    item->targets = json_pack("[s]", answer);
    return item->targets || no_memory(err);
}

static bool set_targets(const char *answer, ct_eval_item *item, carat_err *err)
{
    item->targets = ct_eval_python_list(answer);
    if (!json_array_size(item->targets)) {
        json_decref(item->targets);
        item->targets = json_pack("[s]", answer);
    }
    return item->targets || no_memory(err);
}

static void write_question(const char *question, const ct_eval_item *item, ct_buf *b)
{
    ct_buf_fmt(b, "%s\n\n", question);
    for (size_t i = 0; i < item->n; i++)
        ct_buf_fmt(b, "(%c) %s\n", (char)('A' + i), item->choices[i]);
    ct_buf_str(b, item->n ? "\n\nAnswer with the option's letter from the given choices directly."
                          : "Answer the question using a single word or phrase.");
}

static bool add_picture(const json_t *row, int k, size_t at, ct_eval_item *item, carat_err *err)
{
    char key[16];
    snprintf(key, sizeof key, "image_%d", k);
    ct_eval_picture *p = &item->pictures[item->n_pictures];
    if (!ct_eval_picture_of(json_object_get(row, key), p, err))
        return ct_fail_in(err, "'%s'", key);
    p->at = at;
    item->n_pictures++;
    return true;
}

/* The text without the marks of pictures, each of which stands where its first mark was. */
static bool place_pictures(const json_t *row, const char *text, ct_eval_item *item, ct_buf *out, carat_err *err)
{
    bool has[MOST_PICTURES + 1] = { false };
    item->pictures = calloc(MOST_PICTURES, sizeof *item->pictures);
    if (!item->pictures)
        return no_memory(err);
    while (*text) {
        const char *mark = strstr(text, "<image ");
        const int k = mark && mark[7] >= '1' && mark[7] <= '7' && mark[8] == '>' ? mark[7] - '0' : 0;
        if (!k || has[k]) { /* another mark, or text that looks like one, stays as it is */
            const size_t n = mark ? (size_t)(mark - text) + 7 : strlen(text);
            ct_buf_add(out, text, n);
            text += n;
            continue;
        }
        ct_buf_add(out, text, (size_t)(mark - text));
        has[k] = true;
        if (!add_picture(row, k, out->len, item, err))
            return false;
        text = mark + 9;
    }
    const json_t *first = json_object_get(row, "image_1");
    return item->n_pictures || !first || json_is_null(first) || add_picture(row, 1, 0, item, err);
}

static bool read_prompt(const json_t *row, const char *question, ct_eval_item *item, carat_err *err)
{
    ct_buf whole, text;
    ct_buf_init(&whole, MOST_TEXT);
    ct_buf_init(&text, MOST_TEXT);
    write_question(question, item, &whole);
    bool ok = (!whole.failed || no_memory(err)) && place_pictures(row, whole.data, item, &text, err);
    if (ok) {
        item->contexts = calloc(1, sizeof *item->contexts);
        item->n_contexts = item->contexts && (item->contexts[0] = ct_buf_take(&text));
        ok = item->n_contexts || no_memory(err);
    }
    ct_buf_deinit(&whole);
    ct_buf_deinit(&text);
    return ok;
}

/* "validation_Art_Theory_12": "Art_Theory". */
static bool set_group(ct_eval_task *t, const char *id, ct_eval_item *item, carat_err *err)
{
    const char *from = strchr(id, '_'), *to = strrchr(id, '_');
    if (!from || to <= from + 1)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'id' is no \"validation_SUBJECT_1\": %.40s", id);
    char *name = strndup(from + 1, (size_t)(to - from - 1));
    const bool ok = name ? ct_eval_task_group(t, name, &item->group, err) : no_memory(err);
    free(name);
    return ok;
}

static bool read_row(void *arg, json_t *row, carat_err *err)
{
    ct_eval_task *t = arg;
    const char *id = text_of(row, "id", err), *question = id ? text_of(row, "question", err) : NULL,
               *kind = question ? text_of(row, "question_type", err) : NULL,
               *answer = kind ? text_of(row, "answer", err) : NULL;
    const bool is_open = kind && strcmp(kind, "open") == 0;
    if (!answer)
        return false;
    if (!is_open && strcmp(kind, "multiple-choice") != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "'question_type' is '%.40s', expected multiple-choice or open", kind);
    ct_eval_item *item = ct_eval_task_add(t, err);
    if (!item)
        return false;
    item->id = strdup(id);
    return (item->id || no_memory(err)) && set_group(t, id, item, err) &&
           (is_open ? set_targets(answer, item, err) : read_options(row, item, err) && set_right(answer, item, err)) &&
           read_prompt(row, question, item, err);
}

bool ct_eval_mmmu_read(ct_eval_task *t, const char *path, carat_err *err)
{
    ct_eval_files f;
    json_t *endings = json_pack("[s]", ".jsonl");
    bool ok = endings && ct_eval_files_open(&f, path, endings, NULL, NULL, err);
    json_decref(endings);
    if (!ok)
        return false;
    t->from = "Hugging Face's MMMU as JSON lines";
    for (size_t i = 0; ok && i < f.n; i++)
        ok = ct_eval_rows_each(f.list[i].path, read_row, t, err);
    ok = ok && (t->n || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: no items in it", path));
    ct_eval_files_close(&f);
    return ok;
}
