/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/vision.h"
#include "base/log.h"
#include "base/memlimit.h"
#include "weigh/plan.h"
#include "weigh/weigh.h"

/* A tower that cannot be read weighs nothing: opening it will say what is wrong with it. */
static void weigh_tower(const carat_model *m, const carat_options *o, carat_scale *s)
{
    char path[4096];
    carat_buf types;
    carat_vision_facts facts;
    if (o->vision == CARAT_VISION_OFF || !carat_vision_find(m, o->mmproj, path, NULL) || !*path)
        return;
    carat_buf_init(&types, 1 << 20);
    if (carat_vision_describe(path, m->cfg.hidden, &s->kernels, s->n_threads, o->is_exact, &facts, &types, NULL)) {
        s->tower = facts.shape;
        s->vision = facts.size;
    }
    carat_buf_deinit(&types);
}

static carat_scale scale_of(const carat_admission *a, const carat_model *m, size_t weight_bytes)
{
    carat_scale s = { .q = { .n_images = 1, .options = *a->options },
                      .name = "the model",
                      .m = m,
                      .weight_bytes = weight_bytes,
                      .kernels = *a->kernels,
                      .n_threads = a->n_threads };
    weigh_tower(m, a->options, &s);
    return s;
}

/* What may be held in all, as far as anybody says. */
static uint64_t room(const carat_options *o, const carat_model *m, const carat_weight *w, const char **who)
{
    carat_memlimit limit;
    *who = "--max-memory";
    if (o->max_memory)
        return o->max_memory;
    carat_memlimit_now(m->file_bytes, &limit);
    *who = limit.who;
    uint64_t held = limit.held < w->overhead ? limit.held : w->overhead;
    return limit.left > UINT64_MAX - held ? UINT64_MAX : limit.left + held;
}

/* ---- smaller ---- */

static bool fits_with(carat_scale *s, uint64_t prefix_cache, uint64_t there)
{
    carat_weight w;
    s->q.options.prefix_cache = prefix_cache;
    return carat_scale_weigh(s, s->q.options.n_ctx, &w, NULL) && w.total <= there;
}

/* The prefix cache: what is left beside the rest, to KEEP_STEP. Pages have lists beside them and a block is whole huge
 * pages, so it is found by halving. */
#define KEEP_STEP ((uint64_t)16 << 10)

static void give_the_rest(carat_scale *s, uint64_t kept, uint64_t there)
{
    uint64_t low = CARAT_NO_PREFIX_CACHE, high = kept;
    if (kept > low && fits_with(s, kept, there))
        return;
    while (high > low + KEEP_STEP) {
        uint64_t mid = low + (high - low) / 2;
        if (fits_with(s, mid, there))
            low = mid;
        else
            high = mid;
    }
    s->q.options.prefix_cache = low;
}

/* Without a prefix cache and with ever fewer images remembered. False: not even so. */
static bool do_without(carat_scale *s, uint64_t there, carat_err *err, bool *fits)
{
    carat_weight w;
    carat_plan p;
    size_t n_ctx = s->q.options.n_ctx;
    if (!carat_plan_make(&s->m->cfg, NULL, &s->q.options, &p, err))
        return false;
    s->q.options.prefix_cache = CARAT_NO_PREFIX_CACHE;
    for (size_t n = p.sight.n_slots;; n /= 2) {
        s->q.options.image_cache = n;
        if (!carat_scale_weigh(s, n_ctx, &w, err))
            return false;
        *fits = w.total <= there;
        if (*fits || n == 1 || !w.has_vision)
            return true;
    }
}

/* ---- messages ---- */

static const char *size_text(uint64_t bytes, bool exact, char out[32])
{
    if (exact)
        snprintf(out, 32, "%" PRIu64 " bytes", bytes);
    else if (bytes >= (uint64_t)1 << 30)
        snprintf(out, 32, "%.1f GiB", (double)bytes / 0x1p30);
    else
        snprintf(out, 32, "%.1f MiB", (double)bytes / 0x1p20);
    return out;
}

static bool refuse(const carat_scale *s, uint64_t need, uint64_t there, const char *who, carat_err *err)
{
    char a[32], b[32], sessions[48] = "", hint[64] = "no context would fit";
    const char *path = s->m->path;
    size_t n_ctx = 0, len = strlen(path);
    size_text(need, false, a);
    if (strcmp(a, size_text(there, false, b)) == 0) { /* told apart by bytes alone */
        size_text(need, true, a);
        size_text(there, true, b);
    }
    if (s->q.options.n_sessions > 1)
        snprintf(sessions, sizeof sessions, " for %zu sessions", s->q.options.n_sessions);
    if (carat_scale_largest(s, there, &n_ctx, NULL) && n_ctx)
        snprintf(hint, sizeof hint, "a context of %zu would fit", n_ctx);
    return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: needs %s%s, %s are there (%s); %s",
                      len > 80 ? path + len - 80 : path, a, sessions, b, who, hint);
}

static void tell(const carat_scale *s, const carat_weight *asked, const carat_weight *now)
{
    char a[32], b[32];
    if (now->kv_kept != asked->kv_kept)
        carat_logf(CARAT_LOG_WARN, "%s: memory is short: the prefix cache gets %s, not %s", s->m->path,
                   size_text(now->kv_kept, false, a), size_text(asked->kv_kept, false, b));
    if (now->image_cache != asked->image_cache)
        carat_logf(CARAT_LOG_WARN, "%s: memory is short: %zu images are remembered at most", s->m->path,
                   s->q.options.image_cache);
}

bool carat_admit(void *arg, const carat_model *m, size_t weight_bytes, carat_err *err)
{
    const carat_admission *a = arg;
    carat_scale s = scale_of(a, m, weight_bytes);
    carat_weight asked, now;
    const char *who;
    bool fits;
    if (!carat_scale_weigh(&s, s.q.options.n_ctx, &asked, err))
        return false;
    uint64_t there = room(a->options, m, &asked, &who);
    if (asked.total <= there)
        return true;
    if (!do_without(&s, there, err, &fits) || !carat_scale_weigh(&s, s.q.options.n_ctx, &now, err))
        return false;
    if (!fits)
        return refuse(&s, now.total, there, who, err);
    give_the_rest(&s, asked.kv_kept, there);
    if (!carat_scale_weigh(&s, s.q.options.n_ctx, &now, err))
        return false;
    tell(&s, &asked, &now);
    a->options->prefix_cache = s.q.options.prefix_cache;
    a->options->image_cache = s.q.options.image_cache;
    return true;
}
