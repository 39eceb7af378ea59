/* kernels.h - the arithmetic, one table of function pointers per instruction set.
 *
 * generic/ is the definition: short, obvious, kept for good. ct_kernels_for fills every slot with it and lets each
 * CPU level replace what it beats. No kernel knows about layers, files or threads; none allocates; none can fail.
 *
 * Batch invariance. For a given table, y[t, row] depends only on W's row and x's token t: not on how many tokens are in
 * the call, on which panels are in the call, or on which tokens stand beside t. Each output is summed in one fixed
 * order; a multiplication for one token and for five hundred gives the same bits. (Different tables may differ.)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_KERNELS_H
#define CT_KERNELS_KERNELS_H

#include "kernels/peak.h"
#include "quant/kv_tile.h"
#include "quant/pack.h"

/* ---- activations: one token's vector, in the form that a weight type is multiplied with ---- */

/* One row of `cols` values occupies ct_acts_stride(form, cols) bytes, 64-aligned:
 *   CT_ACTS_F32    f32 [cols]
 *   CT_ACTS_BF16   u16 [cols rounded up to 2]     round to nearest even; an odd tail is 0
 *   CT_ACTS_Q8     i8 q[cols]  (64-aligned, then)  f32 d[cols/32]  then  i32 s[cols/16]
 *                     groups of 32: d = amax/127, q = round_half_even(x * (127/amax)), -127..127
 *                     amax < CT_ACTS_TINY (where 127/amax would overflow) gives d = 0, q = 0
 *                     s[j] = sum of q over 16 neighbours. ct_acts_d_offset / _s_offset give the places.
 *                     A group with a non-finite value gets d = NaN and q = 0 so that the fault stays visible.
 *   CT_ACTS_GRID  u16 [cols]  bf16; columns of every four in the order 0 2 1 3 (so that pairs come of words by masks)
 *                     groups of 32: values rounded to bf16, then to the nearest multiple, ties to even, of 2^(e-10), 2^e
 *                     the power of two at or below the largest magnitude: whole numbers of at most 2^11, of eight bits.
 *                     A largest magnitude below CT_GRID_TINY makes a group zero; a value that is not finite or from
 *                     CT_GRID_HUGE on makes all of it NaN.
 * Every level gives the same bits here (BF16: subnormals may become zeros). */
typedef enum ct_acts_form { CT_ACTS_F32, CT_ACTS_BF16, CT_ACTS_Q8, CT_ACTS_GRID, CT_N_ACTS } ct_acts_form;

#define CT_ACTS_GROUP 32
#define CT_TILED      16 /* tokens that stand in tiles together */
#define CT_ACTS_TINY  0x1p-100f
#define CT_GRID_TINY  0x1p-64f
#define CT_GRID_HUGE  0x1p90f

static inline size_t ct_acts_d_offset(size_t cols)
{
    return (cols + 63) & ~(size_t)63;
}
static inline size_t ct_acts_s_offset(size_t cols)
{
    return ct_acts_d_offset(cols) + cols / 32 * 4;
}
size_t ct_acts_stride(ct_acts_form form, size_t cols); /* in kernels.c; includes a pad against cache aliasing */

const char *ct_acts_name(ct_acts_form form); /* "grid" */

/* ---- y = W x ---- */

