/* Keys and values of all sessions.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "weigh/weigh.h"

/* The same cache for the global layers alone. */
static ct_config only_global(const ct_config *c)
{
    ct_config g = *c;
    g.n_layer = 0;
    for (uint32_t i = 0; i < c->n_layer; i++)
        if (c->is_global[i])
            g.is_global[g.n_layer++] = true;
    return g;
}

/* The cache's books and its pages. */
static bool cache_bytes(const ct_config *c, const ct_cache_options *o, uint64_t *out)
{
    ct_cache_size size;
    size_t books;
    if (!ct_cache_bytes(c, o, &books) || !ct_cache_pages(c, o, &size))
        return false;
    *out = books;
    for (int k = 0; k < CT_N_PAGE_KINDS; k++)
        *out += (uint64_t)size.n[k] * size.page_bytes[k]; /* ct_cache_pages has checked that this fits */
    return true;
}

bool ct_estimate_kv(const ct_config *c, const ct_cache_options *o, ct_estimate_cache *out, carat_err *err)
{
    const ct_config global = only_global(c);
    ct_cache_options bare = *o;
    uint64_t all, needed, some = 0;
    bare.keep_bytes = 0;
    if (!ct_kv_elem_fits(o->elem, c->head_dim))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "keys and values of %u dimensions cannot be of type q8_0, expected a multiple of %d",
                       c->head_dim, CT_KV_GROUP);
    if (!cache_bytes(c, o, &all) || !cache_bytes(c, &bare, &needed) ||
        (global.n_layer && !cache_bytes(&global, &bare, &some)))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu sessions of %zu tokens do not fit the address space",
                       o->n_seqs, o->context);
    *out = (ct_estimate_cache){ .global = some, .window = needed - some, .kept = all - needed };
    return true;
}

bool ct_estimate_kv_shared(const ct_config *c, const ct_cache_options *o, size_t shared, uint64_t *out)
{
    const ct_config global = only_global(c);
    ct_cache_options one = *o;
    uint64_t bytes = 0;
    one.n_seqs = 1;
    one.keep_bytes = 0;
    one.context = shared / CT_TILE * CT_TILE; /* whole pages are shared */
    if (one.max_batch > one.context)
        one.max_batch = one.context;
    *out = 0;
    if (!one.context || !global.n_layer)
        return true;
    bool ok = cache_bytes(&global, &one, &bytes);
    *out = bytes * (o->n_seqs - 1); /* less than all of the cache */
    return ok;
}

static double pad_to(size_t n, size_t pad)
{
    return (double)((n + pad - 1) / pad * pad);
}

double ct_estimate_kv_formula(const ct_config *c, size_t n_ctx, size_t beyond, size_t pad, double block_bytes)
{
    double n_global = 0, all = pad_to(n_ctx, pad), seen = pad_to((size_t)c->window + beyond, pad);
    for (uint32_t i = 0; i < c->n_layer; i++)
        n_global += c->is_global[i];
    double cell = 2.0 * c->n_kv_head * c->head_dim / 32 * block_bytes;
    return cell * (n_global * all + (c->n_layer - n_global) * (all < seen ? all : seen));
}
