/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/kv.h"
#include "weigh/weigh.h"

bool carat_scale_kv(const carat_config *c, size_t n_ctx, size_t max_batch, carat_kv_type type, bool exact,
                    uint64_t *global, uint64_t *window, carat_err *err)
{
    carat_config global_only = *c;
    size_t all, some = 0;
    global_only.n_layer = 0;
    for (uint32_t i = 0; i < c->n_layer; i++)
        if (c->is_global[i])
            global_only.is_global[global_only.n_layer++] = true;
    const carat_kv_options o = { .context = n_ctx,
                                 .max_batch = max_batch,
                                 .elem = exact                        ? CARAT_KV_F32
                                         : type == CARAT_KV_TYPE_Q8_0 ? CARAT_KV_Q8_0
                                                                      : CARAT_KV_F16 };
    if (!carat_kv_elem_fits(o.elem, c->head_dim))
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE,
                          "keys and values of %u dimensions cannot be of type q8_0, expected a multiple of %d",
                          c->head_dim, CARAT_KV_GROUP);
    if (!carat_kv_bytes(c, &o, &all) || (global_only.n_layer && !carat_kv_bytes(&global_only, &o, &some)))
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "a context of %zu tokens does not fit the address space",
                          n_ctx);
    *global = some;
    *window = all - some; /* the few bytes that describe pages and layers too */
    return true;
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
