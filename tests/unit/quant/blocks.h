/* blocks.h - the raw blocks of tests/golden/data/quants/quants.gguf, found by tensor name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_BLOCKS_H
#define CT_TESTS_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct blocks_file {
    char *bytes;
    size_t size;
} blocks_file;

void blocks_open(blocks_file *f);
void blocks_close(blocks_file *f);

/* NULL if there is no such tensor. */
const void *blocks_find(const blocks_file *f, const char *tensor);

#endif
