/* Loads libmicrohttpd.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/mhd.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define LIBRARY "libmicrohttpd.so.12"

ct_mhd_api ct_mhd;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *missing; /* what could not be had; NULL: nothing */

/* A function's address is no pointer to an object in C, but dlsym gives it as one (POSIX, dlsym, "Application Usage"). */
static void take(void *library, const char *name, void *to, size_t size)
{
    void *f = dlsym(library, name);
    if (f)
        memcpy(to, &f, size);
    else
        missing = name;
}

static void load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        missing = LIBRARY;
        return;
    }
#define TAKE(name, function, result, arguments) take(library, #function, &ct_mhd.name, sizeof ct_mhd.name);
    CT_MHD_FUNCTIONS(TAKE)
#undef TAKE
}

bool ct_mhd_load(carat_err *err)
{
    pthread_once(&once, load);
    return !missing ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "libmicrohttpd cannot be loaded (%s): serving needs it; Debian has it as libmicrohttpd12", missing);
}
