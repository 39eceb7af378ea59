/* Base64 to bytes, in one pass and strictly; and back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

/* 0..63, or -1. */
static int value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Length without padding; false: padding that does not fill up the last four. */
static bool unpadded(const char *text, size_t *len, carat_err *err)
{
    size_t n = *len, pad = 0;
    while (pad < 2 && n > 0 && text[n - 1] == '=')
        n--, pad++;
    if (pad && *len % 4)
        return ct_fail(err, CARAT_EFORMAT, n, "base64: %zu characters with padding, expected a multiple of four", *len);
    *len = n;
    return true;
}

bool ct_base64_decode(const char *text, size_t len, void *out, size_t *n, carat_err *err)
{
    unsigned char *to = out;
    uint32_t bits = 0;
    size_t n_out = 0;
    bool standard = false, url = false;
    if (!unpadded(text, &len, err))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        int v = value(c);
        standard |= c == '+' || c == '/';
        url |= c == '-' || c == '_';
        if (v < 0 || (standard && url))
            return ct_fail(err, CARAT_EFORMAT, i, "base64: byte 0x%02x at %zu, expected a character of %s", c, i,
                           v < 0 ? "its alphabet" : "one alphabet");
        bits = (bits << 6 | (uint32_t)v) & 0xFFFFFF;
        if (i % 4) /* the second, third and fourth character complete a byte each; never ahead of what was read */
            to[n_out++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    if (len % 4 == 1)
        return ct_fail(err, CARAT_EFORMAT, len, "base64: %zu characters is not a valid length", len);
    /* What the last character has beyond whole bytes: 4 bits after two characters, 2 after three. */
    if ((len % 4 == 2 && bits & 15) || (len % 4 == 3 && bits & 3))
        return ct_fail(err, CARAT_EFORMAT, len - 1, "base64: the last character has stray bits, expected zeros");
    *n = n_out;
    return true;
}

void ct_base64_encode(const void *bytes, size_t n, char *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = bytes;
    for (; n >= 3; n -= 3, in += 3) {
        const uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *out++ = letters[bits >> shift & 63];
    }
    if (n == 0)
        return;
    const uint32_t bits = (uint32_t)in[0] << 16 | (n > 1 ? (uint32_t)in[1] << 8 : 0);
    *out++ = letters[bits >> 18 & 63];
    *out++ = letters[bits >> 12 & 63];
    *out++ = n > 1 ? letters[bits >> 6 & 63] : '=';
    *out = '=';
}
