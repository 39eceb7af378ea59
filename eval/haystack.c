/* Drawing texts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/haystack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define MOST_SENTENCE 256
#define A_LINE        12 /* sentences */

size_t ct_eval_draw(ct_eval_drawing *d, size_t below)
{
    return (size_t)(ct_rng_unit(&d->state) * (double)below);
}

void ct_eval_draw_word(ct_eval_drawing *d, size_t n, char *out, size_t size)
{
    static const char consonants[] = "bdfgklmnprstvz", vowels[] = "aeiou";
    const size_t syllables = n ? n : 2 + ct_eval_draw(d, 3);
    size_t at = 0;
    for (size_t i = 0; i < syllables && at + 3 < size; i++) {
        out[at++] = consonants[ct_eval_draw(d, sizeof consonants - 1)];
        out[at++] = vowels[ct_eval_draw(d, sizeof vowels - 1)];
    }
    if (!n && at + 2 < size && ct_eval_draw(d, 2))
        out[at++] = consonants[ct_eval_draw(d, sizeof consonants - 1)];
    out[at] = '\0';
}

void ct_eval_draw_digits(ct_eval_drawing *d, int n, char *out, size_t size)
{
    int i = 0;
    for (; i < n && (size_t)i + 1 < size; i++)
        out[i] = (char)('0' + (i ? ct_eval_draw(d, 10) : 1 + ct_eval_draw(d, 9)));
    out[i] = '\0';
}

size_t ct_eval_tokens(const ct_eval_drawing *d, const char *text)
{
    int32_t *ids = NULL;
    size_t n = SIZE_MAX;
    if (!carat_tokenizer_encode(d->tokenizer, text, strlen(text), 0, &ids, &n, NULL))
        return SIZE_MAX;
    carat_free(ids);
    return n;
}

/* ---- sentences ---- */

static const char *const noise[] = { "The river is long and the hill is steep.", "A bell rings in the tower.",
                                     "The road goes on.", "Somebody closes a window.",
                                     "It is late, and nobody is in the street." };

static const char *const who[] = { "The baker",       "A tall woman",     "My neighbour",
                                   "The old captain", "A student of law", "The gardener",
                                   "Her brother",     "The judge",        "A nurse from the north",
                                   "The painter",     "An engineer",      "The youngest child" };
static const char *const does[] = { "bought",  "forgot",     "described", "carried home", "repaired",  "sold",
                                    "painted", "looked for", "lost",      "borrowed",     "gave away", "studied" };
static const char *const what[] = {
    "a wooden clock",   "three letters",      "the map of the valley", "a bicycle without lights",
    "some old coins",   "a book about birds", "the key of the cellar", "a bag of apples",
    "two green chairs", "a violin",           "the timetable",         "an empty bottle"
};
static const char *const when[] = {
    "before breakfast",     "in the first week of autumn", "while it rained",    "on the way to the station",
    "after a long silence", "when the market had closed",  "without saying why", "for the second time",
    "in spite of the snow", "as everybody had expected",   "one evening in May", "during the war"
};
#define ONE_OF(d, list) list[ct_eval_draw(d, sizeof(list) / sizeof *(list))]

static void draw_sentence(ct_eval_drawing *d, bool is_noise, size_t i, char out[MOST_SENTENCE])
{
    if (is_noise)
        snprintf(out, MOST_SENTENCE, "%s", noise[i % (sizeof noise / sizeof *noise)]);
    else
        snprintf(out, MOST_SENTENCE, "%s %s %s %s.", ONE_OF(d, who), ONE_OF(d, does), ONE_OF(d, what), ONE_OF(d, when));
}

typedef struct sentences {
    char **list;
    size_t n, room;
} sentences;

static bool keep(sentences *s, const char *text)
{
    if (s->n == s->room) {
        char **more = realloc(s->list, (s->room * 2 + 64) * sizeof *more);
        if (!more)
            return false;
        s->list = more;
        s->room = s->room * 2 + 64;
    }
    s->list[s->n] = strdup(text);
    return s->list[s->n] && ++s->n;
}

/* Where each needle comes: in front of which sentence. */
static void draw_places(ct_eval_drawing *d, size_t *places, size_t n, size_t n_sentences, bool in_order)
{
    for (size_t i = 0; i < n; i++)
        places[i] = ct_eval_draw(d, n_sentences + 1);
    for (size_t i = 0; in_order && i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            if (places[k] < places[i]) {
                const size_t was = places[i];
                places[i] = places[k];
                places[k] = was;
            }
}

static void write_all(const sentences *s, const size_t *places, char *const *needles, size_t n, ct_buf *out)
{
    for (size_t i = 0; i <= s->n; i++) {
        for (size_t k = 0; k < n; k++)
            if (places[k] == i) {
                ct_buf_str(out, needles[k]);
                ct_buf_char(out, ' ');
            }
        if (i < s->n) {
            ct_buf_str(out, s->list[i]);
            ct_buf_str(out, i + 1 < s->n && i % A_LINE == A_LINE - 1 ? "\n" : " ");
        }
    }
    while (out->len && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
}

bool ct_eval_haystack(ct_eval_drawing *d, bool is_noise, size_t tokens, char *const *needles, size_t n, bool in_order,
                      ct_buf *out)
{
    sentences s = { 0 };
    size_t have = 0, *places = calloc(n + 1, sizeof *places);
    bool ok = places != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        const size_t k = ct_eval_tokens(d, needles[i]);
        ok = k < tokens;
        have += ok ? k + 1 : 0;
    }
    ok = ok && have < tokens;
    for (size_t i = 0; ok; i++) {
        char one[MOST_SENTENCE];
        draw_sentence(d, is_noise, i, one);
        const size_t k = ct_eval_tokens(d, one);
        if (k == SIZE_MAX || have + k + 1 > tokens)
            break;
        have += k + (i % A_LINE == A_LINE - 1); /* a line's end is a token, a space is none */
        ok = keep(&s, one);
    }
    if (ok) {
        draw_places(d, places, n, s.n, in_order);
        write_all(&s, places, needles, n, out);
    }
    for (size_t i = 0; i < s.n; i++)
        free(s.list[i]);
    free(s.list);
    free(places);
    return ok && !out->failed;
}
