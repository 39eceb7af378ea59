/* short.h - short names of published models, and the public repositories that they stand for.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_SHORT_H
#define CT_HUB_SHORT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ct_short {
    const char *names; /* with spaces between; the first is shown */
    const char *repo;
    const char *licence; /* what using it is bound to, for people */
    bool is_gated;       /* its owner wants the terms accepted and a token sent */
} ct_short;

/* The i-th row; NULL past the last. */
const ct_short *ct_short_at(size_t i);
/* The first of its names. */
const char *ct_short_shown(const ct_short *s, char out[64]);
/* The row that a name means ("gemma-3-4b-it", "gemma3:4b-it-q8_0"); *tag: the quantisation behind it, borrowed, or "". */
const ct_short *ct_short_find(const char *name, const char **tag);

#endif
