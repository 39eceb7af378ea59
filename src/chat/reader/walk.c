/* JSON text, a byte at a time: which bytes may come next.
 *
 * RFC 8259. Source of the states of numbers: its section 6.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/reader/inside.h"

enum {
    VALUE,
    FIRST, /* of a list: a value or its end */
    FIRST_KEY,
    KEY,
    COLON,
    AFTER,
    STRING,
    ESCAPE,
    HEX,
    LOW,   /* behind the first half of a pair: the second's backslash */
    LOW_U, /* ... and its u */
    WORD,
    MINUS,
    ZERO,
    WHOLE,
    DOT,
    FRACTION,
    E,
    E_SIGN,
    EXPONENT
};

static bool open_level(ct_json_bytes *w, bool is_object)
{
    if (w->depth == CT_CALL_MOST_DEPTH)
        return false;
    const uint64_t bit = (uint64_t)1 << w->depth % 64;
    uint64_t *bits = &w->objects[w->depth / 64];
    *bits = is_object ? *bits | bit : *bits & ~bit;
    w->depth++;
    w->state = is_object ? FIRST_KEY : FIRST;
    return true;
}

static bool in_object(const ct_json_bytes *w)
{
    return w->objects[(w->depth - 1) / 64] >> (w->depth - 1) % 64 & 1;
}

static ct_call_verdict close_level(ct_json_bytes *w, char c)
{
    if (c != (in_object(w) ? '}' : ']'))
        return CT_FAIL;
    w->state = AFTER;
    return --w->depth ? CT_MORE : CT_DONE;
}

static ct_call_verdict string(ct_json_bytes *w, bool is_key)
{
    w->state = STRING;
    w->is_key = is_key;
    return CT_MORE;
}

static ct_call_verdict value(ct_json_bytes *w, char c)
{
    if (c == '{' || c == '[')
        return open_level(w, c == '{') ? CT_MORE : CT_FAIL;
    if (c == '"')
        return string(w, false);
    if (c == 't' || c == 'f' || c == 'n') {
        w->word = c == 't' ? "rue" : c == 'f' ? "alse" : "ull";
        w->state = WORD;
    } else if (c == '-') {
        w->state = MINUS;
    } else if (c >= '0' && c <= '9') {
        w->state = c == '0' ? ZERO : WHOLE;
    } else {
        return CT_FAIL;
    }
    return CT_MORE;
}

static ct_call_verdict after(ct_json_bytes *w, char c)
{
    w->state = AFTER;
    if (c != ',')
        return close_level(w, c);
    w->state = in_object(w) ? KEY : VALUE;
    return CT_MORE;
}

/* A digit or sign within a number; what ends it is looked at as what comes after a value. */
static ct_call_verdict number(ct_json_bytes *w, char c, bool *is_blank)
{
    const bool is_digit = c >= '0' && c <= '9', is_e = c == 'e' || c == 'E';
    const uint8_t s = w->state;
    if (s == MINUS && is_digit)
        w->state = c == '0' ? ZERO : WHOLE;
    else if (s == WHOLE && is_digit)
        w->state = WHOLE;
    else if ((s == ZERO || s == WHOLE) && c == '.')
        w->state = DOT;
    else if ((s == DOT || s == FRACTION) && is_digit)
        w->state = FRACTION;
    else if ((s == ZERO || s == WHOLE || s == FRACTION) && is_e)
        w->state = E;
    else if (s == E && (c == '+' || c == '-'))
        w->state = E_SIGN;
    else if ((s == E || s == E_SIGN || s == EXPONENT) && is_digit)
        w->state = EXPONENT;
    else if (s == MINUS || s == DOT || s == E || s == E_SIGN)
        return CT_FAIL;
    else if ((*is_blank = ct_is_blank(c)))
        w->state = AFTER;
    else
        return after(w, c);
    return CT_MORE;
}

/* A digit of \uXXXX. Halves of surrogate pairs must be whole pairs. */
static ct_call_verdict hex(ct_json_bytes *w, char c)
{
    const int digit = ct_hex_digit(c);
    if (digit < 0)
        return CT_FAIL;
    w->unit = (uint16_t)(w->unit << 4 | digit);
    if (++w->n_hex < 4)
        return CT_MORE;
    const bool is_low = w->unit >= 0xDC00 && w->unit < 0xE000, is_high = w->unit >= 0xD800 && w->unit < 0xDC00;
    if (w->has_high != is_low)
        return CT_FAIL;
    w->has_high = is_high;
    w->state = is_high ? LOW : STRING;
    return CT_MORE;
}

static ct_call_verdict in_string(ct_json_bytes *w, char c)
{
    if (w->state == HEX)
        return hex(w, c);
    if (w->state == LOW || w->state == LOW_U) {
        if (c != (w->state == LOW ? '\\' : 'u'))
            return CT_FAIL;
        w->state = w->state == LOW ? LOW_U : HEX;
        w->n_hex = 0;
        return CT_MORE;
    }
    if (w->state == ESCAPE) {
        static const char escapes[] = "\"\\/bfnrtu";
        for (const char *e = escapes; *e; e++)
            if (*e == c) {
                w->state = c == 'u' ? HEX : STRING;
                w->n_hex = 0;
                return CT_MORE;
            }
        return CT_FAIL;
    }
    if ((uint8_t)c < 0x20)
        return CT_FAIL;
    if (c == '\\')
        w->state = ESCAPE;
    else if (c == '"')
        w->state = w->is_key ? COLON : AFTER;
    return CT_MORE;
}

static ct_call_verdict word(ct_json_bytes *w, char c)
{
    if (c != *w->word)
        return CT_FAIL;
    if (!*++w->word)
        w->state = AFTER;
    return CT_MORE;
}

ct_call_verdict ct_json_bytes_feed(ct_json_bytes *w, char c, bool *is_blank)
{
    *is_blank = false;
    if (w->state >= STRING && w->state <= LOW_U)
        return in_string(w, c);
    if (w->state == WORD)
        return word(w, c);
    if (w->state >= MINUS)
        return number(w, c, is_blank);
    if ((*is_blank = ct_is_blank(c)))
        return CT_MORE;
    switch (w->state) {
    case FIRST:
        return c == ']' ? close_level(w, c) : value(w, c);
    case FIRST_KEY:
        return c == '}' ? close_level(w, c) : c == '"' ? string(w, true) : CT_FAIL;
    case KEY:
        return c == '"' ? string(w, true) : CT_FAIL;
    case COLON:
        w->state = VALUE;
        return c == ':' ? CT_MORE : CT_FAIL;
    case AFTER:
        return after(w, c);
    default:
        return value(w, c);
    }
}
