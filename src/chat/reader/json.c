/* One JSON object that may be a call: {"name": ..., "parameters": {...}} and its relatives.
 *
 * Keys may come in any order. Where the name precedes the arguments, they come out as they are written; where it follows,
 * they wait for it. A Python dict does as well: what stands behind a key in single quotes is read as Python. An object whose
 * arguments were whole may lack its closing braces: whoever reads on decides.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/utf8.h"
#include "chat/reader/inside.h"

enum {
    FIRST_KEY,
    KEY,
    COLON,
    VALUE,
    NAME,
    ARGUMENTS,
    LITERAL, /* arguments as a Python dict */
    STRING,  /* of arguments: a JSON string that holds their object */
    STRING_ESCAPE,
    STRING_HEX,
    NOTHING, /* of arguments: null */
    OTHER_STRING,
    OTHER_ESCAPE,
    OTHER_WORD,
    AFTER,
    NEXT_KEY
};

enum { KEY_NAME, KEY_ARGUMENTS, KEY_FUNCTION, KEY_LIST, KEY_OTHER };

static const struct known_key {
    const char *key;
    uint8_t kind;
} known_keys[] = {
    { "name", KEY_NAME },       { "parameters", KEY_ARGUMENTS }, { "arguments", KEY_ARGUMENTS },
    { "args", KEY_ARGUMENTS },  { "function", KEY_FUNCTION },    { "function_call", KEY_FUNCTION },
    { "tool_calls", KEY_LIST }, { "type", KEY_OTHER },           { "id", KEY_OTHER },
    { "index", KEY_OTHER },
};
#define N_KNOWN_KEYS (sizeof known_keys / sizeof *known_keys)

void ct_call_json_begin(carat_call_reader *r)
{
    r->json = (ct_call_json){ .state = FIRST_KEY, .function = CT_NO_FUNCTION };
    ct_buf_clear(&r->arguments);
}

/* ---- keys ---- */

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static ct_call_verdict begin_key(ct_call_json *j, char c)
{
    j->state = KEY;
    j->quote = c;
    j->n_key = 0;
    return CT_MORE;
}

static ct_call_verdict key(ct_call_json *j, char c)
{
    for (size_t i = 0; i < N_KNOWN_KEYS; i++) {
        const char *k = known_keys[i].key;
        if (strncmp(k, j->key, j->n_key) != 0)
            continue;
        if (c == j->quote && !k[j->n_key]) {
            j->key_kind = known_keys[i].kind;
            j->state = COLON;
            return CT_MORE;
        }
        if (c && k[j->n_key] == c) {
            j->key[j->n_key++] = c;
            return CT_MORE;
        }
    }
    return CT_FAIL;
}

/* ---- arguments ---- */

static bool is_named(const ct_call_json *j)
{
    return j->function != CT_NO_FUNCTION;
}

static void begin_object(carat_call_reader *r)
{
    ct_call_json *j = &r->json;
    memset(&j->walk, 0, sizeof j->walk);
    if (is_named(j))
        ct_out_begin(r, j->function);
}

/* A byte of the object. */
static ct_call_verdict walk(carat_call_reader *r, char c)
{
    bool is_blank;
    const ct_call_verdict v = ct_json_bytes_feed(&r->json.walk, c, &is_blank);
    if (v == CT_FAIL || is_blank)
        return v;
    ct_buf_char(&r->arguments, c);
    if (r->is_open && !r->arguments.failed)
        ct_out_arguments(r, r->arguments.len - 1);
    return v;
}

static ct_call_verdict end_arguments(carat_call_reader *r)
{
    ct_call_json *j = &r->json;
    j->has_arguments = true;
    j->state = AFTER;
    if (r->is_open) {
        if (!ct_out_end(r))
            return CT_FAIL;
        j->has_called = true;
    }
    return CT_MORE;
}

/* There are none: {}. */
static ct_call_verdict no_arguments(carat_call_reader *r)
{
    ct_call_json *j = &r->json;
    ct_buf_str(&r->arguments, "{}");
    j->has_arguments = true;
    j->state = AFTER;
    if (!is_named(j))
        return CT_MORE;
    j->has_called = ct_out_whole(r, j->function);
    return j->has_called ? CT_MORE : CT_FAIL;
}

static ct_call_verdict arguments(carat_call_reader *r, char c)
{
    const ct_call_verdict v = walk(r, c);
    return v == CT_DONE ? end_arguments(r) : v;
}

