/* test_tiles - the tiles of AMX in plain C: to the bit what they have always been, and what this processor computes.
 *
 *     test_tiles [N]     N: random tiles that are compared with the processor
 *
 * Exit: 0 passed, 1 failed, 2 usage, 77 this machine lacks what is to be compared (AVX-512, or tiles).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/x86/tile_check.h"
#include "kernels/x86/tile_math.h"

typedef const uint32_t steps_of[16][16];

static int failures;

static void expect(bool is_so, const char *what)
{
    if (!is_so) {
        fprintf(stderr, "FAIL: %s\n", what);
        failures++;
    }
}

/* ---- the definition stays ---- */

/* Of the sums of PINNED random tiles, found equal to those of a Sapphire Rapids. NaN are counted, their bits are not. */
#define PINNED      3000
#define PINNED_HASH 0xc00302bdfe24a8c9u

static uint64_t hash = 14695981039346656037u; /* FNV-1a */

static void add_word(uint32_t word)
{
    for (int i = 0; i < 32; i += 8)
        hash = (hash ^ (word >> i & 0xFF)) * 1099511628211u;
}

static void hashed_bf16(float c[16][16], steps_of a, steps_of b)
{
    ct_tile_ops_plain.bf16(c, a, b);
    for (int i = 0; i < 256; i++) {
        uint32_t word;
        memcpy(&word, &c[i / 16][i % 16], 4);
        add_word(isnan(c[i / 16][i % 16]) ? 0x7FC00000u : word);
    }
}

static void hashed_u8s8(uint32_t c[16][16], steps_of a, steps_of b)
{
    ct_tile_ops_plain.u8s8(c, a, b);
    for (int i = 0; i < 256; i++)
        add_word(c[i / 16][i % 16]);
}

static void check_pinned(void)
{
    const ct_tile_ops hashed = { hashed_bf16, hashed_u8s8 };
    expect(ct_tiles_differ(&hashed, &ct_tile_ops_plain, PINNED, 2) == 0, "the same products twice differ");
    if (hash != PINNED_HASH)
        fprintf(stderr, "the hash is %#llx\n", (unsigned long long)hash);
    expect(hash == PINNED_HASH, "tile_math.h gives other sums than it did");
}

/* ---- a processor that is wrong is found out ---- */

static int call;

static void late_bit(void *word)
{
    uint32_t u;
    memcpy(&u, word, 4);
    if (++call == 900) {
        u ^= 1;
        memcpy(word, &u, 4);
    }
}

static void wrong_bf16(float c[16][16], steps_of a, steps_of b)
{
    ct_tile_ops_plain.bf16(c, a, b);
    late_bit(&c[15][15]);
}

static void wrong_u8s8(uint32_t c[16][16], steps_of a, steps_of b)
{
    ct_tile_ops_plain.u8s8(c, a, b);
    late_bit(&c[9][0]);
}

/* One chain over all columns, as vdpbf16ps has it. */
static void other_order(float c[16][16], steps_of a, steps_of b)
{
    for (int r = 0; r < 256; r++)
        for (int k = 0; k < 32; k++) {
            const uint32_t x = k % 2 ? a[r / 16][k / 2] & 0xFFFF0000u : a[r / 16][k / 2] << 16;
            const uint32_t y = k % 2 ? b[k / 2][r % 16] & 0xFFFF0000u : b[k / 2][r % 16] << 16;
            float f, g;
            memcpy(&f, &x, 4), memcpy(&g, &y, 4);
            c[r / 16][r % 16] = fmaf(f, g, c[r / 16][r % 16]);
        }
}

