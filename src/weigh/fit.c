/* Compares the memory that the options need with what is available, and shrinks the caches that may be smaller.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "weigh/fit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/pool.h"
#include "weigh/weigh.h"

static ct_estimate estimate_of(const ct_fit *f, const carat_options *o)
{
    return (ct_estimate){ .q = { .n_images = 1 },
                          .options = *o,
                          .name = "the model",
                          .desc = f->desc,
                          .draft = f->draft,
                          .b = f->b,
                          .n_threads = f->n_threads };
}

/* ---- what is there ---- */

/* Address space that the process takes after admission besides stacks and blocks: the weighed overhead except
 * MAPPED_BYTES, the program's own, which is mapped already; and TABLE_BYTES for each token of the vocabulary, for
 * tables that are mapped but hardly touched. Measured by trying every limit (docs/WEIGH.md): about 1.5 MiB remain for
 * what a request needs on top (logprobs, penalties, all candidates). */
#define MAPPED_BYTES ((uint64_t)7 << 20)
#define TABLE_BYTES  ((uint64_t)2)

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Address space also counts the headers, which are unmapped when the model is open, and a window on the file, which is
 * mapped while the weights are loaded, before what follows them is allocated. */
static uint64_t room_of_addresses(const ct_estimate *s, const carat_estimate_result *w, uint64_t left, uint64_t beside)
{
    const ct_model *m = s->desc.text;
    ct_plan p;
    ct_footprint f = { 0 };
    if (ct_plan_make(&m->cfg, NULL, &s->options, &p, NULL))
        s->b->bytes(s->b->self, &(ct_desc){ .text = m }, &p.sizes, &f, NULL);
    uint64_t window = m->head_bytes + f.window;
    uint64_t later = minus(w->total, f.weights + w->vision + w->kv_kept + w->overhead);
    return minus(left + m->head_bytes + MAPPED_BYTES, beside + minus(window, later));
}

/* The memory limit, from every source that states one. */
static void find_limit(ct_fit *f, const ct_estimate *s, const carat_estimate_result *w)
{
    ct_memlimit limit;
    f->who = "--max-memory";
    f->there = s->options.max_memory;
    if (f->there)
        return;
    f->b->limits(f->b->self, &limit);
    uint64_t held = limit.held < w->overhead ? limit.held : w->overhead;
    f->there = limit.memory > UINT64_MAX - held ? UINT64_MAX : limit.memory + held;
    f->who = limit.memory_who;
    /* The other threads of the pool, and the scheduler's. */
    uint64_t beside = (uint64_t)s->n_threads * ct_stack_bytes() + s->desc.text->cfg.n_vocab * TABLE_BYTES;
    uint64_t address = room_of_addresses(s, w, limit.address, beside);
    uint64_t data = minus(limit.data + MAPPED_BYTES + w->mapped, beside); /* what is only read does not count there */
    if (limit.address != UINT64_MAX && address < f->there)
        f->there = address, f->who = "ulimit -v";
    if (limit.data != UINT64_MAX && data < f->there)
        f->there = data, f->who = "ulimit -d";
}

/* ---- smaller ---- */

static bool fits_with(ct_estimate *s, uint64_t prefix_cache, uint64_t there)
{
    carat_estimate_result w;
    s->options.prefix_cache = prefix_cache;
    return ct_estimate_weigh(s, s->options.n_ctx, &w, NULL) && w.total <= there;
}

/* The prefix cache: what is left beside the rest, to KEEP_STEP. Pages have lists beside them and a block is whole huge
 * pages, so it is found by halving. */
#define KEEP_STEP ((uint64_t)16 << 10)

