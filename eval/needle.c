/* RULER's kinds of questions, each a function from a drawing to a text, its question and what is expected.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/needle.h"

#include <stdlib.h>
#include <string.h>

#include "eval/haystack.h"

#define MOST_TEXT    ((size_t)64 << 20)
#define MOST_NEEDLES 16
#define WORD         24
#define LEAST        256 /* tokens of a prompt */
#define FRAME        64  /* tokens for a chat's marks and the task's words */
#define N_HOPS       5   /* variables of a chain */
#define N_COMMON     10
#define N_FREQUENT   3
#define N_SYLLABLES  3 /* of a word of a list: as long as each other, none is a part of another */

typedef struct making {
    ct_eval_drawing d;
    size_t tokens;    /* for all but the frame */
    ct_buf text;      /* what is read, without the question */
    ct_buf question;  /* "What is ...?" */
    ct_buf beginning; /* of the answer, which bare text goes on with */
    json_t *targets;
} making;

static bool expect(making *m, const char *target)
{
    return json_array_append_new(m->targets, json_string(target)) == 0;
}

/* ---- needles ---- */

typedef struct needles {
    char *list[MOST_NEEDLES];
    char keys[MOST_NEEDLES][2 * WORD], values[MOST_NEEDLES][WORD];
    size_t n;
} needles;

static bool add_needle(making *m, needles *all, const char *key)
{
    char a[WORD], b[WORD], sentence[160];
    const size_t i = all->n;
    ct_eval_draw_word(&m->d, 0, a, sizeof a);
    ct_eval_draw_word(&m->d, 0, b, sizeof b);
    if (key)
        snprintf(all->keys[i], sizeof all->keys[i], "%s", key);
    else
        snprintf(all->keys[i], sizeof all->keys[i], "%s-%s", a, b);
    ct_eval_draw_digits(&m->d, 7, all->values[i], sizeof all->values[i]);
    snprintf(sentence, sizeof sentence, "The secret number of %s is %s.", all->keys[i], all->values[i]);
    all->list[i] = strdup(sentence);
    return all->list[i] && ++all->n;
}

/* keys: how many are asked for; values: of each; others: that nobody asks for. */
static bool make_needles(making *m, bool is_noise, size_t keys, size_t values, size_t others)
{
    needles all = { 0 };
    bool ok = true;
    for (size_t k = 0; ok && k < keys; k++)
        for (size_t v = 0; ok && v < values; v++) {
            ok = add_needle(m, &all, v ? all.keys[k * values] : NULL);
            ok = ok && expect(m, all.values[all.n - 1]);
        }
    for (size_t k = 0; ok && k < others; k++)
        ok = add_needle(m, &all, NULL);
    ct_buf_str(&m->question, keys * values > 1 ? "What are the secret numbers of " : "What is the secret number of ");
    ct_buf_str(&m->beginning, keys * values > 1 ? " The secret numbers of " : " The secret number of ");
    for (size_t k = 0; k < keys; k++) {
        const char *joint = k == 0 ? "" : k + 1 < keys ? ", " : " and ";
        ct_buf_fmt(&m->question, "%s%s", joint, all.keys[k * values]);
        ct_buf_fmt(&m->beginning, "%s%s", joint, all.keys[k * values]);
    }
    ct_buf_str(&m->question, "?");
    ct_buf_str(&m->beginning, keys * values > 1 ? " are" : " is");
    ok = ok && ct_eval_haystack(&m->d, is_noise, m->tokens, all.list, all.n, false, &m->text);
    for (size_t i = 0; i < all.n; i++)
        free(all.list[i]);
    return ok;
}

static bool niah_single(making *m)
{
    return make_needles(m, true, 1, 1, 0);
}

static bool niah_text(making *m)
{
    return make_needles(m, false, 1, 1, 0);
}

static bool niah_multikey(making *m)
{
    return make_needles(m, false, 1, 1, 3);
}

