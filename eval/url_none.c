/* Built without libcurl: no server can be asked.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "eval/url.h"

bool ct_eval_url_open(const char *url, const char *name, size_t n_at_once, ct_eval_url **out, ct_eval_model *m,
                      carat_err *err)
{
    (void)url, (void)name, (void)n_at_once, (void)m;
    *out = NULL;
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "built without libcurl: no server can be asked");
}

void ct_eval_url_close(ct_eval_url *u)
{
    (void)u;
}
