/* ids.h - is that a token of the vocabulary?
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_IDS_H
#define CT_API_IDS_H

#include "base/err.h"

/* Is the id, the at-th of several, one of n_vocab? Errors: CARAT_EARG. */
static inline bool ct_api_check_id(int32_t id, size_t at, size_t n_vocab, carat_err *err)
{
    return (id >= 0 && (size_t)id < n_vocab) ||
           ct_fail(err, CARAT_EARG, at, "token id %d, the vocabulary has 0 to %zu", id, n_vocab - 1);
}

#endif