static bool niah_multivalue(making *m)
{
    return make_needles(m, false, 1, 4, 0);
}

static bool niah_multiquery(making *m)
{
    return make_needles(m, false, 4, 1, 0);
}

/* ---- variables ---- */

static bool variables(making *m)
{
    char *list[N_HOPS] = { NULL }, name[WORD], before[WORD] = "", value[WORD], sentence[96];
    bool ok = true;
    ct_eval_draw_digits(&m->d, 5, value, sizeof value);
    for (size_t i = 0; ok && i < N_HOPS; i++) {
        ct_eval_draw_word(&m->d, 0, name, sizeof name);
        for (char *c = name; *c; c++)
            *c = (char)(*c - 'a' + 'A');
        if (i)
            snprintf(sentence, sizeof sentence, "VAR %s = VAR %s.", name, before);
        else
            snprintf(sentence, sizeof sentence, "VAR %s = %s.", name, value);
        list[i] = strdup(sentence);
        ok = list[i] && expect(m, name);
        memcpy(before, name, sizeof before);
    }
    ct_buf_fmt(&m->question, "Which variables have the value %s, directly or by another variable? There are %d.", value,
               N_HOPS);
    ct_buf_fmt(&m->beginning, " The variables with the value %s are", value);
    ok = ok && ct_eval_haystack(&m->d, true, m->tokens, list, N_HOPS, true, &m->text);
    for (size_t i = 0; i < N_HOPS; i++)
        free(list[i]);
    return ok;
}

/* ---- words ---- */

typedef struct words {
    char (*list)[WORD];
    size_t n;
} words;

/* All different. */
static bool draw_words(making *m, size_t n, words *w)
{
    w->list = calloc(n, sizeof *w->list);
    for (w->n = 0; w->list && w->n < n;) {
        char *word = w->list[w->n];
        bool is_new = true;
        ct_eval_draw_word(&m->d, N_SYLLABLES, word, WORD);
        for (size_t i = 0; i < w->n && is_new; i++)
            is_new = strcmp(w->list[i], word) != 0;
        w->n += is_new;
    }
    return w->list != NULL;
}

/* Writes words by their numbers, in a drawn order. Takes numbers. */
static bool write_words(making *m, const words *w, size_t *numbers, size_t n, bool with_places)
{
    for (size_t i = 0; numbers && i + 1 < n; i++) {
        const size_t k = i + ct_eval_draw(&m->d, n - i), was = numbers[i];
        numbers[i] = numbers[k];
        numbers[k] = was;
    }
    for (size_t i = 0; numbers && i < n; i++) {
        if (with_places)
            ct_buf_fmt(&m->text, "%zu. %s ", i + 1, w->list[numbers[i]]);
        else
            ct_buf_fmt(&m->text, "%s ", w->list[numbers[i]]);
    }
    free(numbers);
    return numbers && !m->text.failed;
}

#define OFTEN  30 /* times in the list: a common word, and another one */
#define SELDOM 3

/* How many tokens a word of the list takes, by the first hundred: with its place, if it has one. */
static size_t tokens_a_word(making *m, bool with_place)
{
    ct_buf b;
    char word[WORD];
    ct_eval_drawing d = m->d; /* a copy: nothing is drawn by this */
    ct_buf_init(&b, 1 << 16);
    for (int i = 0; i < 100; i++) {
        ct_eval_draw_word(&d, N_SYLLABLES, word, sizeof word);
        if (with_place)
            ct_buf_fmt(&b, "%d. %s ", 1000 + i, word);
        else
            ct_buf_fmt(&b, "%s ", word);
    }
    const size_t n = b.failed ? SIZE_MAX : ct_eval_tokens(&m->d, b.data);
    ct_buf_deinit(&b);
    return n == SIZE_MAX ? 16 : n / 100 + 1;
}

