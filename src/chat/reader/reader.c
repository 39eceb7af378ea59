/* Where calls begin and end in an answer: lines, fences, lists, and what stands between.
 *
 * A byte that may belong to a call is held; it is dropped with the call, or comes out as text once it belongs to none. What came
 * out as text is never looked at again, except that it decides whether the next byte begins a line.
 *
 *   IN_TEXT -> IN_SPACE -> a call's first byte -> JSON, PYTHON, FUNCTION -> BEHIND -> the next call, or text
 *                          [ -> ITEM -> JSON, PYTHON -> NEXT_ITEM -> ITEM ... ] -> BEHIND
 *                          ``` -> TICKS -> INFO -> LEAD -> any of them; what else the fence holds: IN_CODE
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/reader/reader.h"

#include <stdlib.h>
#include <string.h>

#include "chat/reader/inside.h"

enum {
    IN_TEXT,
    IN_SPACE, /* white space behind text, or at the beginning */
    IN_CODE,  /* a fence without calls */
    TICKS,    /* of a fence's first line */
    INFO,     /* the word behind them */
    LEAD,     /* in a fence, before its first call */
    COMMENT,  /* in a fence, # to the end of the line */
    ITEM,     /* of a list: the next call, or its end */
    NEXT_ITEM,
    LIST_END, /* behind the list of {"tool_calls": [...]: its brace */
    JSON,
    PYTHON,
    PYTHON_END, /* behind a call that is whole: what follows decides whether it stands alone */
    MARKER,     /* of FunctionGemma */
    FUNCTION,
    BEHIND, /* a call: white space, one comma or semicolon */
    CLOSING /* ticks that may end a fence with calls */
};

/* Of a line in a fence of text, what has been read of it. */
enum { LINE_START, LINE_TICKS, LINE_END_OF_FENCE, LINE_OTHER, LINE_INFO };

static const char start_marker[] = "<start_function_call>", end_marker[] = "<end_function_call>";
/* Behind its calls FunctionGemma asks for their results with it. */
static const char response_marker[] = "<start_function_response>";

/* ---- names ---- */

ct_call_name ct_call_name_begin(const carat_call_reader *r)
{
    return (ct_call_name){ .hi = r->n };
}

bool ct_call_name_feed(const carat_call_reader *r, ct_call_name *m, char c)
{
    if (!c)
        m->lo = m->hi;
    while (m->lo < m->hi && r->functions[m->lo].name[m->len] != c)
        m->lo++;
    while (m->lo < m->hi && r->functions[m->hi - 1].name[m->len] != c)
        m->hi--;
    m->len += m->lo < m->hi;
    return m->lo < m->hi;
}

size_t ct_call_name_end(const carat_call_reader *r, const ct_call_name *m)
{
    return m->len && m->lo < m->hi && !r->functions[m->lo].name[m->len] ? m->lo : CT_NO_FUNCTION;
}

/* ---- what is held ---- */

static bool hold(carat_call_reader *r, char c)
{
    ct_buf_char(&r->held, c);
    return true;
}

static bool hold_at(carat_call_reader *r, char c, uint8_t place)
{
    r->place = place;
    return hold(r, c);
}

static void unhold(carat_call_reader *r)
{
    if (r->held.len)
        r->held.data[--r->held.len] = '\0';
}

static bool is_held_blank(const carat_call_reader *r)
{
    for (size_t i = 0; i < r->held.len; i++)
        if (!ct_is_blank(r->held.data[i]))
            return false;
    return true;
}

static char last_held(const carat_call_reader *r)
{
    return r->held.len ? r->held.data[r->held.len - 1] : '\0';
}

/* In which line of its text a fence without calls goes on. */
static void enter_code(carat_call_reader *r)
{
    const size_t n = r->held.len - r->fence_at;
    const bool has_line = n && memchr(r->held.data + r->fence_at, '\n', n);
    r->fence = CT_FENCE_OF_TEXT;
    r->place = IN_CODE;
    r->code_line = !has_line ? LINE_INFO : last_held(r) == '\n' ? LINE_START : LINE_OTHER;
    r->n_run = 0;
}

