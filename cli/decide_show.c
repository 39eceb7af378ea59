/* A decision on stdout: a table with bars for people, an object for programs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "columns.h"
#include "decide.h"
#include "term.h"

#define NAME_COLUMNS 40
#define BAR_COLUMNS  20
#define OTHERS       32 /* columns of a line besides name and bar */

/* ---- figures ---- */

double decision_total(const decision *d)
{
    double sum = 0;
    for (size_t i = 0; i < d->n; i++)
        sum += exp(d->scores[i].logprob);
    return sum;
}

double decision_expected(const decision *d)
{
    double sum = 0;
    for (size_t i = 0; i < d->n; i++)
        sum += d->scores[i].probability * (double)(d->first_level + (int64_t)i);
    return sum;
}

size_t decision_best(const decision *d)
{
    size_t best = 0;
    for (size_t i = 1; i < d->n; i++)
        if (d->scores[i].logprob > d->scores[best].logprob)
            best = i;
    return best;
}

/* ---- for people ---- */

/* A choice in at most NAME_COLUMNS columns; returns how many it takes. */
static size_t name_of(const char *choice, char *to, size_t size)
{
    char text[512];
    size_t columns = 0, n = 0, left = strlen(term_printable(choice, text, sizeof text));
    for (const char *s = text; left;) {
        uint32_t cp;
        size_t len = ct_utf8_next(s, left, &cp);
        size_t w = (size_t)char_columns(cp);
        if (columns + w > NAME_COLUMNS || n + len >= size)
            break;
        memcpy(to + n, s, len);
        n += len;
        columns += w;
        s += len;
        left -= len;
    }
    to[n] = '\0';
    return columns;
}

/* In eighths of a column. */
static void put_bar(double share, size_t columns)
{
    static const char *const parts[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    size_t eighths = (size_t)(share * (double)columns * 8 + 0.5), n = eighths / 8 + (eighths % 8 != 0);
    for (size_t i = 0; i < eighths / 8; i++)
        fputs("█", stdout);
    fputs(parts[eighths % 8], stdout);
    printf("%*s", (int)(columns - n), "");
}

static bool is_better(const decision *d, size_t a, size_t b)
{
    double x = d->scores[a].logprob, y = d->scores[b].logprob;
    return x > y || (!(x < y) && a < b);
}

/* The choice that is shown after `last`, or (n) first: the next one down; of a scale the next one up. Takes no memory. */
static size_t next_of(const decision *d, size_t last)
{
    size_t next = d->n;
    if (d->is_scale)
        return last == d->n ? 0 : last + 1;
    for (size_t i = 0; i < d->n; i++)
        if ((last == d->n || is_better(d, last, i)) && (next == d->n || is_better(d, i, next)))
            next = i;
    return next;
}

static size_t bar_columns(size_t name_columns)
{
    size_t width = (size_t)term_width(1), taken = name_columns + OTHERS;
    if (!term_is_tty(1) || width >= taken + BAR_COLUMNS)
        return BAR_COLUMNS;
    return width > taken ? width - taken : 1;
}

static void put_line(const decision *d, size_t at, size_t name_columns, bool is_best)
{
    char name[256];
    const carat_score *s = &d->scores[at];
    size_t columns = name_of(d->choices[at], name, sizeof name);
    printf("%s%s%s%*s  %6.2f %%  %s", is_best ? term_bold(1) : "", name, is_best ? term_reset(1) : "",
           (int)(name_columns - columns), "", 100 * s->probability, term_dim(1));
    put_bar(s->probability, bar_columns(name_columns));
    printf("%s  %8.3f  %zu token%s\n", term_reset(1), s->logprob, s->n_logprobs, s->n_logprobs == 1 ? "" : "s");
}

void decision_show(const decision *d)
{
    char name[256];
    size_t name_columns = 0, best = decision_best(d), at = d->n;
    for (size_t i = 0; i < d->n; i++) {
        size_t n = name_of(d->choices[i], name, sizeof name);
        name_columns = n > name_columns ? n : name_columns;
    }
    for (size_t i = 0; i < d->n; i++) {
        at = next_of(d, at);
        put_line(d, at, name_columns, at == best);
    }
    if (d->is_scale)
        printf("expected %.2f\n", decision_expected(d));
}

/* ---- for programs ---- */

static json_t *choice_json(const decision *d, size_t i)
{
    const carat_score *s = &d->scores[i];
    json_t *o = json_pack("{s:o, s:f, s:f}", "text", ct_json_from_str(d->choices[i]), "probability", s->probability,
                          "logprob", s->logprob);
    json_t *ids = json_array(), *logprobs = json_array();
    for (size_t k = 0; k < s->n_ids; k++)
        json_array_append_new(ids, json_integer(s->ids[k]));
    for (size_t k = 0; k < s->n_logprobs; k++)
        json_array_append_new(logprobs, json_real((double)s->logprobs[k]));
    json_object_set_new(o, "tokens", ids);
    json_object_set_new(o, "logprobs", logprobs);
    if (d->is_scale)
        json_object_set_new(o, "level", json_integer(d->first_level + (int64_t)i));
    return o;
}

json_t *decision_json(const decision *d)
{
    size_t n;
    carat_prompt_tokens(d->prompt, &n);
    json_t *choices = json_array();
    for (size_t i = 0; i < d->n; i++)
        json_array_append_new(choices, choice_json(d, i));
    const bool is_whole = d->scores[0].n_logprobs > d->scores[0].n_ids;
    json_t *o = json_pack(
        "{s:o, s:o, s:o, s:s, s:f, s:I, s:f}", "model", ct_json_from_str(carat_engine_info(d->engine)->path), "best",
        ct_json_from_str(d->choices[decision_best(d)]), "choices", choices, "ending", is_whole ? "whole" : "open",
        "total_probability", decision_total(d), "prompt_tokens", (json_int_t)n, "seconds", d->seconds);
    if (d->is_scale)
        json_object_set_new(o, "expected", json_real(decision_expected(d)));
    return o;
}
