/* fuzz_rows.c - files of items: JSON lines, a document, CSV with and without a header; and a template over each row. The first byte says
 * which.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "eval/fill.h"
#include "eval/rows.h"
#include "fuzz.h"

static void use(json_t *rows, size_t limit)
{
    size_t i;
    json_t *row;
    FUZZ_MUST(json_is_array(rows) && (!limit || json_array_size(rows) <= limit));
    json_array_foreach(rows, i, row) {
        carat_err err;
        ct_buf b;
        ct_buf_init(&b, 1 << 16);
        FUZZ_MUST(json_is_object(row) && json_is_integer(json_object_get(row, CT_EVAL_LINE)));
        if (ct_eval_fill("<{a|strip|capitalize}|{b.c|or:none}|{file.a|or:}>", row, &b, &err))
            fuzz_touch(b.data, b.len);
        else
            FUZZ_MUST(err.msg[0]);
        const char *text = json_string_value(json_object_get(row, "a"));
        char *clean = text ? ct_eval_clean(text) : NULL;
        FUZZ_MUST(!clean || strlen(clean) <= strlen(text));
        free(clean);
        ct_buf_deinit(&b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *columns;
    carat_err err = { 0 };
    json_t *rows = NULL;
    if (!columns)
        columns = json_pack("[s, s, s]", "a", "b", "c");
    if (!size)
        return 0;
    const ct_eval_form forms[] = {
        { 0 }, { .rows = "examples" }, { .is_csv = true }, { .is_csv = true, .columns = columns }
    };
    const size_t limit = data[0] & 4 ? 2 : 0;
    if (ct_eval_rows_parse("f", (const char *)data + 1, size - 1, &forms[data[0] & 3], limit, &rows, &err)) {
        use(rows, limit);
        json_decref(rows);
    } else {
        FUZZ_MUST(err.code != CARAT_OK && err.msg[0]);
    }
    return 0;
}
