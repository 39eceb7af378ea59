/* What `carat eval` shows of tasks: scores, groups, and what they can be compared with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "eval.h"
#include "json_out.h"
#include "pictures.h"

/* ---- what was published ---- */

static bool is_of(const json_t *published, const ct_eval_model *m)
{
    const char *model = json_string_value(json_object_get(published, "model"));
    return model && strcmp(model, m->published) == 0 &&
           json_is_true(json_object_get(published, "tuned")) == m->is_tuned;
}

/* Is a published figure of this model and kind to be compared with ours? "yes", or why not. */
static const char *comparable(const json_t *published, const ct_eval_task *t, bool is_here)
{
    const char *never = json_string_value(json_object_get(published, "never_comparable"));
    const json_t *items = json_object_get(published, "items");
    if (never)
        return never;
    if (json_integer_value(json_object_get(published, "shots")) != (json_int_t)t->n_shots)
        return "no: other shots";
    if (items && json_integer_value(items) != (json_int_t)t->n)
        return "no: not all items, or another set";
    const json_t *pans = json_object_get(published, "pan_scan");
    if (pans && is_here && json_is_true(pans) != (cli_pan_scan().mode != CARAT_PAN_SCAN_OFF))
        return json_is_true(pans) ? "no: theirs is with Pan & Scan" : "no: theirs is without Pan & Scan";
    if (eval_opt.limit && !items)
        return "no: not all items";
    if (json_is_true(json_object_get(published, "tuned")))
        return "not known: the protocol of tuned models' figures is not published";
    return t->is_generated
               ? "as far as is known: shots and set are the same; how the makers' prompts are worded is not published"
           : items
               ? "yes: same kind, set, shots and normalisation; which shots they took is not published"
               : "yes: same kind, shots and normalisation, if the file is the whole set; which shots they took is not "
                 "published";
}

static json_t *published_json(const ct_eval_task *t, const ct_eval_model *m)
{
    size_t i;
    json_t *row, *published = json_array();
    json_array_foreach(json_object_get(t->about, "published"), i, row) {
        if (!is_of(row, m))
            continue;
        json_t *copy = json_copy(row);
        json_object_set_new(copy, "comparable", ct_json_from_str(comparable(row, t, m->e != NULL)));
        json_array_append_new(published, copy);
    }
    return published;
}

static void show_published(const ct_eval_task *t, const ct_eval_model *m)
{
    size_t i;
    json_t *row, *all = published_json(t, m);
    json_array_foreach(all, i, row) {
        const char *of = json_string_value(json_object_get(row, "of"));
        printf("published   %.1f %% (%s%s, %lld shots): comparable: %s\n",
               json_number_value(json_object_get(row, "value")), of ? of : t->title,
               json_is_true(json_object_get(row, "tuned")) ? ", instruction-tuned" : ", pre-trained",
               (long long)json_integer_value(json_object_get(row, "shots")),
               json_string_value(json_object_get(row, "comparable")));
    }
    if (!json_array_size(all))
        printf("published   nothing for this model\n");
    json_decref(all);
}

/* ---- scores ---- */

static json_t *interval_json(ct_eval_interval i)
{
    return json_pack("[o, o]", eval_real(i.low), eval_real(i.high));
}

static json_t *mean_json(const ct_eval_mean *s, const ct_eval_task *t)
{
    json_t *o =
        json_pack("{s:I, s:f, s:o, s:s}", "right", (json_int_t)s->right, "share", s->share, "interval_95",
                  interval_json(s->interval), "interval_is", s->is_whole ? "Wilson's" : "from the scores' spread");
    if (s->n_groups < 2)
        return o;
    json_object_set_new(o, "macro", json_real(s->macro));
    json_object_set_new(o, "macro_interval_95", interval_json(s->macro_interval));
    json_t *groups = json_object();
    for (size_t g = 0; g < t->n_groups; g++)
        if (s->group_n[g])
            json_object_set_new(groups, t->groups[g].name,
                                json_pack("{s:I, s:f}", "n", (json_int_t)s->group_n[g], "share", s->group_share[g]));
    json_object_set_new(o, "groups", groups);
    return o;
}

