/* eval.h - the parts of `carat eval`: its options, what it runs, what it shows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_EVAL_H
#define CT_CLI_EVAL_H

#include "eval/answers.h"
#include "eval/kl.h"
#include "eval/perplexity.h"

typedef struct eval_options {
    const char *text, *reference, *save_reference, *out;
    const char *data, *shots_data, *images, *url, *tokenizer;
    int64_t window, stride, limit, shots, seed, length, timeout;
    int protocol; /* ct_eval_protocol */
    int form;     /* EVAL_FORM_ */
    bool json;
} eval_options;
extern eval_options eval_opt;
enum { EVAL_FORM_AUTO, EVAL_FORM_CHAT, EVAL_FORM_BARE };

/* Are there options that a text has no use for? Then that is said. */
bool eval_has_items(void);
#define EVAL_NO_ITEMS                                                                                                  \
    "--data, --shots, --shots-data, --seed, --images, --pan-scan, --length, --form, --url and --timeout are for tasks"

/* With as many sessions as fit. */
bool eval_open_engine(const char *model, carat_vision_use vision, carat_engine **e, carat_err *err);
/* How pictures are shown, for people and records. */
void eval_describe_pan_scan(const ct_eval_model *m, char *to, size_t size);
/* The exit code, after a message. */
int eval_failed(const carat_err *err);

/* What is wrong with the options; NULL: nothing is. Then what they ask for; the exit code. */
const char *eval_wrong_perplexity(void);
int eval_perplexity(const char *model);
const char *eval_wrong_kl(void);
int eval_kl(const char *model);
const char *eval_wrong_task(const char *name);
int eval_task(const char *name, const char *model);

const char *eval_wrong_pairs(void);
int eval_pairs(const char *model);

/* Results of tasks (files) as a table. The exit code. */
int eval_card(const char *const *paths, size_t n);

/* ---- on stdout, as text or as a JSON object ---- */

void eval_show_perplexity(const ct_eval_perplexity *p, const ct_eval_windows *w, const carat_engine *e,
                          const char *text, bool as_json);
void eval_show_reference(const ct_eval_windows *w, size_t n, uint64_t bytes, const char *path, bool as_json);
void eval_show_kl(const ct_eval_kl *k, const ct_eval_reference *r, const carat_engine *e, bool as_json);
void eval_show_choices(const ct_eval_choices *c, const ct_eval_task *t, const ct_eval_model *m);
void eval_show_answers(const ct_eval_answers *a, const ct_eval_task *t, const ct_eval_model *m, bool is_chat);

/* A figure; null for one that is none, which has no place in JSON. */
json_t *eval_real(double x);
/* Which windows, and what of them counts. */
void eval_describe_windows(const ct_eval_windows *w, char *to, size_t size);

/* progress of ct_eval_job and its like; arg: the double when it began. */
bool eval_progress(void *arg, size_t done, size_t n, size_t n_before);

#endif
