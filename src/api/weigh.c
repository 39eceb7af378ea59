/* What a model needs: the public face of weigh/.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "api/vision.h"
#include "base/bandwidth.h"
#include "base/pool.h"
#include "weigh/here.h"
#include "weigh/weigh.h"

/* Finds the tower of a file where the engine would; "" where there is none, or where it cannot be told which it is,
 * with the reason in *why. */
static bool find_tower(const carat_weigh_query *q, char path[4096], carat_err *why, carat_err *err)
{
    const ct_model_options o = { .no_tokenizer = true, .trust_header = q->options.trust_header };
    ct_model *m;
    size_t bytes;
    struct stat st;
    *path = '\0';
    if (q->options.vision == CARAT_VISION_OFF || !q->model || stat(q->model, &st) != 0)
        return true;
    if (!ct_model_peek(q->model, &o, &m, &bytes, err))
        return false;
    bool is_known = ct_vision_find(m, q->options.mmproj, path, why);
    ct_model_close(m);
    if (is_known || (!q->options.mmproj && q->options.vision != CARAT_VISION_REQUIRED))
        return true;
    if (err)
        *err = *why;
    return false;
}

static bool open_scale(const carat_weigh_query *q, ct_estimate *s, carat_err *err)
{
    char path[4096];
    carat_err why = { .msg = "" };
    *s = (ct_estimate){ .m = NULL };
    if (!find_tower(q, path, &why, err) || !ct_estimate_open(q, *path ? path : NULL, s, err))
        return false;
    if (*why.msg)
        snprintf(s->note, sizeof s->note, "text only: %.200s", why.msg); /* as the engine does it */
    return true;
}

bool carat_weigh_contexts(const carat_weigh_query *q, const size_t *n_ctx, size_t n, carat_weight *out, carat_err *err)
{
    ct_estimate s;
    bool ok = open_scale(q, &s, err);
    for (size_t i = 0; ok && i < n; i++)
        ok = ct_estimate_weigh(&s, n_ctx[i], &out[i], err);
    ct_estimate_close(&s);
    return ok;
}

bool carat_weigh(const carat_weigh_query *q, carat_weight *out, carat_err *err)
{
    return carat_weigh_contexts(q, &q->options.n_ctx, 1, out, err);
}

bool carat_weigh_largest(const carat_weigh_query *q, uint64_t bytes, size_t *n_ctx, carat_err *err)
{
    ct_estimate s;
    *n_ctx = 0;
    bool ok = open_scale(q, &s, err) && ct_estimate_largest(&s, bytes, n_ctx, err);
    ct_estimate_close(&s);
    return ok;
}

bool carat_weigh_here(int n_threads, const char *cpu, carat_rates *rates, carat_device *out, carat_err *err)
{
    char msg[160];
    unsigned mask;
    ct_kernels k;
    *out = (carat_device){ .name = "this machine", .kind = "here", .source = "measured now", .measured = rates };
    if (!ct_cpu_by_name(cpu ? cpu : getenv("CARAT_CPU"), &mask, msg))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s", msg);
    ct_kernels_for(&k, mask);
    ct_here_memory(&out->memory_bytes, &out->usable_bytes);
    if (!ct_read_bandwidth(n_threads, &out->bandwidth, err) || !ct_here_rates(&k, n_threads, rates, err))
        return false;
    out->int8 = rates->batch[CT_Q8_0];
    out->fp16 = rates->batch[CT_F16];
    return true;
}
