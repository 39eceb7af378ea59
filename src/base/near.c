/* Edit distance (Levenshtein), with neighbouring letters swapped as one change.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/near.h"

#define MAX_NAME 127

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t ct_edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][MAX_NAME + 1], *before = rows[0], *last = rows[1], *row = rows[2];
    m = least(m, MAX_NAME);
    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(last[j - 1] + (a[i - 1] != b[j - 1]), 1 + least(last[j], row[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = last, last = row, row = spare;
    }
    return last[m];
}
