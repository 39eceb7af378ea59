/* tensors.c - look-ups in a directory of tensors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *name, const void *item)
{
    return strcmp(name, ((const ct_tensor *)item)->name);
}

const ct_tensor *ct_tensors_find(const ct_tensors *t, const char *name)
{
    return t->n > 0 ? bsearch(name, t->items, t->n, sizeof *t->items, by_name) : NULL;
}

/* Of a head alone. The message does not name the file. */
static bool has_bytes(const ct_tensor *t, carat_err *err)
{
    return t->data || t->map->fd >= 0 ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "tensor '%s' is here in its packed form alone: use the model that the pack was made from", t->name);
}

bool ct_tensor_prepare(const ct_tensor *t, size_t off, size_t len, ct_window *w, carat_err *err)
{
    if (!has_bytes(t, err))
        return false;
    if (!t->data)
        return ct_window_prepare(w, t->map, t->offset + off, len, err);
    ct_window_close(w);
    *w = (ct_window){ .data = t->data + off };
    return true;
}

bool ct_tensor_window(const ct_tensor *t, size_t off, size_t len, ct_window *w, carat_err *err)
{
    if (!has_bytes(t, err))
        return false;
    if (!t->data)
        return ct_window_open(w, t->map, t->offset + off, len, err);
    *w = (ct_window){ .data = t->data + off };
    return true;
}

static int two_names(const void *a, const void *b)
{
    return strcmp(((const ct_tensor *)a)->name, ((const ct_tensor *)b)->name);
}

static int two_offsets(const void *a, const void *b)
{
    const ct_tensor *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

bool ct_tensors_check_overlap(ct_tensor *items, size_t n, carat_err *err)
{
    if (n > 1)
        qsort(items, n, sizeof *items, two_offsets);
    for (size_t i = 1; i < n; i++) {
        const ct_tensor *a = &items[i - 1], *b = &items[i];
        if (b->offset - a->offset < a->bytes)
            return ct_fail(err, CARAT_EFORMAT, b->offset, "tensors '%.48s' and '%.48s' overlap at byte %zu", a->name,
                           b->name, b->offset);
    }
    return true;
}

bool ct_tensors_sort(ct_tensors *t, carat_err *err)
{
    if (t->n > 1)
        qsort(t->items, t->n, sizeof *t->items, two_names);
    for (size_t i = 1; i < t->n; i++)
        if (strcmp(t->items[i - 1].name, t->items[i].name) == 0)
            return ct_fail(err, CARAT_EFORMAT, t->items[i].offset, "tensor '%.96s' appears twice", t->items[i].name);
    return true;
}

const char *ct_tensor_shape(const ct_tensor *t, char buf[96])
{
    /* Four numbers of up to 20 digits with ", " between them and brackets around are 88 characters. */
    size_t len = (size_t)snprintf(buf, 96, "[%" PRIu64, t->dims[0]);
    for (uint32_t d = 1; d < t->n_dims && d < CT_MAX_DIMS; d++)
        len += (size_t)snprintf(buf + len, 96 - len, ", %" PRIu64, t->dims[d]);
    snprintf(buf + len, 96 - len, "]");
    return buf;
}
