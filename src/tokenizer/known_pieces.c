/* Recognises pieces of Gemma's vocabulary by their spelling and repairs a kind that is stated wrongly.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/known_pieces.h"

#include <string.h>

static bool is(const char *s, size_t len, const char *name)
{
    return strlen(name) == len && !memcmp(s, name, len);
}

static bool is_one_of(const char *s, size_t len, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is(s, len, names[i]))
            return true;
    return false;
}

/* prefix, then one or more decimal digits, then the closing character, and nothing else. */
static bool is_numbered(const char *s, size_t len, const char *prefix, char close)
{
    size_t n = strlen(prefix);
    if (len < n + 2 || memcmp(s, prefix, n) || s[len - 1] != close)
        return false;
    for (size_t i = n; i < len - 1; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return true;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_byte(const char *s, size_t len, uint8_t *byte)
{
    if (len != 6 || memcmp(s, "<0x", 3) || s[5] != '>' || hex(s[3]) < 0 || hex(s[4]) < 0)
        return false;
    *byte = (uint8_t)(hex(s[3]) << 4 | hex(s[4]));
    return true;
}

/* <td>, </h1>: the tags of Gemma's vocabulary are lower-case letters and digits; no normal piece looks like that. */
static bool is_tag(const char *s, size_t len)
{
    size_t i = len > 1 && s[1] == '/' ? 2 : 1;
    if (len < i + 2 || s[0] != '<' || s[len - 1] != '>' || s[i] < 'a' || s[i] > 'z')
        return false;
    for (; i < len - 1; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9')))
            return false;
    return true;
}

/* One unit (a newline, a tab, a space, U+2581) repeated at least `least` times. */
static bool is_run(const char *s, size_t len, const char *unit, size_t least)
{
    size_t n = strlen(unit);
    if (len % n || len / n < least)
        return false;
    for (size_t i = 0; i < len; i += n)
        if (memcmp(s + i, unit, n))
            return false;
    return true;
}

ct_name ct_name_of(const char *s, size_t len, uint8_t *byte)
{
    static const char *const control[] = {
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<start_of_image>",
        "<end_of_image>",
        "<image_soft_token>",
    };
    if (!len)
        return CT_NAME_NONE;
    switch (s[0]) {
    case '<':
        if (is_byte(s, len, byte))
            return CT_NAME_BYTE;
        if (is_one_of(s, len, control, sizeof control / sizeof *control))
            return CT_NAME_CONTROL;
        return is(s, len, "<mask>") || is_numbered(s, len, "<unused", '>') || is_tag(s, len) ? CT_NAME_ADDED
                                                                                             : CT_NAME_NONE;
    case '[':
        if (is_numbered(s, len, "[PAD", ']'))
            return CT_NAME_PADDING;
        return is(s, len, "[multimodal]") ? CT_NAME_ADDED : CT_NAME_NONE;
    case '\n':
        return is_run(s, len, "\n", 1) ? CT_NAME_ADDED : CT_NAME_NONE;
    case '\t':
        return is_run(s, len, "\t", 1) ? CT_NAME_ADDED : CT_NAME_NONE;
    case ' ':
        return is_run(s, len, " ", 2) ? CT_NAME_ADDED : CT_NAME_NONE;
    case '\xe2':
        return is_run(s, len, "\xe2\x96\x81", 2) ? CT_NAME_ADDED : CT_NAME_NONE;
    default:
        return CT_NAME_NONE;
    }
}

bool ct_name_is_placeholder(const char *s, size_t len)
{
    return is_numbered(s, len, "<unused", '>') || is(s, len, "<mask>") || is(s, len, "[multimodal]") ||
           is_numbered(s, len, "[PAD", ']');
}

ct_piece_kind ct_name_repair(ct_name name, ct_piece_kind stated, bool *is_wrong)
{
    *is_wrong = false;
    bool is_matched = stated == CT_PIECE_CONTROL || stated == CT_PIECE_USER_DEFINED;
    switch (name) {
    case CT_NAME_CONTROL: /* <unk> has a type of its own; both control and user-defined are met for the others */
        *is_wrong = !is_matched && stated != CT_PIECE_UNKNOWN;
        return CT_PIECE_CONTROL;
    case CT_NAME_ADDED:
        *is_wrong = !is_matched;
        return CT_PIECE_USER_DEFINED;
    case CT_NAME_BYTE:
        *is_wrong = stated != CT_PIECE_BYTE;
        return CT_PIECE_BYTE;
    case CT_NAME_PADDING:
        return CT_PIECE_UNUSED;
    case CT_NAME_NONE:
        break;
    }
    return stated;
}
