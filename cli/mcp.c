/* The Model Context Protocol (modelcontextprotocol.io, versions 2024-11-05 to 2025-11-25): the client's side of tools.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "mcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json_text.h"
#include "mcp_result.h"
#include "signals.h"
#include "term.h"

#define MOST_PAGES     MCP_MOST_TOOLS
#define MOST_MESSAGES  8
#define MOST_UNFIT     8 /* tools that are left out by name */
#define MOST_ARGUMENTS ((size_t)8 << 20)

/* The newest first: that is the one that is asked for. */
static const char *const versions[] = { "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05" };
#define N_VERSIONS (sizeof versions / sizeof *versions)

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a server's tools");
}

/* ---- beginning ---- */

static const char *known_version(const char *s)
{
    for (size_t i = 0; s && i < N_VERSIONS; i++)
        if (strcmp(s, versions[i]) == 0)
            return versions[i];
    return NULL;
}

static bool initialize(mcp *m, const char *version, json_t **result, carat_err *err)
{
    char params[256];
    snprintf(params, sizeof params,
             "{\"protocolVersion\":\"%s\",\"capabilities\":{},\"clientInfo\":{\"name\":\"carat\",\"version\":\"%s\"}}",
             version, carat_version());
    return rpc_request(&m->rpc, "initialize", params, m->seconds, result, err);
}

/* A server that refuses the newest version may list those that it has. NULL: none that is known. */
static const char *offered_version(const mcp *m)
{
    const json_t *list = json_object_get(json_object_get(m->rpc.refusal, "data"), "supported");
    for (size_t v = 0; v < N_VERSIONS; v++)
        for (size_t i = 0; i < json_array_size(list); i++) {
            const char *s = json_string_value(json_array_get(list, i));
            if (s && strcmp(s, versions[v]) == 0)
                return versions[v];
        }
    return NULL;
}

static bool take_version(mcp *m, const json_t *result, carat_err *err)
{
    const char *said = json_string_value(json_object_get(result, "protocolVersion"));
    const char *v = known_version(said);
    if (!v)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: it speaks version %.40s of the protocol, not %s to %s", mcp_name(m), said ? said : "(none)",
                       versions[N_VERSIONS - 1], versions[0]);
    snprintf(m->version, sizeof m->version, "%s", v);
    return true;
}

/* The name that the server gives itself. */
static void take_name(mcp *m, const json_t *result)
{
    const char *name = json_string_value(json_object_get(json_object_get(result, "serverInfo"), "name"));
    if (name && *name)
        term_printable(name, m->rpc.name, sizeof m->rpc.name);
}

static bool begin(mcp *m, carat_err *err)
{
    json_t *result;
    if (!initialize(m, versions[0], &result, err)) {
        const char *v = offered_version(m);
        if (!v || !initialize(m, v, &result, err))
            return false;
    }
    const bool ok = take_version(m, result, err);
    take_name(m, result);
    m->has_tools = json_is_object(json_object_get(json_object_get(result, "capabilities"), "tools"));
    json_decref(result);
    if (ok)
        rpc_notify(&m->rpc, "notifications/initialized", NULL);
    return ok;
}

/* ---- its tools ---- */

static void forget_tools(mcp *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->tools[i].name);
        free(m->tools[i].description);
        free(m->tools[i].schema);
    }
    free(m->tools);
    m->tools = NULL;
    m->n = m->n_beyond = m->n_unfit = 0;
}

static bool is_listed(const mcp *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->tools[i].name, name) == 0)
            return true;
    return false;
}

/* A tool that runs as a task alone (version 2025-11-25, "Tasks") cannot be called. */
static bool needs_a_task(const json_t *tool)
{
    const char *s = json_string_value(json_object_get(json_object_get(tool, "execution"), "taskSupport"));
    return s && strcmp(s, "required") == 0;
}

/* For a model, as a string; NUL characters, which a string has none of, as U+FFFD. */
static char *copy_text(const json_t *s)
{
    ct_buf b;
    ct_buf_init(&b, RPC_MOST_LINE * 3);
    ct_buf_str(&b, "");
    mcp_put_text(s, &b);
    return ct_buf_take(&b);
}

