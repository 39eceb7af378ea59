/* One call of FunctionGemma: call:get_time{city:<escape>Oslo<escape>,days:[1,2]}
 *
 * Strings stand between two <escape>, in which nothing else is special; keys are bare, or stand between them too; numbers,
 * true, false, null (also as Python spells them), lists and objects are as in JSON. The markers around the call are
 * reader.c's.
 *
 * Source: Google, "FunctionGemma formatting and best practices" (ai.google.dev/gemma/docs/functiongemma).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "chat/reader/inside.h"

enum { START, NAME, VALUE, KEY, BARE_KEY, PLAIN, MARKER, STRING, STRING_MARKER, COLON, AFTER };

static const char escape[] = "<escape>", call[] = "call:";

void ct_call_function_begin(carat_call_reader *r)
{
    memset(&r->function, 0, offsetof(ct_call_function, frames));
    r->function.name = ct_call_name_begin(r);
    ct_buf_clear(&r->arguments);
}

/* Behind <start_function_call>: call: and white space around it. */
static ct_call_verdict start(ct_call_function *f, char c)
{
    if (f->n_matched == 0 && ct_is_blank(c))
        return CT_MORE;
    if (c != call[f->n_matched])
        return CT_FAIL;
    f->n_matched++;
    if (!call[f->n_matched])
        f->state = NAME;
    return CT_MORE;
}

static ct_call_verdict open_frame(carat_call_reader *r, bool is_object)
{
    ct_call_function *f = &r->function;
    if (f->depth == CT_CALL_MOST_DEPTH)
        return CT_FAIL;
    f->frames[f->depth++] = (ct_frame){ .kind = is_object };
    ct_buf_char(&r->arguments, is_object ? '{' : '[');
    f->state = is_object ? KEY : VALUE;
    return CT_MORE;
}

static ct_call_verdict name(carat_call_reader *r, char c)
{
    ct_call_function *f = &r->function;
    if (c != '{')
        return f->name.len == 0 && ct_is_blank(c) ? CT_MORE : ct_call_name_feed(r, &f->name, c) ? CT_MORE : CT_FAIL;
    f->function = ct_call_name_end(r, &f->name);
    if (f->function == CT_NO_FUNCTION)
        return CT_FAIL;
    r->is_named = true;
    return open_frame(r, true);
}

static ct_frame *top(ct_call_function *f)
{
    return &f->frames[f->depth - 1];
}

static ct_call_verdict close_frame(carat_call_reader *r, char c)
{
    ct_call_function *f = &r->function;
    if (c != (top(f)->kind ? '}' : ']'))
        return CT_FAIL;
    ct_buf_char(&r->arguments, c);
    f->state = AFTER;
    return --f->depth ? CT_MORE : CT_DONE;
}

static void begin_item(carat_call_reader *r)
{
    if (top(&r->function)->n_items++)
        ct_buf_char(&r->arguments, ',');
}

static ct_call_verdict after(carat_call_reader *r, char c)
{
    ct_call_function *f = &r->function;
    f->state = AFTER;
    if (ct_is_blank(c))
        return CT_MORE;
    if (c != ',')
        return close_frame(r, c);
    f->state = top(f)->kind ? KEY : VALUE;
    return CT_MORE;
}

static ct_call_verdict value(carat_call_reader *r, char c)
{
    ct_call_function *f = &r->function;
    if (ct_is_blank(c))
        return CT_MORE;
    if (!top(f)->kind) {
        if (c == ']')
            return close_frame(r, c);
        begin_item(r);
    }
    if (c == '{' || c == '[')
        return open_frame(r, c == '{');
    if (c == '}' || c == ']' || c == ',' || c == ':')
        return CT_FAIL;
    f->is_key = false;
    f->state = c == '<' ? MARKER : PLAIN;
    f->n_matched = 1;
    f->word[0] = c;
    f->n_word = 1;
    return CT_MORE;
}

static ct_call_verdict key(carat_call_reader *r, char c)
{
    ct_call_function *f = &r->function;
    if (ct_is_blank(c))
        return CT_MORE;
    if (c == '}')
        return close_frame(r, c);
    if (strchr("{[]:,", c)) /* NUL too */
        return CT_FAIL;
    begin_item(r);
    f->is_key = true;
    f->state = c == '<' ? MARKER : BARE_KEY;
    f->n_matched = 1;
    if (c != '<') {
        ct_buf_char(&r->arguments, '"');
        ct_put_byte(&r->arguments, c);
    }
    return CT_MORE;
}

static ct_call_verdict bare_key(carat_call_reader *r, char c)
{
    if (c == ':') {
        ct_buf_str(&r->arguments, "\":");
        r->function.state = VALUE;
        return CT_MORE;
    }
    if (strchr("{}[],<", c) || (uint8_t)c < ' ')
        return CT_FAIL;
    ct_put_byte(&r->arguments, c);
    return CT_MORE;
}

/* A number or a word: all up to what may follow a value. */
static ct_call_verdict plain(carat_call_reader *r, char c)
{
    ct_call_function *f = &r->function;
    if (ct_is_blank(c) || c == ',' || c == '}' || c == ']') {
        const bool ok =
            ct_put_word(&r->arguments, f->word, f->n_word) || ct_put_number(&r->arguments, f->word, f->n_word);
        return ok ? after(r, c) : CT_FAIL;
    }
    if (f->n_word == sizeof f->word)
        return CT_FAIL;
    f->word[f->n_word++] = c;
    return CT_MORE;
}

static ct_call_verdict marker(carat_call_reader *r, char c)
{
    ct_call_function *f = &r->function;
    if (c != escape[f->n_matched])
        return CT_FAIL;
    if (!escape[++f->n_matched]) {
        ct_buf_char(&r->arguments, '"');
        f->state = STRING;
    }
    return CT_MORE;
}

static ct_call_verdict string(carat_call_reader *r, char c)
{
    ct_call_function *f = &r->function;
    f->state = STRING;
    if (c == '<') {
        f->state = STRING_MARKER;
        f->n_matched = 1;
    } else {
        ct_put_byte(&r->arguments, c);
    }
    return CT_MORE;
}

/* Within a string: the marker that ends it, or text that begins like it. */
static ct_call_verdict string_marker(carat_call_reader *r, char c)
{
    ct_call_function *f = &r->function;
    if (c != escape[f->n_matched]) {
        for (size_t i = 0; i < f->n_matched; i++)
            ct_put_byte(&r->arguments, escape[i]);
        return string(r, c);
    }
    if (!escape[++f->n_matched]) {
        ct_buf_char(&r->arguments, '"');
        f->state = f->is_key ? COLON : AFTER;
    }
    return CT_MORE;
}

static ct_call_verdict colon(carat_call_reader *r, char c)
{
    if (ct_is_blank(c))
        return CT_MORE;
    ct_buf_char(&r->arguments, ':');
    r->function.state = VALUE;
    return c == ':' ? CT_MORE : CT_FAIL;
}

ct_call_verdict ct_call_function_feed(carat_call_reader *r, char c)
{
    switch (r->function.state) {
    case START:
        return start(&r->function, c);
    case NAME:
        return name(r, c);
    case VALUE:
        return value(r, c);
    case KEY:
        return key(r, c);
    case BARE_KEY:
        return bare_key(r, c);
    case PLAIN:
        return plain(r, c);
    case MARKER:
        return marker(r, c);
    case STRING:
        return string(r, c);
    case STRING_MARKER:
        return string_marker(r, c);
    case COLON:
        return colon(r, c);
    default:
        return after(r, c);
    }
}
