/* fuzz_template.c - any bytes as a chat template: a format, or none, and a rest that is one short line.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "chat/formats.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ct_format_match m;
    ct_format_of_template((const char *)data, size, &m);
    size_t n = strnlen(m.rest, sizeof m.rest);
    FUZZ_MUST(m.kind <= CT_FORMAT_UNKNOWN && n < sizeof m.rest && !strchr(m.rest, '\n'));
    FUZZ_MUST(m.kind != CT_FORMAT_NONE || n == 0);
    return 0;
}
