/* toolbox.h - the tools of a chat: commands of a file and those of servers, under the names that the model knows them by.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_TOOLBOX_H
#define CT_CLI_TOOLBOX_H

#include "mcp.h"
#include "options.h"
#include "tool_file.h"

typedef struct tool_entry {
    char name[65];               /* as the model has it */
    const char *own;             /* as its server has it */
    const char *description;     /* NULL: none */
    const char *schema;          /* NULL: no arguments */
    const tool_command *command; /* one of a file ... */
    mcp *server;                 /* ... or of a server */
    bool is_allowed;             /* to be run without asking */
} tool_entry;

typedef struct toolbox {
    tool_file *file; /* NULL: none */
    mcp *servers[CLI_MAX_LIST];
    size_t n_servers;
    tool_entry *v; /* [n] */
    size_t n;
    carat_tools *tools; /* NULL: there are none */
    carat_format
        *format; /* of answers that may call them; NULL without tools, before toolbox_bind, and where it says so */
} toolbox;

/* file may be NULL. seconds: what a call, or a server's answer, may take. Renamings and what is left out are told: what servers offer beyond
 * what carat_tools_open takes, for one. Errors:
 * those of reading the file, starting the servers and carat_tools_open. *b is to be given to toolbox_close, also after an
 * error. */
bool toolbox_open(toolbox *b, const char *file, const cli_list *servers, double seconds, carat_err *err);
/* Makes the format of answers. A tool whose schema cannot be enforced is told of: its arguments are any JSON object then;
 * so are all, where the schemas are too much together, and where that is too much, too, there is no format. Errors:
 * CARAT_ENOMEM, CARAT_EUNSUPPORTED (a model without a vocabulary): then there are no tools. */
bool toolbox_bind(toolbox *b, carat_engine *e, carat_err *err);
/* Servers are asked to leave and waited for. */
void toolbox_close(toolbox *b);

/* What servers have said since is dealt with; where their tools have changed, so have these. Failing servers are told of,
 * and have no tools from then on. Errors: those of carat_tools_open: then there are no tools. */
bool toolbox_refresh(toolbox *b, bool *changed, carat_err *err);

/* NULL: there is none of that name. */
tool_entry *toolbox_find(toolbox *b, const char *name);
/* Who runs it: "./tools.json"'s command, a server's name. */
const char *toolbox_origin(const tool_entry *e);
void toolbox_list(const toolbox *b);

/* Runs a tool; as mcp_call and tool_command_run. A Ctrl-C ends it where it is noted (cli_note_interrupt). */
bool toolbox_run(const tool_entry *e, const char *arguments, size_t len, ct_buf *out, bool *failed, carat_err *err);

#endif
