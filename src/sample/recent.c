/* The window of recent tokens with their counts: a ring and a hash table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/recent.h"

#include <stdlib.h>

#define LEAST_BITS 6

static ct_recent_token *new_table(int bits)
{
    ct_recent_token *t = malloc(((size_t)1 << bits) * sizeof *t);
    for (size_t i = 0; t && i < (size_t)1 << bits; i++)
        t[i] = (ct_recent_token){ .id = -1 };
    return t;
}

bool ct_recent_init(ct_recent *r, size_t window)
{
    *r = (ct_recent){ .window = window, .bits = LEAST_BITS };
    r->ring = calloc(window, sizeof *r->ring);
    r->table = new_table(r->bits);
    return r->ring && r->table;
}

void ct_recent_deinit(ct_recent *r)
{
    free(r->ring);
    free(r->table);
    *r = (ct_recent){ 0 };
}

/* The token's entry, or the free one where it would go. */
static ct_recent_token *place_of(ct_recent_token *table, int bits, int32_t id)
{
    size_t mask = ((size_t)1 << bits) - 1, i = (uint32_t)id * UINT32_C(2654435769) >> (32 - bits);
    while (table[i].id != id && table[i].id != -1)
        i = (i + 1) & mask;
    return &table[i];
}

/* Rebuilds the table without tokens that have left the window, with room for the present ones. */
static bool make_room(ct_recent *r)
{
    size_t live = 0, at = 0;
    int bits = LEAST_BITS;
    while (ct_recent_next(r, &at))
        live++;
    while (((size_t)1 << bits) < 4 * live)
        bits++;
    ct_recent_token *table = new_table(bits), *t;
    if (!table)
        return false;
    for (at = 0; (t = ct_recent_next(r, &at));)
        *place_of(table, bits, t->id) = *t;
    free(r->table);
    r->table = table;
    r->bits = bits;
    r->n_taken = live;
    return true;
}

void ct_recent_add(ct_recent *r, int32_t id)
{
    if (r->failed)
        return;
    if (r->n == r->window)
        place_of(r->table, r->bits, r->ring[r->next])->n--;
    else
        r->n++;
    r->ring[r->next] = id;
    r->next = (r->next + 1) % r->window;
    ct_recent_token *t = place_of(r->table, r->bits, id);
    if (t->id == -1) {
        *t = (ct_recent_token){ .id = id };
        r->n_taken++;
    }
    t->n++;
    if (2 * r->n_taken > (size_t)1 << r->bits && !make_room(r))
        r->failed = true;
}

ct_recent_token *ct_recent_next(const ct_recent *r, size_t *at)
{
    while (*at < (size_t)1 << r->bits) {
        ct_recent_token *t = &r->table[(*at)++];
        if (t->id != -1 && t->n)
            return t;
    }
    return NULL;
}
