/* Faults: the error object of the protocol, its words and its HTTP status.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "openai/inside.h"

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
    snprintf(f->param, sizeof f->param, "%s", param);
    return false;
}

bool ct_openai_refuse_err(ct_openai_fault *f, const char *param)
{
    carat_code c = f->err.code;
    bool is_ours =
        c == CARAT_ENOMEM || c == CARAT_ENUMERIC || c == CARAT_ETIME || c == CARAT_ECANCELLED || c == CARAT_ECLOSED;
    f->status = c == CARAT_ECLOSED ? 503 : is_ours ? 500 : 400;
    f->code = is_ours ? "server_error" : c == CARAT_ECONTEXT ? "context_length_exceeded" : "invalid_value";
    snprintf(f->param, sizeof f->param, "%s", is_ours ? "" : param);
    return false;
}

bool ct_openai_no_memory(ct_openai_fault *f, const char *what)
{
    ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %s", what);
    return ct_openai_refuse_err(f, "");
}

json_t *ct_openai_error(const ct_openai_fault *f)
{
    return json_pack("{s:{s:o, s:s, s:o, s:s}}", "error", "message", ct_json_from_str(f->err.msg), "type",
                     f->status >= 500 ? "server_error" : "invalid_request_error", "param",
                     f->param[0] ? json_string(f->param) : json_null(), "code", f->code);
}