static bool copy_tool(const json_t *from, const json_t *schema, mcp_tool *to, carat_err *err)
{
    const json_t *words = json_object_get(from, "description");
    *to = (mcp_tool){ .name = strdup(json_string_value(json_object_get(from, "name"))),
                      .description = json_is_string(words) ? copy_text(words) : NULL,
                      /* 15 digits give 0.1 back as it was written */
                      .schema = ct_json_dump(schema, JSON_COMPACT | JSON_REAL_PRECISION(15)) };
    if (to->name && to->schema && (to->description || !json_is_string(words)))
        return true;
    free(to->name), free(to->description), free(to->schema);
    return no_memory(err);
}

/* Why a tool cannot be called; NULL: it can. */
static const char *why_unfit(const mcp *m, const json_t *j)
{
    const json_t *name = json_object_get(j, "name");
    if (!json_is_object(j))
        return "it is no object";
    if (!json_is_string(name) || json_string_length(name) == 0)
        return "it has no name";
    if (strlen(json_string_value(name)) < json_string_length(name))
        return "its name has a NUL character";
    if (!json_is_object(json_object_get(j, "inputSchema")))
        return "it has no inputSchema that is an object";
    if (needs_a_task(j))
        return "it runs as a task only";
    return is_listed(m, json_string_value(name)) ? "it is listed twice" : NULL;
}

/* By its name, or where it has none by its place in the list. */
static void tell_unfit(mcp *m, const json_t *j, size_t at, const char *why)
{
    const char *name = json_string_value(json_object_get(j, "name"));
    char shown[80];
    if (m->n_unfit++ >= MOST_UNFIT)
        return; /* list_tools says how many there are */
    if (name && *name)
        term_tell("(%s: its tool %s is left out: %s)", mcp_name(m), term_printable(name, shown, sizeof shown), why);
    else
        term_tell("(%s: its tool %zu is left out: %s)", mcp_name(m), at, why);
}

static bool take_tool(mcp *m, const json_t *j, carat_err *err)
{
    if (m->n == MCP_MOST_TOOLS) {
        m->n_beyond++;
        return true;
    }
    const char *why = why_unfit(m, j);
    if (why) {
        tell_unfit(m, j, m->n + m->n_unfit, why);
        return true;
    }
    mcp_tool *grown = realloc(m->tools, (m->n + 1) * sizeof *grown);
    if (!grown)
        return no_memory(err);
    m->tools = grown;
    if (!copy_tool(j, json_object_get(j, "inputSchema"), &m->tools[m->n], err))
        return false;
    m->n++;
    return true;
}

/* One page; *cursor is the next one's, the caller's; NULL: it was the last. */
static bool list_page(mcp *m, json_t **cursor, carat_err *err)
{
    json_t *result, *params = *cursor ? json_pack("{s:o}", "cursor", *cursor) : json_object(), *tool;
    size_t i;
    char *text = ct_json_dump(params, JSON_COMPACT);
    json_decref(params);
    *cursor = NULL;
    bool ok = (text || no_memory(err)) && rpc_request(&m->rpc, "tools/list", text, m->seconds, &result, err);
    free(text);
    if (!ok)
        return false;
    const json_t *list = json_object_get(result, "tools");
    json_t *next = json_object_get(result, "nextCursor");
    ok = json_is_array(list) ||
         ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: tools/list: there is no list of tools", mcp_name(m));
    json_array_foreach(list, i, tool) {
        ok = ok && take_tool(m, tool, err);
    }
    if (ok && json_is_string(next))
        *cursor = json_incref(next);
    json_decref(result);
    return ok;
}

static bool list_tools(mcp *m, carat_err *err)
{
    json_t *cursor = NULL;
    bool ok = true;
    forget_tools(m);
    m->is_stale = false;
    for (size_t page = 0; ok && m->has_tools && page < MOST_PAGES && (page == 0 || cursor); page++)
        ok = list_page(m, &cursor, err);
    if (cursor)
        term_tell("(%s: its list of tools has more than %d pages: the rest is left out)", mcp_name(m), MOST_PAGES);
    if (m->n_unfit > MOST_UNFIT)
        term_tell("(%s: %zu more of its tools are left out for such reasons)", mcp_name(m), m->n_unfit - MOST_UNFIT);
    json_decref(cursor);
    if (!ok)
        forget_tools(m);
    return ok;
}

