/* carat eval card: results of runs (--json) beside what the model's makers have published, as a table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "eval.h"
#include "exit.h"
#include "json_out.h"
#include "term.h"

#define MOST_RESULT ((size_t)64 << 20)

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* The figure that is published: of all items, or the mean over groups; of pairs a correlation, which stands beside its interval. */
static bool figure_of(const json_t *result, bool over_groups, double *share, double *low, double *high)
{
    const json_t *score = json_object_get(result, text_of(result, "figure"));
    if (json_is_number(score))
        score = result;
    const bool macro = over_groups && json_object_get(score, "macro");
    const json_t *x = json_object_get(score, macro             ? "macro"
                                             : score == result ? text_of(result, "figure")
                                                               : "share"),
                 *i = json_object_get(score, macro ? "macro_interval_95" : "interval_95");
    *share = json_number_value(x);
    *low = json_number_value(json_array_get(i, 0));
    *high = json_number_value(json_array_get(i, 1));
    return json_is_number(x) && json_array_size(i) == 2;
}

static bool check(const json_t *result, const char *path, carat_err *err)
{
    double share, low, high;
    const json_t *published = json_object_get(result, "published");
    return (*text_of(result, "task") && *text_of(result, "title") && json_is_integer(json_object_get(result, "n")) &&
            (json_is_array(published) || !published) && figure_of(result, false, &share, &low, &high)) ||
           ct_fail(err, CARAT_EFORMAT, 0, "%s: is no result of a task (carat eval TASK ... --json)", path);
}

static json_t *row_of(const json_t *result, const json_t *published)
{
    double share, low, high;
    const bool over_groups = strcmp(text_of(published, "over"), "groups") == 0;
    figure_of(result, over_groups, &share, &low, &high);
    return json_pack("{s:s, s:s, s:s, s:O?, s:O?, s:O?, s:f, s:[f, f], s:O?, s:O?, s:O?, s:s}", "task",
                     text_of(result, "task"), "title", text_of(result, "title"), "model", text_of(result, "model"),
                     "shots", json_object_get(result, "shots"), "n", json_object_get(result, "n"), "length",
                     json_object_get(result, "length"), "yours", 100 * share, "interval_95", 100 * low, 100 * high,
                     "published", json_object_get(published, "value"), "published_shots",
                     json_object_get(published, "shots"), "of", json_object_get(published, "of"), "comparable",
                     published ? text_of(published, "comparable") : "nothing is published of this model");
}

static void add_rows(const json_t *result, json_t *rows)
{
    size_t i;
    json_t *published, *all = json_object_get(result, "published");
    json_array_foreach(all, i, published) {
        json_array_append_new(rows, row_of(result, published));
    }
    if (!json_array_size(all))
        json_array_append_new(rows, row_of(result, NULL));
}

static void show(const json_t *rows)
{
    size_t i;
    json_t *row;
    const char *model = "";
    json_array_foreach(rows, i, row) {
        char name[80], safe[256], published[32] = "-";
        const json_t *value = json_object_get(row, "published"), *length = json_object_get(row, "length");
        if (strcmp(model, text_of(row, "model")) != 0) {
            model = text_of(row, "model");
            printf("%s%s\n%-36s %5s %6s  %6s  %-16s %9s  %s\n", i ? "\n" : "", term_printable(model, safe, sizeof safe),
                   "task", "shots", "n", "yours", "95 %", "published", "comparable");
        }
        if (json_is_number(value))
            snprintf(published, sizeof published, "%.1f", json_number_value(value));
        if (json_is_integer(length))
            snprintf(safe, sizeof safe, "%s, %lld tokens", text_of(row, "title"),
                     (long long)json_integer_value(length));
        else
            snprintf(safe, sizeof safe, "%s", text_of(row, "title"));
        const json_t *interval = json_object_get(row, "interval_95");
        char between[32];
        snprintf(between, sizeof between, "%.1f to %.1f", json_number_value(json_array_get(interval, 0)),
                 json_number_value(json_array_get(interval, 1)));
        printf("%-36s %5lld %6lld  %6.1f  %-16s %9s  ", term_printable(safe, name, sizeof name),
               (long long)json_integer_value(json_object_get(row, "shots")),
               (long long)json_integer_value(json_object_get(row, "n")),
               json_number_value(json_object_get(row, "yours")), between, published);
        const char *of = text_of(row, "of");
        printf("%s%s%s%s\n", term_printable(text_of(row, "comparable"), safe, sizeof safe), *of ? " (" : "",
               *of ? term_printable(of, name, sizeof name) : "", *of ? ")" : "");
    }
}

int eval_card(const char *const *paths, size_t n)
{
    carat_err err;
    json_t *rows = json_array(), *result;
    bool ok = rows != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        ok = ct_json_load(paths[i], MOST_RESULT, &result, &err);
        if (!ok)
            break;
        ok = check(result, paths[i], &err);
        if (ok)
            add_rows(result, rows);
        json_decref(result);
    }
    if (!ok) {
        json_decref(rows);
        return eval_failed(&err);
    }
    if (eval_opt.json) {
        cli_json_print(rows, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
    } else {
        show(rows);
        json_decref(rows);
    }
    return CLI_OK;
}
