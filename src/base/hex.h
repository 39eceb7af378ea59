/* hex.h - hexadecimal digits, read and written.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_HEX_H
#define CT_BASE_HEX_H

#include <stddef.h>
#include <stdint.h>

/* 0 to 15, of either case; -1: no digit. */
static inline int ct_hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* n bytes as 2 n lower-case digits and a NUL. */
static inline void ct_hex_write(const uint8_t *bytes, size_t n, char *to)
{
    for (size_t i = 0; i < n; i++) {
        *to++ = "0123456789abcdef"[bytes[i] >> 4];
        *to++ = "0123456789abcdef"[bytes[i] & 15];
    }
    *to = '\0';
}

#endif
