/* fuzz_call_form.c - the schemas of up to four functions, a line each, as calls: alone, or in a text. The first byte has the
 * options.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "format_use.h"
#include "sample/grammar/calls.h"

enum { IN_TEXT = 1, SINGLE = 2, ONE_IS_OFF = 4, HAS_BEGUN = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "f", "get", "get_time", "a.b-C_9" };
    ct_call_form v[4];
    ct_heap heap;
    ct_rules rules = { .heap = &heap };
    carat_err err = { .code = CARAT_OK };
    uint32_t root = 0;
    size_t n = 0;
    if (size == 0)
        return 0;
    const unsigned options = *data;
    for (size_t at = 1; at <= size && n < 4; n++) {
        const uint8_t *end = at < size ? memchr(data + at, '\n', size - at) : NULL;
        const size_t len = (end ? (size_t)(end - data) : size) - at;
        v[n] = (ct_call_form){ names[n], len ? (const char *)data + at : NULL, len, !(options & ONE_IS_OFF) || n != 1 };
        at += len + 1;
    }
    const uint32_t most = options & SINGLE ? 1 : CT_MOST_CALLS;
    fuzz_heap_init(&heap, size);
    const bool ok =
        (options & IN_TEXT ? ct_text_or_call_rules : ct_call_rules)("the calls", v, n, most, &rules, &root, &err);
    const char *begin = !(options & HAS_BEGUN) ? ""
                        : options & IN_TEXT    ? "So:\n[{\n\"name\": \"f\""
                                               : "{\"name\": \"f\"";
    fuzz_rules(ok, &rules, root, &err, begin, data, size);
    return 0;
}
