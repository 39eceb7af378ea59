/* One Python call with literal arguments: get_time("Oslo", zone='CET', days=[1, 2]).
 *
 * The callee may stand behind default_api. and within print(...); in a fence, behind `x = `. Arguments without a name are
 * the function's parameters in order. Literals are strings ('' "" ''' """, r and u in front), numbers, True, False, None,
 * lists, tuples and dicts with strings as keys; JSON's true, false and null too. Everything else, also two strings side by
 * side, is an expression, and the text no call.
 *
 * Source: The Python Language Reference, sections 2.4 (literals) and 6.3.4 (calls).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "chat/reader/inside.h"

enum {
    CALLEE_FIRST, /* white space before it, behind print( or = */
    CALLEE,
    ASSIGNED,   /* x, white space, then = */
    VALUE,      /* an argument, an element, or the bracket that closes */
    KEY,        /* of a dict, or its end */
    WORD,       /* letters: a parameter's name or True, False, None */
    WORD_AFTER, /* white space behind them */
    NUMBER,
    QUOTE, /* behind the first quotes: one opens, two are an empty string, three open a long one */
    STRING,
    QUOTES, /* of a long string: one or two of the three that end it */
    ESCAPE,
    ESCAPE_DIGITS,
    AFTER,
    COLON,
    PRINTED /* the bracket that closes print( */
};

enum { CALL, LIST, PAREN, DICT };

static const char api[] = "default_api.", print[] = "print";

void ct_call_python_begin(carat_call_reader *r, bool in_code)
{
    ct_call_python *p = &r->python;
    memset(p, 0, offsetof(ct_call_python, frames));
    p->in_code = in_code;
    p->state = CALLEE;
    p->name = p->api_name = ct_call_name_begin(r);
    ct_buf_clear(&r->arguments);
}

/* ---- the callee ---- */