/*   y[t * y_stride + row] = sum_c W[row, c] * x[t, c]         t in 0..n-1, row in 16*panel_begin .. 16*panel_end-1
 *
 * Rows past w_rows (the padding of the last panel) are not written.
 *   w        packed matrix (quant/pack.h)
 *   x        n rows of activations in the form the slot belongs to, x_stride bytes apart, 64-aligned; f32 anywhere
 *   y        f32, overwritten; y_stride in floats
 *   scratch  64-aligned, ct_kernels.mul_scratch bytes; one per thread; contents do not outlive the call
 *
 * W is 64-aligned, so a panel is at least 32-aligned (interleaved types) or 16-aligned (others); y may be anywhere.
 *
 * Arithmetic of the int8 slots. The weights of a row come in groups of 32 columns (16: ct_form's is_half) with one
 * scale and perhaps one minimum; with dx the scale of the 32 activations that the group belongs to, group by group in
 * column order, everything f32 but isum and sum_x:
 *
 *     isum = sum over the group of code * q       exact int32; code with its bias taken off, or a table's value
 *     acc  = acc + (scale * dx) * (float)isum
 *     acc  = acc + min * (dx * (float)sum_x)      only the types with a minimum; sum_x is the group's s, or s0 + s1
 *
 *     scale, min     Q4_0 Q5_0 Q8_0 IQ4_NL   d                  code - 8, - 16, - 128, table
 *                    Q4_1 Q5_1               d, +m
 *                    Q4_K Q5_K               d * sc, -(dmin * mn)       sc, mn the 6-bit numbers
 *                    Q2_K                    d * sc, -(dmin * mn)       sc, mn the 4-bit numbers
 *                    Q3_K                    d * (sc - 32)      code - 4
 *                    Q6_K                    d * sc             code - 32
 *                    IQ4_XS                  d * (sc - 32)      table
 *                    IQ1 IQ2 IQ3             (d * unit) * (2 sc + 1)   table      unit and table of ct_form
 *
 * generic/ multiplies and adds plainly, in that order. A level may fuse (fma), regroup and reorder as its instructions
 * like, with one fixed order of its own for every n; the cross-check allows for the rounding of the operations above
 * and no more. A NaN or infinite scale (of W or x) must reach y as NaN or infinity.
 *
 * Arithmetic of the f32 and bf16 slots: acc = acc + w * x in column order, freely fused and reordered likewise. A bf16
 * level may treat subnormal bf16 operands and sums as zero (vdpbf16ps does). In a bf16 slot, weights of other types are
 * rounded to bf16 first.
 *
 * Arithmetic of the grid slots, of quantised types. Weights too become whole numbers times a power of two, at most 256, so
 * that they are bf16 with their scales, and the sum over 32 columns is exact in whatever order: tiles for many tokens and
 * integers for few give the same bits, and so does every level. For a row and a stretch of 32 columns, with scale, min
 * (0 where there is none) and code as above, in f32 operation by operation:
 *
 *     reach = max(|min|, |scale * largest + min|), the larger one of its two groups; `largest` of ct_form
 *     step  = 2^(e-7), 2^e the power of two at or below max(reach * 65/64, 2^-40)
 *     S     = scale / step * 2^(15-shift) to the nearest integer, ties to even;    A = min / step likewise
 *     i     = (code * 2^shift * S + 2^14) >> 15, + A             shift: ct_grid_shift
 *     acc   = acc + (step * 2^h) * (float)(sum over 32 columns of i * j)
 *
 * j * 2^h are the activations' numbers. i * step is within 3/2 step of the weight, which is at most 3/256 of reach. A
 * reach that is not finite gives step = NaN, and so does a group of activations that is NaN. */
typedef struct ct_mul {
    const void *w;
    ct_type type;
    size_t rows, cols;
    const void *x;
    size_t x_stride; /* bytes */
    size_t n;        /* tokens */
    float *y;
    size_t y_stride; /* floats */
    bool x_is_tiled; /* x as ct_kernels.acts_tiled puts it, from a token on whose number sixteen divides */
} ct_mul;

typedef void ct_mul_fn(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch);

#define CT_MUL_SCRATCH ((size_t)192 << 10) /* bytes of it that every level has */

/* ---- attention ---- */

