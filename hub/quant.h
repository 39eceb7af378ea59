/* quant.h - what the names of GGUF files say: quantisations, parts of split files.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_QUANT_H
#define CT_HUB_QUANT_H

#include <stdbool.h>
#include <stddef.h>

#define HUB_MAX_TAG 256

/* Is it a quantisation's name: Q4_K_M, iq3_xxs, UD-Q2_K_XL, bf16? */
bool ct_hub_is_quant(const char *text);
/* The last quantisation in a file's name, in upper case; false: it has none, and tag is the name without folder and ".gguf". */
bool ct_hub_tag_of(const char *file, char tag[HUB_MAX_TAG]);
/* "x-00002-of-00003.gguf": its number and how many there are; false: no part of a split file. *stem: the length before "-00002". */
bool ct_hub_part_of(const char *file, size_t *stem, unsigned *part, unsigned *n);

/* "a/b/c.gguf" -> "c.gguf" */
const char *ct_hub_base(const char *file);
bool ct_hub_has_end(const char *text, const char *end); /* case does not count */

#endif