/* What is held belongs to no call, or to one that breaks off here. False: look at the byte again. */
static bool to_text(carat_call_reader *r)
{
    r->place = IN_TEXT;
    r->is_line = false;
    r->has_begun = true;
    if (r->fence == CT_FENCE_OPENING) {
        enter_code(r);
    } else if (last_held(r) == '\n') {
        r->place = IN_SPACE;
        r->is_line = true;
    }
    ct_out_held(r);
    r->list = CT_NO_LIST;
    r->is_named = false;
    return false;
}

/* What is held belonged to the calls. */
static void drop(carat_call_reader *r)
{
    ct_buf_clear(&r->held);
}

static bool to_behind(carat_call_reader *r)
{
    r->place = BEHIND;
    r->list = CT_NO_LIST;
    r->has_separator = false;
    if (r->fence == CT_FENCE_OPENING)
        r->fence = CT_FENCE_OF_CALLS;
    return true;
}

/* ---- where a call begins ---- */

static bool begin_json(carat_call_reader *r)
{
    r->place = JSON;
    ct_call_json_begin(r);
    return true;
}

static bool python(carat_call_reader *r, char c)
{
    hold(r, c);
    const ct_call_verdict v = ct_call_python_feed(r, c);
    if (v == CT_FAIL) {
        unhold(r);
        return to_text(r);
    }
    if (v == CT_DONE)
        r->place = PYTHON_END;
    return true;
}

static bool begin_python(carat_call_reader *r, char c)
{
    r->place = PYTHON;
    ct_call_python_begin(r, r->fence != CT_NO_FENCE && r->list == CT_NO_LIST);
    return python(r, c);
}

/* The first byte of any shape; may_python: one that may begin with a name. */
static bool begin(carat_call_reader *r, char c, bool may_python)
{
    r->has_begun = true;
    switch (c) {
    case '{':
        begin_json(r);
        return hold(r, c);
    case '[':
        r->list = CT_LIST_OPEN;
        r->is_wrapped = r->has_listed = false;
        return hold_at(r, c, ITEM);
    case '<':
        r->marker = start_marker;
        r->n_marker = 1;
        r->place_before = r->place;
        return hold_at(r, c, MARKER);
    case '`':
        r->fence_at = r->fence == CT_FENCE_OPENING ? r->fence_at : r->held.len;
        r->n_run = 1;
        return r->fence == CT_FENCE_OPENING ? to_text(r) : hold_at(r, c, r->fence ? CLOSING : TICKS);
    default:
        return may_python ? begin_python(r, c) : to_text(r);
    }
}

/* ---- text ---- */

static bool in_text(carat_call_reader *r, char c)
{
    if (ct_is_blank(c)) {
        r->is_line = c == '\n';
        return hold_at(r, c, IN_SPACE);
    }
    if (c == '<')
        return begin(r, c, false);
    ct_out_text(r, &c, 1);
    return true;
}

static bool in_space(carat_call_reader *r, char c)
{
    if (ct_is_blank(c)) {
        r->is_line = c == '\n' || !r->has_begun;
        return hold(r, c);
    }
    if (r->is_line && c == '`' && r->fence == CT_FENCE_OF_CALLS)
        ct_out_held(r); /* text stands before the fence's end */
    if (r->is_line || c == '<')
        return begin(r, c, r->is_line);
    return to_text(r);
}

/* A line of a fence that has no calls. */
static bool in_code(carat_call_reader *r, char c)
{
    if (c == '\n' && r->code_line == LINE_END_OF_FENCE) {
        r->fence = CT_NO_FENCE;
        r->place = IN_TEXT;
        return false;
    }
    if (c == '`' && r->code_line == LINE_INFO) { /* ```code``` within a line is no fence */
        r->fence = CT_NO_FENCE;
        r->place = IN_TEXT;
        return false;
    }
    if (c == '\n') {
        r->code_line = LINE_START;
        r->n_run = 0;
    } else if (c == '`' && r->code_line <= LINE_END_OF_FENCE) {
        r->code_line = ++r->n_run >= r->n_ticks ? LINE_END_OF_FENCE : LINE_TICKS;
    } else if (r->code_line != LINE_INFO && (r->code_line == LINE_TICKS || !ct_is_blank(c))) {
        r->code_line = LINE_OTHER;
    }
    ct_out_text(r, &c, 1);
    return true;
}