/* A byte of the object within a string. */
static ct_call_verdict walk_inside(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    if (!j->is_walking || j->is_walked) {
        if (ct_is_blank(c))
            return CT_MORE;
        if (c != '{' || j->is_walked)
            return CT_FAIL;
        j->is_walking = true;
        begin_object(r);
    }
    const ct_call_verdict v = walk(r, c);
    j->is_walked = v == CT_DONE;
    return v == CT_FAIL ? CT_FAIL : CT_MORE;
}

static ct_call_verdict string_escape(carat_call_reader *r, char c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    ct_call_json *j = &r->json;
    if (c == 'u') {
        j->state = STRING_HEX;
        j->n_hex = 0;
        j->unit = 0;
        return CT_MORE;
    }
    const char *at = c ? strchr(from, c) : NULL;
    if (!at || j->high)
        return CT_FAIL;
    j->state = STRING;
    return walk_inside(r, to[at - from]);
}

static ct_call_verdict string_hex(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    const int digit = ct_hex_digit(c);
    if (digit < 0)
        return CT_FAIL;
    j->unit = (uint16_t)(j->unit << 4 | digit);
    if (++j->n_hex < 4)
        return CT_MORE;
    uint32_t cp;
    char bytes[4];
    j->state = STRING;
    if (!ct_join_unit(&j->high, j->unit, &cp))
        return CT_FAIL;
    const size_t n = cp == CT_NO_CHAR ? 0 : ct_utf8_put(cp, bytes);
    for (size_t i = 0; i < n; i++)
        if (walk_inside(r, bytes[i]) == CT_FAIL)
            return CT_FAIL;
    return CT_MORE;
}

static ct_call_verdict string(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    if (j->state == STRING_HEX)
        return string_hex(r, c);
    if (j->state == STRING_ESCAPE)
        return string_escape(r, c);
    if (c == '\\') {
        j->state = STRING_ESCAPE;
        return CT_MORE;
    }
    if (j->high || (uint8_t)c < 0x20)
        return CT_FAIL;
    if (c != '"')
        return walk_inside(r, c);
    return j->is_walked ? end_arguments(r) : j->is_walking ? CT_FAIL : no_arguments(r);
}

static ct_call_verdict nothing(carat_call_reader *r, char c)
{
    if (c != *r->json.word)
        return CT_FAIL;
    return *++r->json.word ? CT_MORE : no_arguments(r);
}

/* A byte of a dict: it comes out when it is whole. */
static ct_call_verdict literal(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    const ct_call_verdict v = ct_call_python_feed(r, c);
    if (v != CT_DONE)
        return v;
    j->has_arguments = true;
    j->state = AFTER;
    j->has_called = is_named(j) && ct_out_whole(r, j->function);
    return j->has_called || !is_named(j) ? CT_MORE : CT_FAIL;
}

/* Behind a key in Python's quotes: a dict, or None. */
static ct_call_verdict begin_literal(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    if (c == 'N') {
        j->state = NOTHING;
        j->word = "one";
        return CT_MORE;
    }
    if (c != '{')
        return CT_FAIL;
    j->state = LITERAL;
    r->is_named = is_named(j);
    ct_call_python_begin_dict(r);
    return CT_MORE;
}

static ct_call_verdict begin_arguments(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    if (j->has_arguments)
        return CT_FAIL;
    if (j->quote == '\'')
        return begin_literal(r, c);
    if (c == '{') {
        j->state = ARGUMENTS;
        begin_object(r);
        return walk(r, c);
    }
    if (c == '"') {
        j->state = STRING;
        return CT_MORE;
    }
    j->state = NOTHING;
    j->word = "ull";
    return c == 'n' ? CT_MORE : CT_FAIL;
}

/* ---- other values ---- */

static ct_call_verdict begin_name(carat_call_reader *r, char c)
{
    if (is_named(&r->json))
        return CT_FAIL;
    r->json.state = NAME;
    r->json.quote = c;
    r->json.name = ct_call_name_begin(r);
    return CT_MORE;
}

static ct_call_verdict name(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    if (c != j->quote)
        return ct_call_name_feed(r, &j->name, c) ? CT_MORE : CT_FAIL;
    j->function = ct_call_name_end(r, &j->name);
    j->state = AFTER;
    if (!is_named(j))
        return CT_FAIL;
    if (!j->has_arguments)
        return CT_MORE;
    j->has_called = ct_out_whole(r, j->function);
    return j->has_called ? CT_MORE : CT_FAIL;
}

