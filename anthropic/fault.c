/* Faults in Anthropic's words.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "anthropic/inside.h"

static const char *type_of(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 503:
    case 529:
        return "overloaded_error";
    case 504:
        return "timeout_error";
    }
    return status >= 500 ? "api_error" : "invalid_request_error";
}

json_t *ct_anthropic_error(const ct_openai_fault *f, const char *request_id)
{
    return json_pack("{s:s, s:{s:s, s:o}, s:o}", "type", "error", "error", "type", type_of(f->status), "message",
                     ct_json_from_str(f->err.msg), "request_id",
                     request_id ? ct_json_from_str(request_id) : json_null());
}
