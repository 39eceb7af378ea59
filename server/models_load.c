/* Loading and unloading: a thread's work, and the loop's books of it.
 *
 * Memory decides how many engines there are. One that does not fit makes others go that nobody holds, the longest unused
 * first; if there are none it takes fewer conversations, and at last waits for one that is held: that takes no new calls
 * any more, so nobody waits for ever. What fits is weigh's to say: an engine is refused before a weight is read.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <nettle/sha2.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "carat_weigh.h"
#include "server/models_inside.h"

#define DEFAULT_SESSIONS 16

static ct_model *of_task(ct_task *t)
{
    return (ct_model *)((char *)t - offsetof(ct_model, task));
}

void ct_model_close_engine(ct_model *m)
{
    ct_model_free_adapters(m);
    ct_openai_forms_deinit(&m->forms);
    m->forms = (ct_openai_forms){ 0 };
    carat_engine_close(m->engine);
    m->engine = NULL;
}

/* ---- on the loader's thread ---- */

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    ct_model *m = arg;
    m->done = done;
    m->total = total;
    return !m->gives_up;
}

/* Does it fit beside what there is, with its caches whole? An estimate: the engine has the last word. */
static bool fits(const ct_model *m, const carat_options *o)
{
    carat_machine_info here = { .struct_size = sizeof here };
    uint64_t room = o->max_memory;
    if (!room && carat_machine(&here, NULL))
        room = here.memory_left;
    const carat_weigh_query q = { .struct_size = sizeof q, .model = m->path, .options = o };
    carat_estimate_result w = { .struct_size = sizeof w };
    return !carat_weigh(&q, &w, NULL) || w.total <= room;
}

/* Adapters and a chat template belong to one model. */
static carat_options options_of(const ct_model *m)
{
    carat_options o = m->all->o->engine;
    if (!m->has_template)
        o.chat_template = NULL;
    if (m->n_adapters == 0 || m->adapters[0].is_later) {
        o.adapters = NULL;
        o.n_adapters = 0;
    }
    return o;
}

/* Sixteen conversations at once, or half of it as often as memory asks for it. */
static void load(ct_task *t)
{
    ct_model *m = of_task(t);
    carat_options o = options_of(m);
    double start = ct_now();
    bool chooses = o.n_sessions == 0, may_halve = chooses && m->may_halve;
    o.progress = on_progress;
    o.progress_arg = m;
    if (chooses)
        o.n_sessions = DEFAULT_SESSIONS;
    m->wants_room = !m->may_halve && !fits(m, &o);
    if (m->wants_room)
        return;
    while (may_halve && o.n_sessions > 1 && !fits(m, &o))
        o.n_sessions /= 2;
    while (!carat_engine_open(m->path, &o, &m->engine, &m->err) && m->err.code == CARAT_ENOMEM && may_halve &&
           o.n_sessions > 1)
        o.n_sessions /= 2;
    m->wants_room = !m->engine && m->err.code == CARAT_ENOMEM;
    if (m->engine)
        ct_model_reload_adapters(m);
    m->requests.max_answers = o.n_sessions;
    m->load_seconds = ct_now() - start;
}

static void unload(ct_task *t)
{
    ct_model_close_engine(of_task(t));
}

/* ---- what a model answers with ---- */

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
    for (size_t i = 0; i < s->n_bias; i++) {
        n = snprintf(text, sizeof text, " %d %a", s->bias[i].id, (double)s->bias[i].bias);
        sha256_update(&h, (size_t)n, (const uint8_t *)text);
    }
    sha256_digest(&h, sizeof hash, hash);
    memcpy(m->fingerprint, "fp_", 3);
    ct_hex_write(hash, sizeof hash, m->fingerprint + 3);
}

/* ---- the loop's books ---- */

static bool is_idle(const ct_model *m)
{
    return m->state == CT_ENGINE_READY && m->n_held == 0;
}

/* The one that was not asked for the longest, of those that nobody holds or of all that are loaded. */
static ct_model *longest_unused(const ct_models *all, bool of_idle_ones)
{
    ct_model *oldest = NULL;
    for (ct_model *m = all->first; m; m = m->next)
        if (m->state == CT_ENGINE_READY && (!of_idle_ones || is_idle(m)) && (!oldest || m->used_at < oldest->used_at))
            oldest = m;
    return oldest;
}

