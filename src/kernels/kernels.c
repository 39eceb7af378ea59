/* kernels.c - the table for a CPU mask, and the sizes its callers need.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

void carat_kernels_for(carat_kernels *k, unsigned cpu)
{
    carat_kernels_generic(k);
#if defined(__x86_64__)
    if (cpu & CARAT_CPU_AVX2)
        carat_kernels_avx2(k);
    if (cpu & CARAT_CPU_AVX512)
        carat_kernels_avx512(k);
    if (cpu & CARAT_CPU_BF16)
        carat_kernels_avx512bf16(k);
#elif defined(__aarch64__)
    if (cpu & CARAT_CPU_NEON)
        carat_kernels_neon(k);
    if (cpu & CARAT_CPU_DOTPROD)
        carat_kernels_dotprod(k);
    if (cpu & CARAT_CPU_I8MM)
        carat_kernels_i8mm(k);
#else
    (void)cpu;
#endif
}

size_t carat_acts_stride(carat_acts_form form, size_t cols)
{
    size_t bytes = 0;
    switch (form) {
    case CARAT_ACTS_F32:
        bytes = cols * 4;
        break;
    case CARAT_ACTS_BF16:
        bytes = (cols + 1) / 2 * 4;
        break;
    case CARAT_ACTS_Q8:
        bytes = carat_acts_s_offset(cols) + cols / 16 * 4;
        break;
    case CARAT_N_ACTS:
        break;
    }
    bytes = (bytes + 63) & ~(size_t)63;
    /* Rows of one matrix are read side by side; a stride that is a multiple of a large power of two would put them all
     * into the same few cache sets. */
    return bytes % 512 == 0 ? bytes + 64 : bytes;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static size_t set_steps(carat_acts_form form, size_t n)
{
    return form == CARAT_ACTS_BF16 ? (n + 1) / 2 : n;
}

size_t carat_set_k_bytes(carat_acts_form form, size_t head_dim, size_t n_key)
{
    return round_up(4 * round_up(n_key, CARAT_SET_GROUP) * set_steps(form, head_dim), 64);
}

size_t carat_set_v_bytes(carat_acts_form form, size_t head_dim, size_t n_key)
{
    return round_up(4 * set_steps(form, round_up(n_key, CARAT_SET_GROUP)) * round_up(head_dim, CARAT_SET_GROUP), 64);
}
