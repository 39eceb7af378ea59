/* Maps a tensor's bytes and leaves them mapped.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tensor_bytes.h"

#include "unit.h"

const uint8_t *tensor_bytes(const ct_tensor *t)
{
    ct_window w;
    carat_err err;
    if (!ct_tensor_window(t, 0, t->bytes, &w, &err))
        fail_msg("%s: %s", t->name, err.msg);
    return w.data;
}
