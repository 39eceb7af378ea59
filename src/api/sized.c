/* Structs of the caller's to ours and back: the one place that reads struct_size.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/sized.h"

#include <string.h>

/* No struct comes near it: a larger size is a field that was never set. */
#define MAX_SIZE ((size_t)1 << 16)

#define END_OF(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))

#define DEFINE(type, first, last)                                                                                      \
    _Static_assert(offsetof(type, struct_size) == 0, #type " begins with struct_size");                                \
    _Static_assert(END_OF(type, last) == sizeof(type), #type " ends with " #last ", without padding");                 \
    const ct_sized ct_sized_##type = { #type, sizeof(type), END_OF(type, first) };
CT_SIZED_STRUCTS(DEFINE)

static size_t size_of(const void *s)
{
    size_t size;
    memcpy(&size, s, sizeof size); /* the first field of every one */
    return size;
}

static bool check_size(const ct_sized *t, size_t size, carat_err *err)
{
    if (size >= t->first && size <= MAX_SIZE)
        return true;
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: struct_size is %zu, expected sizeof(%s), %zu in this version",
                   t->name, size, t->name, t->size);
}

bool ct_sized_take(const ct_sized *t, const void *from, void *to, carat_err *err)
{
    memset(to, 0, t->size);
    memcpy(to, &t->size, sizeof t->size);
    if (!from)
        return true;
    size_t size = size_of(from), known = size < t->size ? size : t->size;
    if (!check_size(t, size, err))
        return false;
    for (size_t i = t->size; i < size; i++)
        if (((const unsigned char *)from)[i])
            return ct_fail(err, CARAT_EARG, i,
                           "%s: made for a newer Carat than " CARAT_VERSION
                           ": a field at byte %zu is set, this version has %zu bytes",
                           t->name, i, t->size);
    memcpy((char *)to + sizeof size, (const char *)from + sizeof size, known - sizeof size);
    return true;
}

/* Elements lie as far apart as the first says it is long. Errors: CARAT_EARG (elements of different sizes). */
static bool find_at(const ct_sized *t, const void *array, size_t i, const void **at, carat_err *err)
{
    size_t stride = size_of(array);
    if (!check_size(t, stride, err))
        return false;
    *at = (const char *)array + i * stride;
    return size_of(*at) == stride || ct_fail(err, CARAT_EARG, i, "%s %zu: struct_size is %zu, that of the first is %zu",
                                             t->name, i, size_of(*at), stride);
}

bool ct_sized_take_at(const ct_sized *t, const void *array, size_t i, void *to, carat_err *err)
{
    const void *from;
    return find_at(t, array, i, &from, err) && ct_sized_take(t, from, to, err);
}

bool ct_sized_can_give(const ct_sized *t, const void *to, carat_err *err)
{
    return check_size(t, size_of(to), err);
}

void ct_sized_give(const ct_sized *t, const void *from, void *to)
{
    size_t size = size_of(to), known = size < t->size ? size : t->size;
    memcpy((char *)to + sizeof size, (const char *)from + sizeof size, known - sizeof size);
    memset((char *)to + known, 0, size - known);
}

bool ct_sized_can_give_at(const ct_sized *t, const void *array, size_t i, carat_err *err)
{
    const void *to;
    return find_at(t, array, i, &to, err);
}

void ct_sized_give_at(const ct_sized *t, const void *from, void *array, size_t i)
{
    ct_sized_give(t, from, (char *)array + i * size_of(array));
}
