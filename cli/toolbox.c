/* The tools of a chat: collected, named, run.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "toolbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "term.h"

#define MOST_NAME (sizeof((tool_entry *)0)->name - 1)
/* That carat_tools_open takes: tools, and bytes of their schemas and descriptions. */
#define MOST_TOOLS 128
#define MOST_BYTES ((size_t)1 << 20)

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the tools");
}

/* ---- names ---- */

static bool is_allowed(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
}

/* What is not allowed in a name (carat_tool) becomes '_'; what is too long is cut. */
static void clean(const char *name, char *to)
{
    size_t n = 0;
    for (; *name && n < MOST_NAME; name++)
        if (is_allowed(*name))
            to[n++] = *name;
        else if ((*name & 0xC0) != 0x80) /* one for a whole character */
            to[n++] = '_';
    if (n == 0)
        to[n++] = '_';
    to[n] = '\0';
}

/* Has another tool than e this name, by its own cleaned one? */
static bool is_shared(const tool_entry *v, size_t n, const tool_entry *e)
{
    char theirs[MOST_NAME + 1], ours[MOST_NAME + 1];
    clean(e->own, ours);
    for (size_t i = 0; i < n; i++) {
        clean(v[i].own, theirs);
        if (&v[i] != e && strcmp(ours, theirs) == 0)
            return true;
    }
    return false;
}

static bool is_taken(const tool_entry *v, const tool_entry *e, const char *name)
{
    for (const tool_entry *other = v; other < e; other++)
        if (strcmp(other->name, name) == 0)
            return true;
    return false;
}

/* A server's tool is called as the server has it, if that is allowed and nobody else has it; else SERVER_TOOL, and if that is
 * taken, with a number. Those before it have their names. */
static void name_it(tool_entry *v, size_t n, tool_entry *e)
{
    char whole[2 * (MOST_NAME + 1) + 1];
    if (e->command) {
        snprintf(e->name, sizeof e->name, "%s", e->own); /* carat_tools_open judges it */
        return;
    }
    if (is_shared(v, n, e))
        snprintf(whole, sizeof whole, "%s_%s", mcp_name(e->server), e->own);
    else
        snprintf(whole, sizeof whole, "%s", e->own);
    clean(whole, e->name);
    const size_t len = strlen(e->name);
    for (unsigned i = 2; is_taken(v, e, e->name); i++) {
        char end[16];
        const int n_end = snprintf(end, sizeof end, "_%u", i);
        const size_t kept = len + (size_t)n_end <= MOST_NAME ? len : MOST_NAME - (size_t)n_end;
        snprintf(e->name + kept, sizeof e->name - kept, "%s", end);
    }
}

static void tell_name(const tool_entry *e)
{
    char shown[96];
    if (e->server && strcmp(e->name, e->own) != 0)
        term_note("(%s: its tool %s is called %s here)", mcp_name(e->server),
                  term_printable(e->own, shown, sizeof shown), e->name);
}

/* ---- what the library is given ---- */

static carat_tool as_tool(const tool_entry *e)
{
    return (carat_tool){
        .struct_size = sizeof(carat_tool), .name = e->name, .description = e->description, .parameters = e->schema
    };
}

static bool open_tools(const tool_entry *v, size_t n, carat_tools **out, carat_err *err)
{
    carat_tool *list = calloc(n + 1, sizeof *list);
    const carat_tools_options o = { .struct_size = sizeof o, .tools = list, .n_tools = n };
    if (!list)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        list[i] = as_tool(&v[i]);
    const bool ok = carat_tools_open(&o, out, err);
    free(list);
    return ok;
}

/* A server's tool that cannot be declared is left out: what others offer need not go with it. */
static bool can_be_declared(const tool_entry *e, bool *ok, carat_err *err)
{
    carat_tools *t = NULL;
    if (!e->server || !*ok)
        return *ok;
    if (open_tools(e, 1, &t, err)) {
        carat_tools_close(t);
        return true;
    }
    if (err->code == CARAT_ENOMEM)
        *ok = false;
    else
        term_tell("(%s: its tool %s is left out: %s)", mcp_name(e->server), e->name, err->msg);
    return false;
}

/* ---- the form of answers ---- */

static const char any_object[] = "{\"type\":\"object\"}";

static bool open_format(carat_engine *e, const carat_tools *t, const char *only, carat_format **out, carat_err *err)
{
    const carat_format_options o = {
        .struct_size = sizeof o, .kind = CARAT_FORMAT_TEXT_OR_CALLS, .tools = t, .names = &only, .n_names = only ? 1 : 0
    };
    return carat_format_open(e, &o, out, err);
}

/* No memory is no reason to ask less of the arguments. */
static bool is_final(const carat_err *err)
{
    return err->code == CARAT_ENOMEM || err->code == CARAT_EUNSUPPORTED;
}