/* ---- fences ---- */

static bool is_word_of_calls(const carat_call_reader *r)
{
    static const char *const words[] = { "", "json", "tool_code", "tool_call", "tool_calls", "python", "py" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == r->n_info && memcmp(words[i], r->info, r->n_info) == 0)
            return true;
    return false;
}

static bool ticks(carat_call_reader *r, char c)
{
    if (c == '`') {
        r->n_run++;
        return hold(r, c);
    }
    if (r->n_run < 3)
        return to_text(r);
    r->fence = CT_FENCE_OPENING;
    r->n_ticks = r->n_run;
    r->n_info = 0;
    r->place = INFO;
    return false;
}

static bool info(carat_call_reader *r, char c)
{
    const char small = (char)(c | 0x20);
    if (((small >= 'a' && small <= 'z') || c == '_') && r->n_info < sizeof r->info) {
        r->info[r->n_info++] = c;
        return hold(r, c);
    }
    if (!is_word_of_calls(r) || (!ct_is_blank(c) && c != '{' && c != '['))
        return to_text(r);
    r->place = LEAD;
    return false;
}

static bool lead(carat_call_reader *r, char c)
{
    if (ct_is_blank(c))
        return hold(r, c);
    return c == '#' ? hold_at(r, c, COMMENT) : begin(r, c, true);
}

static bool comment(carat_call_reader *r, char c)
{
    if (c == '\n')
        r->place = r->fence == CT_FENCE_OPENING ? LEAD : BEHIND;
    return hold(r, c);
}

/* Ticks alone on their line end the fence and are no text. */
static bool closing(carat_call_reader *r, char c)
{
    if (c == '`') {
        r->n_run++;
        return hold(r, c);
    }
    if (r->n_run < r->n_ticks || !ct_is_blank(c))
        return to_text(r);
    drop(r);
    r->fence = CT_NO_FENCE;
    to_behind(r);
    return false;
}

/* ---- lists ---- */

static bool end_list(carat_call_reader *r)
{
    drop(r);
    if (r->is_wrapped) {
        r->place = LIST_END;
        return true;
    }
    return to_behind(r);
}

static bool item(carat_call_reader *r, char c)
{
    if (ct_is_blank(c))
        return hold(r, c);
    if (c == ']' && r->has_listed)
        return end_list(r);
    if (c == '{' && r->list != CT_LIST_PYTHON) {
        r->list = CT_LIST_JSON;
        begin_json(r);
        return hold(r, c);
    }
    if (r->list == CT_LIST_JSON)
        return to_text(r);
    r->list = CT_LIST_PYTHON;
    return begin_python(r, c);
}

static bool next_item(carat_call_reader *r, char c)
{
    if (ct_is_blank(c))
        return hold(r, c);
    return c == ',' ? hold_at(r, c, ITEM) : c == ']' ? end_list(r) : to_text(r);
}

static bool list_end(carat_call_reader *r, char c)
{
    if (ct_is_blank(c))
        return hold(r, c);
    to_behind(r);
    if (c == '}')
        drop(r);
    return c == '}';
}

/* Behind a call: what its list or its surroundings let follow. */
static bool after_call(carat_call_reader *r, bool has_comma)
{
    r->has_listed = true;
    if (r->list == CT_NO_LIST) {
        to_behind(r);
        r->has_separator = has_comma;
        return true;
    }
    r->place = has_comma ? ITEM : NEXT_ITEM;
    if (r->fence == CT_FENCE_OPENING)
        r->fence = CT_FENCE_OF_CALLS;
    return true;
}

/* ---- calls ---- */

