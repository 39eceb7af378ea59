/* Copies of names in chunks, the check that a name can be shown, and a path shortened for a message.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/kept_names.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ct_name_chunk {
    ct_name_chunk *next;
    size_t used, cap;
    char data[];
};

static ct_name_chunk *new_chunk(ct_names *n, size_t room)
{
    size_t cap = room > 8192 ? room : 8192;
    size_t bytes = sizeof(ct_name_chunk) + cap;
    if (n->max && (n->bytes > n->max || bytes > n->max - n->bytes))
        return NULL;
    ct_name_chunk *c = malloc(bytes);
    if (!c)
        return NULL;
    c->next = n->first;
    c->used = 0;
    c->cap = cap;
    n->first = c;
    n->bytes += bytes;
    return c;
}

const char *ct_names_keep(ct_names *n, const void *s, size_t len)
{
    if (len > SIZE_MAX / 2)
        return NULL;
    ct_name_chunk *c = n->first;
    if (!c || c->cap - c->used < len + 1)
        c = new_chunk(n, len + 1);
    if (!c)
        return NULL;
    char *name = c->data + c->used;
    memcpy(name, s, len);
    name[len] = '\0';
    c->used += len + 1;
    return name;
}

void ct_names_deinit(ct_names *n)
{
    for (ct_name_chunk *c = n->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    *n = (ct_names){ .max = n->max };
}

size_t ct_names_odd_byte(const void *s, size_t len)
{
    const unsigned char *p = s;
    size_t i = 0;
    while (i < len && p[i] >= 0x20 && p[i] <= 0x7e)
        i++;
    return i;
}

const char *ct_short_path(const char *path, char buf[100])
{
    size_t len = strlen(path);
    if (len < 100)
        return path;
    const char *tail = path + len - 96;
    while (((unsigned char)*tail & 0xc0) == 0x80) /* do not begin in the middle of a character */
        tail++;
    snprintf(buf, 100, "...%s", tail);
    return buf;
}
