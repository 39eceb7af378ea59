/* Reads a tensor's bytes and keeps them until the program ends.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tensor_bytes.h"

#include "unit.h"

#include <stdlib.h>

static ct_window *kept;
static size_t n_kept;

static void close_all(void)
{
    while (n_kept > 0)
        ct_window_close(&kept[--n_kept]);
    free(kept);
}

const uint8_t *tensor_bytes(const ct_tensor *t)
{
    ct_window w;
    carat_err err;
    if (!kept)
        atexit(close_all);
    ct_window *more = realloc(kept, (n_kept + 1) * sizeof *kept);
    assert_non_null(more);
    kept = more;
    if (!ct_tensor_window(t, 0, t->bytes, &w, &err))
        fail_msg("%s: %s", t->name, err.msg);
    kept[n_kept++] = w;
    return w.data;
}