static void show_mean(const char *name, const ct_eval_mean *s, const char *more)
{
    printf("%-12s%.2f %%, 95 %% %.2f to %.2f (", name, 100 * s->share, 100 * s->interval.low, 100 * s->interval.high);
    if (s->is_whole)
        printf("%zu of %zu)%s\n", s->right, s->n, more);
    else
        printf("the mean over %zu)%s\n", s->n, more);
}

/* Is what was published the mean over groups? */
static bool is_over_groups(const ct_eval_task *t)
{
    const json_t *first = json_array_get(json_object_get(t->about, "published"), 0);
    return strcmp(ct_eval_text_of(first, "over", ""), "groups") == 0;
}

static const char published_mark[] = "; this is the figure that is published";

static void show_groups(const ct_eval_mean *s, const ct_eval_task *t)
{
    if (s->n_groups < 2)
        return;
    printf("groups      %.2f %%, 95 %% %.2f to %.2f: the mean over %zu%s\n", 100 * s->macro,
           100 * s->macro_interval.low, 100 * s->macro_interval.high, s->n_groups,
           is_over_groups(t) ? published_mark : "");
    for (size_t g = 0; g < t->n_groups; g++)
        if (s->group_n[g])
            printf("  %-34s %6.2f %%  of %zu\n", t->groups[g].name, 100 * s->group_share[g], s->group_n[g]);
}

/* What all tasks say. */
static json_t *task_json(const ct_eval_task *t, const ct_eval_model *m)
{
    json_t *o = json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:b, s:o*, s:o, s:s, s:I, s:I, s:b, s:s, s:o}", "task",
                          t->name, "title", t->title, "model", ct_json_from_str(m->path), "weights", m->weights,
                          "published_model", m->published, "numerics", m->numerics, "tuned", m->is_tuned, "data",
                          eval_opt.data ? ct_json_from_str(eval_opt.data) : NULL, "layout", ct_json_from_str(t->from),
                          "protocol_text", t->protocol, "shots", (json_int_t)t->n_shots, "n", (json_int_t)t->n,
                          "limited", eval_opt.limit != 0, "figure", t->figure, "published", published_json(t, m));
    if (eval_opt.seed)
        json_object_set_new(o, "seed", json_integer(eval_opt.seed));
    if (eval_opt.length)
        json_object_set_new(o, "length", json_integer(eval_opt.length));
    char how[160];
    eval_describe_pan_scan(m, how, sizeof how);
    if (t->has_pictures)
        json_object_set_new(o, "pan_scan", json_string(how));
    return o;
}

