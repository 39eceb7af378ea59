/* From a description and a user's file to items: which layout, what is asked, what is right.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/task.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "eval/fill.h"
#include "eval/rows.h"

#define MOST_TEXT ((size_t)4 << 20)

extern char ct_eval_arc[], ct_eval_hellaswag[], ct_eval_mmlu[], ct_eval_winogrande[];
extern const size_t ct_eval_arc_len, ct_eval_hellaswag_len, ct_eval_mmlu_len, ct_eval_winogrande_len;

static const struct {
    const char *name, *text;
    const size_t *len;
} descriptions[] = {
    { "hellaswag", ct_eval_hellaswag, &ct_eval_hellaswag_len },
    { "winogrande", ct_eval_winogrande, &ct_eval_winogrande_len },
    { "arc", ct_eval_arc, &ct_eval_arc_len },
    { "mmlu", ct_eval_mmlu, &ct_eval_mmlu_len },
};
#define N_DESCRIPTIONS (sizeof descriptions / sizeof *descriptions)

const char *ct_eval_task_name(size_t i)
{
    return i < N_DESCRIPTIONS ? descriptions[i].name : NULL;
}

static const char *text_of(const json_t *o, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : otherwise;
}

/* A text as it is asked: the caller frees it. NULL: no memory. */
static char *as_asked(const ct_eval_task *t, const char *text, carat_err *err)
{
    char *s = json_is_true(json_object_get(t->about, "clean")) ? ct_eval_clean(text) : strdup(text);
    if (!s)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a text");
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

/* ---- an item ---- */

static bool read_choices(const ct_eval_task *t, const json_t *layout, const json_t *row, ct_eval_item *item,
                         const char *labels[], carat_err *err)
{
    const json_t *list = json_object_get(layout, "choices"), *list_is = list;
    const bool is_path = json_is_string(list);
    if (is_path)
        list = ct_eval_at(row, json_string_value(list));
    const size_t n = json_array_size(list);
    if (n < 2 || n > CT_EVAL_MOST_CHOICES)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' has %zu answers, expected 2 to %d",
                       is_path ? json_string_value(list_is) : "choices", n, CT_EVAL_MOST_CHOICES);
    const char *text_key = text_of(layout, "choice", ""), *label_key = text_of(layout, "label", NULL);
    for (; item->n < n; item->n++) {
        const json_t *element = json_array_get(list, item->n),
                     *text = is_path ? ct_eval_at(element, text_key) : element;
        if (!json_is_string(text))
            return ct_fail(err, CARAT_EFORMAT, item->n, "answer %zu is %s, expected a text", item->n,
                           text ? ct_json_kind(text) : "missing");
        labels[item->n] = label_key ? json_string_value(ct_eval_at(element, label_key)) : NULL;
        const char *words = json_string_value(text);
        item->choices[item->n] = is_path ? as_asked(t, words, err) : filled(t, words, row, err);
        if (!item->choices[item->n])
            return false;
    }
    return true;
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
    return item->answer < item->n ||
           ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' names none of the %zu answers: %s", key, item->n,
                   s   ? s
                   : v ? "a number out of range"
                       : "it is missing");
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
    for (size_t i = 0; i < item->n; i++) {
        ct_buf b;
        ct_buf_init(&b, MOST_TEXT);
        ct_buf_add(&b, sentence, (size_t)(at - sentence));
        ct_buf_str(&b, item->choices[i]);
        free(item->choices[i]);
        item->choices[i] = strndup(rest, len);
        item->contexts[i] = ct_buf_take(&b);
        item->n_contexts = i + 1;
        if (!item->choices[i] || !item->contexts[i])
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a sentence");
    }
    return true;
}

static void free_item(ct_eval_item *item)
{
    free(item->id);
    for (size_t i = 0; i < CT_EVAL_MOST_CHOICES; i++) {
        free(item->contexts[i]);
        free(item->choices[i]);
    }
}

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

static bool read_item(const ct_eval_task *t, const char *file, const json_t *layout, const json_t *row,
                      ct_eval_item *item, carat_err *err)
{
    const char *labels[CT_EVAL_MOST_CHOICES] = { NULL }, *gap = text_of(t->about, "gap", NULL);
    const json_int_t line = json_integer_value(json_object_get(row, CT_EVAL_LINE));
    char *prompt = filled(t, text_of(layout, "prompt", ""), row, err);
    bool ok = prompt && read_choices(t, layout, row, item, labels, err) && read_answer(layout, row, labels, item, err);
    if (ok && gap) {
        ok = split_gap(gap, prompt, item, err);
    } else if (ok) {
        item->contexts[0] = prompt;
        item->n_contexts = 1;
        prompt = NULL;
    }
    item->id = id_of(layout, row);
    free(prompt);
    return ok || ct_fail_in(err, "%s:%lld", file, (long long)line);
}

/* ---- files ---- */

static const json_t *choose_layout(const ct_eval_task *t, const char *file, const json_t *row, carat_err *err)
{
    size_t i;
    json_t *layout;
    const char *wanted = "";
    json_array_foreach(json_object_get(t->about, "layouts"), i, layout) {
        wanted = text_of(layout, "has", "");
        if (json_object_get(row, wanted))
            return layout;
    }
    ct_fail(err, CARAT_EFORMAT, 1, "%s: no layout of %s that is known: '%s' is missing in its first row", file,
            t->title, wanted);
    return NULL;
}