static bool json(carat_call_reader *r, char c)
{
    hold(r, c);
    const size_t n_calls = r->n_calls;
    const ct_call_verdict v = ct_call_json_feed(r, c);
    if (r->n_calls != n_calls && r->fence == CT_FENCE_OPENING)
        r->fence = CT_FENCE_OF_CALLS;
    switch (v) {
    case CT_MORE:
        return true;
    case CT_DONE:
        drop(r);
        return after_call(r, false);
    case CT_CLOSED:
        unhold(r);
        after_call(r, r->json.has_comma);
        return false;
    case CT_LIST:
        if (r->list != CT_NO_LIST)
            break;
        r->list = CT_LIST_JSON;
        r->is_wrapped = true;
        r->has_listed = false;
        r->place = ITEM;
        return true;
    default:
        break;
    }
    unhold(r);
    return to_text(r);
}

/* A call that is whole and not yet out; false: its arguments are none. */
static bool give_call(carat_call_reader *r, size_t function)
{
    if (!ct_out_whole(r, function))
        return to_text(r);
    return after_call(r, false);
}

static bool python_end(carat_call_reader *r, char c)
{
    const bool in_list = r->list != CT_NO_LIST, in_code = r->fence != CT_NO_FENCE;
    if (ct_is_blank(c) && (c != '\n' || in_list))
        return hold(r, c);
    const bool is_end = in_list ? c == ',' || c == ']' : c == '\n' || c == ';' || (in_code && (c == '#' || c == '`'));
    if (!is_end)
        return to_text(r);
    give_call(r, r->python.function);
    return false;
}

static bool marker(carat_call_reader *r, char c)
{
    if (r->place_before == BEHIND && !r->has_separator) {
        const bool is_response = r->marker == start_marker && c != start_marker[r->n_marker] &&
                                 c == response_marker[r->n_marker] && r->n_marker == sizeof "<start_function_" - 1;
        r->marker = r->n_marker == 1 && c == end_marker[1] ? end_marker : is_response ? response_marker : r->marker;
    }
    if (c != r->marker[r->n_marker])
        return to_text(r);
    hold(r, c);
    if (r->marker[++r->n_marker])
        return true;
    if (r->marker != start_marker) {
        drop(r);
        return to_behind(r);
    }
    r->list = CT_NO_LIST;
    r->place = FUNCTION;
    ct_call_function_begin(r);
    return true;
}

static bool function(carat_call_reader *r, char c)
{
    hold(r, c);
    const ct_call_verdict v = ct_call_function_feed(r, c);
    if (v == CT_FAIL) {
        unhold(r);
        return to_text(r);
    }
    if (v == CT_DONE)
        give_call(r, r->function.function);
    return true;
}

static bool behind(carat_call_reader *r, char c)
{
    if (ct_is_blank(c))
        return hold(r, c);
    if ((c == ',' || c == ';') && !r->has_separator) {
        r->has_separator = true;
        return hold(r, c);
    }
    if (c == '#' && r->fence == CT_FENCE_OF_CALLS)
        return hold_at(r, c, COMMENT);
    const bool is_line =
        r->held.len && (memchr(r->held.data, '\n', r->held.len) || memchr(r->held.data, ';', r->held.len));
    return begin(r, c, is_line || r->fence == CT_FENCE_OF_CALLS);
}

/* ---- bytes ---- */

/* True: the byte is used up; false: it is to be looked at in the place that the reader is in now. */
static bool step(carat_call_reader *r, char c)
{
    static bool (*const steps[])(carat_call_reader *, char) = {
        [IN_TEXT] = in_text,       [IN_SPACE] = in_space, [IN_CODE] = in_code,
        [TICKS] = ticks,           [INFO] = info,         [LEAD] = lead,
        [COMMENT] = comment,       [ITEM] = item,         [NEXT_ITEM] = next_item,
        [LIST_END] = list_end,     [JSON] = json,         [PYTHON] = python,
        [PYTHON_END] = python_end, [MARKER] = marker,     [FUNCTION] = function,
        [BEHIND] = behind,         [CLOSING] = closing,
    };
    return steps[r->place](r, c);
}

