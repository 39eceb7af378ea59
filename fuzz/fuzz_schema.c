/* fuzz_schema.c - a JSON Schema as the form of an answer: compiled or refused, and texts of it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "format_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_form(CARAT_FORMAT_JSON_SCHEMA, data, size);
    return 0;
}