static bool read_items(ct_eval_task *t, const char *file, size_t limit, ct_eval_item **items, size_t *n, carat_err *err)
{
    json_t *rows, *row;
    size_t i;
    if (!ct_eval_rows_read(file, json_object_get(t->about, "columns"), limit, &rows, err))
        return false;
    *n = json_array_size(rows);
    *items = calloc(*n + 1, sizeof **items);
    bool ok = *n || ct_fail(err, CARAT_EFORMAT, 0, "%s: no items in it", file);
    ok = ok && (*items || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu items", *n));
    const json_t *layout = ok ? choose_layout(t, file, json_array_get(rows, 0), err) : NULL;
    ok = ok && layout;
    t->from = layout ? text_of(layout, "from", "") : NULL;
    json_array_foreach(rows, i, row)
        if (ok)
            ok = read_item(t, file, layout, row, &(*items)[i], err);
    json_decref(rows);
    return ok;
}

/* "data/test/abstract_algebra_test.csv": "abstract algebra". */
static json_t *subject_of(const ct_eval_task *t, const char *path)
{
    const char *slash = strrchr(path, '/');
    char name[128];
    size_t i, len = strcspn(slash ? slash + 1 : path, ".");
    json_t *suffix;
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), slash ? slash + 1 : path);
    json_array_foreach(json_object_get(t->about, "subject_suffix"), i, suffix) {
        const char *end = json_string_value(suffix);
        len = strlen(name);
        if (end && len > strlen(end) && strcmp(name + len - strlen(end), end) == 0)
            name[len - strlen(end)] = '\0';
    }
    for (char *c = name; *c; c++)
        *c = *c == '_' ? ' ' : *c;
    return json_pack("{s:o}", "subject", ct_json_from_str(name));
}

/* Which n of `of`, without one twice. */
static void choose_shots(size_t *which, size_t of, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < of; i++)
        which[i] = i;
    uint64_t state = seed;
    for (size_t i = 0; seed && i < n; i++) {
        const size_t k = i + (size_t)(ct_rng_unit(&state) * (double)(of - i)), was = which[i];
        which[i] = which[k];
        which[k] = was;
    }
}

static bool add_shots(ct_eval_task *t, const ct_eval_source *s, ct_buf *head, carat_err *err)
{
    ct_eval_item *shots = NULL;
    size_t n = 0, *which = NULL;
    bool ok = read_items(t, s->shots, s->seed ? 0 : s->n_shots, &shots, &n, err);
    ok = ok && (n >= s->n_shots || ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                                           "%s: has %zu items, expected %zu shots at least", s->shots, n, s->n_shots));
    which = calloc(n + 1, sizeof *which);
    if (ok && which)
        choose_shots(which, n, s->n_shots, s->seed);
    for (size_t i = 0; ok && which && i < s->n_shots; i++) {
        const ct_eval_item *shot = &shots[which[i]];
        ct_buf_str(head, shot->contexts[shot->n_contexts > 1 ? shot->answer : 0]);
        ct_buf_char(head, ' ');
        ct_buf_str(head, shot->choices[shot->answer]);
        ct_buf_str(head, text_of(t->about, "separator", "\n\n"));
    }
    for (size_t i = 0; shots && i < n; i++)
        free_item(&shots[i]);
    free(shots);
    free(which);
    return ok;
}

static bool make_head(ct_eval_task *t, const ct_eval_source *s, carat_err *err)
{
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    json_t *subject = subject_of(t, s->data);
    bool ok = ct_eval_fill(text_of(t->about, "description", ""), subject, &b, err);
    ok = ok && (!s->n_shots || add_shots(t, s, &b, err));
    ct_buf_add(&b, "", 0);
    t->head = ok ? (b.len ? ct_buf_take(&b) : strdup("")) : NULL;
    ok = ok && (t->head || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the shots"));
    ct_buf_deinit(&b);
    json_decref(subject);
    return ok;
}

static uint64_t hash_text(uint64_t h, const char *s) /* FNV-1a; the NUL tells where texts end */
{
    do
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    while (*s++);
    return h;
}

static void hash_all(ct_eval_task *t)
{
    t->hash = hash_text(0xcbf29ce484222325u, t->head);
    for (size_t i = 0; i < t->n; i++) {
        const ct_eval_item *item = &t->items[i];
        for (size_t k = 0; k < item->n_contexts; k++)
            t->hash = hash_text(t->hash, item->contexts[k]);
        for (size_t k = 0; k < item->n; k++)
            t->hash = hash_text(t->hash, item->choices[k]);
    }
}

bool ct_eval_task_open(ct_eval_task *t, const char *name, const ct_eval_source *s, carat_err *err)
{
    *t = (ct_eval_task){ .name = name, .n_shots = s->n_shots };
    size_t d = 0;
    while (d < N_DESCRIPTIONS && strcmp(descriptions[d].name, name) != 0)
        d++;
    bool ok = d < N_DESCRIPTIONS ? ct_json_parse(name, descriptions[d].text, *descriptions[d].len, &t->about, err)
                                 : ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "no task '%s'", name);
    if (ok) {
        t->title = text_of(t->about, "title", name);
        t->protocol = text_of(t->about, "protocol", "");
        t->is_normalised = strcmp(text_of(t->about, "figure", "plain"), "normalised") == 0;
        ok = make_head(t, s, err) && read_items(t, s->data, 0, &t->items, &t->n, err);
    }
    if (ok) {
        hash_all(t); /* of all items, so that a limit can be raised */
        while (s->limit && t->n > s->limit)
            free_item(&t->items[--t->n]);
    } else {
        ct_eval_task_close(t);
    }
    return ok;
}

void ct_eval_task_close(ct_eval_task *t)
{
    for (size_t i = 0; t->items && i < t->n; i++)
        free_item(&t->items[i]);
    free(t->items);
    free(t->head);
    json_decref(t->about);
    *t = (ct_eval_task){ 0 };
}
