/* Times as replies have them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "ollama/inside.h"

const char *ct_ollama_time(double seconds, char to[CT_OLLAMA_TIME])
{
    const double at = seconds > -6e10 && seconds < 1e11 ? seconds : 0, whole = floor(at);
    const time_t t = (time_t)whole;
    struct tm utc;
    gmtime_r(&t, &utc);
    snprintf(to, CT_OLLAMA_TIME, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", (utc.tm_year + 1900) % 10000, utc.tm_mon + 1,
             utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)((at - whole) * 1e6) % 1000000);
    return to;
}

const char *ct_ollama_now(char to[CT_OLLAMA_TIME])
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return ct_ollama_time((double)t.tv_sec + (double)t.tv_nsec * 1e-9, to);
}
