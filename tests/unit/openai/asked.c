/* Bodies read on a tiny model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "asked.h"

#include <string.h>

#include "unit.h"

carat_engine *asked_engine;
ct_openai_options asked_defaults;
size_t asked_n_ctx = 128;
const char *asked_model = TEST_DATA "/models/tiny-text";

void asked_read(asked *a, ct_openai_endpoint endpoint, const char *base, const char *rest)
{
    carat_err err;
    json_t *body;
    char text[8192];
    int len = snprintf(text, sizeof text, "%s%s}", base, rest);
    assert_true(len > 0 && (size_t)len < sizeof text);
    *a = (asked){ .ok = false };
    if (!ct_json_parse("body", text, (size_t)len, &body, &err))
        fail_msg("%s: %s", text, err.msg);
    a->ok = ct_openai_request_read(&a->r, endpoint, body, asked_engine, &asked_defaults, &a->f);
    json_decref(body); /* the request keeps what it needs */
}

void asked_done(asked *a)
{
    ct_openai_request_deinit(&a->r);
}

void asked_accept(asked *a, ct_openai_endpoint endpoint, const char *base, const char *rest)
{
    asked_read(a, endpoint, base, rest);
    if (!a->ok)
        fail_msg("%s: %s", rest, a->f.err.msg);
}

void asked_refuse(ct_openai_endpoint endpoint, const char *base, const char *rest, const char *param, const char *code)
{
    asked a;
    asked_read(&a, endpoint, base, rest);
    if (a.ok || a.f.status != 400 || strcmp(a.f.param, param) != 0 || strcmp(a.f.code, code) != 0 || !a.f.err.msg[0])
        fail_msg("%s: %d, status %d, '%s', %s, '%s'; expected 400, '%s', %s", rest, a.ok, a.f.status, a.f.param,
                 a.f.code ? a.f.code : "no code", a.f.err.msg, param, code);
    asked_done(&a);
}

int asked_open(void **state)
{
    (void)state;
    carat_err err;
    carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = asked_n_ctx, .n_sessions = 4 };
    asked_defaults = (ct_openai_options){ .sampling = CARAT_SAMPLING_DEFAULT,
                                          .pan_scan = { .struct_size = sizeof(carat_pan_scan) },
                                          .max_answers = 4,
                                          .files_hint = "--files DIR" };
    return carat_engine_open(asked_model, &o, &asked_engine, &err) ? 0 : -1;
}

int asked_close(void **state)
{
    (void)state;
    carat_engine_close(asked_engine);
    return 0;
}
