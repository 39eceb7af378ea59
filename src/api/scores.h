/* scores.h - the continuations of a request. Inside api/.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_SCORES_H
#define CT_API_SCORES_H

#include "api/internal.h"

/* Of options that have some. Errors: those of carat_request_submit that are about continuations. */
bool ct_api_scores_open(const carat_engine *e, const carat_request_options *o, ct_scores **out, carat_err *err);
/* What the caller will be shown, malloc'd; NULL: no memory. */
carat_score *ct_api_score_list(const ct_scores *s, carat_err *err);
/* All figures are known. The list borrows from s. */
void ct_api_score_fill(const ct_scores *s, carat_score *list);

#endif
