/* What `carat eval` shows: progress while it works, then figures with what they mean.
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

/* ---- tasks ---- */

/* Is a published figure of this model and kind to be compared with ours? "yes", or why not. */
static const char *comparable(const json_t *published, const ct_eval_task *t, size_t limit)
{
    if (json_integer_value(json_object_get(published, "shots")) != (json_int_t)t->n_shots)
        return "no: other shots";
    if (json_is_true(json_object_get(published, "tuned")))
        return "not known: the protocol of tuned models' figures is not published";
    return limit ? "no: not all items"
                 : "yes: same kind, shots and normalisation, if the file is the whole set; which shots they took is "
                   "not published";
}

static bool is_of(const json_t *published, const carat_engine *e)
{
    const carat_model_info *i = carat_engine_info(e);
    const char *model = json_string_value(json_object_get(published, "model"));
    return model && strcmp(model, i->published) == 0 &&
           json_is_true(json_object_get(published, "tuned")) == i->is_instruction_tuned;
}

static json_t *score_json(const ct_eval_score_of *s)
{
    return json_pack("{s:I, s:f, s:[f, f]}", "right", (json_int_t)s->right, "share", s->share, "interval_95",
                     s->interval.low, s->interval.high);
}

static json_t *choices_json(const ct_eval_choices *c, const ct_eval_task *t, const carat_engine *e, const char *data,
                            size_t limit)
{
    size_t i;
    json_t *row, *published = json_array();
    json_array_foreach(json_object_get(t->about, "published"), i, row)
        if (is_of(row, e)) {
            json_t *copy = json_copy(row);
            json_object_set_new(copy, "comparable", ct_json_from_str(comparable(row, t, limit)));
            json_array_append_new(published, copy);
        }
    return json_pack("{s:s, s:o, s:s, s:s, s:o, s:s, s:s, s:I, s:I, s:b, s:o, s:o, s:s, s:o}", "task", t->name, "model",
                     ct_json_from_str(carat_engine_info(e)->path), "weights", carat_engine_info(e)->weight_types,
                     "numerics", carat_engine_numerics(e), "data", ct_json_from_str(data), "layout", t->from,
                     "protocol_text", t->protocol, "shots", (json_int_t)t->n_shots, "n", (json_int_t)c->n, "limited",
                     limit != 0, "plain", score_json(&c->plain), "normalised", score_json(&c->normalised), "figure",
                     t->is_normalised ? "normalised" : "plain", "published", published);
}

static void show_score(const char *name, const ct_eval_score_of *s, size_t n, bool is_figure)
{
    printf("%-12s%.2f %%, 95 %% %.2f to %.2f (%zu of %zu)%s\n", name, 100 * s->share, 100 * s->interval.low,
           100 * s->interval.high, s->right, n, is_figure ? "; this is the figure that is published" : "");
}

static void show_published(const ct_eval_task *t, const carat_engine *e, size_t limit)
{
    size_t i, n = 0;
    json_t *row;
    json_array_foreach(json_object_get(t->about, "published"), i, row) {
        if (!is_of(row, e))
            continue;
        const char *of = json_string_value(json_object_get(row, "of"));
        printf("published   %.1f %% (%s%s, %lld shots): comparable: %s\n",
               json_number_value(json_object_get(row, "value")), of ? of : t->title,
               json_is_true(json_object_get(row, "tuned")) ? ", instruction-tuned" : ", pre-trained",
               (long long)json_integer_value(json_object_get(row, "shots")), comparable(row, t, limit));
        n++;
    }
    if (!n)
        printf("published   nothing by scoring for this model\n");
}

void eval_show_choices(const ct_eval_choices *c, const ct_eval_task *t, const carat_engine *e, const char *data,
                       size_t limit, bool as_json)
{
    if (as_json) {
        cli_json_print(choices_json(c, t, e, data, limit), JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
        return;
    }
    printf("task        %s, %zu items%s, %zu shots; layout: %s\n", t->title, c->n, limit ? " (--limit)" : "",
           t->n_shots, t->from);
    printf("protocol    %s\n", t->protocol);
    show_score("plain", &c->plain, c->n, !t->is_normalised);
    show_score("normalised", &c->normalised, c->n, t->is_normalised);
    show_published(t, e, limit);
}
