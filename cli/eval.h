/* eval.h - what `carat eval` shows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_EVAL_H
#define CT_CLI_EVAL_H

#include "eval/choices.h"
#include "eval/perplexity.h"

/* On stdout, as text or as a JSON object. */
void eval_show_perplexity(const ct_eval_perplexity *p, const ct_eval_windows *w, const carat_engine *e,
                          const char *text, bool as_json);

void eval_show_choices(const ct_eval_choices *c, const ct_eval_task *t, const carat_engine *e, const char *data,
                       size_t limit, bool as_json);

/* progress of ct_eval_job and its like; arg: the double when it began. */
bool eval_progress(void *arg, size_t done, size_t n, size_t n_before);

#endif
