/* Adapters that are shared, and blends of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/blend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kv/kv.h"

/* ---- adapters ---- */

ct_shared_adapter *ct_shared_adapter_new(const ct_backend *b, ct_adapter *loaded, uint64_t serial,
                                         const uint8_t digest[CT_DIGEST_BYTES])
{
    ct_shared_adapter *a = calloc(1, sizeof *a);
    if (!a) {
        b->adapter_free(b->self, loaded);
        return NULL;
    }
    *a = (ct_shared_adapter){ .n_refs = 1, .b = b, .adapter = loaded, .serial = serial };
    memcpy(a->digest, digest, sizeof a->digest);
    return a;
}

ct_shared_adapter *ct_shared_adapter_hold(ct_shared_adapter *a)
{
    atomic_fetch_add(&a->n_refs, 1);
    return a;
}

void ct_shared_adapter_drop(ct_shared_adapter *a)
{
    if (!a || atomic_fetch_sub(&a->n_refs, 1) != 1)
        return;
    a->b->adapter_free(a->b->self, a->adapter);
    free(a);
}

/* ---- variants ---- */

void ct_blends_init(ct_blends *all)
{
    *all = (ct_blends){ 0 };
    pthread_mutex_init(&all->lock, NULL);
}

void ct_blends_deinit(ct_blends *all)
{
    pthread_mutex_destroy(&all->lock);
}

static bool is_same(const ct_blends *all, size_t i, const ct_blend *b)
{
    bool same = all->v[i].n == b->n;
    for (size_t k = 0; same && k < b->n; k++)
        same = all->v[i].serial[k] == b->held[k]->serial && all->v[i].scale[k] == b->uses[k].scale;
    return same;
}

/* A free place, or that of the one longest unused: its number is forgotten, and so is what the cache has for it. */
static size_t place_for(ct_blends *all)
{
    size_t oldest = 0;
    if (all->n < CT_MAX_BLENDS)
        return all->n++;
    for (size_t i = 1; i < all->n; i++)
        if (all->v[i].used < all->v[oldest].used)
            oldest = i;
    return oldest;
}

/* 0: there is no number left. */
static uint32_t number(ct_blends *all, const ct_blend *b)
{
    for (size_t i = 0; i < all->n; i++)
        if (is_same(all, i, b)) {
            all->v[i].used = ++all->clock;
            return all->v[i].variant;
        }
    if (all->last == CT_KV_MAX_VARIANT)
        return 0;
    const size_t i = place_for(all);
    all->v[i].variant = ++all->last;
    all->v[i].n = b->n;
    all->v[i].used = ++all->clock;
    for (size_t k = 0; k < b->n; k++) {
        all->v[i].serial[k] = b->held[k]->serial;
        all->v[i].scale[k] = b->uses[k].scale;
    }
    return all->last;
}

/* ---- blends ---- */

/* Behind those of lower serials. Errors: CARAT_EARG. */
static bool insert(ct_blend *b, const ct_share *s, carat_err *err)
{
    size_t at = b->n;
    if (!isfinite(s->scale))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "an adapter's scale that is not a number");
    if (s->scale == 0)
        return true;
    for (size_t i = 0; i < b->n; i++)
        if (b->held[i] == s->adapter)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "the same adapter twice");
    if (b->n == CT_MAX_USES)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "more than %d adapters at once", CT_MAX_USES);
    for (; at > 0 && b->held[at - 1]->serial > s->adapter->serial; at--) {
        b->held[at] = b->held[at - 1];
        b->uses[at] = b->uses[at - 1];
    }
    b->held[at] = ct_shared_adapter_hold(s->adapter);
    b->uses[at] = (ct_adapter_use){ s->adapter->adapter, s->scale };
    b->n++;
    return true;
}

bool ct_blend_new(ct_blends *all, const ct_share *shares, size_t n, ct_blend **out, carat_err *err)
{
    ct_blend *b = calloc(1, sizeof *b);
    bool ok = b || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a list of adapters");
    *out = NULL;
    if (b)
        atomic_init(&b->n_refs, 1);
    for (size_t i = 0; ok && i < n; i++)
        ok = insert(b, &shares[i], err);
    if (ok && b->n) {
        pthread_mutex_lock(&all->lock);
        b->variant = number(all, b);
        pthread_mutex_unlock(&all->lock);
        ok = b->variant ||
             ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "more than %u different lists of adapters", CT_KV_MAX_VARIANT);
    }
    if (!ok || b->n == 0) {
        ct_blend_drop(b);
        return ok;
    }
    *out = b;
    return true;
}

ct_blend *ct_blend_hold(ct_blend *b)
{
    if (b)
        atomic_fetch_add(&b->n_refs, 1);
    return b;
}

void ct_blend_drop(ct_blend *b)
{
    if (!b || atomic_fetch_sub(&b->n_refs, 1) != 1)
        return;
    for (size_t i = 0; i < b->n; i++)
        ct_shared_adapter_drop(b->held[i]);
    free(b);
}
