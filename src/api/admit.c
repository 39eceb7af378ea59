/* Compares what an engine would need with the memory there is, and shrinks the caches that may be smaller.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/admit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api/vision.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/memlimit.h"
#include "base/pool.h"
#include "model/packing.h"
#include "weigh/plan.h"
#include "weigh/weigh.h"

/* A tower that cannot be read weighs nothing: opening it will say what is wrong with it. */
static void weigh_tower(const ct_model *m, const carat_options *o, ct_estimate *s)
{
    char path[4096];
    ct_buf types;
    ct_vision_facts facts;
    if (o->vision == CARAT_VISION_OFF || !ct_vision_find(m, o->mmproj, path, NULL) || !*path)
        return;
    ct_buf_init(&types, 1 << 20);
    if (ct_vision_describe(path, m->cfg.hidden, &s->kernels, s->n_threads, o->is_exact, &facts, &types, NULL)) {
        s->tower = facts.shape;
        s->vision = facts.size;
    }
    ct_buf_deinit(&types);
}

static ct_estimate scale_of(const ct_admission *a, const ct_model *m, size_t weight_bytes)
{
    ct_estimate s = { .q = { .n_images = 1 },
                      .options = *a->options,
                      .name = "the model",
                      .m = m,
                      .weight_bytes = weight_bytes,
                      .kernels = *a->kernels,
                      .n_threads = a->n_threads };
    weigh_tower(m, a->options, &s);
    return s;
}

/* ---- what is there ---- */

/* Address space that the process takes after admission beside stacks and blocks: of the weighed overhead all but
 * MAPPED_BYTES, which are the program's that is mapped already, and what each token of the vocabulary takes where it is
 * mapped but hardly touched: tables. Measured with every limit tried, docs/WEIGH.md: about 1.5 MiB are left over for
 * what a request asks for on top (logprobs, penalties, all candidates). */
#define MAPPED_BYTES ((uint64_t)7 << 20)
#define TABLE_BYTES  ((uint64_t)2)

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Address space counts also the headers, which go when the model is open, and a window on the file, which is open while
 * the weights are there and what follows them is not yet. */
static uint64_t room_of_addresses(const ct_estimate *s, const carat_weight *w, uint64_t left, uint64_t beside)
{
    uint64_t window = s->m->head_bytes + ct_pack_window_bytes(s->n_threads);
    uint64_t later = minus(w->total, s->weight_bytes + s->vision.weights + w->kv_kept + w->overhead);
    return minus(left + s->m->head_bytes + MAPPED_BYTES, beside + minus(window, later));
}

/* What may be held in all, as far as anybody says. */
static void look_around(ct_admission *a, const ct_estimate *s, const carat_weight *w)
{
    ct_memlimit limit;
    a->who = "--max-memory";
    a->there = a->options->max_memory;
    if (a->there)
        return;
    ct_memlimit_now(&limit);
    uint64_t held = limit.held < w->overhead ? limit.held : w->overhead;
    a->there = limit.memory > UINT64_MAX - held ? UINT64_MAX : limit.memory + held;
    a->who = limit.memory_who;
    /* The other threads of the pool, and the scheduler's. */
    uint64_t beside = (uint64_t)s->n_threads * ct_stack_bytes() + s->m->cfg.n_vocab * TABLE_BYTES;
    uint64_t address = room_of_addresses(s, w, limit.address, beside), data = minus(limit.data + MAPPED_BYTES, beside);
    if (limit.address != UINT64_MAX && address < a->there)
        a->there = address, a->who = "ulimit -v";
    if (limit.data != UINT64_MAX && data < a->there)
        a->there = data, a->who = "ulimit -d";
}

/* ---- smaller ---- */

static bool fits_with(ct_estimate *s, uint64_t prefix_cache, uint64_t there)
{
    carat_weight w;
    s->options.prefix_cache = prefix_cache;
    return ct_estimate_weigh(s, s->options.n_ctx, &w, NULL) && w.total <= there;
}

/* The prefix cache: what is left beside the rest, to KEEP_STEP. Pages have lists beside them and a block is whole huge
 * pages, so it is found by halving. */
#define KEEP_STEP ((uint64_t)16 << 10)

static void give_the_rest(ct_estimate *s, uint64_t kept, uint64_t there)
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
    s->options.prefix_cache = low;
}