/* Does it wait until there is room for it? */
static bool waits(const ct_model *m)
{
    return m->state == CT_ENGINE_LOADING && !m->task.work;
}

static bool is_full(const ct_models *all)
{
    size_t n = 0;
    for (const ct_model *m = all->first; m; m = m->next)
        n += m->state != CT_ENGINE_AWAY && !waits(m);
    return all->o->max_loaded && n >= all->o->max_loaded;
}

/* Is another on its way out? Then its memory is waited for. */
static bool one_leaves(const ct_models *all)
{
    for (const ct_model *m = all->first; m; m = m->next)
        if (m->state == CT_ENGINE_LEAVING)
            return true;
    return false;
}

static void leave(ct_model *m);

/* One that is loaded goes, at once or when its running answers are complete: until then its new calls wait. False: none is. */
static bool make_room(ct_models *all)
{
    ct_model *m = longest_unused(all, true);
    if (m)
        return ct_model_unload(m);
    m = longest_unused(all, false);
    if (m)
        leave(m);
    return m != NULL;
}

static void loaded(ct_task *t);

/* Starts the loader, or waits for room: until another has been loaded or unloaded. */
static void start(ct_model *m)
{
    ct_models *all = m->all;
    m->task.work = NULL;
    if (one_leaves(all) || is_full(all)) {
        if (!one_leaves(all))
            make_room(all);
        return;
    }
    m->may_halve = longest_unused(all, true) == NULL;
    m->task = (ct_task){ .work = load, .done = loaded };
    if (!ct_workers_alone(all->workers, &m->task))
        ct_workers_give(all->workers, &m->task);
}

static void start_waiting(ct_models *all)
{
    for (ct_model *m = all->first; m; m = m->next)
        if (waits(m))
            start(m);
}

/* It needs memory that others have. */
static bool waits_for_room(ct_model *m)
{
    m->task.work = NULL;
    if (!m->wants_room || m->gives_up || !make_room(m->all))
        return false;
    start(m);
    return true;
}

static void loaded(ct_task *t)
{
    ct_model *m = of_task(t);
    if (waits_for_room(m))
        return;
    m->state = m->engine ? CT_ENGINE_READY : CT_ENGINE_AWAY;
    m->must_leave = m->must_leave && m->engine;
    m->used_at = ct_now();
    if (m->engine) {
        m->err = (carat_err){ 0 };
        set_requests(m);
        set_fingerprint(m);
    }
    m->all->changed(m->all->arg, m);
    if (m->must_leave && !m->n_held) /* nobody waited for it; else it goes when those are answered */
        ct_model_unload(m);
    start_waiting(m->all);
}

void ct_model_want(ct_model *m)
{
    if (m->state != CT_ENGINE_AWAY)
        return;
    m->state = CT_ENGINE_LOADING;
    m->done = m->total = 0;
    m->gives_up = m->must_leave = m->must_return = false;
    m->err = (carat_err){ 0 };
    start(m);
}

static void unloaded(ct_task *t)
{
    ct_model *m = of_task(t);
    m->state = CT_ENGINE_AWAY;
    m->must_leave = false;
    start_waiting(m->all);
    m->all->changed(m->all->arg, m);
    if (m->must_return)
        ct_model_want(m);
}

bool ct_model_unload(ct_model *m)
{
    if (!is_idle(m))
        return false;
    m->state = CT_ENGINE_LEAVING;
    m->task = (ct_task){ .work = unload, .done = unloaded };
    ct_workers_give(m->all->workers, &m->task);
    return true;
}

static void leave(ct_model *m)
{
    m->must_leave = m->state == CT_ENGINE_LOADING || (m->state == CT_ENGINE_READY && !ct_model_unload(m));
}

void ct_model_leave(ct_model *m)
{
    m->must_return = false;
    leave(m);
}

/* One that is on its way out goes first: another may wait for its room. */
void ct_model_stay(ct_model *m)
{
    if (m->state == CT_ENGINE_LOADING)
        m->must_leave = false;
    m->must_return = m->must_leave || m->state == CT_ENGINE_LEAVING;
    ct_model_want(m);
}
