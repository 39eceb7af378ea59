/* Out of an answer, and against the targets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/answer.h"

#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "eval/formulas.h"
#include "eval/vqa.h"

#define MOST_GROUPS 4

static bool keep(const char *text, size_t len, char **out, carat_err *err)
{
    *out = strndup(text, len);
    return *out || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an answer");
}

static bool by_regex(const json_t *way, const char *pattern, const char *answer, char **out, carat_err *err)
{
    regex_t r;
    regmatch_t m[MOST_GROUPS];
    const char *which = json_string_value(json_object_get(way, "which")), *found = NULL;
    size_t len = 0;
    if (regcomp(&r, pattern, REG_EXTENDED) != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' is no regular expression", pattern);
    const size_t group = (size_t)json_integer_value(json_object_get(way, "group")), wanted = group       ? group
                                                                                             : r.re_nsub ? 1
                                                                                                         : 0;
    const bool last = which && strcmp(which, "last") == 0;
    for (const char *at = answer;
         wanted < MOST_GROUPS && regexec(&r, at, MOST_GROUPS, m, at != answer ? REG_NOTBOL : 0) == 0;) {
        if (m[wanted].rm_so >= 0) {
            found = at + m[wanted].rm_so;
            len = (size_t)(m[wanted].rm_eo - m[wanted].rm_so);
        }
        /* the next one may share what stands around this one */
        const regoff_t next = m[wanted].rm_so >= 0 ? m[wanted].rm_eo : m[0].rm_eo;
        if (!last || !at[0] || !at[next])
            break;
        at += next > 0 ? next : 1;
    }
    regfree(&r);
    return !found || keep(found, len, out, err);
}

static bool by_ends(const json_t *ends, const char *answer, char **out, carat_err *err)
{
    const char *from = json_string_value(json_array_get(ends, 0)), *to = json_string_value(json_array_get(ends, 1));
    const char *begin = from ? strstr(answer, from) : NULL;
    if (!begin || !to)
        return true;
    begin += strlen(from);
    const char *end = strstr(begin, to);
    return keep(begin, end ? (size_t)(end - begin) : strlen(begin), out, err);
}

bool ct_eval_extract(const json_t *ways, const char *answer, char **out, carat_err *err)
{
    size_t i;
    json_t *way;
    bool ok = true;
    *out = NULL;
    json_array_foreach(ways, i, way) {
        const char *pattern = json_string_value(json_object_get(way, "regex"));
        const json_t *ends = json_object_get(way, "between");
        ok = pattern ? by_regex(way, pattern, answer, out, err)
             : ends  ? by_ends(ends, answer, out, err)
                     : keep(answer, strlen(answer), out, err);
        if (!ok || *out)
            break;
    }
    return ok;
}

/* ---- comparing ---- */

static void trim(const char **s, size_t *len)
{
    while (*len && isspace((unsigned char)**s))
        ++*s, --*len;
    while (*len && isspace((unsigned char)(*s)[*len - 1]))
        --*len;
}

static bool same_text(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    trim(&a, &n);
    trim(&b, &m);
    return n == m && memcmp(a, b, n) == 0;
}

static bool number_of(const char *s, double *x)
{
    char digits[64];
    size_t n = 0;
    for (; *s && n + 1 < sizeof digits; s++)
        if (!strchr(",$% \n", *s))
            digits[n++] = *s;
    digits[n] = '\0';
    char *end;
    *x = strtod(digits, &end);
    return n && !*end && isfinite(*x);
}

static bool same_number(const char *a, const char *b)
{
    double x, y;
    return number_of(a, &x) && number_of(b, &y) && fabs(x - y) <= 1e-6 * fmax(1, fabs(y));
}

static bool has_text(const char *s, const char *what)
{
    const size_t n = strlen(what);
    for (; *s; s++)
        if (strncasecmp(s, what, n) == 0)
            return true;
    return false;
}

double ct_eval_compare(const char *how, const char *said, const json_t *targets)
{
    size_t i, n = 0;
    json_t *target;
    static const struct {
        const char *name;
        double (*judge)(const char *said, const json_t *targets);
    } others[] = {
        { "anls", ct_eval_anls }, { "relaxed", ct_eval_relaxed }, { "vqa", ct_eval_vqa }, { "math", ct_eval_math_same }
    };
    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        if (strcmp(how, others[k].name) == 0)
            return said ? others[k].judge(said, targets) : 0;
    const bool all = strcmp(how, "all_of") == 0, number = strcmp(how, "number") == 0;
    json_array_foreach(targets, i, target) {
        const char *t = json_string_value(target);
        n += said && t && (all ? has_text(said, t) : number ? same_number(said, t) : same_text(said, t));
    }
    if (!json_array_size(targets))
        return 0;
    return all ? (double)n / (double)json_array_size(targets) : n > 0;
}
