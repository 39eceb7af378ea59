/* symbol.h - a function of a library that was opened with dlopen.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_SYMBOL_H
#define CT_BASE_SYMBOL_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Its address into *to, a pointer to a function. False: the library has none of that name, and *to is as it was. A function's address is
 * no pointer to an object in C, but dlsym gives it as one (POSIX, dlsym, "Application Usage"). */
static inline bool ct_symbol(void *library, const char *name, void *to, size_t size)
{
    void *f = dlsym(library, name);
    if (f)
        memcpy(to, &f, size);
    return f != NULL;
}

#endif