static void print_json(json_t *o)
{
    cli_json_print(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
}

static void show_head(const ct_eval_task *t)
{
    printf("task        %s, %zu items%s, %zu shots; layout: %s\n", t->title, t->n, eval_opt.limit ? " (--limit)" : "",
           t->n_shots, t->from);
    if (eval_opt.length)
        printf("length      %lld tokens\n", (long long)eval_opt.length);
    printf("protocol    %s\n", t->protocol);
}

static const char *mark(const ct_eval_task *t, const char *figure)
{
    return strcmp(t->figure, figure) == 0 && !is_over_groups(t) ? published_mark : "";
}

void eval_show_choices(const ct_eval_choices *c, const ct_eval_task *t, const ct_eval_model *m)
{
    const ct_eval_mean *figure = strcmp(t->figure, "mass") == 0         ? &c->mass
                                 : strcmp(t->figure, "normalised") == 0 ? &c->normalised
                                                                        : &c->plain;
    if (eval_opt.json) {
        json_t *o = task_json(t, m);
        json_object_set_new(o, "plain", mean_json(&c->plain, t));
        json_object_set_new(o, "normalised", mean_json(&c->normalised, t));
        json_object_set_new(o, "mass", mean_json(&c->mass, t));
        print_json(o);
        return;
    }
    show_head(t);
    show_mean("plain", &c->plain, mark(t, "plain"));
    show_mean("normalised", &c->normalised, mark(t, "normalised"));
    if (figure == &c->mass)
        show_mean("mass", &c->mass, mark(t, "mass"));
    show_groups(figure, t);
    show_published(t, m);
}

/* ---- IFEval ---- */

static double share(size_t n, size_t of)
{
    return of ? (double)n / (double)of : NAN;
}

static json_t *followed_json(const ct_eval_followed *f)
{
    const ct_eval_interval i = f->n_judged ? ct_eval_share(f->right, f->n_judged) : (ct_eval_interval){ NAN, NAN };
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:[f, f]}", "n", (json_int_t)f->n, "judged", (json_int_t)f->n_judged,
                     "right", (json_int_t)f->right, "share", eval_real(share(f->right, f->n_judged)), "interval_95",
                     interval_json(i), "between", share(f->right, f->n), 1 - share(f->sure, f->n));
}

static json_t *rules_json(const ct_eval_ifeval *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:O}", "prompts_strict", followed_json(&r->prompts[0]), "prompts_loose",
                     followed_json(&r->prompts[1]), "instructions_strict", followed_json(&r->instructions[0]),
                     "instructions_loose", followed_json(&r->instructions[1]), "not_judged", r->not_judged);
}

static void show_followed(const char *name, const ct_eval_followed *f)
{
    if (!f->n_judged)
        printf("%-12snone of %zu was judged\n", name, f->n);
    else
        printf("%-12s%.2f %% (%zu of %zu that were judged); with the other %zu between %.2f and %.2f %%\n", name,
               100 * share(f->right, f->n_judged), f->right, f->n_judged, f->n - f->n_judged,
               100 * share(f->right, f->n), 100 * (1 - share(f->sure, f->n)));
}

static void show_rules(const ct_eval_ifeval *r)
{
    const char *id;
    json_t *n;
    printf("prompts     with all instructions followed, instructions that are:\n");
    show_followed("  strictly", &r->prompts[0]);
    show_followed("  loosely", &r->prompts[1]);
    show_followed("    each", &r->instructions[0]);
    show_followed("    loosely", &r->instructions[1]);
    json_object_foreach(r->not_judged, id, n) {
        printf("  not judged: %s, %lld times\n", id, (long long)json_integer_value(n));
    }
}

void eval_show_answers(const ct_eval_answers *a, const ct_eval_task *t, const ct_eval_model *m, bool is_chat)
{
    if (eval_opt.json) {
        json_t *o = task_json(t, m);
        json_object_set_new(o, "form", json_string(is_chat ? "chat" : "bare"));
        json_object_set_new(o, "score", mean_json(&a->score, t));
        json_object_set_new(o, "cut", json_integer((json_int_t)a->n_cut));
        json_object_set_new(o, "silent", json_integer((json_int_t)a->n_silent));
        if (a->has_rules)
            json_object_set_new(o, "followed", rules_json(&a->rules));
        print_json(o);
        return;
    }
    char how[160];
    show_head(t);
    printf("form        %s\n", is_chat ? "a user's message, by the model's template" : "bare text");
    eval_describe_pan_scan(m, how, sizeof how);
    if (t->has_pictures)
        printf("pan & scan  %s\n", how);
    show_mean("score", &a->score, "");
    if (a->has_rules)
        show_rules(&a->rules);
    show_groups(&a->score, t);
    if (a->n_cut || a->n_silent)
        printf("answers     %zu were ended by the most tokens; in %zu nothing was found to be judged\n", a->n_cut,
               a->n_silent);
    show_published(t, m);
}
