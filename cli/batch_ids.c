/* A set of strings with a few flags each: open addressing, at most half full.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "batch.h"

static uint64_t hash(const char *s) /* FNV-1a: the ids are the user's own */
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return h ^ h >> 32;
}

static struct batch_id *place(const batch_ids *ids, const char *id)
{
    size_t i = hash(id) & (ids->cap - 1);
    while (ids->v[i].id && strcmp(ids->v[i].id, id) != 0)
        i = (i + 1) & (ids->cap - 1);
    return &ids->v[i];
}

static bool grow(batch_ids *ids)
{
    batch_ids larger = { .n = ids->n, .cap = ids->cap ? 2 * ids->cap : 1024 };
    larger.v = calloc(larger.cap, sizeof *larger.v);
    if (!larger.v)
        return false;
    for (size_t i = 0; i < ids->cap; i++)
        if (ids->v[i].id)
            *place(&larger, ids->v[i].id) = ids->v[i];
    free(ids->v);
    *ids = larger;
    return true;
}

struct batch_id *batch_ids_at(batch_ids *ids, const char *id)
{
    if (2 * (ids->n + 1) > ids->cap && !grow(ids))
        return NULL;
    struct batch_id *p = place(ids, id);
    if (!p->id) {
        p->id = strdup(id);
        if (!p->id)
            return NULL;
        ids->n++;
    }
    return p;
}

void batch_ids_deinit(batch_ids *ids)
{
    for (size_t i = 0; i < ids->cap; i++)
        free(ids->v[i].id);
    free(ids->v);
}