static bool common_words(making *m)
{
    words w;
    const size_t n = m->tokens / tokens_a_word(m, true), often = n >= 40 * SELDOM * N_COMMON / 10 ? OFTEN : 6;
    const size_t seldom = often == OFTEN ? SELDOM : 1;
    const size_t others = n > often * N_COMMON ? (n - often * N_COMMON) / seldom : 0,
                 all = often * N_COMMON + seldom * others;
    if (!others || !draw_words(m, N_COMMON + others, &w))
        return false;
    size_t *numbers = calloc(all + 1, sizeof *numbers);
    for (size_t i = 0; numbers && i < all; i++)
        numbers[i] = i < often * N_COMMON ? i / often : N_COMMON + (i - often * N_COMMON) / seldom;
    bool ok = write_words(m, &w, numbers, all, true);
    for (size_t i = 0; ok && i < N_COMMON; i++)
        ok = expect(m, w.list[i]);
    ct_buf_fmt(&m->question, "What are the %d words that are most often in the list above?", N_COMMON);
    ct_buf_fmt(&m->beginning, " The %d words that are most often in the list are:", N_COMMON);
    free(w.list);
    return ok;
}

/* By Zipf's law with exponent 2, as RULER has it: the k-th word n / (k^2 zeta(2)) times. */
static bool frequent_words(making *m)
{
    words w;
    const size_t n = m->tokens / tokens_a_word(m, false);
    size_t all = 0, kinds = 0, *numbers = calloc(n + 1, sizeof *numbers);
    while (numbers && all < n) {
        const double k = (double)++kinds;
        const size_t times = (size_t)((double)n * 6 / (9.8696044 * k * k));
        for (size_t i = 0; i < (times ? times : 1) && all < n; i++)
            numbers[all++] = kinds - 1;
    }
    if (!numbers || kinds < N_FREQUENT + 1 || !draw_words(m, kinds, &w)) {
        free(numbers);
        return false;
    }
    bool ok = write_words(m, &w, numbers, all, false);
    for (size_t i = 0; ok && i < N_FREQUENT; i++)
        ok = expect(m, w.list[i]);
    ct_buf_fmt(&m->question, "Which %d words come most often in the text above?", N_FREQUENT);
    ct_buf_fmt(&m->beginning, " The %d words that come most often are:", N_FREQUENT);
    free(w.list);
    return ok;
}

/* ---- items ---- */

static const struct {
    const char *name;
    bool (*make)(making *m);
    const char *before; /* the text */
} kinds[] = {
    { "niah_single", niah_single, "Secret numbers are hidden in the following text. Remember them.\n\n" },
    { "niah_text", niah_text, "Secret numbers are hidden in the following text. Remember them.\n\n" },
    { "niah_multikey", niah_multikey, "Secret numbers are hidden in the following text. Remember them.\n\n" },
    { "niah_multivalue", niah_multivalue, "Secret numbers are hidden in the following text. Remember them.\n\n" },
    { "niah_multiquery", niah_multiquery, "Secret numbers are hidden in the following text. Remember them.\n\n" },
    { "variables", variables, "Variables are assigned in the following text. Remember their values.\n\n" },
    { "common_words", common_words,
      "Some words are more often in this numbered list than others. Remember these.\n\n" },
    { "frequent_words", frequent_words, "Some words come more often in this text than others. Remember these.\n\n" },
};

static size_t kind_of(const char *name)
{
    size_t k = 0;
    while (k < sizeof kinds / sizeof *kinds && (!name || strcmp(kinds[k].name, name) != 0))
        k++;
    return k;
}

static char *joined(const char *a, const char *b, const char *c, const char *d, const char *e)
{
    ct_buf all;
    const char *const parts[] = { a, b, c, d, e };
    ct_buf_init(&all, MOST_TEXT);
    for (int i = 0; i < 5; i++)
        ct_buf_str(&all, parts[i] ? parts[i] : "");
    char *s = ct_buf_take(&all);
    ct_buf_deinit(&all);
    return s;
}