static void give_the_rest(ct_estimate *s, uint64_t kept, uint64_t there)
{
    uint64_t low = CT_NO_PREFIX_CACHE, high = kept;
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
    carat_estimate_result w;
    ct_plan p;
    const ct_tower *t = s->desc.tower;
    size_t n_ctx = s->options.n_ctx;
    if (!ct_plan_make(&s->desc.text->cfg, t ? &t->cfg : NULL, &s->options, &p, err))
        return false;
    s->options.prefix_cache = CT_NO_PREFIX_CACHE;
    for (size_t n = t ? p.sizes.n_slots : 1;; n /= 2) {
        s->options.image_cache = n;
        if (!ct_estimate_weigh(s, n_ctx, &w, err))
            return false;
        *fits = w.total <= there;
        if (*fits || n == 1)
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

static bool refuse(ct_fit *a, const ct_estimate *s, carat_err *err)
{
    char need[32], there[32], sessions[48] = "", hint[64] = "no context would fit";
    size_t n_ctx = 0;
    a->is_refused = true;
    size_text(a->need, false, need);
    if (strcmp(need, size_text(a->there, false, there)) == 0) { /* they differ in bytes only */
        size_text(a->need, true, need);
        size_text(a->there, true, there);
    }
    if (s->options.n_sessions > 1)
        snprintf(sessions, sizeof sessions, " for %zu sessions", s->options.n_sessions);
    if (ct_estimate_largest(s, a->there, &n_ctx, NULL) && n_ctx)
        snprintf(hint, sizeof hint, "a context of %zu would fit", n_ctx);
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: needs %s%s, but only %s are available (%s); %s",
                   end_of(s->desc.text->path), need, sessions, there, a->who, hint);
}

void ct_fit_explain(const ct_fit *a, const char *path, carat_err *err)
{
    char need[32], there[32], why[sizeof err->msg];
    ct_memlimit limit;
    struct stat st;
    if (err->code != CARAT_ENOMEM || a->is_refused)
        return;
    size_t len = strlen(path); /* the path appears once */
    bool is_named = strncmp(err->msg, path, len) == 0 && err->msg[len] == ':';
    snprintf(why, sizeof why, "%s", is_named ? err->msg + len + 2 : err->msg);
    if (a->need) {
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: needs %s, %s were available (%s), but: %s", end_of(path),
                size_text(a->need, false, need), size_text(a->there, false, there), a->who, why);
        return;
    }
    ct_memlimit_now(&limit); /* there is no backend yet, perhaps */
    snprintf(need, sizeof need, "more");
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        size_text((uint64_t)st.st_size, false, need);
    ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: needs about %s, %s are available (%s): %s", end_of(path), need,
            size_text(limit.left, false, there), *limit.who ? limit.who : "the system", why);
}

static void report(const ct_estimate *s, const carat_estimate_result *asked, const carat_estimate_result *now)
{
    char a[32], b[32];
    if (now->kv_kept != asked->kv_kept)
        ct_logf(CARAT_LOG_WARN, "%s: memory is short: the prefix cache is reduced from %s to %s", s->desc.text->path,
                size_text(asked->kv_kept, false, a), size_text(now->kv_kept, false, b));
    if (now->image_cache != asked->image_cache)
        ct_logf(CARAT_LOG_WARN, "%s: memory is short: the image cache is reduced to %zu images", s->desc.text->path,
                s->options.image_cache);
}

bool ct_fit_options(ct_fit *f, carat_options *o, carat_err *err)
{
    ct_estimate s = estimate_of(f, o);
    carat_estimate_result asked, now;
    bool fits;
    if (!ct_estimate_weigh(&s, s.options.n_ctx, &asked, err))
        return false;
    f->need = asked.total;
    find_limit(f, &s, &asked);
    if (f->need <= f->there)
        return true;
    if (!do_without(&s, f->there, err, &fits) || !ct_estimate_weigh(&s, s.options.n_ctx, &now, err))
        return false;
    f->need = now.total;
    if (!fits)
        return refuse(f, &s, err);
    give_the_rest(&s, asked.kv_kept, f->there);
    if (!ct_estimate_weigh(&s, s.options.n_ctx, &now, err))
        return false;
    f->need = now.total;
    report(&s, &asked, &now);
    o->prefix_cache = s.options.prefix_cache;
    o->image_cache = s.options.image_cache;
    return true;
}