/* Keys and values of one layer and one KV head stand in tiles of CT_TILE absolute positions (quant/kv_tile.h).
 *
 * Arithmetic of Q8_0, each (position, 32 dimensions) by itself: d = max|x| / 127 rounded up to f16, so that no q goes
 * past 127; q = round_half_even(x * (1/d)); the value is d * q, exact in f32 and at most d/2 from x. All levels write
 * the same bits. A group with a non-finite value, or one above 127 * 65504 (whose d no f16 holds), gets d = NaN and
 * q = 0: as an f16 cache turns what is too large into infinity, the fault stays visible and ends that request alone.
 * A level sums scores as sum over groups of d * (sum of q[r] * int8) and values as (p * d) * int8, or dequantises
 * first, or rounds a row's q to multiples of max|q| / 32512 and the p * d that a row has in a tile to multiples of the
 * largest of them / 65535, so that sums are integers (attend_is_16_bit): whichever it does, it does for any number of
 * rows.
 *
 * Slots of a tile that are visible to no query must hold finite values (zero at first). A tile that no query row of the
 * call attends to is not read; its pointer may be NULL. Tiles are 64-aligned.
 *
 * For each query row r with its own visible range [lo, hi) (never empty holes: causal, windowed and image masks are all
 * of this shape):
 *   out[r] = sum_t softmax_t(scale * q[r] . k[t]) v[t]     over lo <= t < hi;  an empty range writes zeros
 * Computed as a running softmax over the tiles in ascending order: per tile the scores, their maximum, exp, the
 * rescale of the sums; tiles outside [lo, hi) are skipped. The result of a row does not depend on the other rows.
 * Source: online softmax, arXiv:1805.02867; tiling, arXiv:2205.14135. */

typedef struct ct_attend {
    size_t head_dim;
    float scale;
    ct_kv_elem elem;
    const void *const *k_tiles; /* [n_tiles], by tile index - tile0 */
    const void *const *v_tiles;
    size_t tile0;          /* absolute index of k_tiles[0] */
    size_t n;              /* query rows: (token, head of this group) pairs */
    const float *const *q; /* [n] pointers to head_dim floats */
    float *const *out;     /* [n] */
    const size_t *lo, *hi; /* [n] absolute positions */
} ct_attend;

#define CT_ATTEND_SCRATCH ((size_t)256 << 10) /* bytes */

/* ---- attention over a whole set ---- */

/* Every query row attends to every key: the patches of an image. Keys and values of one head stand as the level likes
 * them (ct_kernels.set_layout): in steps of four bytes, one value (F32) or two in bf16, the second 0 where their number is
 * odd,
 *
 *   CT_SET_F32, CT_SET_PAIRS
 *   K   [keys / 12][steps of head_dim][12]   a dimension, or a pair of them, of twelve keys
 *   V   [steps of keys][dims]                a key's dimensions, or those of a pair of keys
 *
 *   CT_SET_TILES
 *   K   [keys / 32][even keys, odd keys][dims / 32][16 pairs of dims][16 keys][2]      bf16
 *   V   [keys / 32][dims / 16][16 pairs of keys][16 dims][2]       with one dim more, in which every key has 1
 *
 * Keys and dims are rounded up to a multiple of 12, or to whole tiles of K and of V and 32 keys; what lies past the last is
 * 0. So a step, broadcast, meets vectors whose lanes are query rows; and a tile meets rows of queries, or of weights.
 * Each block is 64-aligned.
 *
 *   out[r] = sum_t softmax_t(scale * q[r] . k[t]) v[t]        over all n_key (at least one)
 *
 * F32: a running softmax as above, over tiles at fixed places. BF16: q, k, v and the weights exp(score - m), m the maximum
 * so far or less, are rounded to bf16, subnormals perhaps to 0; products, scores and sums (of weights perhaps as rounded)
 * are f32; exp may be off by 2^-13 of itself. A row's result does not depend on the other rows. */
#define CT_SET_GROUP 12

typedef struct ct_set {
    size_t head_dim, n_key;
    void *k, *v; /* ct_set_k_bytes, ct_set_v_bytes */
} ct_set;

typedef struct ct_set_rows {
    float scale;
    size_t n;
    const float *q; /* n rows, `stride` floats apart; out likewise */
    float *out;
    size_t stride;
} ct_set_rows;

typedef enum ct_set_layout { CT_SET_F32, CT_SET_PAIRS, CT_SET_TILES } ct_set_layout;

