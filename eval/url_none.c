/* Built without libcurl: no server can be asked.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "eval/url.h"

bool ct_eval_url_open(const ct_eval_url_options *o, ct_eval_url **out, ct_eval_model *m, carat_err *err)
{
    (void)o, (void)m;
    *out = NULL;
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "built without libcurl: no server can be asked");
}

void ct_eval_url_close(ct_eval_url *u)
{
    (void)u;
}