static bool is_letter(char c)
{
    const char small = (char)(c | 0x20);
    return (small >= 'a' && small <= 'z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_identifier(const ct_call_python *p)
{
    for (size_t i = 0; i < p->n_word; i++)
        if (!is_letter(p->word[i]) && (i == 0 || !is_digit(p->word[i])))
            return false;
    return p->n_word > 0;
}

static bool has_api(const ct_call_python *p)
{
    return p->n_word >= sizeof api - 1 && memcmp(p->word, api, sizeof api - 1) == 0;
}

/* May the word that has been read go on to be a callee? In a fence also the name that a result is given. */
static bool is_possible(const carat_call_reader *r)
{
    const ct_call_python *p = &r->python;
    const size_t n = p->n_word;
    return p->name.lo < p->name.hi || (has_api(p) && p->api_name.lo < p->api_name.hi) ||
           (n < sizeof api && memcmp(p->word, api, n) == 0) ||
           (!p->is_printed && n < sizeof print && memcmp(p->word, print, n) == 0) ||
           (p->in_code && !p->is_printed && !p->is_assigned && n <= 64 && is_identifier(p));
}

static ct_call_verdict callee_byte(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    if (p->n_word == sizeof p->word)
        return CT_FAIL;
    ct_call_name_feed(r, &p->name, c);
    if (has_api(p))
        ct_call_name_feed(r, &p->api_name, c);
    p->word[p->n_word++] = c;
    return is_possible(r) ? CT_MORE : CT_FAIL;
}

static void restart_callee(carat_call_reader *r)
{
    ct_call_python *p = &r->python;
    p->state = CALLEE_FIRST;
    p->n_word = 0;
    p->name = p->api_name = ct_call_name_begin(r);
}

static void open_frame(carat_call_reader *r, uint8_t kind)
{
    ct_call_python *p = &r->python;
    p->frames[p->depth++] = (ct_frame){ .kind = kind, .at = r->arguments.len };
    ct_buf_char(&r->arguments, kind == CALL || kind == DICT ? '{' : '[');
    p->state = kind == DICT ? KEY : VALUE;
    p->is_due = false;
}

void ct_call_python_begin_dict(carat_call_reader *r)
{
    ct_call_python_begin(r, false);
    open_frame(r, DICT);
}

static ct_call_verdict open_call(carat_call_reader *r)
{
    ct_call_python *p = &r->python;
    p->function = ct_call_name_end(r, &p->name);
    if (p->function == CT_NO_FUNCTION && has_api(p))
        p->function = ct_call_name_end(r, &p->api_name);
    if (p->function != CT_NO_FUNCTION) {
        r->is_named = true;
        open_frame(r, CALL);
        return CT_MORE;
    }
    if (p->is_printed || p->n_word != sizeof print - 1 || memcmp(p->word, print, p->n_word) != 0)
        return CT_FAIL;
    p->is_printed = true;
    restart_callee(r);
    return CT_MORE;
}

/* Behind x: white space and =. */
static ct_call_verdict assigned(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    p->state = ASSIGNED;
    if (c == ' ' || c == '\t')
        return CT_MORE;
    if (c != '=')
        return CT_FAIL;
    p->is_assigned = true;
    restart_callee(r);
    return CT_MORE;
}

static ct_call_verdict callee(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    if (p->state == CALLEE_FIRST) {
        if (c == ' ' || c == '\t' || (p->is_printed && ct_is_blank(c)))
            return CT_MORE;
        p->state = CALLEE;
    }
    if (is_letter(c) || is_digit(c) || c == '.' || c == '-')
        return callee_byte(r, c);
    if (c == '(')
        return open_call(r);
    const bool may_assign = p->in_code && !p->is_printed && !p->is_assigned && is_identifier(p);
    return may_assign ? assigned(r, c) : CT_FAIL;
}

/* ---- arguments and elements ---- */

static ct_frame *top(ct_call_python *p)
{
    return &p->frames[p->depth - 1];
}

static void begin_item(carat_call_reader *r)
{
    ct_frame *f = top(&r->python);
    if (f->n_items++)
        ct_buf_char(&r->arguments, ',');
}

static void put_key(carat_call_reader *r, const char *key, size_t len)
{
    ct_buf_char(&r->arguments, '"');
    for (size_t i = 0; i < len; i++)
        ct_put_byte(&r->arguments, key[i]);
    ct_buf_str(&r->arguments, "\":");
}

/* What stands before a value in JSON; false: no argument may stand here. */
static bool begin_value(carat_call_reader *r)
{
    ct_call_python *p = &r->python;
    if (p->is_due) { /* its key is there */
        p->is_due = false;
        return true;
    }
    begin_item(r);
    if (top(p)->kind != CALL)
        return true;
    const struct ct_function *f = &r->functions[p->function];
    if (p->has_keyword || p->n_positional == f->n_parameters)
        return false;
    const char *name = f->parameters[p->n_positional++];
    put_key(r, name, strlen(name));
    return true;
}

static ct_call_verdict close_frame(carat_call_reader *r, char c)
{
    static const char closing[] = ")])}";
    ct_call_python *p = &r->python;
    const ct_frame f = *top(p);
    if (c != closing[f.kind])
        return CT_FAIL;
    if (f.kind == PAREN && f.n_items == 1 && !f.has_comma) {
        if (!r->arguments.failed)
            r->arguments.data[f.at] = CT_CALL_NOTHING;
    } else {
        ct_buf_char(&r->arguments, f.kind == CALL || f.kind == DICT ? '}' : ']');
    }
    p->depth--;
    p->state = AFTER;
    if (p->depth)
        return CT_MORE;
    p->state = PRINTED;
    return p->is_printed ? CT_MORE : CT_DONE;
}

static ct_call_verdict open_string(ct_call_python *p, char c)
{
    p->state = QUOTE;
    p->quote = c;
    p->n_quotes = 1;
    p->is_triple = false;
    p->high = 0;
    return CT_MORE;
}

static ct_call_verdict value(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    if (ct_is_blank(c))
        return CT_MORE;
    if ((c == ')' || c == ']') && !p->is_due)
        return close_frame(r, c);
    p->n_word = 0;
    if (is_letter(c) || (uint8_t)c >= 0x80) {
        p->state = WORD;
        p->word[p->n_word++] = c;
        return CT_MORE;
    }
    if (!begin_value(r))
        return CT_FAIL;
    if (c == '"' || c == '\'') {
        p->is_raw = p->is_key = false;
        ct_buf_char(&r->arguments, '"');
        return open_string(p, c);
    }
    if (is_digit(c) || c == '-' || c == '+' || c == '.') {
        p->state = NUMBER;
        p->word[p->n_word++] = c;
        return CT_MORE;
    }
    if ((c != '[' && c != '(' && c != '{') || p->depth == CT_CALL_MOST_DEPTH)
        return CT_FAIL;
    open_frame(r, c == '[' ? LIST : c == '(' ? PAREN : DICT);
    return CT_MORE;
}

static ct_call_verdict key(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    if (ct_is_blank(c))
        return CT_MORE;
    if (c == '}')
        return close_frame(r, c);
    if (c != '"' && c != '\'')
        return CT_FAIL;
    begin_item(r);
    p->is_raw = false;
    p->is_key = true;
    ct_buf_char(&r->arguments, '"');
    return open_string(p, c);
}

static ct_call_verdict after(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    p->state = AFTER;
    if (ct_is_blank(c))
        return CT_MORE;
    if (c != ',')
        return close_frame(r, c);
    top(p)->has_comma = true;
    p->state = top(p)->kind == DICT ? KEY : VALUE;
    return CT_MORE;
}

static ct_call_verdict colon(carat_call_reader *r, char c)
{
    if (ct_is_blank(c))
        return CT_MORE;
    if (c != ':')
        return CT_FAIL;
    ct_buf_char(&r->arguments, ':');
    r->python.state = VALUE;
    r->python.is_due = true;
    return CT_MORE;
}

/* ---- words and numbers ---- */

static bool is_prefix(const ct_call_python *p)
{
    return p->n_word == 1 && strchr("rRuU", p->word[0]);
}

/* Behind a word: = makes it a parameter's name, a quote the prefix of a string; else it is a literal. */
static ct_call_verdict end_word(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    if (ct_is_blank(c)) {
        p->state = WORD_AFTER;
        return CT_MORE;
    }
    if (c == '=' && top(p)->kind == CALL && !p->is_due) {
        begin_item(r);
        put_key(r, p->word, p->n_word);
        p->has_keyword = p->is_due = true;
        p->state = VALUE;
        return CT_MORE;
    }
    const bool is_string = (c == '"' || c == '\'') && p->state == WORD && is_prefix(p);
    if (!begin_value(r))
        return CT_FAIL;
    if (is_string) {
        p->is_raw = (p->word[0] | 0x20) == 'r';
        p->is_key = false;
        ct_buf_char(&r->arguments, '"');
        return open_string(p, c);
    }
    return ct_put_word(&r->arguments, p->word, p->n_word) ? after(r, c) : CT_FAIL;
}

static ct_call_verdict word(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    if (!is_letter(c) && !is_digit(c) && c != '-' && (uint8_t)c < 0x80)
        return end_word(r, c);
    if (p->n_word == sizeof p->word)
        return CT_FAIL;
    p->word[p->n_word++] = c;
    return CT_MORE;
}

static ct_call_verdict number(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    const char last = p->word[p->n_word - 1];
    const bool is_exponent = (c == '+' || c == '-') && (last == 'e' || last == 'E');
    if (!is_letter(c) && !is_digit(c) && c != '.' && !is_exponent)
        return ct_put_number(&r->arguments, p->word, p->n_word) ? after(r, c) : CT_FAIL;
    if (p->n_word == sizeof p->word)
        return CT_FAIL;
    p->word[p->n_word++] = c;
    return CT_MORE;
}

/* ---- strings ---- */

static ct_call_verdict end_string(carat_call_reader *r)
{
    ct_buf_char(&r->arguments, '"');
    r->python.state = r->python.is_key ? COLON : AFTER;
    return CT_MORE;
}

static ct_call_verdict string_byte(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    const bool is_end = c == p->quote;
    p->state = STRING;
    if (p->high && c != '\\') /* half of a pair must be followed by the other */
        return CT_FAIL;
    if (c == '\\') {
        p->state = ESCAPE;
        return CT_MORE;
    }
    if (is_end && !p->is_triple)
        return end_string(r);
    if (is_end) {
        p->state = QUOTES;
        p->n_quotes = 1;
        return CT_MORE;
    }
    if (!p->is_triple && (c == '\n' || c == '\r'))
        return CT_FAIL;
    ct_put_byte(&r->arguments, c);
    return CT_MORE;
}

static ct_call_verdict quote(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    if (c == p->quote) {
        p->is_triple = ++p->n_quotes == 3;
        p->state = p->is_triple ? STRING : QUOTE;
        return CT_MORE;
    }
    if (p->n_quotes == 1)
        return string_byte(r, c);
    end_string(r);
    return ct_call_python_feed(r, c);
}

static ct_call_verdict quotes(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    if (c == p->quote)
        return ++p->n_quotes == 3 ? end_string(r) : CT_MORE;
    for (; p->n_quotes; p->n_quotes--)
        ct_put_byte(&r->arguments, p->quote);
    return string_byte(r, c);
}

static ct_call_verdict escaped_char(carat_call_reader *r, uint32_t cp)
{
    ct_call_python *p = &r->python;
    p->state = STRING;
    if (cp > 0x10FFFF || (cp < 0x10000 ? !ct_join_unit(&p->high, cp, &cp) : p->high != 0))
        return CT_FAIL;
    if (cp != CT_NO_CHAR)
        ct_put_char(&r->arguments, cp);
    return CT_MORE;
}

/* \x41 \u00e9 \U0001F600 \101 */
static ct_call_verdict escape_digits(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    const bool is_octal = p->n_escape == 3;
    const int digit = ct_hex_digit(c);
    if (digit < 0 || (is_octal && digit > 7)) {
        if (!is_octal)
            return CT_FAIL;
        const ct_call_verdict v = escaped_char(r, p->value);
        return v == CT_FAIL ? v : string_byte(r, c);
    }
    p->value = p->value << (is_octal ? 3 : 4) | (uint32_t)digit;
    return ++p->n_digits < p->n_escape ? CT_MORE : escaped_char(r, p->value);
}

static ct_call_verdict escape(carat_call_reader *r, char c)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    ct_call_python *p = &r->python;
    const char *at = c && !p->is_raw ? strchr(from, c) : NULL;
    if (p->high && c != 'u')
        return CT_FAIL;
    p->state = STRING;
    if (at)
        return escaped_char(r, (uint8_t)to[at - from]);
    if (!p->is_raw && c == '\n') /* the line goes on */
        return CT_MORE;
    if (!p->is_raw && c == 'N')
        return CT_FAIL; /* \N{...}: characters by name */
    p->n_escape = p->is_raw ? 0 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : c >= '0' && c <= '7' ? 3 : 0;
    if (!p->n_escape) { /* no escape: the backslash stays */
        if (!p->is_triple && (c == '\n' || c == '\r'))
            return CT_FAIL;
        ct_put_byte(&r->arguments, '\\');
        ct_put_byte(&r->arguments, c);
        return CT_MORE;
    }
    p->state = ESCAPE_DIGITS;
    p->value = p->n_escape == 3 ? (uint32_t)(c - '0') : 0;
    p->n_digits = p->n_escape == 3;
    return CT_MORE;
}

ct_call_verdict ct_call_python_feed(carat_call_reader *r, char c)
{
    ct_call_python *p = &r->python;
    switch (p->state) {
    case CALLEE_FIRST:
    case CALLEE:
        return callee(r, c);
    case ASSIGNED:
        return assigned(r, c);
    case VALUE:
        return value(r, c);
    case KEY:
        return key(r, c);
    case WORD:
        return word(r, c);
    case WORD_AFTER:
        return end_word(r, c);
    case NUMBER:
        return number(r, c);
    case QUOTE:
        return quote(r, c);
    case STRING:
        return string_byte(r, c);
    case QUOTES:
        return quotes(r, c);
    case ESCAPE:
        return escape(r, c);
    case ESCAPE_DIGITS:
        return escape_digits(r, c);
    case AFTER:
        return after(r, c);
    case COLON:
        return colon(r, c);
    default:
        return ct_is_blank(c) ? CT_MORE : c == ')' ? CT_DONE : CT_FAIL;
    }
}