size_t ct_set_k_bytes(ct_set_layout layout, size_t head_dim, size_t n_key); /* in kernels.c, rounded up to 64 */
size_t ct_set_v_bytes(ct_set_layout layout, size_t head_dim, size_t n_key);

/* ---- the table ---- */

typedef struct ct_kernels {
    const char *isa; /* the highest level in it: "avx2" */

    /* The form in which each weight type is fastest: int8 for quantised types, bf16 or f32 for the rest.
     * mul[type][form] is NULL for pairs that are not supported; mul[type][CT_ACTS_F32] is always set (exact mode). */
    ct_acts_form form[CT_N_TYPE];
    /* BF16 is faster for products that are always of many tokens, as a tower's are, but slower for one token. */
    bool is_bf16_for_many[CT_N_TYPE];
    ct_mul_fn *mul[CT_N_TYPE][CT_N_ACTS];
    size_t mul_scratch; /* at least CT_MUL_SCRATCH */
    /* Tokens that a call with a form is best given where there are many, and then as many panels as possible. 0: all. */
    size_t piece_tokens[CT_N_ACTS];

    /* One token's vector into a form. dst 64-aligned, ct_acts_stride bytes. */
    void (*acts[CT_N_ACTS])(const float *x, size_t cols, void *dst);
    /* Where products of many tokens, tiled_tokens and more, like them better in tiles; else NULL. Sixteen tokens share the
     * bytes of their rows: 32 columns of token t begin at t / 16 * 16 * stride + 1024 * (column / 32) + t % 16 * 64. dst is
     * the place of the first. What is past cols in the last 32 is 0. Of the last tokens, too, all sixteen rows' bytes are there. */
    void (*acts_tiled[CT_N_ACTS])(const float *x, size_t cols, void *dst);
    size_t tiled_tokens;

    /* y = x / sqrt(mean(x^2) + eps) * w, w already including Gemma's +1. The sum of squares runs in f32 over a fixed
     * number of lanes. y may be x. */
    void (*rmsnorm)(float *y, const float *x, const float *w, size_t n, float eps);
    /* y += x / sqrt(mean(x^2) + eps) * w: a sandwich norm and its residual in one pass. */
    void (*rmsnorm_add)(float *y, const float *x, const float *w, size_t n, float eps);

    /* y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * w + b: the vision tower's norm. Two passes, each a sum over at
     * least sixteen lanes. y may be x. */
    void (*layernorm)(float *y, const float *x, const float *w, const float *b, size_t n, float eps);

    /* Rotates one head in place: (x[i], x[i + n/2]) by angle i; cs = cos[n/2] then sin[n/2]. */
    void (*rope)(float *x, const float *cs, size_t n);

    /* y = gelu_tanh(gate) * up: 0.5 g (1 + tanh(sqrt(2/pi) (g + 0.044715 g^3))) * u. y may be gate. */
    void (*geglu)(float *y, const float *gate, const float *up, size_t n);

    /* Writes one key and one value row into a tile at slot 0..63 (f16: round to nearest even; Q8_0: as above). */
    void (*kv_put)(ct_kv_elem elem, void *k_tile, void *v_tile, size_t slot, const float *k, const float *v,
                   size_t head_dim);
    void (*attend)(const ct_attend *a, void *scratch);
    bool attend_is_16_bit; /* over Q8_0 */

    /* By form; NULL for Q8. set_put writes keys and values [key, key + n) of a set, rows `stride` floats apart: key a
     * multiple of 12, and n too unless it reaches n_key. Scratch of set_attend: CT_ATTEND_SCRATCH. */
    ct_set_layout set_layout[CT_N_ACTS];
    void (*set_put[CT_N_ACTS])(const ct_set *s, size_t key, size_t n, const float *k, const float *v, size_t stride);
    void (*set_attend[CT_N_ACTS])(const ct_set *s, const ct_set_rows *r, void *scratch);

    /* max over n logits and log(sum(exp(x - max))), for logprobs: log p(i) = x[i] - *max - result. */
    float (*logsumexp)(const float *x, size_t n, float *max);

    /* What they multiply with: products of many tokens by form, attention by the cache's elements, over a set by form. NULL:
     * nothing in particular. A level sets them with its kernels; a slot that is still generic's has none, whatever is here. */
    const ct_peak *mul_peak[CT_N_ACTS], *attend_peak[CT_N_KV_ELEM], *set_peak[CT_N_ACTS];
} ct_kernels;

