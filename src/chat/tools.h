/* tools.h - functions that the model may call: checked, and as they are declared in a prompt.
 *
 *   declared   [{"name":"get_time","description":"Local time of a city","parameters":{"type":"object", ...}}, ...]
 *
 * compact JSON (base/json_text.h) in the order that the caller gave, the schema's members and numbers as they were
 * written. A function without a schema takes no arguments: {"type":"object","properties":{}}.
 *
 * In the other style a function is a signature of Python (python.h), with a blank line between two of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CHAT_TOOLS_H
#define CT_CHAT_TOOLS_H

#include <stdbool.h>
#include <stddef.h>

#include "carat.h"

#define CT_TOOLS_MOST       128
#define CT_TOOLS_MOST_BYTES ((size_t)1 << 20) /* of schemas and descriptions, together */

/* The schema of a function that takes none, given or not. */
#define CT_TOOLS_NO_ARGUMENTS "{\"type\":\"object\",\"properties\":{}}"

typedef struct ct_tool {
    char *name;        /* [A-Za-z0-9_.-]{1,64} */
    char *description; /* UTF-8; NULL: none */
    char *schema;      /* a JSON object of an object's schema, compact */
    size_t schema_len;
    char **properties; /* [n_properties]: names of its arguments, in order; UTF-8, no two alike */
    size_t n_properties;
} ct_tool;

struct carat_tools { /* immutable once it is open */
    ct_tool *v;
    size_t n;
    carat_tool_style style;
    char *declared; /* as a prompt has them */
    size_t declared_len;
};

/* From structs of this library's size, tools [n] among them; nothing of them is kept. Errors: CARAT_EARG (no name or one
 * that is not allowed, two of one name, a description that is not UTF-8, an unknown style, a schema that is not an object's or
 * describes more than 1024 arguments or one twice), CARAT_EFORMAT (a schema that is not JSON; with its position), CARAT_ELIMIT
 * (more than 128 functions, or more than 1 MiB of schemas and descriptions), CARAT_ENOMEM. */
bool ct_tools_open(const carat_tool *tools, size_t n, carat_tool_style style, carat_tools **out, carat_err *err);
void ct_tools_close(carat_tools *t); /* accepts NULL */

/* NULL: there is none of that name. */
const ct_tool *ct_tools_find(const carat_tools *t, const char *name, size_t len);

#endif