static void check_wrong(void)
{
    ct_tile_ops bit = ct_tile_ops_plain, byte = ct_tile_ops_plain, order = ct_tile_ops_plain;
    bit.bf16 = wrong_bf16, byte.u8s8 = wrong_u8s8, order.bf16 = other_order;
    call = 0;
    expect(ct_tiles_differ(&bit, &ct_tile_ops_plain, 1000, 1) == 1, "one wrong bit of a bf16 sum is not seen");
    call = 0;
    expect(ct_tiles_differ(&byte, &ct_tile_ops_plain, 1000, 1) == 1, "one wrong bit of an integer sum is not seen");
    expect(ct_tiles_differ(&order, &ct_tile_ops_plain, 1000, 1) > 500, "another order of the sums is not seen");
}

/* ---- what the trial at every start finds out ---- */

/* What another processor, or an emulator, could do otherwise than tile_math.h. */
#define MISTAKES(X)                                                                                                    \
    X(NONE, "nothing")                                                                                                 \
    X(KEEPS_OPERANDS, "subnormal operands")                                                                            \
    X(KEEPS_SUMS, "subnormal sums")                                                                                    \
    X(KEEPS_C, "a subnormal C")                                                                                        \
    X(ROUNDS_LEAST_UP, "sums that only the spacing of subnormal numbers makes normal")                                 \
    X(ROUNDS_TWICE, "products, rounded before they are added")                                                         \
    X(ONE_CHAIN, "even and odd columns in one chain")                                                                  \
    X(C_FIRST, "C, added before odd columns are")                                                                      \
    X(DOWNWARDS, "the order of the steps")                                                                             \
    X(TRUNCATES, "the last rounding, towards zero")
#define NAME_OF(name, what) name,
#define WHAT_OF(name, what) what,
enum mistake { MISTAKES(NAME_OF) N_MISTAKE };
static const char *const mistakes[] = { MISTAKES(WHAT_OF) };
static enum mistake mistake;

static float bits_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, 4);
    return mistake == KEEPS_OPERANDS ? x : tile_flush(x);
}

static float sum_of(float a, float b, float c)
{
    volatile float product = a * b; /* no contraction */
    if (mistake == ROUNDS_TWICE)
        return tile_flush(product + c);
    if (mistake == KEEPS_SUMS)
        return fmaf(a, b, c);
    return mistake == ROUNDS_LEAST_UP ? tile_flush(fmaf(a, b, c)) : tile_fma(a, b, c);
}

static float total_of(float c, float even, float odd)
{
    if (mistake == KEEPS_SUMS)
        return tile_flush(c) + (even + odd);
    c = mistake == KEEPS_C ? c : tile_flush(c);
    if (mistake == C_FIRST)
        return tile_flush(tile_flush(c + even) + odd);
    const float both = mistake == ONE_CHAIN ? even : tile_flush(even + odd), sum = tile_flush(c + both);
    if (mistake == TRUNCATES && isfinite(sum) && fabs((double)sum) > fabs((double)c + (double)both))
        return nextafterf(sum, 0);
    return sum;
}

static void mistaken_bf16(float c[16][16], steps_of a, steps_of b)
{
    for (int r = 0; r < 256; r++) {
        float even = 0, odd = 0, *odds = mistake == ONE_CHAIN ? &even : &odd;
        for (int i = 0; i < 16; i++) {
            const int k = mistake == DOWNWARDS ? 15 - i : i;
            const uint32_t x = a[r / 16][k], y = b[k][r % 16];
            even = sum_of(bits_of(x << 16), bits_of(y << 16), even);
            *odds = sum_of(bits_of(x & 0xFFFF0000u), bits_of(y & 0xFFFF0000u), *odds);
        }
        c[r / 16][r % 16] = total_of(c[r / 16][r % 16], even, odd);
    }
}

/* Whose bytes are taken for signed or unsigned ones that are not, or pairs of products in 16 bits, as vpmaddubsw adds them. */
#define BYTE_MISTAKES(X)                                                                                               \
    X(OTHER_A, "the sign of A's bytes")                                                                                \
    X(OTHER_B, "the sign of B's bytes")                                                                                \
    X(SATURATES, "sums of pairs, cut to 16 bits")
