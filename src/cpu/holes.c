/* Notes and reports zeros in the place of weights.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/holes.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define QUESTION "was the file downloaded whole?"

bool ct_is_zero(const void *data, size_t bytes)
{
    const uint8_t *p = data;
    return bytes && !p[0] && memcmp(p, p + 1, bytes - 1) == 0;
}

void ct_holes_add(ct_holes *h, const ct_tensor *t, size_t zero_rows, size_t rows)
{
    if (!zero_rows || h->n++)
        return;
    h->first = t->name;
    h->zero_rows = zero_rows;
    h->rows = rows;
}

void ct_holes_report(const ct_holes *h, const char *path)
{
    char rows[64] = "all zero", others[64] = "";
    if (!h->n)
        return;
    if (h->zero_rows < h->rows)
        snprintf(rows, sizeof rows, "zero in %zu of %zu rows", h->zero_rows, h->rows);
    if (h->n == 2)
        snprintf(others, sizeof others, ", and another tensor has zeros");
    else if (h->n > 2)
        snprintf(others, sizeof others, ", and %zu other tensors have zeros", h->n - 1);
    ct_logf(CARAT_LOG_WARN, "%s: tensor '%s' is %s%s: " QUESTION, path, h->first, rows, others);
}

bool ct_refuse_hole(const ct_tensor *t, const char *path, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, t->offset, "%s: tensor '%s' is all zero, which no norm is: " QUESTION, path,
                   t->name);
}