static void take(carat_call_reader *r, char c)
{
    while (!r->has_failed && !step(r, c)) {
    }
    if (r->held.len > (r->is_named ? CT_CALL_MOST_HELD : CT_CALL_MOST_UNNAMED))
        to_text(r);
    r->has_failed = r->has_failed || r->held.failed || r->arguments.failed || r->out.failed;
}

/* Bytes that can only be text where text stands before them: in_text would take them one by one. */
static size_t length_of_word(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && !ct_is_blank(text[n]) && text[n] != '<')
        n++;
    return n;
}

static bool check(const carat_call_reader *r, carat_err *err)
{
    return !r->is_finished || ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "the answer whose calls are read has ended");
}

bool ct_call_reader_push(carat_call_reader *r, const char *text, size_t len, const carat_piece **pieces, size_t *n,
                         carat_err *err)
{
    *pieces = NULL;
    *n = 0;
    if (!check(r, err))
        return false;
    ct_out_clear(r);
    for (size_t i = 0; i < len;) {
        const size_t n_word = r->place == IN_TEXT ? length_of_word(text + i, len - i) : 0;
        ct_out_text(r, text + i, n_word);
        i += n_word;
        if (!n_word)
            take(r, text[i++]);
    }
    return ct_out_give(r, pieces, n, err);
}

/* The end may complete a call, or a fence; what is held otherwise is text, but for white space behind the last call. */
bool ct_call_reader_finish(carat_call_reader *r, const carat_piece **pieces, size_t *n, carat_err *err)
{
    *pieces = NULL;
    *n = 0;
    if (!check(r, err))
        return false;
    ct_out_clear(r);
    r->is_finished = true;
    if (r->place == PYTHON_END && !r->has_failed)
        ct_out_whole(r, r->python.function);
    if (r->place == CLOSING && r->n_run >= r->n_ticks)
        drop(r);
    if (r->is_open || !r->is_behind || !is_held_blank(r))
        ct_out_held(r);
    drop(r);
    return ct_out_give(r, pieces, n, err);
}

/* ---- opening ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ct_function *)a)->name, ((const struct ct_function *)b)->name);
}

static bool copy(const ct_tool *from, struct ct_function *to)
{
    to->name = strdup(from->name);
    to->parameters = calloc(from->n_properties + 1, sizeof *to->parameters);
    if (!to->name || !to->parameters)
        return false;
    for (; to->n_parameters < from->n_properties; to->n_parameters++)
        if (!(to->parameters[to->n_parameters] = strdup(from->properties[to->n_parameters])))
            return false;
    return true;
}

bool ct_call_reader_open(const carat_tools *tools, carat_call_reader **out, carat_err *err)
{
    *out = NULL;
    carat_call_reader *r = calloc(1, sizeof *r);
    bool ok = r && (r->functions = calloc(tools->n + 1, sizeof *r->functions));
    for (size_t i = 0; ok && i < tools->n; i++) {
        r->n++; /* a half-made one is closed, too */
        ok = copy(&tools->v[i], &r->functions[i]);
    }
    if (!ok) {
        ct_call_reader_close(r);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a reader of calls");
    }
    qsort(r->functions, r->n, sizeof *r->functions, by_name);
    ct_buf_init(&r->held, CT_CALL_MOST_HELD + 64);
    ct_buf_init(&r->arguments, SIZE_MAX / 2);
    ct_buf_init(&r->out, SIZE_MAX / 2);
    r->place = IN_SPACE;
    r->is_line = true;
    *out = r;
    return true;
}

void ct_call_reader_close(carat_call_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; r->functions && i < r->n; i++) {
        for (size_t k = 0; k < r->functions[i].n_parameters; k++)
            free(r->functions[i].parameters[k]);
        free(r->functions[i].parameters);
        free(r->functions[i].name);
    }
    free(r->functions);
    ct_buf_deinit(&r->held);
    ct_buf_deinit(&r->arguments);
    ct_buf_deinit(&r->out);
    free(r->pieces);
    free(r->at);
    free(r);
}
