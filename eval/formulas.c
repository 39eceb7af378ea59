/* Formulas out of answers, and to one way of writing them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/formulas.h"

#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "eval/text.h"

#define MOST_TEXT ((size_t)4 << 20)

/* ---- out of a text ---- */

/* From the first brace at or behind `at` to the one that closes it, both included; NULL: it is not closed. */
static const char *closing_brace(const char *at)
{
    size_t open = 0;
    for (; *at; at++) {
        open += *at == '{';
        if (*at == '}' && --open == 0)
            return at;
        if (open == SIZE_MAX)
            return NULL;
    }
    return NULL;
}

char *ct_eval_math_boxed(const char *text)
{
    static const char bare[] = "\\boxed ";
    const char *at = ct_eval_last(text, bare);
    if (at) {
        at += sizeof bare - 1;
        return strndup(at, strcspn(at, "$"));
    }
    at = ct_eval_last(text, "\\boxed");
    at = at ? at : ct_eval_last(text, "\\fbox");
    const char *open = at ? strchr(at, '{') : NULL, *close = at ? closing_brace(at) : NULL;
    return open && close && close > open ? strndup(open + 1, (size_t)(close - open - 1)) : NULL;
}

char *ct_eval_math_said(const char *answer)
{
    static const char begins[] = "Final Answer: The final answer is", ends[] = " I hope it is correct.";
    const char *at = strstr(answer, begins);
    if (!at)
        return ct_eval_math_boxed(answer);
    at += sizeof begins - 1;
    /* in one line, and whatever the mark in front of the words is; an answer may have been ended before them */
    const char *line = at + strcspn(at, "\n"), *to = strstr(at, ends);
    if (!to || to > line)
        to = line;
    while (to > at && strchr(" .", to[-1]))
        to--;
    char *part = strndup(at, (size_t)(to - at)), *s = part ? ct_eval_trimmed(part) : NULL;
    free(part);
    return s;
}

/* ---- rewriting ---- */

/* Takes *s and puts another in its place. */
static bool put(char **s, char *by)
{
    free(*s);
    *s = by;
    return by != NULL;
}

static bool replace(char **s, const char *what, const char *by)
{
    return put(s, ct_eval_replaced(*s, what, by));
}

typedef struct step {
    const char *what, *by;
} step;

static bool replace_all(char **s, const step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!replace(s, steps[i].what, steps[i].by))
            return false;
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* \word{inside} to "inside", up to the first brace that closes, or the last one. */
static bool unwrap(char **s, const char *word, bool to_last)
{
    const size_t n = strlen(word);
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    ct_buf_add(&b, "", 0);
    const char *at = *s;
    for (const char *from; (from = strstr(at, word));) {
        const char *inside = from + n, *end = to_last ? strrchr(inside, '}') : strchr(inside, '}');
        if (!end)
            break;
        ct_buf_add(&b, at, (size_t)(from - at));
        ct_buf_add(&b, inside, (size_t)(end - inside));
        at = end + 1;
    }
    ct_buf_str(&b, at);
    char *out = b.failed ? NULL : ct_buf_take(&b);
    ct_buf_deinit(&b);
    return put(s, out);
}

/* ---- Minerva's ---- */

static const char *const units[] = { "square",       "ways",
                                     "integers",     "dollars",
                                     "mph",          "inches",
                                     "ft",           "hours",
                                     "km",           "units",
                                     "\\ldots",      "sue",
                                     "points",       "feet",
                                     "minutes",      "digits",
                                     "cents",        "degrees",
                                     "cm",           "gm",
                                     "pounds",       "meters",
                                     "meals",        "edges",
                                     "students",     "childrentickets",
                                     "multiples",    "\\text{s}",
                                     "\\text{.}",    "\\text{\ns}",
                                     "\\text{}^2",   "\\text{}^3",
                                     "\\text{\n}",   "\\text{}",
                                     "\\mathrm{th}", "^\\circ",
                                     "^{\\circ}",    "\\;",
                                     ",\\!",         "{,}",
                                     "\"",           "\\dots" };

static bool is_word(char c)
{
    return is_letter(c) || c == '_' || (c >= '0' && c <= '9');
}

