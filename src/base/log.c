/* Passes warnings to the sink that the program installed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static carat_log_fn *sink_fn;
static void *sink_arg;

void ct_log_to(carat_log_fn *sink, void *arg)
{
    pthread_mutex_lock(&lock);
    sink_fn = sink;
    sink_arg = arg;
    pthread_mutex_unlock(&lock);
}

void ct_logf(carat_log_level level, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    ct_utf8_tidy(line); /* it may have a hostile file's words */
    pthread_mutex_lock(&lock);
    if (sink_fn)
        sink_fn(sink_arg, level, line);
    pthread_mutex_unlock(&lock);
}
