/* mcp.h - a server of the Model Context Protocol, as a client sees it: it is started, lists its tools and runs them.
 *
 * The server is a program that speaks on its standard input and output (rpc.h). Of the protocol this is: initialisation,
 * tools with pages and changes, ping, cancelling, log messages. Of what a server may ask of a client nothing is offered (no
 * sampling, roots, elicitation), and asking is answered with "method not found".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_MCP_H
#define CT_CLI_MCP_H

#include "rpc.h"

#define MCP_MOST_TOOLS 512 /* of a server that are looked at */

typedef struct mcp_tool { /* owned */
    char *name;           /* as the server has it: any text */
    char *description;    /* NULL: none */
    char *schema;         /* of its arguments: compact JSON */
} mcp_tool;

typedef struct mcp {
    rpc rpc;
    double seconds;      /* that an answer may take */
    char version[16];    /* of the protocol */
    bool has_tools;      /* it says that it offers some */
    bool is_stale;       /* it says that its list has changed */
    bool has_told;       /* that it is lost: an error of a call said so */
    unsigned n_messages; /* of its log that were shown */
    mcp_tool *tools;     /* [n] */
    size_t n;
    size_t n_beyond; /* that it lists beyond MCP_MOST_TOOLS */
    size_t n_unfit;  /* that were left out as none that can be called */
} mcp;

/* Starts the server and asks for its tools; *m is the caller's (mcp_close). What it wrote to its standard errors is shown
 * where it fails. Errors: as rpc_open and rpc_request, CARAT_EFORMAT (answers that are not as the protocol has them),
 * CARAT_EUNSUPPORTED (a version of the protocol that is not known). Tools that are none, and pages without end, are left out
 * and told of. */
bool mcp_open(const char *command, double seconds, mcp **m, carat_err *err);
void mcp_hang_up(mcp *m); /* as rpc_hang_up */
void mcp_close(mcp *m);   /* accepts NULL */

/* What the server is called, for people. */
const char *mcp_name(const mcp *m);

/* Deals with what has come meanwhile; *changed: the tools are others now. Errors: as mcp_open, after which there are no tools. */
bool mcp_refresh(mcp *m, bool *changed, carat_err *err);

/* Runs a tool. arguments is a JSON object. The result is appended to out: text, or JSON {"error":...} where the tool says
 * that it failed (*failed). Parts that are no text are named in it. Errors: as rpc_request. */
bool mcp_call(mcp *m, const char *tool, const char *arguments, size_t len, ct_buf *out, bool *failed, carat_err *err);

#endif
