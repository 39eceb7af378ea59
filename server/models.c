/* Models by name: what there is, loading and unloading.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/models.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "carat_weigh.h"

#define DEFAULT_SESSIONS 8

struct ct_models {
    const ct_server_options *o;
    ct_workers *workers;
    ct_models_fn *changed;
    void *arg;
    ct_model *first, **end;
};

/* ---- what there is ---- */

/* The last part of a path without ".gguf". */
static void name_of_path(const char *path, char *to, size_t size)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t from = n;
    while (from > 0 && path[from - 1] != '/')
        from--;
    if (n - from > 5 && strncasecmp(path + n - 5, ".gguf", 5) == 0)
        n -= 5;
    snprintf(to, size, "%.*s", (int)(n - from), path + from);
}

static bool add(ct_models *all, const char *name, const char *path, carat_err *err)
{
    ct_model *m = calloc(1, sizeof *m);
    char *copy = strdup(path);
    if (!m || !copy) {
        free(m);
        free(copy);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a model");
    }
    *m = (ct_model){ .path = copy, .all = all, .idle_seconds = all->o->idle_seconds };
    if (name)
        snprintf(m->name, sizeof m->name, "%s", name);
    else
        name_of_path(path, m->name, sizeof m->name);
    *all->end = m;
    all->end = &m->next;
    return true;
}

static bool names_differ(const ct_models *all, carat_err *err)
{
    for (const ct_model *a = all->first; a; a = a->next)
        for (const ct_model *b = a->next; b; b = b->next)
            if (strcmp(a->name, b->name) == 0)
                return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                               "two models are called '%.80s': give one a name of its own, NAME=PATH", a->name);
    return true;
}

bool ct_models_open(const ct_server_options *o, ct_workers *w, ct_models_fn *changed, void *arg, ct_models **out,
                    carat_err *err)
{
    ct_models *all = calloc(1, sizeof *all);
    if (!all)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for models");
    *all = (ct_models){ .o = o, .workers = w, .changed = changed, .arg = arg };
    all->end = &all->first;
    bool ok = true;
    for (size_t i = 0; ok && i < o->n_models; i++)
        ok = add(all, o->models[i].name, o->models[i].path, err);
    *out = all;
    if (ok && names_differ(all, err))
        return true;
    ct_models_close(all);
    *out = NULL;
    return false;
}

static void drop_engine(ct_model *m)
{
    ct_openai_forms_deinit(&m->forms);
    m->forms = (ct_openai_forms){ 0 };
    carat_engine_close(m->engine);
    m->engine = NULL;
}

void ct_models_close(ct_models *all)
{
    if (!all)
        return;
    for (ct_model *m = all->first, *next; m; m = next) {
        next = m->next;
        drop_engine(m);
        free(m->path);
        free(m);
    }
    free(all);
}

ct_model *ct_models_first(const ct_models *all)
{
    return all->first;
}

ct_model *ct_models_find(const ct_models *all, const char *name)
{
    if (!name || !*name)
        return all->first;
    for (ct_model *m = all->first; m; m = m->next)
        if (strcmp(m->name, name) == 0)
            return m;
    return all->o->answers_any_name ? all->first : NULL;
}

/* ---- loading: on a thread of its own ---- */

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    ct_model *m = arg;
    m->done = done;
    m->total = total;
    return !m->gives_up;
}

/* Eight conversations at once, or half of it as often as memory asks for it. */
static size_t choose_sessions(const ct_model *m, const carat_options *o)
{
    size_t n = DEFAULT_SESSIONS;
    carat_machine_info here = { .struct_size = sizeof here };
    uint64_t room = o->max_memory;
    if (!room && carat_machine(&here, NULL))
        room = here.memory_left;
    carat_options one = *o;
    const carat_weigh_query q = { .struct_size = sizeof q, .model = m->path, .options = &one };
    carat_estimate_result w = { .struct_size = sizeof w };
    for (; n > 1; n /= 2) {
        one.n_sessions = n;
        if (!carat_weigh(&q, &w, NULL) || w.total <= room)
            break;
    }
    return n;
}

static void load(ct_task *t)
{
    ct_model *m = (ct_model *)((char *)t - offsetof(ct_model, task));
    carat_options o = m->all->o->engine;
    double start = ct_now();
    bool chooses = o.n_sessions == 0, ok;
    if (chooses)
        o.n_sessions = choose_sessions(m, &o);
    o.progress = on_progress;
    o.progress_arg = m;
    while (!(ok = carat_engine_open(m->path, &o, &m->engine, &m->err)) && m->err.code == CARAT_ENOMEM && chooses &&
           o.n_sessions > 1)
        o.n_sessions /= 2;
    m->requests.max_answers = o.n_sessions;
    if (ok)
        m->err = (carat_err){ 0 };
    m->load_seconds = ct_now() - start;
}

