/* What `carat eval kl` shows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/json.h"
#include "eval.h"
#include "json_out.h"

static size_t places_of(const ct_eval_windows *w, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ct_eval_windows_counted(w, i);
    return sum;
}

void eval_show_reference(const ct_eval_windows *w, size_t n, uint64_t bytes, const char *path, bool as_json)
{
    const size_t places = places_of(w, n);
    const double each = (double)bytes / (double)places;
    if (as_json) {
        cli_json_print(json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:f, s:f}", "task", "kl reference", "file",
                                 ct_json_from_str(path), "windows", (json_int_t)n, "windows_of", (json_int_t)w->n,
                                 "tokens", (json_int_t)places, "bytes", (json_int_t)bytes, "bytes_per_token", each,
                                 "rest_at_most", CT_EVAL_REST),
                       JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
        return;
    }
    printf("%s: %zu of %zu windows, %zu tokens, %.0f bytes a token\n", path, n, w->n, places, each);
}

static const char *const part_names[CT_EVAL_KL_PARTS] = { "50", "90", "95", "99", "99.9", "100" };

static json_t *kl_json(const ct_eval_kl *k, const ct_eval_reference *r, const carat_engine *e)
{
    char how[200];
    json_t *parts = json_object();
    eval_describe_windows(&r->windows, how, sizeof how);
    for (int i = 0; i < CT_EVAL_KL_PARTS; i++)
        json_object_set_new(parts, part_names[i], json_real(k->parts[i]));
    json_t *all =
        json_pack("{s:s, s:o, s:s, s:s, s:o, s:O?, s:O?, s:O?, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "task", "kl",
                  "model", ct_json_from_str(carat_engine_info(e)->path), "weights", carat_engine_info(e)->weight_types,
                  "numerics", carat_engine_numerics(e), "reference", ct_json_from_str(r->path), "reference_model",
                  json_object_get(r->head, "model"), "reference_weights", json_object_get(r->head, "weights"),
                  "reference_numerics", json_object_get(r->head, "numerics"), "protocol",
                  ct_eval_protocol_name(r->windows.protocol), "protocol_text", how, "window",
                  (json_int_t)r->windows.window, "stride", (json_int_t)r->windows.stride, "windows",
                  (json_int_t)k->n_windows, "windows_of", (json_int_t)r->windows.n, "tokens", (json_int_t)k->n_tokens);
    json_t *figures =
        json_pack("{s:f, s:o, s:[o, o], s:s, s:o, s:f, s:[f, f], s:f, s:f, s:f, s:f, s:o, s:f, s:f}", "kl", k->mean,
                  "kl_error", eval_real(k->error), "interval_95", eval_real(k->mean - CT_EVAL_Z * k->error),
                  eval_real(k->mean + CT_EVAL_Z * k->error), "error_from", k->is_from_windows ? "windows" : "tokens",
                  "percentiles", parts, "same_top", (double)k->n_same_top / (double)k->n_tokens, "same_top_interval_95",
                  k->same_top.low, k->same_top.high, "rest", k->rest, "nll", k->nll, "reference_nll", k->reference,
                  "nll_difference", k->difference, "nll_difference_error", eval_real(k->nll_error),
                  "probability_difference", k->dp, "probability_difference_rms", k->dp_rms);
    json_object_update(all, figures);
    json_decref(figures);
    return all;
}

static void show_text(const json_t *head, const char *key, const char *name)
{
    const char *s = json_string_value(json_object_get(head, key));
    printf("%-12s%s\n", name, s ? s : "?");
}

void eval_show_kl(const ct_eval_kl *k, const ct_eval_reference *r, const carat_engine *e, bool as_json)
{
    char how[200];
    if (as_json) {
        cli_json_print(kl_json(k, r, e), JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
        return;
    }
    eval_describe_windows(&r->windows, how, sizeof how);
    show_text(r->head, "model", "reference");
    printf("protocol    %s\n", how);
    printf("windows     %zu of %zu; %zu tokens counted\n", k->n_windows, r->windows.n, k->n_tokens);
    printf("divergence  %.6f nats a token, 95 %% %.6f to %.6f; standard error %.6f (%s)\n", k->mean,
           k->mean - CT_EVAL_Z * k->error, k->mean + CT_EVAL_Z * k->error, k->error,
           k->is_from_windows ? "from the windows" : "from the tokens, as if they were independent: few windows");
    printf("            ");
    for (int i = 0; i < CT_EVAL_KL_PARTS; i++)
        printf("%s%s %%: %.6f", i ? ", " : "", part_names[i], k->parts[i]);
    printf("\nsame top    %.3f %% of the tokens, 95 %% %.3f to %.3f\n",
           100 * (double)k->n_same_top / (double)k->n_tokens, 100 * k->same_top.low, 100 * k->same_top.high);
    printf("nll         %.5f, the reference's %.5f: %+.5f, standard error %.5f\n", k->nll, k->reference, k->difference,
           k->nll_error);
    printf("probability of the text's tokens: %+.4f %% on average, %.4f %% by root mean square\n", 100 * k->dp,
           100 * k->dp_rms);
}
