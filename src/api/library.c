/* What belongs to no object: the version, names of errors, the log, memory that was given to the caller.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"

const char *carat_version(void)
{
    return CARAT_VERSION;
}

unsigned carat_version_number(void)
{
    return CARAT_VERSION_NUMBER;
}

const char *carat_code_name(carat_code code)
{
    switch (code) {
    case CARAT_OK:
        return "ok";
    case CARAT_EARG:
        return "bad argument";
    case CARAT_EIO:
        return "input/output";
    case CARAT_EFORMAT:
        return "format";
    case CARAT_EUNSUPPORTED:
        return "unsupported";
    case CARAT_ENOMEM:
        return "no memory";
    case CARAT_ELIMIT:
        return "limit";
    case CARAT_ECONTEXT:
        return "context";
    case CARAT_ECANCELLED:
        return "cancelled";
    case CARAT_ETIME:
        return "too late";
    case CARAT_ECLOSED:
        return "closed";
    case CARAT_ENUMERIC:
        return "not finite";
    }
    return "unknown";
}

void carat_log_to(carat_log_fn *sink, void *arg)
{
    ct_log_to(sink, arg);
}

void carat_free(void *p)
{
    free(p);
}
