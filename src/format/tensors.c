/* tensors.c - looking things up in a directory of tensors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *name, const void *item)
{
    return strcmp(name, ((const carat_tensor *)item)->name);
}

const carat_tensor *carat_tensors_find(const carat_tensors *t, const char *name)
{
    return t->n > 0 ? bsearch(name, t->items, t->n, sizeof *t->items, by_name) : NULL;
}

bool carat_tensor_window(const carat_tensor *t, size_t off, size_t len, carat_window *w, carat_err *err)
{
    if (!t->data)
        return carat_window_open(w, t->map, t->offset + off, len, err);
    *w = (carat_window){ .data = t->data + off };
    return true;
}

static int two_names(const void *a, const void *b)
{
    return strcmp(((const carat_tensor *)a)->name, ((const carat_tensor *)b)->name);
}

static int two_offsets(const void *a, const void *b)
{
    const carat_tensor *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

bool carat_tensors_check_overlap(carat_tensor *items, size_t n, carat_err *err)
{
    if (n > 1)
        qsort(items, n, sizeof *items, two_offsets);
    for (size_t i = 1; i < n; i++) {
        const carat_tensor *a = &items[i - 1], *b = &items[i];
        if (b->offset - a->offset < a->bytes)
            return carat_fail(err, CARAT_EFORMAT, b->offset, "tensors '%.48s' and '%.48s' overlap at byte %zu", a->name,
                              b->name, b->offset);
    }
    return true;
}

bool carat_tensors_sort(carat_tensors *t, carat_err *err)
{
    if (t->n > 1)
        qsort(t->items, t->n, sizeof *t->items, two_names);
    for (size_t i = 1; i < t->n; i++)
        if (strcmp(t->items[i - 1].name, t->items[i].name) == 0)
            return carat_fail(err, CARAT_EFORMAT, t->items[i].offset, "tensor '%.96s' appears twice", t->items[i].name);
    return true;
}

const char *carat_tensor_shape(const carat_tensor *t, char buf[96])
{
    /* Four numbers of up to 20 digits with ", " between them and brackets around are 88 characters. */
    size_t len = (size_t)snprintf(buf, 96, "[%" PRIu64, t->dims[0]);
    for (uint32_t d = 1; d < t->n_dims && d < CARAT_MAX_DIMS; d++)
        len += (size_t)snprintf(buf + len, 96 - len, ", %" PRIu64, t->dims[d]);
    snprintf(buf + len, 96 - len, "]");
    return buf;
}
