/* Made-up models: synth/ does it all.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "synth/synth.h"

#include "api/sized.h"

bool carat_synth(const carat_shape *shape, const char *path, carat_progress_fn *progress, void *arg, carat_err *err)
{
    carat_shape own;
    return CT_TAKE(carat_shape, shape, &own, err) && ct_synth_shape(&own, path, progress, arg, err);
}
