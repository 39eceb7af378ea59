/* log.h - where the library's warnings go.
 *
 * The library never prints. A warning (for example about a header that contradicts the published model) goes to the
 * sink the program installed through carat_log_to (include/carat.h); without one it is dropped. Thread-safe.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_LOG_H
#define CT_BASE_LOG_H

#include "carat.h"

void ct_logf(carat_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As carat_log_to. */
void ct_log_to(carat_log_fn *sink, void *arg);

#endif
