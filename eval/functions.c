/* OpenAI's declarations to carat_tools, pieces of an answer to calls.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/functions.h"

#include <stdlib.h>
#include <string.h>

#define MOST_ANSWER ((size_t)64 << 20)

bool ct_eval_functions_open(const json_t *tools, carat_tools **out, carat_err *err)
{
    const size_t n = json_array_size(tools);
    carat_tool *list = calloc(n + 1, sizeof *list);
    bool ok = list || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu functions", n);
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *f = json_object_get(json_array_get(tools, i), "function"),
                     *schema = json_object_get(f, "parameters");
        list[i] = (carat_tool){ .struct_size = sizeof *list,
                                .name = json_string_value(json_object_get(f, "name")),
                                .description = json_string_value(json_object_get(f, "description")),
                                .parameters = schema ? ct_json_dump(schema, JSON_COMPACT) : NULL };
        ok = !schema || list[i].parameters || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a schema");
    }
    const carat_tools_options o = { .struct_size = sizeof o, .tools = list, .n_tools = n };
    ok = ok && carat_tools_open(&o, out, err);
    for (size_t i = 0; list && i < n; i++)
        free((char *)(uintptr_t)list[i].parameters);
    free(list);
    return ok;
}

typedef struct reading {
    ct_buf text, name, arguments;
    json_t *calls;
} reading;

static bool end_call(reading *r, carat_err *err)
{
    json_t *arguments = NULL;
    if (!ct_json_parse("arguments", r->arguments.data ? r->arguments.data : "{}",
                       r->arguments.data ? r->arguments.len : 2, &arguments, err))
        return false;
    json_t *call = json_pack("{s:o, s:o}", "name", ct_json_from_bytes(r->name.data ? r->name.data : "", r->name.len),
                             "arguments", arguments);
    return json_array_append_new(r->calls, call) == 0 ||
           ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a call");
}

static bool use(reading *r, const carat_piece *p, size_t n, carat_err *err)
{
    for (; n; n--, p++) {
        switch (p->kind) {
        case CARAT_PIECE_TEXT:
        case CARAT_PIECE_CALL_BROKEN:
            ct_buf_add(&r->text, p->text, p->len);
            break;
        case CARAT_PIECE_CALL:
            ct_buf_clear(&r->name);
            ct_buf_clear(&r->arguments);
            ct_buf_add(&r->name, p->text, p->len);
            break;
        case CARAT_PIECE_ARGUMENTS:
            ct_buf_add(&r->arguments, p->text, p->len);
            break;
        case CARAT_PIECE_CALL_END:
            if (!end_call(r, err))
                return false;
            break;
        }
    }
    return (!r->text.failed && !r->arguments.failed && !r->name.failed) ||
           ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an answer's calls");
}

bool ct_eval_functions_read(const carat_tools *t, const char *answer, size_t len, char **text, json_t **calls,
                            carat_err *err)
{
    reading r = { .calls = json_array() };
    carat_call_reader *reader = NULL;
    const carat_piece *pieces;
    size_t n;
    ct_buf_init(&r.text, MOST_ANSWER);
    ct_buf_init(&r.name, MOST_ANSWER);
    ct_buf_init(&r.arguments, MOST_ANSWER);
    ct_buf_add(&r.text, "", 0);
    bool ok = (r.calls || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for calls")) &&
              carat_call_reader_open(t, &reader, err) &&
              carat_call_reader_push(reader, answer, len, &pieces, &n, err) && use(&r, pieces, n, err) &&
              carat_call_reader_finish(reader, &pieces, &n, err) && use(&r, pieces, n, err);
    carat_call_reader_close(reader);
    ct_buf_deinit(&r.name);
    ct_buf_deinit(&r.arguments);
    *text = ok ? (r.text.len ? ct_buf_take(&r.text) : strdup("")) : NULL;
    ct_buf_deinit(&r.text);
    *calls = ok ? r.calls : NULL;
    if (!ok)
        json_decref(r.calls);
    return ok && (*text || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an answer"));
}
