/* What a model needs: the public interface of weigh/.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/adapter.h"
#include "api/internal.h"
#include "api/sized.h"
#include "base/bandwidth.h"
#include "base/pool.h"
#include "measure/devices.h"
#include "measure/here.h"
#include "measure/kernels.h"
#include "weigh/weigh.h"

/* An estimate and the backend that it uses. */
typedef struct scale {
    ct_backend b;
    ct_estimate estimate;
    ct_adapter_files adapters;
} scale;

static bool open_scale(const carat_weigh_query *q, scale *s, carat_err *err)
{
    const carat_options *o = q->options;
    *s = (scale){ .b = { 0 } };
    if (o->n_threads < 0 || o->n_threads > CT_MAX_THREADS)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%d threads, expected 1 to %d", o->n_threads, CT_MAX_THREADS);
    if (!ct_api_open_backend(o, NULL, &s->b, err) ||
        !ct_estimate_open(q, &s->b, o->n_threads ? o->n_threads : ct_cpu_default(), &s->estimate, err) ||
        !ct_adapter_files_open(o, &s->adapters, err))
        return false;
    s->estimate.desc.adapters = (const ct_lora *const *)s->adapters.v;
    s->estimate.desc.n_adapters = s->adapters.n;
    return true;
}

static void close_scale(scale *s)
{
    ct_estimate_close(&s->estimate);
    ct_adapter_files_close(&s->adapters);
    if (s->b.close)
        s->b.close(s->b.self);
}

/* A question with its parts as this library has them. */
typedef struct question {
    carat_weigh_query q;
    carat_options options;
    carat_shape shape;
} question;

static bool take(const carat_weigh_query *from, question *to, carat_err *err)
{
    if (!CT_TAKE(carat_weigh_query, from, &to->q, err) || !ct_api_options(to->q.options, &to->options, err) ||
        !CT_TAKE(carat_shape, to->q.shape, &to->shape, err))
        return false;
    to->q.options = &to->options;
    to->q.shape = to->q.shape ? &to->shape : NULL;
    return true;
}

/* contexts NULL: the query's own. */
static bool weigh_all(const carat_weigh_query *query, const size_t *contexts, size_t n, carat_estimate_result *out,
                      carat_err *err)
{
    question own;
    scale s;
    carat_estimate_result w;
    if (!take(query, &own, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!CT_CAN_GIVE_AT(carat_estimate_result, out, i, err))
            return false;
    bool ok = open_scale(&own.q, &s, err);
    for (size_t i = 0; ok && i < n; i++) {
        ok = ct_estimate_weigh(&s.estimate, contexts ? contexts[i] : own.options.n_ctx, &w, err);
        if (ok)
            CT_GIVE_AT(carat_estimate_result, &w, out, i);
    }
    close_scale(&s);
    return ok;
}

bool carat_weigh_contexts(const carat_weigh_query *q, const size_t *n_ctx, size_t n, carat_estimate_result *out,
                          carat_err *err)
{
    return weigh_all(q, n_ctx, n, out, err);
}

bool carat_weigh(const carat_weigh_query *q, carat_estimate_result *out, carat_err *err)
{
    return weigh_all(q, NULL, 1, out, err);
}

bool carat_weigh_largest(const carat_weigh_query *q, uint64_t bytes, size_t *n_ctx, carat_err *err)
{
    question own;
    scale s;
    *n_ctx = 0;
    if (!take(q, &own, err))
        return false;
    bool ok = open_scale(&own.q, &s, err) && ct_estimate_largest(&s.estimate, bytes, n_ctx, err);
    close_scale(&s);
    return ok;
}

bool carat_weigh_speed(const carat_estimate_result *w, const carat_device *d, carat_speed *out, carat_err *err)
{
    carat_estimate_result weight;
    carat_device device;
    carat_rates rates;
    carat_speed speed;
    if (!CT_TAKE(carat_estimate_result, w, &weight, err) || !CT_TAKE(carat_device, d, &device, err) ||
        !CT_TAKE(carat_rates, device.measured, &rates, err) || !CT_CAN_GIVE(carat_speed, out, err))
        return false;
    if (weight.tower_type < 0 || weight.tower_type >= CARAT_WEIGHT_TYPES)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "tower_type is %d, expected 0 to %d", weight.tower_type,
                       CARAT_WEIGHT_TYPES - 1);
    device.measured = device.measured ? &rates : NULL;
    ct_weigh_speed(&weight, &device, &speed);
    CT_GIVE(carat_speed, &speed, out);
    return true;
}

bool carat_weigh_here(int n_threads, const char *cpu, carat_rates *rates, carat_device *out, carat_err *err)
{
    char msg[160];
    unsigned mask;
    ct_kernels k;
    carat_rates r;
    carat_device d = { .name = "this machine", .kind = "here", .source = "measured now", .measured = rates };
    if (!CT_CAN_GIVE(carat_rates, rates, err) || !CT_CAN_GIVE(carat_device, out, err))
        return false;
    if (!ct_cpu_by_name(cpu ? cpu : getenv("CARAT_CPU"), &mask, msg))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s", msg);
    ct_kernels_for(&k, mask);
    ct_here_memory(&d.memory_bytes, &d.usable_bytes);
    if (!ct_read_bandwidth(n_threads, &d.bandwidth, err) || !ct_here_rates(&k, n_threads, &r, err))
        return false;
    d.int8 = r.batch[CT_Q8_0];
    d.fp16 = r.batch[CT_F16];
    CT_GIVE(carat_rates, &r, rates);
    CT_GIVE(carat_device, &d, out);
    return true;
}

const carat_device *carat_device_at(size_t i)
{
    return ct_device_at(i);
}

bool carat_device_find(const char *name, const carat_device **out, carat_err *err)
{
    return ct_device_find(name, out, err);
}

bool carat_bench_kernels(const carat_kernel_query *q, carat_err *err)
{
    carat_kernel_query own;
    if (!CT_TAKE(carat_kernel_query, q, &own, err))
        return false;
    if (!own.report)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "report is NULL: there is nobody to tell");
    return ct_bench_kernels(&own, err);
}