/* ---- the loop's side ---- */

/* The settings that a file recommends, where the operator gave none. */
static void set_requests(ct_model *m)
{
    const ct_server_options *o = m->all->o;
    const carat_sampling *own = carat_engine_info(m->engine)->sampling;
    size_t n = m->requests.max_answers;
    m->requests = o->requests;
    m->requests.max_answers = n < CT_OPENAI_MAX_ANSWERS ? n : CT_OPENAI_MAX_ANSWERS;
    m->requests.forms = &m->forms;
    carat_sampling *s = &m->requests.sampling;
    const unsigned given = o->sampling_given;
    if (!(given & CARAT_SAMPLING_TEMPERATURE))
        s->temperature = own->temperature;
    if (!(given & CARAT_SAMPLING_TOP_K))
        s->top_k = own->top_k;
    if (!(given & CARAT_SAMPLING_TOP_P))
        s->top_p = own->top_p;
    if (!(given & CARAT_SAMPLING_MIN_P))
        s->min_p = own->min_p;
    if (!(given & CARAT_SAMPLING_REPETITION))
        s->repetition_penalty = own->repetition_penalty;
    if (!(given & CARAT_SAMPLING_WINDOW))
        s->penalty_window = own->penalty_window;
}

/* Replicas that say the same answer the same: the engine's figures, and the settings of requests that do not say. */
static void set_fingerprint(ct_model *m)
{
    const ct_openai_options *r = &m->requests;
    const carat_sampling *s = &r->sampling;
    struct sha256_ctx h;
    uint8_t hash[8];
    char text[512];
    int n =
        snprintf(text, sizeof text, "%s %a %d %a %a %a %a %a %d %d %zu %zu %d %u %u %a",
                 carat_engine_numerics(m->engine), (double)s->temperature, s->top_k, (double)s->top_p, (double)s->min_p,
                 (double)s->repetition_penalty, (double)s->presence_penalty, (double)s->frequency_penalty,
                 s->penalty_window, (int)s->order, r->max_tokens, carat_engine_n_ctx(m->engine), (int)r->pan_scan.mode,
                 r->pan_scan.min_crop, r->pan_scan.max_crops, r->pan_scan.min_ratio);
    sha256_init(&h);
    sha256_update(&h, (size_t)n, (const uint8_t *)text);
    sha256_digest(&h, sizeof hash, hash);
    n = snprintf(m->fingerprint, sizeof m->fingerprint, "fp_");
    for (size_t i = 0; i < sizeof hash; i++)
        n += snprintf(m->fingerprint + n, sizeof m->fingerprint - (size_t)n, "%02x", hash[i]);
}

static void loaded(ct_task *t)
{
    ct_model *m = (ct_model *)((char *)t - offsetof(ct_model, task));
    m->state = m->engine ? CT_MODEL_LOADED : CT_MODEL_UNLOADED;
    m->used_at = ct_now();
    if (m->engine) {
        set_requests(m);
        set_fingerprint(m);
    }
    m->all->changed(m->all->arg, m);
}

void ct_model_want(ct_model *m)
{
    if (m->state != CT_MODEL_UNLOADED)
        return;
    m->state = CT_MODEL_LOADING;
    m->done = m->total = 0;
    m->gives_up = false;
    m->task = (ct_task){ .work = load, .done = loaded };
    if (!ct_workers_alone(m->all->workers, &m->task))
        ct_workers_give(m->all->workers, &m->task);
}

void ct_model_hold(ct_model *m)
{
    m->n_held++;
}

void ct_model_release(ct_model *m)
{
    m->n_held--;
    m->used_at = ct_now();
}

static void unload(ct_task *t)
{
    drop_engine((ct_model *)((char *)t - offsetof(ct_model, task)));
}

static void unloaded(ct_task *t)
{
    ct_model *m = (ct_model *)((char *)t - offsetof(ct_model, task));
    m->state = CT_MODEL_UNLOADED;
    m->all->changed(m->all->arg, m);
}

bool ct_model_unload(ct_model *m)
{
    if (m->state != CT_MODEL_LOADED || m->n_held)
        return false;
    m->state = CT_MODEL_UNLOADING;
    m->task = (ct_task){ .work = unload, .done = unloaded };
    ct_workers_give(m->all->workers, &m->task);
    return true;
}

void ct_models_tick(ct_models *all, double now)
{
    for (ct_model *m = all->first; m; m = m->next)
        if (m->idle_seconds > 0 && now - m->used_at > m->idle_seconds)
            ct_model_unload(m);
}

void ct_models_give_up(ct_models *all)
{
    for (ct_model *m = all->first; m; m = m->next)
        m->gives_up = true;
}