/* Whether the schema can be enforced; if not, it is told of. */
static bool try_schema(const toolbox *b, carat_engine *e, const tool_entry *t, bool *can, carat_err *err)
{
    carat_format *f;
    *can = open_format(e, b->tools, t->name, &f, err);
    if (*can)
        carat_format_close(f);
    else if (!is_final(err))
        term_tell("(arguments of %s are any JSON object, not held to its schema: %s)", t->name, err->msg);
    return *can || !is_final(err);
}

static bool open_format_of(toolbox *b, carat_engine *e, const tool_entry *v, carat_err *err)
{
    carat_tools *t = NULL;
    const bool ok = open_tools(v, b->n, &t, err) && open_format(e, t, NULL, &b->format, err);
    carat_tools_close(t);
    return ok;
}

/* Each schema can be enforced, but not all of them together: any arguments of all, or, if there are too many of these, calls
 * as the model writes them. */
static bool open_loosest(toolbox *b, carat_engine *e, tool_entry *v, carat_err *err)
{
    const carat_err why = *err;
    for (size_t i = 0; i < b->n; i++)
        v[i].schema = any_object;
    if (open_format_of(b, e, v, err)) {
        term_tell("(arguments of all tools are any JSON object, not held to their schemas: %s)", why.msg);
        return true;
    }
    if (!is_final(err))
        term_tell("(calls are as the model writes them, not held to a form: %s)", err->msg);
    return !is_final(err);
}

/* The format of calls whose schemas can be enforced, and of the others with any arguments. */
static bool open_loose(toolbox *b, carat_engine *e, carat_err *err)
{
    tool_entry *v = malloc((b->n + 1) * sizeof *v);
    bool ok = v || no_memory(err);
    for (size_t i = 0; ok && i < b->n; i++) {
        bool can;
        v[i] = b->v[i];
        ok = try_schema(b, e, &v[i], &can, err);
        if (!can)
            v[i].schema = any_object;
    }
    ok = ok && (open_format_of(b, e, v, err) || (!is_final(err) && open_loosest(b, e, v, err)));
    free(v);
    return ok;
}

/* ---- all of them ---- */

static void add_command(toolbox *b, const tool_command *t)
{
    b->v[b->n++] = (tool_entry){ .own = t->name, .description = t->description, .schema = t->schema, .command = t };
}

static void add_tool(toolbox *b, mcp *server, const mcp_tool *t)
{
    b->v[b->n++] = (tool_entry){ .own = t->name, .description = t->description, .schema = t->schema, .server = server };
}

static size_t n_offered(const toolbox *b)
{
    size_t n = b->file ? b->file->n : 0;
    for (size_t i = 0; i < b->n_servers; i++)
        n += b->servers[i]->n;
    return n;
}

static void forget(toolbox *b)
{
    carat_format_close(b->format);
    carat_tools_close(b->tools);
    free(b->v);
    b->format = NULL;
    b->tools = NULL;
    b->v = NULL;
    b->n = 0;
}

static void add_all(toolbox *b)
{
    for (size_t i = 0; b->file && i < b->file->n; i++)
        add_command(b, &b->file->v[i]);
    for (size_t s = 0; s < b->n_servers; s++)
        for (size_t i = 0; i < b->servers[s]->n; i++)
            add_tool(b, b->servers[s], &b->servers[s]->tools[i]);
}

/* What a tool takes of MOST_BYTES. */
static size_t n_bytes(const tool_entry *e)
{
    return (e->schema ? strlen(e->schema) : 0) + (e->description ? strlen(e->description) : 0);
}

/* A server's tool that there is no room for beside those before it is left out. */
static bool has_room(const toolbox *b, const tool_entry *e)
{
    size_t left = MOST_BYTES;
    for (size_t i = 0; i < b->n; i++)
        left -= n_bytes(&b->v[i]);
    return !e->server || (b->n < MOST_TOOLS && n_bytes(e) <= left);
}

static void tell_left_out(const mcp *server, size_t n)
{
    if (n)
        term_tell("(%s: %zu of its tools %s left out: there may be %d in all, with 1 MiB of schemas and descriptions)",
                  mcp_name(server), n, n == 1 ? "is" : "are", MOST_TOOLS);
}

/* Takes e, which may stand where it goes, if it can be declared and there is room. */
static bool take(toolbox *b, const tool_entry *e, size_t *n_left_out, carat_err *err)
{
    bool ok = true;
    if (n_bytes(e) <= MOST_BYTES && !has_room(b, e)) /* what is too much alone is told of by its name */
        ++*n_left_out;
    else if (can_be_declared(e, &ok, err)) {
        b->v[b->n++] = *e;
        tell_name(&b->v[b->n - 1]);
    }
    return ok;
}

