/* SPDX-License-Identifier: Apache-2.0 */
#include "weigh/weigh.h"

/* The same cache for the global layers alone. */
static carat_config only_global(const carat_config *c)
{
    carat_config g = *c;
    g.n_layer = 0;
    for (uint32_t i = 0; i < c->n_layer; i++)
        if (c->is_global[i])
            g.is_global[g.n_layer++] = true;
    return g;
}

bool carat_scale_kv(const carat_config *c, const carat_cache_options *o, carat_scale_cache *out, carat_err *err)
{
    const carat_config global = only_global(c);
    carat_cache_options bare = *o;
    size_t all, needed, some = 0;
    bare.keep_bytes = 0;
    if (!carat_kv_elem_fits(o->elem, c->head_dim))
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE,
                          "keys and values of %u dimensions cannot be of type q8_0, expected a multiple of %d",
                          c->head_dim, CARAT_KV_GROUP);
    if (!carat_cache_bytes(c, o, &all) || !carat_cache_bytes(c, &bare, &needed) ||
        (global.n_layer && !carat_cache_bytes(&global, &bare, &some)))
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu sessions of %zu tokens do not fit the address space",
                          o->n_seqs, o->context);
    *out = (carat_scale_cache){ .global = some, .window = needed - some, .kept = all - needed };
    return true;
}

bool carat_scale_kv_shared(const carat_config *c, const carat_cache_options *o, size_t shared, uint64_t *out)
{
    const carat_config global = only_global(c);
    carat_cache_options one = *o;
    size_t bytes = 0;
    one.n_seqs = 1;
    one.keep_bytes = 0;
    one.context = shared / CARAT_TILE * CARAT_TILE; /* whole pages are shared */
    if (one.max_batch > one.context)
        one.max_batch = one.context;
    *out = 0;
    if (!one.context || !global.n_layer)
        return true;
    bool ok = carat_cache_bytes(&global, &one, &bytes);
    *out = (uint64_t)bytes * (o->n_seqs - 1); /* less than all of the cache */
    return ok;
}

static double pad_to(size_t n, size_t pad)
{
    return (double)((n + pad - 1) / pad * pad);
}

double carat_scale_kv_formula(const carat_config *c, size_t n_ctx, size_t beyond, size_t pad, double block_bytes)
{
    double n_global = 0, all = pad_to(n_ctx, pad), seen = pad_to((size_t)c->window + beyond, pad);
    for (uint32_t i = 0; i < c->n_layer; i++)
        n_global += c->is_global[i];
    double cell = 2.0 * c->n_kv_head * c->head_dim / 32 * block_bytes;
    return cell * (n_global * all + (c->n_layer - n_global) * (all < seen ? all : seen));
}
