/* fuzz_gbnf.c - a GBNF grammar as the form of an answer: compiled or refused, and texts of it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "format_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_form(CARAT_FORMAT_GBNF, data, size);
    return 0;
}
