/* Passes warnings to the sink that the program installed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void (*sink_fn)(void *arg, carat_log_level level, const char *line);
static void *sink_arg;

void carat_log_to(void (*sink)(void *arg, carat_log_level level, const char *line), void *arg)
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
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = '?';
    pthread_mutex_lock(&lock);
    if (sink_fn)
        sink_fn(sink_arg, level, line);
    pthread_mutex_unlock(&lock);
}
