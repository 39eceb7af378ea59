/* What `carat eval perplexity` shows: figures with what they mean.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "eval.h"
#include "json_out.h"

void eval_describe_windows(const ct_eval_windows *w, char *to, size_t size)
{
    if (w->protocol == CT_EVAL_LLAMA_CPP)
        snprintf(to, size,
                 "llama.cpp: whole windows of %zu tokens, the first replaced by <bos>; places %zu to %zu count, "
                 "counted from 0",
                 w->window, w->window / 2 + 1, w->window - 1);
    else
        snprintf(
            to, size,
            "sliding: windows of <bos> and %zu tokens, each %zu tokens after the one before; every token counts once",
            w->window - 1, w->stride);
}

static const char *error_from(const ct_eval_perplexity *p)
{
    return p->is_from_windows ? "from the windows" : "from the tokens, as if they were independent: few windows";
}

json_t *eval_real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *perplexity_json(const ct_eval_perplexity *p, const ct_eval_windows *w, const carat_engine *e,
                               const char *text)
{
    char how[200];
    double low, high;
    eval_describe_windows(w, how, sizeof how);
    ct_eval_perplexity_interval(p, &low, &high);
    return json_pack("{s:s, s:o, s:s, s:s, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:[o, o], s:s}",
                     "task", "perplexity", "model", ct_json_from_str(carat_engine_info(e)->path), "weights",
                     carat_engine_info(e)->weight_types, "numerics", carat_engine_numerics(e), "text",
                     ct_json_from_str(text), "protocol", ct_eval_protocol_name(w->protocol), "protocol_text", how,
                     "window", (json_int_t)w->window, "stride", (json_int_t)w->stride, "text_tokens",
                     (json_int_t)w->n_tokens, "windows", (json_int_t)p->n_windows, "windows_of", (json_int_t)w->n,
                     "tokens", (json_int_t)p->n_tokens, "nll", eval_real(p->nll), "nll_error", eval_real(p->error),
                     "perplexity", eval_real(exp(p->nll)), "interval_95", eval_real(low), eval_real(high), "error_from",
                     p->is_from_windows ? "windows" : "tokens");
}

void eval_show_perplexity(const ct_eval_perplexity *p, const ct_eval_windows *w, const carat_engine *e,
                          const char *text, bool as_json)
{
    char how[200];
    double low, high;
    if (as_json) {
        cli_json_print(perplexity_json(p, w, e, text), JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
        return;
    }
    eval_describe_windows(w, how, sizeof how);
    ct_eval_perplexity_interval(p, &low, &high);
    printf("protocol    %s\n", how);
    printf("windows     %zu of %zu; %zu tokens counted\n", p->n_windows, w->n, p->n_tokens);
    printf("nll         %.5f nats a token, standard error %.5f (%s)\n", p->nll, p->error, error_from(p));
    printf("perplexity  %.4f, 95 %% %.4f to %.4f; standard error %.5f\n", exp(p->nll), low, high,
           exp(p->nll) * p->error);
}
