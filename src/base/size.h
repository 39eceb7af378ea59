/* size.h - checked arithmetic on sizes that come from outside.
 *
 * Each call returns false on overflow and leaves *out untouched. Every length read from a file, a socket or an option
 * passes through these before it sizes or indexes anything.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_SIZE_H
#define CT_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool ct_add_size(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static inline bool ct_mul_size(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

/* Rounds up to a multiple of align, a power of two. */
static inline bool ct_align_size(size_t a, size_t align, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, align - 1, &r))
        return false;
    *out = r & ~(align - 1);
    return true;
}

/* Is [off, off + len) inside [0, size)? Never overflows. */
static inline bool ct_inside(uint64_t off, uint64_t len, uint64_t size)
{
    return off <= size && len <= size - off;
}

#endif
