/* Loads libmicrohttpd.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/mhd.h"

#include <pthread.h>

#include "base/symbol.h"

#define LIBRARY "libmicrohttpd.so.12"

ct_mhd_api ct_mhd;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *missing; /* what could not be had; NULL: nothing */

static void load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        missing = LIBRARY;
        return;
    }
#define TAKE(name, function, result, arguments)                                                                        \
    if (!ct_symbol(library, #function, &ct_mhd.name, sizeof ct_mhd.name))                                              \
        missing = #function;
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
