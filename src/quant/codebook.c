/* codebook.c - the forms of the codebook types, and the entries near every point.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/codebook.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "quant/grids.h"

#define IQ1_LEVELS 3, { -1, 0, 1 }, 0.125f
#define IQ2_LEVELS 3, { 1, 3.125f, 5.375f }, 0

/* clang-format off */
const ct_book_form ct_book_forms[CT_N_BOOK] = {
    [CT_BOOK_IQ1_S] = { ct_grid_iq1, 2048, 8, IQ1_LEVELS, 32, true, 7, false, false, 1.0f, 1.17f },
    [CT_BOOK_IQ1_M] = { ct_grid_iq1, 2048, 8, IQ1_LEVELS, 16, false, 7, false, false, 0.9f, 1.17f },
    [CT_BOOK_IQ2_XXS] = { ct_grid_iq2_xxs, 256, 8, IQ2_LEVELS, 32, true, 15, true, true, 0.75f, 1.12f },
    [CT_BOOK_IQ2_XS] = { ct_grid_iq2_xs, 512, 8, IQ2_LEVELS, 16, true, 15, true, true, 0.75f, 1.12f },
    [CT_BOOK_IQ2_S] = { ct_grid_iq2_s, 1024, 8, IQ2_LEVELS, 16, true, 15, true, false, 0.75f, 1.12f },
    [CT_BOOK_IQ3_XXS] = { ct_grid_iq3_xxs, 256, 4, 8, { 1, 3, 5, 7, 9, 11, 13, 15.5f }, 0, 32, true, 15, true, true, 0.85f, 1.09f },
    [CT_BOOK_IQ3_S] = { ct_grid_iq3_s, 512, 4, 8, { 1, 3, 5, 7, 9, 11, 13, 15 }, 0, 32, true, 15, true, false, 0.85f, 1.09f },
};
/* clang-format on */

enum { POINTS8 = 6561, POINTS4 = 4096 }; /* 3^8, 8^4 */

/* Squared distances of a point's half from every byte: codes of half an entry's weights. */
static void byte_distances(const ct_book_form *f, int point, float of[256])
{
    const int n = f->dim / 2, bits = f->dim == 8 ? 2 : 4, most = (1 << bits) - 1;
    for (int byte = 0; byte < 256; byte++) {
        int rest = point;
        of[byte] = 0;
        for (int i = 0; i < n; i++, rest /= f->n_level) {
            const int code = byte >> (bits * i) & most;
            const float off = code < f->n_level ? f->level[code] - f->level[rest % f->n_level] : 1e6f;
            of[byte] += off * off;
        }
    }
}

static void find_near(const ct_book_form *f, const float low[256], const float high[256], ct_near *to)
{
    float far[CT_NEAR];
    int n = 0;
    for (int e = 0; e < f->n_entry; e++) {
        const float d = low[f->grid[e] & 255] + high[f->grid[e] >> 8];
        if (n == CT_NEAR && d >= far[n - 1])
            continue;
        int at = n < CT_NEAR ? n++ : n - 1;
        for (; at > 0 && far[at - 1] > d; at--) {
            far[at] = far[at - 1];
            to->entry[at] = to->entry[at - 1];
        }
        far[at] = d;
        to->entry[at] = (uint16_t)e;
    }
    for (int i = 0; i < CT_NEAR; i++)
        to->code[i] = f->grid[to->entry[i]];
}

static void list_points(ct_book book, ct_near *lists)
{
    const ct_book_form *f = &ct_book_forms[book];
    const int half = f->dim == 8 ? 81 : 64;
    float low[256], high[256];
    for (int h = 0; h < half; h++) {
        byte_distances(f, h, high);
        for (int l = 0; l < half; l++) {
            byte_distances(f, l, low);
            find_near(f, low, high, &lists[h * half + l]);
        }
    }
}

/* Books with one grid share its lists. */
static const ct_near *lists[CT_N_BOOK];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ct_near *made_by_another(ct_book book)
{
    for (int b = 0; b < CT_N_BOOK; b++)
        if (ct_book_forms[b].grid == ct_book_forms[book].grid && lists[b])
            return (ct_near *)(uintptr_t)lists[b];
    return NULL;
}

bool ct_near_prepare(ct_book book)
{
    pthread_mutex_lock(&lock);
    ct_near *l = made_by_another(book);
    if (!l && (l = malloc((ct_book_forms[book].dim == 8 ? POINTS8 : POINTS4) * sizeof *l)))
        list_points(book, l);
    lists[book] = l;
    pthread_mutex_unlock(&lock);
    return l;
}

const ct_near *ct_near_lists(ct_book book)
{
    return lists[book];
}