/* A unit's letters, but not within the name of a command: "ft" is in "\left". as_word: only where no letter is before or behind them. */
static bool drop_unit(char **s, const char *unit, bool as_word)
{
    const size_t n = strlen(unit);
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    ct_buf_add(&b, "", 0);
    for (const char *at = *s; *at;) {
        if (*at == '\\' && is_letter(at[1])) {
            ct_buf_char(&b, *at++);
            while (is_letter(*at))
                ct_buf_char(&b, *at++);
        } else if (strncmp(at, unit, n) == 0 && (!as_word || ((at == *s || !is_word(at[-1])) && !is_word(at[n])))) {
            at += n;
        } else {
            ct_buf_char(&b, *at++);
        }
    }
    char *out = b.failed ? NULL : ct_buf_take(&b);
    ct_buf_deinit(&b);
    return put(s, out);
}

/* Of "... $x$ ..." the formula. */
static bool keep_formula(char **s)
{
    const char *open = strchr(*s, '$'), *close = open ? strchr(open + 1, '$') : NULL;
    return !close || put(s, strndup(open, (size_t)(close - open) + 1));
}

/* "frac12" to "frac{1}{2}", "sqrt2" to "sqrt{2}". */
static bool brace(char **s)
{
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    ct_buf_add(&b, "", 0);
    for (const char *at = *s; *at;) {
        if (strncmp(at, "frac", 4) == 0 && at[4] && at[4] != '{' && at[5]) {
            ct_buf_fmt(&b, "frac{%c}{%c}", at[4], at[5]);
            at += 6;
        } else if (strncmp(at, "sqrt", 4) == 0 && at[4] && at[4] != '{' && at[4] != '[') {
            ct_buf_fmt(&b, "sqrt{%c}", at[4]);
            at += 5;
        } else {
            ct_buf_char(&b, *at++);
        }
    }
    char *out = b.failed ? NULL : ct_buf_take(&b);
    ct_buf_deinit(&b);
    return put(s, out);
}

