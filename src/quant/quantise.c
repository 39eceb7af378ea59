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
#include "quant/codebook.h"
#include "quant/fit.h"

void ct_quantise_levels(ct_quantise_fn *const *levels[4])
{
    int n = 0;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        levels[n++] = ct_quantise_blocks_avx512;
    if (__builtin_cpu_supports("avx2"))
        levels[n++] = ct_quantise_blocks_avx2;
#endif
    levels[n++] = ct_quantise_blocks_generic;
    levels[n] = NULL;
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

/* The weights of a block, from LEAST to 1; all 1 where nothing is known of them. True: they are all 1. */
static bool weigh_block(const float *importance, int n, float *w)
{
    float most = 0, least = 1;
    for (int i = 0; importance && i < n; i++)
        most = isfinite(importance[i]) && importance[i] > most ? importance[i] : most;
    for (int i = 0; i < n; i++) {
        float part = most > 0 ? finite_or_0(importance[i]) / most : 1;
        w[i] = part > LEAST ? part : LEAST;
        least = w[i] < least ? w[i] : least;
    }
    return least == 1;
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

/* Do all columns of a row count the same? What is decided here must not depend on how rows are cut into stretches. */
static bool is_even(const float *importance, size_t cols, size_t block)
{
    float w[256];
    for (size_t i = 0; importance && i < cols; i += block)
        if (!weigh_block(importance + i, (int)block, w))
            return false;
    return true;
}

/* Of the `n` weights from `first` on, counted through rows of `cols`: whole blocks. */
static void weigh_stretch(const float *importance, size_t first, size_t n, size_t cols, size_t block, float *w)
{
    for (size_t i = 0; i < n; i += block)
        weigh_block(importance + (first + i) % cols, (int)block, w + i);
}

bool ct_quantise_prepare(ct_type type)
{
    static const struct {
        ct_type type;
        ct_book book;
    } with[] = { { CT_IQ1_S, CT_BOOK_IQ1_S },   { CT_IQ1_M, CT_BOOK_IQ1_M }, { CT_IQ2_XXS, CT_BOOK_IQ2_XXS },
                 { CT_IQ2_XS, CT_BOOK_IQ2_XS }, { CT_IQ2_S, CT_BOOK_IQ2_S }, { CT_IQ3_XXS, CT_BOOK_IQ3_XXS },
                 { CT_IQ3_S, CT_BOOK_IQ3_S } };
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        if (with[i].type == type)
            return ct_near_prepare(with[i].book);
    return true;
}

void ct_quantise_rows(ct_type type, const float *src, const float *importance, void *dst, size_t cols, size_t rows)
{
    const ct_type_info *info = ct_type_get(type);
    uint8_t *b = dst;
    assert(info && info->can_quantise && cols % info->block == 0);
    ct_quantise_fn *const *levels[4];
    ct_quantise_levels(levels);
    ct_quantise_fn *make = levels[0][type];
    if (!make) {
        quantise_plain(type, src, b, cols * rows);
        return;
    }
    _Alignas(64) float x[CT_STRETCH], w[CT_STRETCH];
    const ct_stretch s = { x, w, is_even(importance, cols, info->block) };
    for (size_t i = 0; i < CT_STRETCH; i++)
        w[i] = 1;
    for (size_t at = 0, n; at < cols * rows; at += n, b += n / info->block * info->bytes) {
        n = cols * rows - at < CT_STRETCH ? cols * rows - at : CT_STRETCH;
        for (size_t i = 0; i < n; i++)
            x[i] = within(finite_or_0(src[at + i]), LARGEST);
        memset(x + n, 0, (CT_STRETCH - n) * sizeof *x);
        if (!s.is_even)
            weigh_stretch(importance, at, n, cols, info->block, w);
        make(&s, (int)(n / info->block), b);
    }
}

void ct_quantise_row_for(ct_type type, const float *src, const float *importance, void *dst, size_t n)
{
    ct_quantise_rows(type, src, importance, dst, n, 1);
}

void ct_quantise_row(ct_type type, const float *src, void *dst, size_t n)
{
    ct_quantise_rows(type, src, NULL, dst, n, 1);
}