static void open_making(making *m, const ct_eval_source *s, size_t i, size_t tokens)
{
    *m = (making){ .d = { (s->seed + 1) * 0x9E3779B97F4A7C15u ^ (i + 1) * 0xBF58476D1CE4E5B9u, s->tokenizer },
                   .tokens = tokens,
                   .targets = json_array() };
    ct_buf_init(&m->text, MOST_TEXT);
    ct_buf_init(&m->question, 1 << 16);
    ct_buf_init(&m->beginning, 1 << 16);
}

static void close_making(making *m)
{
    ct_buf_deinit(&m->text);
    ct_buf_deinit(&m->question);
    ct_buf_deinit(&m->beginning);
    json_decref(m->targets);
}

/* The item's bare form is no longer than the length less `left`; a text that came out too long, or much too short, is made again. */
static bool make_item(const ct_eval_source *s, size_t kind, size_t i, size_t left, ct_eval_item *item, carat_err *err)
{
    size_t tokens = s->length - left - FRAME;
    for (int tries = 0; tries < 8; tries++) {
        making m;
        open_making(&m, s, i, tokens);
        bool ok = m.targets && kinds[kind].make(&m) && !m.question.failed && !m.beginning.failed;
        item->contexts = ok ? calloc(1, sizeof *item->contexts) : NULL;
        if (item->contexts) {
            item->contexts[item->n_contexts++] =
                joined(kinds[kind].before, m.text.data, "\n\nQuestion: ", m.question.data, "\nAnswer:");
            char *bare = item->contexts[0] ? joined(item->contexts[0], m.beginning.data, NULL, NULL, NULL) : NULL;
            free(item->contexts[0]);
            item->contexts[0] = bare;
            item->chat = joined(kinds[kind].before, m.text.data, "\n\n", m.question.data, NULL);
            item->targets = json_incref(m.targets);
        }
        close_making(&m);
        if (!item->contexts || !item->contexts[0] || !item->chat)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: %zu tokens are too few for it, or there is no memory",
                           kinds[kind].name, s->length);
        const ct_eval_drawing d = { 0, s->tokenizer };
        const size_t have = ct_eval_tokens(&d, item->contexts[0]), most = s->length - left;
        const bool is_short = have < most - most / 16 && tries < 4;
        if (have <= most && !is_short)
            return true;
        if (is_short)
            tokens = tokens * (most - most / 64) / have;
        else
            tokens -= have - most + 4 < tokens ? have - most + 4 : tokens;
        free(item->contexts[0]);
        free(item->contexts);
        free(item->chat);
        json_decref(item->targets);
        *item = (ct_eval_item){ 0 };
    }
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: does not fit into %zu tokens (--length)", kinds[kind].name,
                   s->length);
}

bool ct_eval_needles_make(ct_eval_task *t, const ct_eval_source *s, carat_err *err)
{
    const json_t *names = json_object_get(t->about, "made_up");
    const size_t n_kinds = json_array_size(names), wanted = n_kinds * CT_EVAL_NEEDLES_EACH;
    const size_t n = !s->limit ? wanted : s->limit > n_kinds ? s->limit : n_kinds; /* one of each, for the hash */
    const size_t left = (size_t)json_integer_value(json_object_get(t->about, "chat_max_tokens")) + FRAME;
    if (!s->length || !s->tokenizer || s->length < LEAST + left)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "how long a text? (--length TOKENS, at least %zu)",
                       LEAST + left);
    t->from = "made up";
    t->items = calloc(n, sizeof *t->items);
    bool ok = t->items || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu items", n);
    for (size_t i = 0; ok && i < n; i++) {
        const char *name = json_string_value(json_array_get(names, i % n_kinds));
        const size_t kind = kind_of(name);
        ok = kind < sizeof kinds / sizeof *kinds ||
             ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "no kind '%s' of questions", name ? name : "");
        ok = ok && make_item(s, kind, i, left, &t->items[i], err) &&
             ct_eval_task_group(t, name, &t->items[i].group, err);
        t->n = i + 1;
    }
    return ok;
}