enum byte_mistake { BYTE_MISTAKES(NAME_OF) N_BYTE_MISTAKE };
static const char *const byte_mistakes[] = { BYTE_MISTAKES(WHAT_OF) };
static enum byte_mistake byte_mistake;

static int32_t byte_of(uint32_t word, bool is_signed)
{
    return is_signed ? (int8_t)word : (int32_t)(word & 0xFF);
}

static void mistaken_u8s8(uint32_t c[16][16], steps_of a, steps_of b)
{
    const bool sign_a = byte_mistake == OTHER_A, sign_b = byte_mistake != OTHER_B;
    for (int r = 0; r < 256; r++)
        for (int k = 0; k < 16; k++)
            for (int j = 0; j < 32; j += 16) {
                const uint32_t x = a[r / 16][k] >> j, y = b[k][r % 16] >> j;
                int32_t sum =
                    byte_of(x, sign_a) * byte_of(y, sign_b) + byte_of(x >> 8, sign_a) * byte_of(y >> 8, sign_b);
                if (byte_mistake == SATURATES)
                    sum = sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum;
                c[r / 16][r % 16] += (uint32_t)sum;
            }
}

/* A processor that errs in one operation. least: of the trials at every start, in how many it must be found out. */
static void check_mistaken(const ct_tile_ops *ops, const char *what, bool is_right, size_t least)
{
    const size_t n = ct_tiles_differ(ops, &ct_tile_ops_plain, CT_TILES_TRIED, 1);
    if (is_right ? n > 0 : n < least) {
        fprintf(stderr, "FAIL: a processor with another way of %s is found out in %zu trials\n", what, n);
        failures++;
    }
}

static void check_mistakes(void)
{
    ct_tile_ops sums = ct_tile_ops_plain, bytes = ct_tile_ops_plain;
    sums.bf16 = mistaken_bf16, bytes.u8s8 = mistaken_u8s8;
    for (int i = 0; i < N_MISTAKE; i++) {
        mistake = (enum mistake)i;
        check_mistaken(&sums, mistakes[i], i == NONE, CT_TILES_TRIED / 7); /* all of a kind */
    }
    for (int i = 0; i < N_BYTE_MISTAKE; i++) {
        byte_mistake = (enum byte_mistake)i;
        check_mistaken(&bytes, byte_mistakes[i], false, CT_TILES_TRIED * 5 / 7);
    }
}

/* ---- this processor ---- */

static bool has_flag(const char *flag)
{
    char line[8192];
    bool is_there = false;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !is_there && fgets(line, sizeof line, f))
        is_there = strstr(line, flag) != NULL;
    if (f)
        fclose(f);
    return is_there;
}

int main(int argc, char **argv)
{
    const long n = argc > 1 ? strtol(argv[1], NULL, 10) : 20000;
    if (argc > 2 || n < 1) {
        fprintf(stderr, "usage: test_tiles [N]\n");
        return 2;
    }
    const unsigned cpu = ct_cpu_detect();
    if (!(cpu & CT_CPU_AVX512)) {
        printf("no AVX-512\n");
        return 77;
    }
    check_pinned();
    check_wrong();
    check_mistakes();
    if (!(cpu & CT_CPU_AMX)) {
        expect(!has_flag(" amx_bf16") || !has_flag(" amx_int8") || !has_flag(" avx512_fp16"),
               "this processor has tiles, but they are not used");
        printf("no AMX: %d failures without it\n", failures);
        return failures ? 1 : 77;
    }
    const size_t differ = ct_tiles_differ(&ct_tile_ops_amx, &ct_tile_ops_plain, (size_t)n, 3);
    printf("%zu of %ld random tiles differ from tile_math.h\n", differ, n);
    expect(differ == 0, "the processor's tiles differ from tile_math.h");
    return failures != 0;
}
