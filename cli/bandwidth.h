/* bandwidth.h - how fast this machine reads memory: the limit of decoding.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_CLI_BANDWIDTH_H
#define CARAT_CLI_BANDWIDTH_H

#include "base/err.h"

/* Bytes a second that n_threads together read from a buffer far larger than the caches: the median of several passes.
 */
bool cli_read_bandwidth(int n_threads, double *bytes_per_second, carat_err *err);

#endif