/* ---- what it says of itself ---- */

static bool is_worth_showing(const char *level)
{
    static const char *const levels[] = { "warning", "error", "critical", "alert", "emergency" };
    for (size_t i = 0; level && i < sizeof levels / sizeof *levels; i++)
        if (strcmp(level, levels[i]) == 0)
            return true;
    return false;
}

/* Warnings and worse, the first few of them. */
static void show_message(mcp *m, const json_t *params)
{
    const char *level = json_string_value(json_object_get(params, "level"));
    const json_t *data = json_object_get(params, "data");
    if (!data || !is_worth_showing(level) || m->n_messages > MOST_MESSAGES)
        return;
    char *text = json_is_string(data) ? copy_text(data) : ct_json_dump(data, JSON_ENCODE_ANY);
    char shown[240];
    if (m->n_messages++ == MOST_MESSAGES)
        term_note("(%s: more messages are not shown)", mcp_name(m));
    else if (text)
        term_note("(%s: %s: %s)", mcp_name(m), level, term_printable(text, shown, sizeof shown));
    free(text);
}

static void on_notice(void *arg, const char *method, const json_t *params)
{
    mcp *m = arg;
    if (strcmp(method, "notifications/tools/list_changed") == 0)
        m->is_stale = true;
    else if (strcmp(method, "notifications/message") == 0)
        show_message(m, params);
}

/* ---- from start to end ---- */

bool mcp_open(const char *command, double seconds, mcp **out, carat_err *err)
{
    mcp *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m)
        return no_memory(err);
    m->seconds = seconds;
    m->rpc.on_notice = on_notice;
    m->rpc.arg = m;
    cli_note_interrupt();
    const bool ok = rpc_open(&m->rpc, command, err) && begin(m, err) && list_tools(m, err);
    cli_cancel_on_interrupt(NULL);
    if (!ok) {
        rpc_show_log(&m->rpc);
        mcp_close(m);
        return false;
    }
    *out = m;
    return true;
}

void mcp_hang_up(mcp *m)
{
    rpc_hang_up(&m->rpc);
}

void mcp_close(mcp *m)
{
    if (!m)
        return;
    rpc_close(&m->rpc);
    forget_tools(m);
    free(m);
}

const char *mcp_name(const mcp *m)
{
    return m->rpc.name;
}

bool mcp_refresh(mcp *m, bool *changed, carat_err *err)
{
    *changed = false;
    if (m->rpc.is_lost && !m->n)
        return true; /* which was said */
    m->n_messages = 0;
    rpc_listen(&m->rpc);
    if (!m->rpc.is_lost && !m->is_stale)
        return true;
    *changed = true;
    cli_note_interrupt();
    const bool ok = list_tools(m, err);
    cli_cancel_on_interrupt(NULL);
    if (!ok)
        rpc_show_log(&m->rpc);
    return ok;
}

/* ---- a call ---- */

static char *call_params(const char *tool, const char *arguments, size_t len, carat_err *err)
{
    ct_buf b;
    ct_buf_init(&b, MOST_ARGUMENTS);
    ct_buf_str(&b, "{\"name\":");
    ct_json_text_string(tool, strlen(tool), &b);
    ct_buf_str(&b, ",\"arguments\":");
    const bool ok = ct_json_text_put("the arguments", arguments, len, false, &b, err); /* in one line */
    ct_buf_char(&b, '}');
    char *text = ct_buf_take(&b);
    if (ok && !text)
        no_memory(err);
    if (!ok) {
        free(text);
        text = NULL;
    }
    return text;
}

bool mcp_call(mcp *m, const char *tool, const char *arguments, size_t len, ct_buf *out, bool *failed, carat_err *err)
{
    json_t *result = NULL;
    char *params = call_params(tool, arguments, len, err);
    *failed = false;
    m->n_messages = 0;
    bool ok = params && rpc_request(&m->rpc, "tools/call", params, m->seconds, &result, err);
    free(params);
    if (ok) {
        *failed = json_is_true(json_object_get(result, "isError"));
        ok = mcp_result_text(result, out) || no_memory(err);
        json_decref(result);
    } else if (m->rpc.is_lost) {
        m->has_told = true;
        rpc_show_log(&m->rpc);
    }
    return ok;
}
