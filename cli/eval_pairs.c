/* carat eval mteb-sts: pairs of sentences against people's scores.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "engine.h"
#include "eval.h"
#include "eval/pairs.h"
#include "json_out.h"
#include "signals.h"
#include "term.h"

#define AT_ONCE 16

static void show(const ct_eval_correlation *c, const ct_eval_pairs *p, const carat_engine *e)
{
    if (eval_opt.json) {
        cli_json_print(
            json_pack("{s:s, s:s, s:o, s:s, s:s, s:o, s:s, s:s, s:I, s:b, s:s, s:f, s:[f, f], s:s, s:f, s:i, s:[]}",
                      "task", "mteb-sts", "title", "STS-B", "model", ct_json_from_str(carat_engine_info(e)->path),
                      "weights", carat_engine_info(e)->weight_types, "numerics", carat_engine_numerics(e), "data",
                      ct_json_from_str(eval_opt.data), "layout", p->from, "prompt", c->prompt ? c->prompt : "", "n",
                      (json_int_t)c->n, "limited", eval_opt.limit != 0, "figure", "spearman", "spearman", c->spearman,
                      "interval_95", c->interval.low, c->interval.high, "interval_is",
                      "Fisher's, with Bonett and Wright's error", "pearson", c->pearson, "shots", 0, "published"),
            JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
        return;
    }
    printf("task        STS-B, %zu pairs%s; layout: %s\n", c->n, eval_opt.limit ? " (--limit)" : "", p->from);
    printf("protocol    the cosine of both sentences' vectors, behind \"%s\"\n", c->prompt ? c->prompt : "");
    printf("spearman    %.2f %%, 95 %% %.2f to %.2f (Fisher's, with Bonett and Wright's error); Pearson's %.2f %%\n",
           100 * c->spearman, 100 * c->interval.low, 100 * c->interval.high, 100 * c->pearson);
    printf("published   nothing of this set alone\n");
}

const char *eval_wrong_pairs(void)
{
    if (!eval_opt.data)
        return "which file of pairs? (--data FILE)";
    if (eval_opt.shots || eval_opt.shots_data || eval_opt.length || eval_opt.images || eval_opt.form || eval_opt.url ||
        eval_opt.tokenizer || eval_opt.timeout || eval_opt.text || eval_opt.seed)
        return "mteb-sts takes --data, --limit and -o, and a model in this process";
    return NULL;
}

int eval_pairs(const char *model)
{
    carat_err err;
    carat_engine *e = NULL;
    ct_eval_pairs p = { 0 };
    ct_eval_correlation found;
    double start = ct_now();
    bool ok = ct_eval_pairs_read(&p, eval_opt.data, (size_t)eval_opt.limit, &err) &&
              cli_try_engine(model, CARAT_VISION_OFF, &e, &err);
    if (ok) {
        cli_signals(CLI_SIGNALS_NOTED);
        const ct_eval_pairs_job job = {
            .e = e, .pairs = &p, .n_at_once = AT_ONCE, .record = eval_opt.out, .progress = eval_progress, .arg = &start
        };
        ok = ct_eval_pairs_run(&job, &found, &err);
        term_progress_end();
    }
    if (ok)
        show(&found, &p, e);
    if (ok && found.n_before)
        term_note("%zu of the pairs were in %s", found.n_before, eval_opt.out);
    carat_engine_close(e);
    ct_eval_pairs_free(&p);
    return ok ? CLI_OK : eval_failed(&err);
}
