/* Faults: the error object of the protocol, its words and its HTTP status.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "openai/inside.h"

/* Cut at a whole character where it is too long. */
static void set_param(ct_openai_fault *f, const char *param)
{
    snprintf(f->param, sizeof f->param, "%s", param);
    size_t n = strlen(f->param);
    f->param[n - ct_utf8_incomplete(f->param, n)] = '\0';
}

bool ct_openai_refuse(ct_openai_fault *f, int status, const char *code, const char *param, const char *fmt, ...)
{
    char msg[sizeof f->err.msg];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    ct_fail(&f->err, CARAT_EARG, CARAT_NOWHERE, "%s", msg);
    f->status = status;
    f->code = code;
    set_param(f, param);
    return false;
}

static bool classify(ct_openai_fault *f, int status, const char *code, const char *param)
{
    f->status = status;
    f->code = code;
    set_param(f, status < 500 ? param : "");
    return false;
}

bool ct_openai_refuse_err(ct_openai_fault *f, const char *param)
{
    switch (f->err.code) {
    case CARAT_ENOMEM:
    case CARAT_ENUMERIC:
    case CARAT_ETIME:
    case CARAT_ECANCELLED:
        return classify(f, 500, "server_error", "");
    case CARAT_ECLOSED:
        return classify(f, 503, "unavailable", "");
    case CARAT_ECONTEXT:
        return classify(f, 400, "context_length_exceeded", param);
    default:
        return classify(f, 400, "invalid_value", param);
    }
}

bool ct_openai_refuse_cut(ct_openai_fault *f)
{
    return ct_openai_refuse(f, 503, "unavailable", "", "the answer was cut off: the server is shutting down");
}

bool ct_openai_refuse_submit(ct_openai_fault *f, ct_openai_endpoint endpoint)
{
    if (f->err.code == CARAT_ELIMIT)
        return classify(f, 429, "rate_limit_exceeded", "");
    return ct_openai_refuse_err(f, endpoint == CT_OPENAI_CHAT ? "messages" : "prompt");
}

bool ct_openai_no_memory(ct_openai_fault *f, const char *what)
{
    ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %s", what);
    return ct_openai_refuse_err(f, "");
}

static const char *type_of(int status)
{
    return status == 401   ? "authentication_error"
           : status == 403 ? "permission_error"
           : status == 404 ? "not_found_error"
           : status == 429 ? "rate_limit_error"
           : status == 503 ? "unavailable_error"
           : status >= 500 ? "server_error"
                           : "invalid_request_error";
}

json_t *ct_openai_error(const ct_openai_fault *f)
{
    return json_pack("{s:{s:o, s:s, s:o, s:s}}", "error", "message", ct_json_from_str(f->err.msg), "type",
                     type_of(f->status), "param", f->param[0] ? ct_json_from_str(f->param) : json_null(), "code",
                     f->code);
}
