/* tool_file.h - tools that are commands of this machine, from a JSON file (docs/TOOLS.md, "Tools in a chat").
 *
 *   [{"name": "get_time", "description": "Local time of a city", "parameters": {JSON Schema of an object},
 *     "command": ["./get_time.py", "--utc"], "timeout": 10}, ...]
 *
 * name and command are needed. The command is run as it stands, without a shell, in this folder; it gets the arguments as
 * one JSON object on its standard input, and its standard output is the result.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_TOOL_FILE_H
#define CT_CLI_TOOL_FILE_H

#include "base/buf.h"
#include "base/json.h"

#define TOOL_FILE_MOST  128
#define TOOL_MOST_BYTES ((size_t)64 << 10) /* of a result, and of a failing command's output in it */

typedef struct tool_command {
    const char *name, *description; /* the file's; description: NULL if none */
    char *schema;                   /* owned: compact JSON; NULL: none */
    const char **argv;              /* owned, its words the file's; ends with NULL */
    double seconds;                 /* it may take */
} tool_command;

typedef struct tool_file {
    json_t *json;
    tool_command v[TOOL_FILE_MOST];
    size_t n;
} tool_file;

/* *f is the caller's (tool_file_close). seconds: for a tool without a timeout. Errors, with the
 * file's name: CARAT_EIO (of the file; a command's program that is not there, or cannot be run), CARAT_EFORMAT (naming the tool
 * and what is wrong with it; a key that is not known is), CARAT_ELIMIT, CARAT_ENOMEM, those of carat_tools_open. */
bool tool_file_open(const char *path, double seconds, tool_file **f, carat_err *err);
void tool_file_close(tool_file *f); /* accepts NULL */

/* Runs it. The result is appended to out: its output without line breaks at the end, at most TOOL_MOST_BYTES of it and then a
 * notice; of a command that fails or takes too long (*failed) JSON: {"error": why, "output": ..., "stderr": the last of it}.
 * *said: the last of what it wrote to its standard errors. Errors: CARAT_EIO (it cannot be started), CARAT_ECANCELLED
 * (Ctrl-C: it was ended), CARAT_ENOMEM. */
bool tool_command_run(const tool_command *t, const char *arguments, size_t len, ct_buf *out, bool *failed,
                      char said[160], carat_err *err);

#endif
