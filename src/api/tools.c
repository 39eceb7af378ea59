/* Functions that the model may call: from the caller's structs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/tools.h"

#include <stdlib.h>

#include "api/sized.h"

bool carat_tools_open(const carat_tools_options *from, carat_tools **out, carat_err *err)
{
    carat_tools_options o;
    *out = NULL;
    if (!CT_TAKE(carat_tools_options, from, &o, err))
        return false;
    if (o.n_tools && !o.tools)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu functions, but no list of them", o.n_tools);
    const size_t n = o.n_tools <= CT_TOOLS_MOST ? o.n_tools : 0; /* more are refused unread */
    carat_tool *tools = calloc(n + 1, sizeof *tools);
    if (!tools)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the functions");
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = CT_TAKE_AT(carat_tool, o.tools, i, &tools[i], err);
    ok = ok && ct_tools_open(tools, o.n_tools, o.style, out, err);
    free(tools);
    return ok;
}

void carat_tools_close(carat_tools *t)
{
    ct_tools_close(t);
}

size_t carat_tools_n(const carat_tools *t)
{
    return t->n;
}

const char *carat_tools_name(const carat_tools *t, size_t i)
{
    return i < t->n ? t->v[i].name : NULL;
}
