/* Lines of a batch: the envelope around a request and around its response.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "openai/fields.h"

/* ---- in ---- */

bool ct_openai_line_parse(ct_openai_line *l, const char *text, size_t len, ct_openai_fault *f)
{
    if (!ct_json_parse("the line", text, len, &l->json, &f->err))
        return ct_openai_refuse_err(f, "");
    if (!json_is_object(l->json))
        return ct_openai_refuse(f, 0, "invalid_json_line", "", "the line is %s, expected an object",
                                ct_json_kind(l->json));
    const json_t *id = json_object_get(l->json, "custom_id");
    const char *s = json_string_value(id);
    if (!s || !*s || strlen(s) != json_string_length(id))
        return ct_openai_refuse(f, 0, "missing_required_parameter", "custom_id", "'custom_id' is %s, expected a text",
                                !id ? "missing"
                                : s ? (*s ? "a text with a NUL character" : "empty")
                                    : ct_json_kind(id));
    l->custom_id = s;
    return true;
}

static const char *text_of(const json_t *v)
{
    const char *s = json_string_value(v);
    return s ? s : "";
}

static bool read_envelope(const ct_openai_line *l, ct_openai_endpoint *endpoint, ct_openai_fault *f)
{
    const char *method = text_of(json_object_get(l->json, "method")), *url = text_of(json_object_get(l->json, "url"));
    if (strcmp(method, "POST") != 0)
        return ct_openai_refuse(f, 0, "invalid_method", "method", "'method' is '%.40s', expected POST", method);
    bool is_chat = strcmp(url, "/v1/chat/completions") == 0;
    if (!is_chat && strcmp(url, "/v1/completions") != 0)
        return ct_openai_refuse(f, 0, "invalid_url", "url",
                                "'url' is '%.80s', expected /v1/chat/completions or /v1/completions", url);
    *endpoint = is_chat ? CT_OPENAI_CHAT : CT_OPENAI_COMPLETIONS;
    ct_openai_list none = { .mode = CT_OPENAI_KNOWN };
    if (!ct_openai_check_fields(l->json, CT_IN_LINE, "", &none, f)) {
        f->status = 0;
        return false;
    }
    return json_is_object(json_object_get(l->json, "body")) ||
           ct_openai_refuse(f, 0, "missing_required_parameter", "body", "'body' is missing or not an object");
}

static uint64_t seed_of_line(uint64_t seed, const char *id) /* FNV-1a */
{
    uint64_t h = 0xcbf29ce484222325u ^ seed;
    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 0x100000001b3u;
    return h;
}

bool ct_openai_line_read(ct_openai_line *l, carat_engine *e, const ct_openai_options *o, ct_openai_fault *f)
{
    ct_openai_endpoint endpoint = CT_OPENAI_CHAT;
    ct_openai_options own = *o;
    own.sampling.seed = seed_of_line(o->sampling.seed, l->custom_id);
    if (!read_envelope(l, &endpoint, f) ||
        !ct_openai_request_read(&l->request, endpoint, json_object_get(l->json, "body"), e, &own, f))
        return false;
    return l->request.n_others == 0 ||
           ct_openai_refuse(f, 400, "unsupported_value", "prompt",
                            "'prompt' is a list of %zu prompts; a line of a batch takes one", l->request.n_others + 1);
}

void ct_openai_line_deinit(ct_openai_line *l)
{
    ct_openai_request_deinit(&l->request);
    json_decref(l->json);
}

/* ---- out ---- */

/* The line as text, and the end of o (which may be NULL). */
static char *dump(json_t *o)
{
    /* Nine digits give a float32 exactly. */
    char *text = ct_json_dump(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(o);
    size_t n = text ? strlen(text) : 0;
    char *line = text ? realloc(text, n + 2) : NULL;
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + n, "\n", 2);
    return line;
}

static char *response(const char *custom_id, int status, json_t *body)
{
    char id[40], request_id[40];
    if (!ct_openai_new_id("batch_req_", id, sizeof id) || !ct_openai_new_id("req_", request_id, sizeof request_id)) {
        json_decref(body);
        return NULL;
    }
    return dump(json_pack("{s:s, s:s, s:{s:i, s:s, s:o}, s:n}", "id", id, "custom_id", custom_id, "response",
                          "status_code", status, "request_id", request_id, "body", body, "error"));
}

char *ct_openai_line_reply(const char *custom_id, json_t *body)
{
    return response(custom_id, 200, body);
}

char *ct_openai_line_fault(const char *custom_id, const ct_openai_fault *f)
{
    char id[40];
    if (f->status != 0)
        return response(custom_id, f->status, ct_openai_error(f));
    if (!ct_openai_new_id("batch_req_", id, sizeof id))
        return NULL;
    return dump(json_pack("{s:s, s:s, s:n, s:{s:s, s:o, s:o}}", "id", id, "custom_id", custom_id, "response", "error",
                          "code", f->code, "message", ct_json_from_str(f->err.msg), "param",
                          f->param[0] ? ct_json_from_str(f->param) : json_null()));
}
