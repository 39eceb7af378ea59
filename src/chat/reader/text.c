/* Strings, numbers and words of other notations as JSON text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"
#include "chat/reader/inside.h"

bool ct_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int ct_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    const char small = (char)(c | 0x20);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/* ---- strings ---- */

void ct_put_byte(ct_buf *out, char c)
{
    static const char special[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    const char *at = c ? strchr(special, c) : NULL;
    if (at)
        ct_buf_fmt(out, "\\%c", letters[at - special]);
    else if ((uint8_t)c < 0x20)
        ct_buf_fmt(out, "\\u%04x", (unsigned)c);
    else
        ct_buf_char(out, c);
}

void ct_put_char(ct_buf *out, uint32_t cp)
{
    char bytes[4];
    if (cp < 0x80)
        ct_put_byte(out, (char)cp);
    else
        ct_buf_add(out, bytes, ct_utf8_put(cp, bytes));
}

bool ct_join_unit(uint16_t *high, uint32_t unit, uint32_t *cp)
{
    const bool is_low = unit >= 0xDC00 && unit < 0xE000, is_high = unit >= 0xD800 && unit < 0xDC00;
    if ((*high != 0) != is_low)
        return false;
    *cp = is_low ? 0x10000 + ((uint32_t)(*high - 0xD800) << 10) + (unit - 0xDC00) : is_high ? CT_NO_CHAR : unit;
    *high = is_high ? (uint16_t)unit : 0;
    return true;
}

/* ---- numbers ---- */

static size_t digits(const char *s, size_t len)
{
    size_t n = 0;
    while (n < len && s[n] >= '0' && s[n] <= '9')
        n++;
    return n;
}

/* 0x1F, 0o17, 0b101 */
static bool put_prefixed(ct_buf *out, bool is_minus, const char *s, size_t len)
{
    const unsigned base = s[1] == 'x' ? 16 : s[1] == 'o' ? 8 : 2;
    uint64_t v = 0;
    if (len < 3)
        return false;
    for (size_t i = 2; i < len; i++) {
        const int d = ct_hex_digit(s[i]);
        if (d < 0 || d >= (int)base || v > (UINT64_MAX >> 4))
            return false;
        v = v * base + (unsigned)d;
    }
    return ct_buf_fmt(out, "%s%" PRIu64, is_minus && v ? "-" : "", v);
}

static bool put_decimal(ct_buf *out, bool is_minus, const char *s, size_t len)
{
    const size_t n_whole = digits(s, len);
    size_t at = n_whole, n_fraction = 0;
    const bool has_dot = at < len && s[at] == '.';
    if (has_dot) {
        n_fraction = digits(s + at + 1, len - at - 1);
        at += 1 + n_fraction;
    }
    if (!n_whole && !n_fraction)
        return false;
    size_t e = at;
    if (e < len && (s[e] == 'e' || s[e] == 'E')) {
        e++;
        e += e < len && (s[e] == '+' || s[e] == '-');
        if (!digits(s + e, len - e))
            return false;
        e += digits(s + e, len - e);
    }
    size_t n_zeros = 0;
    while (n_zeros + 1 < n_whole && s[n_zeros] == '0')
        n_zeros++;
    if (e != len || (n_zeros && !has_dot && at == e && s[n_zeros] != '0')) /* 007 is no number, 00 and 00.5 are */
        return false;
    ct_buf_str(out, is_minus ? "-" : "");
    ct_buf_add(out, n_whole ? s + n_zeros : "0", n_whole ? n_whole - n_zeros : 1);
    if (has_dot) {
        ct_buf_char(out, '.');
        ct_buf_add(out, n_fraction ? s + n_whole + 1 : "0", n_fraction ? n_fraction : 1);
    }
    return ct_buf_add(out, s + at, len - at);
}

bool ct_put_number(ct_buf *out, const char *text, size_t len)
{
    char plain[128] = "";
    size_t n = 0;
    const bool has_sign = len && (*text == '-' || *text == '+'), is_minus = has_sign && *text == '-';
    for (size_t i = has_sign; i < len; i++) { /* 1_000: between digits */
        const bool is_between =
            i > has_sign && i + 1 < len && ct_hex_digit(text[i - 1]) >= 0 && ct_hex_digit(text[i + 1]) >= 0;
        if (text[i] == '_' && !is_between)
            return false;
        if (n == sizeof plain)
            return false;
        if (text[i] != '_')
            plain[n++] = text[i];
    }
    if (n > 1 && plain[0] == '0' && (plain[1] | 0x20) >= 'a' && (plain[1] | 0x20) != 'e') {
        plain[1] = (char)(plain[1] | 0x20);
        return strchr("xob", plain[1]) && put_prefixed(out, is_minus, plain, n);
    }
    return put_decimal(out, is_minus, plain, n);
}

bool ct_put_word(ct_buf *out, const char *text, size_t len)
{
    static const char *const words[][2] = { { "True", "true" },   { "true", "true" }, { "False", "false" },
                                            { "false", "false" }, { "None", "null" }, { "null", "null" } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i][0]) == len && memcmp(words[i][0], text, len) == 0)
            return ct_buf_str(out, words[i][1]);
    return false;
}
