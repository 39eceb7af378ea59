/* Loads libcurl.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/curl_api.h"

#include <pthread.h>

#include "base/symbol.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static ct_curl_api api;
static const char *missing; /* what could not be had; NULL: nothing */

static void load(void)
{
    static const char *const names[] = { "libcurl.so.4", "libcurl-gnutls.so.4", "libcurl-nss.so.4" };
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        missing = names[0];
        return;
    }
#define TAKE(name, function, result, arguments)                                                                        \
    if (!ct_symbol(library, #function, &api.name, sizeof api.name))                                                    \
        missing = #function;
    CT_CURL_FUNCTIONS(TAKE)
#undef TAKE
    if (!missing && api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        missing = "curl_global_init";
}

bool ct_curl_load(const ct_curl_api **out, carat_err *err)
{
    pthread_once(&once, load);
    *out = &api;
    return !missing ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "libcurl cannot be loaded (%s): asking other servers needs it; Debian has it as libcurl3-gnutls",
                   missing);
}