/* Of "function": the object with name and arguments, or the name itself. */
static ct_call_verdict function(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    if (is_quote(c))
        return begin_name(r, c);
    if (c != '{' || j->is_nested || j->has_arguments || is_named(j))
        return CT_FAIL;
    j->is_nested = true;
    j->state = FIRST_KEY;
    return CT_MORE;
}

/* Of "type", "id", "index": a string, a number, a word. */
static ct_call_verdict other(ct_call_json *j, char c)
{
    j->quote = c;
    if (is_quote(c))
        j->state = OTHER_STRING;
    else if (ct_hex_digit(c) >= 0 || c == '-' || (c && strchr("tTnN", c)))
        j->state = OTHER_WORD;
    else
        return CT_FAIL;
    return CT_MORE;
}

static ct_call_verdict value(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    if (ct_is_blank(c))
        return CT_MORE;
    switch (j->key_kind) {
    case KEY_NAME:
        return is_quote(c) ? begin_name(r, c) : CT_FAIL;
    case KEY_ARGUMENTS:
        return begin_arguments(r, c);
    case KEY_FUNCTION:
        return function(r, c);
    case KEY_LIST:
        return c == '[' && !j->is_nested && !j->has_arguments && !is_named(j) ? CT_LIST : CT_FAIL;
    default:
        return other(j, c);
    }
}

/* ---- the object ---- */

static ct_call_verdict end_object(carat_call_reader *r)
{
    ct_call_json *j = &r->json;
    if (j->is_nested) {
        j->is_nested = false;
        j->state = AFTER;
        return CT_MORE;
    }
    if (j->has_called)
        return CT_DONE;
    if (!is_named(j)) /* with arguments it would have been called */
        return CT_FAIL;
    return no_arguments(r) == CT_MORE ? CT_DONE : CT_FAIL;
}

static ct_call_verdict after(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    if (ct_is_blank(c))
        return CT_MORE;
    j->has_comma = c == ',';
    if (c == '}')
        return end_object(r);
    if (c != ',')
        return j->has_called ? CT_CLOSED : CT_FAIL;
    j->state = NEXT_KEY;
    return CT_MORE;
}

static ct_call_verdict next_key(carat_call_reader *r, char c, bool is_first)
{
    ct_call_json *j = &r->json;
    if (ct_is_blank(c))
        return CT_MORE;
    if (is_quote(c))
        return begin_key(j, c);
    if (is_first)
        return CT_FAIL;
    if (c == '}')
        return end_object(r);
    return j->has_called ? CT_CLOSED : CT_FAIL;
}

static ct_call_verdict other_value(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    if (j->state == OTHER_ESCAPE) {
        j->state = OTHER_STRING;
    } else if (j->state == OTHER_STRING) {
        if ((uint8_t)c < 0x20)
            return CT_FAIL;
        j->state = c == '\\' ? OTHER_ESCAPE : c == j->quote ? AFTER : OTHER_STRING;
    } else if (!ct_is_blank(c) && c != ',' && c != '}') {
        const char small = (char)(c | 0x20);
        return ct_hex_digit(c) >= 0 || (small >= 'a' && small <= 'z') || c == '+' || c == '-' || c == '.' ? CT_MORE
                                                                                                          : CT_FAIL;
    } else {
        j->state = AFTER;
        return after(r, c);
    }
    return CT_MORE;
}

ct_call_verdict ct_call_json_feed(carat_call_reader *r, char c)
{
    ct_call_json *j = &r->json;
    switch (j->state) {
    case FIRST_KEY:
    case NEXT_KEY:
        return next_key(r, c, j->state == FIRST_KEY);
    case KEY:
        return key(j, c);
    case COLON:
        j->state = c == ':' ? VALUE : COLON;
        return c == ':' || ct_is_blank(c) ? CT_MORE : CT_FAIL;
    case VALUE:
        return value(r, c);
    case NAME:
        return name(r, c);
    case ARGUMENTS:
        return arguments(r, c);
    case LITERAL:
        return literal(r, c);
    case STRING:
    case STRING_ESCAPE:
    case STRING_HEX:
        return string(r, c);
    case NOTHING:
        return nothing(r, c);
    case AFTER:
        return after(r, c);
    default:
        return other_value(r, c);
    }
}