/* "1,234,567" is a number; "0,1" is two. */
static bool join_thousands(char **s)
{
    regex_t r;
    if (regcomp(&r, "^-?[0-9]{1,3}(,[0-9]{3})+$", REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    const bool is = regexec(&r, *s, 0, NULL, 0) == 0;
    regfree(&r);
    return !is || replace(s, ",", "");
}

char *ct_eval_math_minerva(const char *answer)
{
    static const step steps[] = {
        { "an ", "" }, { "a ", "" },       { ".$", "$" },           { "\\$", "" },          { "\\ ", "" },
        { " ", "" },   { "mbox", "text" }, { ",\\text{and}", "," }, { "\\text{and}", "," }, { "\\text{m}", "\\text{}" }
    };
    const char *equals = strrchr(answer, '=');
    char *s = strdup(equals ? equals + 1 : answer);
    bool ok = s != NULL;
    /* while spaces still part them from a command's name, too: "2\pi cm" */
    for (size_t i = 0; ok && i < sizeof units / sizeof *units; i++)
        ok = !is_letter(*units[i]) || drop_unit(&s, units[i], true);
    ok = ok && replace_all(&s, steps, sizeof steps / sizeof *steps);
    for (size_t i = 0; ok && i < sizeof units / sizeof *units; i++)
        ok = is_letter(*units[i]) ? drop_unit(&s, units[i], false) : replace(&s, units[i], "");
    ok = ok && keep_formula(&s) && unwrap(&s, "\\text{", false) && unwrap(&s, "\\textbf{", false) &&
         unwrap(&s, "\\overline{", false) && unwrap(&s, "\\boxed{", true) && brace(&s) && replace(&s, "$", "") &&
         join_thousands(&s);
    if (!ok)
        put(&s, NULL);
    return s;
}

/* ---- that of MATH's authors ---- */

/* "\frac12" to "\frac{1}{2}", "\frac1{72}" to "\frac{1}{72}". */
static bool brace_fractions(char **s)
{
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    ct_buf_add(&b, "", 0);
    for (const char *at = *s; *at;) {
        if (strncmp(at, "\\frac", 5) != 0) {
            ct_buf_char(&b, *at++);
            continue;
        }
        ct_buf_str(&b, "\\frac");
        at += 5;
        if (*at == '{')
            continue;
        const char *more = strstr(at, "\\frac");
        if ((more ? (size_t)(more - at) : strlen(at)) < 2) { /* nothing to be said of it: all stays as it is */
            ct_buf_deinit(&b);
            return true;
        }
        ct_buf_fmt(&b, "{%c}", at[0]);
        if (at[1] != '{') {
            ct_buf_fmt(&b, "{%c}", at[1]);
            at++;
        }
        at++;
    }
    char *out = b.failed ? NULL : ct_buf_take(&b);
    ct_buf_deinit(&b);
    return put(s, out);
}

static bool brace_roots(char **s)
{
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    ct_buf_add(&b, "", 0);
    for (const char *at = *s; *at;) {
        const bool is_root = strncmp(at, "\\sqrt", 5) == 0;
        if (is_root && at[5] && at[5] != '{') {
            ct_buf_fmt(&b, "\\sqrt{%c}", at[5]);
            at += 6;
        } else {
            ct_buf_char(&b, *at++);
        }
    }
    char *out = b.failed ? NULL : ct_buf_take(&b);
    ct_buf_deinit(&b);
    return put(s, out);
}

/* "3/4" of whole numbers to "\frac{3}{4}". */
static bool write_fraction(char **s)
{
    regex_t r;
    regmatch_t m[3];
    if (regcomp(&r, "^(-?(0|[1-9][0-9]*))/", REG_EXTENDED) != 0)
        return false;
    const bool begins = regexec(&r, *s, 3, m, 0) == 0;
    regfree(&r);
    const char *low = begins ? *s + m[0].rm_eo : NULL, *digits = low ? low + (*low == '-') : NULL;
    if (!low || !*digits || strspn(digits, "0123456789") != strlen(digits) || (*digits == '0' && digits[1]))
        return true;
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    ct_buf_fmt(&b, "\\frac{%.*s}{%s}", (int)(m[1].rm_eo - m[1].rm_so), *s, low);
    char *out = b.failed ? NULL : ct_buf_take(&b);
    ct_buf_deinit(&b);
    return put(s, out);
}

/* "x = 3": what is behind a short name. */
static bool drop_name(char **s)
{
    const char *equals = strchr(*s, '=');
    return !equals || strchr(equals + 1, '=') || equals - *s > 2 || put(s, strdup(equals + 1));
}

static bool cut_at(char **s, const char *what)
{
    const char *at = strstr(*s, what);
    return !at || put(s, strndup(*s, (size_t)(at - *s)));
}

static bool add_zero(char **s)
{
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    ct_buf_fmt(&b, "%s%s", **s == '.' ? "0" : "", *s);
    char *out = b.failed ? NULL : ct_buf_take(&b);
    ct_buf_deinit(&b);
    return put(s, out);
}

char *ct_eval_math_hendrycks(const char *answer)
{
    static const step first[] = { { "\n", "" },        { "\\!", "" },    { "\\\\", "\\" },  { "tfrac", "frac" },
                                  { "dfrac", "frac" }, { "\\left", "" }, { "\\right", "" }, { "^{\\circ}", "" },
                                  { "^\\circ", "" },   { "\\$", "" } },
                      then[] = { { "\\%", "" }, { " .", " 0." }, { "{.", "{0." } };
    char *s = strdup(answer);
    bool ok = s && replace_all(&s, first, sizeof first / sizeof *first) && cut_at(&s, "\\text{ ") &&
              replace_all(&s, then, sizeof then / sizeof *then);
    if (ok && !*s)
        return s;
    ok = ok && add_zero(&s) && drop_name(&s) && brace_roots(&s) && replace(&s, " ", "") && brace_fractions(&s) &&
         (strcmp(s, "0.5") != 0 || put(&s, strdup("\\frac{1}{2}"))) && write_fraction(&s);
    if (!ok)
        put(&s, NULL);
    return s;
}

/* ---- comparing ---- */

static int same_by(char *(*normal)(const char *), const char *a, const char *b)
{
    char *x = normal(a), *y = normal(b);
    const int same = x && y ? strcmp(x, y) == 0 : -1;
    free(x);
    free(y);
    return same;
}

double ct_eval_math_same(const char *said, const json_t *targets)
{
    size_t i;
    json_t *target;
    double right = 0;
    json_array_foreach(targets, i, target) {
        const int a = same_by(ct_eval_math_minerva, said, json_string_value(target)),
                  b = same_by(ct_eval_math_hendrycks, said, json_string_value(target));
        if (a < 0 || b < 0)
            return NAN;
        right = a || b ? 1 : right;
    }
    return right;
}
