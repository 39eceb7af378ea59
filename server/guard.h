/* guard.h - who may call: keys, the pages that may send requests, the names by which the server may be called.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_GUARD_H
#define CT_SERVER_GUARD_H

#include "http/http.h"
#include "server/server.h"

typedef struct ct_guard ct_guard;

/* Reads the keys. Errors: CARAT_EIO, CARAT_EARG (a file without keys), CARAT_ENOMEM. */
bool ct_guard_open(const ct_server_options *o, ct_guard **out, carat_err *err);
void ct_guard_close(ct_guard *g); /* accepts NULL */
/* Reads them again (SIGHUP); on false those that there were still count. */
bool ct_guard_reload(ct_guard *g, carat_err *err);

/* May this request come in? is_open: no key is asked for. Sets the headers of its reply that depend on where it is from. False:
 * f says why. */
bool ct_guard_admits(const ct_guard *g, ct_http_exchange *x, bool is_open, ct_openai_fault *f);

#endif
