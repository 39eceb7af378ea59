/* quantise.c - ct_quantise_row: float32 rounded into the blocks of each type.
 *
 * What a block may get is made of what comes here: finite weights, importances between bounds. The blocks themselves are
 * quantise_blocks.c, quantise_iq.c and quantise_misc.c, in the build that suits this machine.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/quantise.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/le.h"

ct_quantise_block *const *ct_quantise_best(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2"))
        return ct_quantise_blocks_avx2;
#endif
    return ct_quantise_blocks_generic;
}

/* Beyond what any block can hold (65504 * 127 * 32 is 2^28 in Q6_K), and small enough to be squared and cubed. */
#define LARGEST 0x1p30f
/* No column counts for less than this part of its block's most important one: what was never seen to matter still has to
 * be near, and sums of weights must not vanish. */
#define LEAST 0x1p-20f

static float finite_or_0(float x)
{
    return isfinite(x) ? x : 0;
}

static float within(float x, float most)
{
    x = x < -most ? -most : x;
    return x > most ? most : x;
}

/* The weights of a block, from LEAST to 1; all 1 where nothing is known of them. */
static void weigh_block(const float *importance, int n, float *w)
{
    float most = 0;
    for (int i = 0; importance && i < n; i++)
        most = isfinite(importance[i]) && importance[i] > most ? importance[i] : most;
    for (int i = 0; i < n; i++) {
        float part = most > 0 ? finite_or_0(importance[i]) / most : 1;
        w[i] = part > LEAST ? part : LEAST;
    }
}

static void quantise_plain(ct_type type, const float *src, uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float f = finite_or_0(src[i]);
        if (type == CT_F32)
            memcpy(b + 4 * i, &f, sizeof f);
        else if (type == CT_F16) /* a finite weight stays finite */
            ct_put_le16(b + 2 * i, ct_f32_to_f16(within(f, 65504.0f)));
        else
            ct_put_le16(b + 2 * i, ct_f32_to_bf16(within(f, 0x1.FEp127f)));
    }
}

void ct_quantise_row_for(ct_type type, const float *src, const float *importance, void *dst, size_t n)
{
    const ct_type_info *info = ct_type_get(type);
    uint8_t *b = dst;
    assert(info && info->can_quantise && n % info->block == 0);
    float x[256], w[256];
    ct_quantise_block *make = ct_quantise_best()[type];
    if (!make) {
        quantise_plain(type, src, b, n);
        return;
    }
    weigh_block(NULL, 256, w);
    for (size_t i = 0; i < n; i += info->block, b += info->bytes) {
        for (int k = 0; k < info->block; k++)
            x[k] = within(finite_or_0(src[i + (size_t)k]), LARGEST);
        if (importance)
            weigh_block(importance + i, info->block, w);
        make(x, w, b);
    }
}

void ct_quantise_row(ct_type type, const float *src, void *dst, size_t n)
{
    ct_quantise_row_for(type, src, NULL, dst, n);
}
