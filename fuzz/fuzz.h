/* fuzz.h - what a fuzz target is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FUZZ_H
#define CT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Gives the bytes to one parser and looks at all that comes out. Returns 0. libFuzzer and replay.c call it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is; not an assert, because it must also hold in release builds. */
#define FUZZ_MUST(x)                                                                                                   \
    do {                                                                                                               \
        if (!(x))                                                                                                      \
            abort();                                                                                                   \
    } while (0)

/* Every byte of a result is really there: a sanitizer sees it if not. */
static inline void fuzz_touch(const void *data, size_t len)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum ^= ((const uint8_t *)data)[i];
    __asm__ volatile("" : : "r"(sum)); /* keeps the loop */
}

#endif