/* Without a prefix cache and with ever fewer images remembered. False: not even so. */
static bool do_without(ct_estimate *s, uint64_t there, carat_err *err, bool *fits)
{
    carat_weight w;
    ct_plan p;
    size_t n_ctx = s->options.n_ctx;
    if (!ct_plan_make(&s->m->cfg, NULL, &s->options, &p, err))
        return false;
    s->options.prefix_cache = CARAT_NO_PREFIX_CACHE;
    for (size_t n = p.sight.n_slots;; n /= 2) {
        s->options.image_cache = n;
        if (!ct_estimate_weigh(s, n_ctx, &w, err))
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
    else if (bytes >= (uint64_t)10 << 30) /* below, the difference is what a person acts on */
        snprintf(out, 32, "%.2f GiB", (double)bytes / 0x1p30);
    else
        snprintf(out, 32, "%.1f MiB", (double)bytes / 0x1p20);
    return out;
}

static const char *end_of(const char *path)
{
    size_t len = strlen(path);
    return len > 80 ? path + len - 80 : path;
}

static bool refuse(ct_admission *a, const ct_estimate *s, carat_err *err)
{
    char need[32], there[32], sessions[48] = "", hint[64] = "no context would fit";
    size_t n_ctx = 0;
    a->is_refused = true;
    size_text(a->need, false, need);
    if (strcmp(need, size_text(a->there, false, there)) == 0) { /* told apart by bytes alone */
        size_text(a->need, true, need);
        size_text(a->there, true, there);
    }
    if (s->options.n_sessions > 1)
        snprintf(sessions, sizeof sessions, " for %zu sessions", s->options.n_sessions);
    if (ct_estimate_largest(s, a->there, &n_ctx, NULL) && n_ctx)
        snprintf(hint, sizeof hint, "a context of %zu would fit", n_ctx);
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: needs %s%s, %s are there (%s); %s", end_of(s->m->path), need,
                   sessions, there, a->who, hint);
}

void ct_admit_explain(const ct_admission *a, const char *path, carat_err *err)
{
    char need[32], there[32], why[sizeof err->msg];
    ct_memlimit limit;
    struct stat st;
    if (err->code != CARAT_ENOMEM || a->is_refused)
        return;
    size_t len = strlen(path); /* said once */
    bool is_named = strncmp(err->msg, path, len) == 0 && err->msg[len] == ':';
    snprintf(why, sizeof why, "%s", is_named ? err->msg + len + 2 : err->msg);
    if (a->need) {
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: needs %s, %s were there (%s), but: %s", end_of(path),
                size_text(a->need, false, need), size_text(a->there, false, there), a->who, why);
        return;
    }
    ct_memlimit_now(&limit);
    snprintf(need, sizeof need, "more");
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        size_text((uint64_t)st.st_size, false, need);
    ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: needs about %s, %s are there (%s): %s", end_of(path), need,
            size_text(limit.left, false, there), *limit.who ? limit.who : "the system", why);
}

static void tell(const ct_estimate *s, const carat_weight *asked, const carat_weight *now)
{
    char a[32], b[32];
    if (now->kv_kept != asked->kv_kept)
        ct_logf(CARAT_LOG_WARN, "%s: memory is short: the prefix cache gets %s, not %s", s->m->path,
                size_text(now->kv_kept, false, a), size_text(asked->kv_kept, false, b));
    if (now->image_cache != asked->image_cache)
        ct_logf(CARAT_LOG_WARN, "%s: memory is short: %zu images are remembered at most", s->m->path,
                s->options.image_cache);
}

bool ct_admit(ct_admission *a, const ct_model *m, size_t weight_bytes, carat_err *err)
{
    ct_estimate s = scale_of(a, m, weight_bytes);
    carat_weight asked, now;
    bool fits;
    if (!ct_estimate_weigh(&s, s.options.n_ctx, &asked, err))
        return false;
    a->need = asked.total;
    look_around(a, &s, &asked);
    if (a->need <= a->there)
        return true;
    if (!do_without(&s, a->there, err, &fits) || !ct_estimate_weigh(&s, s.options.n_ctx, &now, err))
        return false;
    a->need = now.total;
    if (!fits)
        return refuse(a, &s, err);
    give_the_rest(&s, asked.kv_kept, a->there);
    if (!ct_estimate_weigh(&s, s.options.n_ctx, &now, err))
        return false;
    a->need = now.total;
    tell(&s, &asked, &now);
    a->options->prefix_cache = s.options.prefix_cache;
    a->options->image_cache = s.options.image_cache;
    return true;
}