/* Names them, and takes those that can be declared, as many as there may be. */
static bool take_all(toolbox *b, carat_err *err)
{
    const size_t n_all = b->n;
    size_t n_left_out = 0;
    bool ok = true;
    for (size_t i = 0; i < n_all; i++)
        name_it(b->v, n_all, &b->v[i]);
    b->n = 0;
    for (size_t i = 0; i < n_all && ok; i++) {
        const mcp *server = b->v[i].server;
        const bool is_last = i + 1 == n_all || b->v[i + 1].server != server;
        ok = take(b, &b->v[i], &n_left_out, err);
        if (server && is_last) {
            tell_left_out(server, n_left_out + server->n_beyond);
            n_left_out = 0;
        }
    }
    return ok && (b->n == 0 || open_tools(b->v, b->n, &b->tools, err));
}

/* Whose text is still the same one is allowed as it was. */
static void keep_allowed(toolbox *b, const tool_entry *was, size_t n_was)
{
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < n_was; k++)
            if (was[k].own == b->v[i].own)
                b->v[i].is_allowed = was[k].is_allowed;
}

static bool collect(toolbox *b, carat_err *err)
{
    tool_entry *was = b->v;
    const size_t n_was = b->n;
    b->v = NULL;
    forget(b);
    b->v = calloc(n_offered(b) + 1, sizeof *b->v);
    bool ok = b->v || no_memory(err);
    if (ok) {
        add_all(b);
        ok = take_all(b, err);
        keep_allowed(b, was, n_was);
    }
    if (!ok)
        forget(b);
    free(was);
    return ok;
}

bool toolbox_bind(toolbox *b, carat_engine *e, carat_err *err)
{
    carat_format_close(b->format);
    b->format = NULL;
    if (!b->tools || open_format(e, b->tools, NULL, &b->format, err) || (!is_final(err) && open_loose(b, e, err)))
        return true;
    forget(b);
    return false;
}

bool toolbox_open(toolbox *b, const char *file, const cli_list *servers, double seconds, carat_err *err)
{
    *b = (toolbox){ .n = 0 };
    if (file && !tool_file_open(file, seconds, &b->file, err))
        return false;
    for (size_t i = 0; i < servers->n; i++) {
        mcp *m;
        if (!mcp_open(servers->v[i], seconds, &m, err))
            return false;
        b->servers[b->n_servers++] = m;
        if (m->n == 0)
            term_tell("(%s offers no tools)", mcp_name(m));
    }
    return collect(b, err);
}

void toolbox_close(toolbox *b)
{
    for (size_t i = 0; i < b->n_servers; i++)
        mcp_hang_up(b->servers[i]);
    forget(b);
    for (size_t i = 0; i < b->n_servers; i++)
        mcp_close(b->servers[i]);
    tool_file_close(b->file);
    *b = (toolbox){ .n = 0 };
}

tool_entry *toolbox_find(toolbox *b, const char *name)
{
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->v[i].name, name) == 0)
            return &b->v[i];
    return NULL;
}

/* Its tools have been read anew: what it had may mean something else now, and was allowed under that other meaning. */
static void disown(toolbox *b, const mcp *server)
{
    term_note("(%s: its tools have changed, it has %zu)", mcp_name(server), server->n);
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].server == server)
            b->v[i].own = NULL;
}

bool toolbox_refresh(toolbox *b, bool *changed, carat_err *err)
{
    *changed = false;
    for (size_t i = 0; i < b->n_servers; i++) {
        bool is_other = false;
        if (!mcp_refresh(b->servers[i], &is_other, err)) {
            if (!b->servers[i]->has_told)
                term_error(err);
            term_tell("(%s: its tools are gone)", mcp_name(b->servers[i]));
        }
        if (is_other)
            disown(b, b->servers[i]);
        *changed = *changed || is_other;
    }
    return !*changed || collect(b, err);
}

const char *toolbox_origin(const tool_entry *e)
{
    return e->server ? mcp_name(e->server) : e->command->argv[0];
}

/* The first line of what is said of it, or its beginning. */
static void put_words(const char *description, char *to, size_t size)
{
    const size_t line = strcspn(description, "\n");
    char words[120];
    snprintf(words, sizeof words, "%.*s", (int)line, description);
    term_printable(words, to, size);
    if (line >= sizeof words && strlen(to) + 5 < size)
        memcpy(to + strlen(to), " ...", 5);
}

void toolbox_list(const toolbox *b)
{
    if (!b->n)
        puts("  no tools (--tools FILE, --mcp COMMAND)");
    for (size_t i = 0; i < b->n; i++) {
        const tool_entry *e = &b->v[i];
        char words[160] = "", origin[80];
        put_words(e->description ? e->description : "", words, sizeof words);
        printf("  %-20s %s%s%s\n", e->name, term_printable(toolbox_origin(e), origin, sizeof origin),
               *words ? ": " : "", words);
    }
}

bool toolbox_run(const tool_entry *e, const char *arguments, size_t len, ct_buf *out, bool *failed, carat_err *err)
{
    char said[160] = "";
    const bool ok = e->server ? mcp_call(e->server, e->own, arguments, len, out, failed, err)
                              : tool_command_run(e->command, arguments, len, out, failed, said, err);
    if (*said && !(ok && *failed)) /* which is in the result */
        term_note("  %s: %s", e->name, said);
    return ok;
}