/* ---- levels ---- */

/* Features of CPUs, beyond what every one has. */
enum {
    CT_CPU_AVX2 = 1 << 0,   /* AVX2, FMA, F16C */
    CT_CPU_AVX512 = 1 << 1, /* F, BW, DQ, VL, VNNI and AVX2's */
    CT_CPU_BF16 = 1 << 2,   /* AVX512_BF16 */
    CT_CPU_NEON = 1 << 3,   /* AArch64 baseline */
    CT_CPU_DOTPROD = 1 << 4,
    CT_CPU_I8MM = 1 << 5,
    CT_CPU_AMX = 1 << 6,       /* TILE, BF16, INT8, AVX512_BF16, AVX512_FP16; the process has leave to use tiles, and
                                * they agree with x86/tile_math.h */
    CT_CPU_AMX_PLAIN = 1 << 7, /* tiles in plain C: had by every CPU, but used only where they are asked for by name */
};

/* The levels of each architecture, by rising worth: a name ("avx2", as CARAT_CPU and --level say it), the feature that
 * a level uses, and those of the levels that it builds upon. Below them all is "generic", which needs none. amx_plain has
 * the bits of amx without its speed, for tests and for machines that shall repeat what another one computed. */
/* clang-format off */
#define CT_X86_LEVELS(X) \
    X(avx2,       CT_CPU_AVX2,   0) \
    X(avx512,     CT_CPU_AVX512, CT_CPU_AVX2) \
    X(avx512bf16, CT_CPU_BF16,   CT_CPU_AVX2 | CT_CPU_AVX512) \
    X(amx_plain,  CT_CPU_AMX_PLAIN, CT_CPU_AVX2 | CT_CPU_AVX512) \
    X(amx,        CT_CPU_AMX,    CT_CPU_AVX2 | CT_CPU_AVX512 | CT_CPU_BF16)
#define CT_ARM_LEVELS(X) \
    X(neon,       CT_CPU_NEON,    0) \
    X(dotprod,    CT_CPU_DOTPROD, CT_CPU_NEON) \
    X(i8mm,       CT_CPU_I8MM,    CT_CPU_NEON | CT_CPU_DOTPROD)
/* clang-format on */

/* Their installers, one per file: each replaces in the table what it beats. */
#define CT_LEVEL_INSTALLER(name, feature, needs) void ct_kernels_##name(ct_kernels *k);
CT_LEVEL_INSTALLER(generic, 0, 0)
CT_X86_LEVELS(CT_LEVEL_INSTALLER)
CT_ARM_LEVELS(CT_LEVEL_INSTALLER)
#undef CT_LEVEL_INSTALLER

/* The features that this machine has and its operating system saves. The first call asks the system for the tiles, and
 * tries them; if they multiply otherwise than they should, or the processor hides what their level needs beside them, that is
 * a warning (base/log.h) and they are no feature. */
unsigned ct_cpu_detect(void);

/* Of what is found on a processor of this maker ("GenuineIntel"), what is faster there than the level below. */
unsigned ct_cpu_choose(unsigned found, const char *vendor);
unsigned ct_cpu_preferred(void); /* of what this machine has */

/* The mask named by a level, whether it pays here or not; "" or NULL is the best. False with a message if the name is unknown or this
 * machine lacks it; the message lists the levels that it has. */
bool ct_cpu_by_name(const char *name, unsigned *mask, char msg[160]);

/* Fills the table for a mask. A pure function, so that tests can have any level. */
void ct_kernels_for(ct_kernels *k, unsigned cpu);

#endif
