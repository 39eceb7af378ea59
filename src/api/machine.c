/* What this process may use, for programs that choose an engine's size by it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/sized.h"
#include "base/memlimit.h"
#include "base/pool.h"

bool carat_machine(carat_machine_info *out, carat_err *err)
{
    ct_memlimit limit;
    if (!CT_CAN_GIVE(carat_machine_info, out, err))
        return false;
    ct_memlimit_now(&limit);
    const carat_machine_info info = { .memory_left = limit.left,
                                      .memory_all = limit.all,
                                      .memory_limit = limit.who,
                                      .n_cores = (size_t)ct_cpu_default() };
    CT_GIVE(carat_machine_info, &info, out);
    return true;
}
