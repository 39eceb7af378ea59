/* Calls in answers: the public reader.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/reader/reader.h"

bool carat_call_reader_open(const carat_tools *t, carat_call_reader **out, carat_err *err)
{
    return ct_call_reader_open(t, out, err);
}

bool carat_call_reader_push(carat_call_reader *r, const char *text, size_t len, const carat_piece **pieces, size_t *n,
                            carat_err *err)
{
    return ct_call_reader_push(r, text, len, pieces, n, err);
}

bool carat_call_reader_finish(carat_call_reader *r, const carat_piece **pieces, size_t *n, carat_err *err)
{
    return ct_call_reader_finish(r, pieces, n, err);
}

void carat_call_reader_close(carat_call_reader *r)
{
    ct_call_reader_close(r);
}
