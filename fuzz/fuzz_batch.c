/* fuzz_batch.c - a line of a batch: JSON, its envelope, and the request in it, against a tiny model. Whatever it is, what
 * is written for it is one line of JSON.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "fuzz.h"
#include "openai/batch.h"

/* What a header may carry. */
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.[]%, "

/* Opened once: the limits of a request depend on its model. */
static carat_engine *engine(void)
{
    static carat_engine *e;
    carat_err err;
    const carat_options o = {
        .struct_size = sizeof o, .n_threads = 1, .n_ctx = 256, .n_sessions = 4, .vision = CARAT_VISION_REQUIRED
    };
    FUZZ_MUST(e || carat_engine_open(FUZZ_MODEL, &o, &e, &err));
    return e;
}

static void use_reply(char *line)
{
    json_t *v;
    carat_err err;
    size_t n = line ? strlen(line) : 0;
    FUZZ_MUST(n > 1 && line[n - 1] == '\n' && !memchr(line, '\n', n - 1));
    FUZZ_MUST(ct_json_parse("the reply", line, n, &v, &err));
    FUZZ_MUST(json_is_object(v));
    json_decref(v);
    free(line);
}

static void use(const ct_openai_line *l)
{
    const carat_request_options *o = &l->request.submit;
    size_t n;
    FUZZ_MUST(o->prompt && carat_prompt_tokens(o->prompt, &n));
    FUZZ_MUST(o->n_answers <= CT_OPENAI_MAX_ANSWERS && o->generation);
    FUZZ_MUST(o->generation->n_stops <= CT_OPENAI_MAX_STOPS && o->generation->n_top <= CT_OPENAI_MAX_TOP);
    const ct_buf *unknown = &l->request.unknown.names;
    FUZZ_MUST(strspn(unknown->len ? unknown->data : "", PLAIN) == unknown->len);
    for (size_t i = 0; i < o->generation->n_stops; i++)
        fuzz_touch(o->generation->stops[i], strlen(o->generation->stops[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ct_openai_line l = { 0 };
    ct_openai_fault f = { 0 };
    const carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    const ct_openai_options o = { .sampling = sampling, .max_answers = 4, .mode = (ct_openai_mode)(size % 3) };
    bool ok = ct_openai_line_parse(&l, (const char *)data, size, &f);
    FUZZ_MUST(!ok || (l.custom_id && l.custom_id[0]));
    ok = ok && ct_openai_line_read(&l, engine(), &o, &f);
    if (ok)
        use(&l);
    else
        use_reply(ct_openai_line_fault(l.custom_id ? l.custom_id : "none", &f));
    FUZZ_MUST(ok || (f.err.code != CARAT_OK && f.err.msg[0]));
    ct_openai_line_deinit(&l);
    return 0;
}
