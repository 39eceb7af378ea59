/* fuzz_calls.c - any answer's text, read for calls: whatever comes out does not depend on how the text is cut, calls that are
 * whole have arguments that jansson parses, and what is no call is all there.
 *
 * The first byte says where the text is cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "chat/reader/reader.h"
#include "fuzz.h"

/* Names in order, their parameters' schemas; NULL: none. */
static const char *const functions[][2] = {
    { "get_time", "{\"type\":\"object\",\"properties\":{\"city\":{},\"zone\":{}}}" },
    { "put", "{\"type\":\"object\",\"properties\":{\"a\":{},\"\\u00e9\\\"\":{}}}" },
    { "put.all", "{\"type\":\"object\",\"properties\":{\"a\":{}}}" },
    { "print", "{\"type\":\"object\",\"properties\":{\"a\":{}}}" },
    { "ping", NULL },
    { "get-time", NULL },
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

static const carat_tools *the_tools(void)
{
    static carat_tools *tools;
    carat_tool v[N_FUNCTIONS] = { 0 };
    for (size_t i = 0; i < N_FUNCTIONS; i++)
        v[i] = (carat_tool){ .struct_size = sizeof v[i], .name = functions[i][0], .parameters = functions[i][1] };
    FUZZ_MUST(tools || ct_tools_open(v, N_FUNCTIONS, CARAT_TOOLS_JSON, &tools, NULL));
    return tools;
}

typedef struct reading {
    ct_buf all, text, arguments; /* kinds and bytes of joined pieces; what is no call; of the call that is open */
    carat_piece last;
    size_t n_calls, n_whole;
} reading;

static void check_arguments(const ct_buf *b)
{
    json_t *v = json_loadb(b->data, b->len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    FUZZ_MUST(json_is_object(v));
    json_decref(v);
}

static void add(reading *g, const carat_piece *p)
{
    const bool is_first = !g->all.len, is_text = p->kind == CARAT_PIECE_TEXT || p->kind == CARAT_PIECE_CALL_BROKEN;
    const bool joins = p->kind == CARAT_PIECE_TEXT || p->kind == CARAT_PIECE_ARGUMENTS;
    const bool is_open = !is_first && (g->last.kind == CARAT_PIECE_CALL || g->last.kind == CARAT_PIECE_ARGUMENTS);
    FUZZ_MUST(is_open != (p->kind == CARAT_PIECE_TEXT || p->kind == CARAT_PIECE_CALL));
    FUZZ_MUST(p->kind == CARAT_PIECE_TEXT || p->call == g->n_calls);
    FUZZ_MUST(p->len || p->kind == CARAT_PIECE_CALL_END);
    fuzz_touch(p->text, p->len);
    if (is_first || !joins || p->kind != g->last.kind)
        ct_buf_fmt(&g->all, "\n%d ", (int)p->kind);
    ct_buf_add(&g->all, p->text, p->len);
    if (is_text)
        ct_buf_add(&g->text, p->text, p->len);
    if (p->kind == CARAT_PIECE_CALL)
        ct_buf_clear(&g->arguments);
    if (p->kind == CARAT_PIECE_ARGUMENTS)
        ct_buf_add(&g->arguments, p->text, p->len);
    if (p->kind == CARAT_PIECE_CALL_END)
        check_arguments(&g->arguments);
    g->n_calls += p->kind == CARAT_PIECE_CALL_END || p->kind == CARAT_PIECE_CALL_BROKEN;
    g->n_whole += p->kind == CARAT_PIECE_CALL_END;
    g->last = *p;
}

/* In pieces of `step` bytes; 0: at once. */
static void read_text(reading *g, const char *text, size_t len, size_t step)
{
    carat_call_reader *r;
    const carat_piece *pieces;
    size_t n;
    memset(g, 0, sizeof *g);
    ct_buf_init(&g->all, 1 << 24);
    ct_buf_init(&g->text, 1 << 24);
    ct_buf_init(&g->arguments, 1 << 24);
    FUZZ_MUST(ct_call_reader_open(the_tools(), &r, NULL));
    for (size_t at = 0; at < len;) {
        const size_t left = len - at, piece = !step || step > left ? left : step;
        FUZZ_MUST(ct_call_reader_push(r, text + at, piece, &pieces, &n, NULL));
        for (size_t i = 0; i < n; i++)
            add(g, &pieces[i]);
        at += piece;
    }
    FUZZ_MUST(ct_call_reader_finish(r, &pieces, &n, NULL));
    for (size_t i = 0; i < n; i++)
        add(g, &pieces[i]);
    FUZZ_MUST(!g->all.len || (g->last.kind != CARAT_PIECE_CALL && g->last.kind != CARAT_PIECE_ARGUMENTS));
    ct_call_reader_close(r);
}

static void free_reading(reading *g)
{
    ct_buf_deinit(&g->all);
    ct_buf_deinit(&g->text);
    ct_buf_deinit(&g->arguments);
}

/* Is part what is left of whole when bytes are taken out? */
static bool is_within(const ct_buf *part, const char *whole, size_t len)
{
    size_t k = 0;
    for (size_t i = 0; i < len && k < part->len; i++)
        k += part->data[k] == whole[i];
    return k == part->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reading whole, cut;
    const size_t step = size ? data[0] % 16 + 1 : 1;
    const char *text = size ? (const char *)data + 1 : "";
    const size_t len = size ? size - 1 : 0;
    read_text(&whole, text, len, 0);
    read_text(&cut, text, len, step);
    FUZZ_MUST(whole.all.len == cut.all.len && (!cut.all.len || memcmp(whole.all.data, cut.all.data, cut.all.len) == 0));
    FUZZ_MUST(is_within(&whole.text, text, len));
    FUZZ_MUST(whole.n_whole || whole.text.len == len); /* no call: all is text */
    free_reading(&whole);
    free_reading(&cut);
    return 0;
}
