/* fuzz_tools.c - descriptions and schemas of functions: refused by name, or declared as JSON that says the same, as Python and
 * as FunctionGemma's syntax.
 *
 * The input is a description, a NUL and a schema.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "chat/function_syntax.h"
#include "chat/segments.h"
#include "fuzz.h"

static carat_tools *open_tools(const char *description, const char *schema, size_t len, carat_tool_style style)
{
    const carat_tool tool = { sizeof tool, "f", description, schema, len };
    carat_tools *t = NULL;
    carat_err err = { 0 };
    bool ok = ct_tools_open(&tool, 1, style, &t, &err);
    FUZZ_MUST(ok == (t != NULL));
    FUZZ_MUST(ok || ((err.code == CARAT_EARG || err.code == CARAT_EFORMAT || err.code == CARAT_ELIMIT) && err.msg[0]));
    return t;
}

/* Written again, it is the same. */
static void use(const carat_tools *t)
{
    ct_buf again;
    ct_segments p = { 0 };
    ct_buf_init(&again, 1 << 24);
    FUZZ_MUST(ct_json_text_put("it", t->declared, t->declared_len, false, &again, NULL));
    FUZZ_MUST(again.len == t->declared_len && memcmp(again.data, t->declared, again.len) == 0);
    ct_buf_clear(&again);
    FUZZ_MUST(ct_json_text_put("it", t->declared, t->declared_len, true, &again, NULL));
    for (size_t i = 0; i < t->v[0].n_properties; i++)
        fuzz_touch(t->v[0].properties[i], strlen(t->v[0].properties[i]));
    ct_buf_init(&p.text, 1 << 24);
    if (ct_function_declare(&p, t))
        fuzz_touch(p.text.data, p.text.len);
    ct_segments_deinit(&p);
    ct_buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, 0, size);
    if (!nul || nul + 1 == data + size)
        return 0;
    const char *schema = (const char *)nul + 1;
    const size_t len = (size_t)((const char *)data + size - schema);
    carat_tools *json = open_tools((const char *)data, schema, len, CARAT_TOOLS_JSON);
    carat_tools *python = open_tools((const char *)data, schema, len, CARAT_TOOLS_PYTHON);
    FUZZ_MUST(!json == !python);
    if (json) {
        use(json);
        fuzz_touch(python->declared, python->declared_len);
    }
    ct_tools_close(json);
    ct_tools_close(python);
    return 0;
}
