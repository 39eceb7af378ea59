/* Inputs to embeddings.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/vectors.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/json_text.h"
#include "openai/inside.h"
#include "openai/talk.h"

#define MAX_TEXT ((size_t)1 << 30)

/* ---- inputs ---- */

/* Ids are taken as they stand, so no prompt by name can be put before them; of too many the first. */
static bool prompt_of_ids(const json_t *v, const char *where, const ct_vectors_want *want, carat_engine *e,
                          carat_prompt **p, ct_openai_fault *f)
{
    size_t n, all = carat_engine_n_ctx(e), most = want->n_ctx && want->n_ctx < all ? want->n_ctx : all;
    if (!ct_openai_prompt_of(v, where, e, p, f))
        return false;
    if (want->task || want->title)
        return ct_openai_refuse(f, 400, "invalid_value", want->task ? "task" : "title",
                                "'%s' is token ids, which no %s can be put before: give it as a text", where,
                                want->task ? "task's prompt" : "title");
    const int32_t *ids = carat_prompt_tokens(*p, &n);
    if (n == 0)
        return ct_openai_refuse(f, 400, "invalid_value", where, "'%s' is empty", where);
    if (n <= most)
        return true;
    if (!want->truncates) {
        ct_fail(&f->err, CARAT_ECONTEXT, CARAT_NOWHERE, "'%s': %zu tokens do not fit the context of %zu", where, n,
                most);
        return ct_openai_refuse_err(f, where);
    }
    carat_prompt *beginning;
    if (!carat_prompt_ids(e, ids, most, NULL, 0, NULL, &beginning, &f->err))
        return ct_openai_refuse_err(f, where);
    carat_prompt_free(*p);
    *p = beginning;
    return true;
}

static bool prompt_of_text(const json_t *v, const char *where, const ct_vectors_want *want, carat_engine *e,
                           carat_prompt **p, ct_openai_fault *f)
{
    const carat_embedding_text t = { .struct_size = sizeof t,
                                     .text = json_string_value(v),
                                     .text_len = json_string_length(v),
                                     .task = want->task,
                                     .title = want->title,
                                     .max_tokens = want->n_ctx,
                                     .truncates = want->truncates };
    if (t.text_len == 0 && !want->takes_empty)
        return ct_openai_refuse(f, 400, "invalid_value", where, "'%s' is an empty text", where);
    if (!ct_openai_may_fit(e, t.text_len, where, f))
        return false;
    return carat_prompt_embedding(e, &t, p, &f->err) || ct_openai_refuse_err(f, where);
}

static bool add_input(ct_vectors *to, const json_t *v, const char *where, const ct_vectors_want *want, carat_engine *e,
                      ct_openai_fault *f)
{
    carat_prompt **p = &to->prompts[to->n];
    carat_request_options *o = &to->asks[to->n];
    size_t n;
    ct_buf_init(&to->texts[to->n++], MAX_TEXT);
    if (!(json_is_string(v) ? prompt_of_text : prompt_of_ids)(v, where, want, e, p, f))
        return false;
    carat_prompt_tokens(*p, &n);
    to->n_tokens += n;
    *o = (carat_request_options){ .struct_size = sizeof *o,
                                  .prompt = *p,
                                  .wants_embedding = true,
                                  .omits_norm = want->is_raw,
                                  .omits_answers = true,
                                  .n_dims = want->n_dims };
    return true;
}

/* Is the model's embedding one of so many numbers? */
static bool check_dims(const ct_vectors_want *want, const carat_engine *e, ct_openai_fault *f)
{
    const carat_model_info *m = carat_engine_info(e);
    char list[64] = "";
    for (size_t i = 0; i < m->n_embedding_dims; i++) {
        const size_t len = strlen(list);
        if (want->n_dims == m->embedding_dims[i])
            return true;
        snprintf(list + len, sizeof list - len, "%s%zu", i ? ", " : "", m->embedding_dims[i]);
    }
    return !want->n_dims || !m->n_embedding_dims ||
           ct_openai_refuse(f, 400, "invalid_value", "dimensions", "'dimensions' is %zu; the model has %s",
                            want->n_dims, list);
}

/* Has the model a prompt of that name? */
static bool check_task(const ct_vectors_want *want, const carat_engine *e, ct_openai_fault *f)
{
    const carat_model_info *m = carat_engine_info(e);
    if (!want->task)
        return true;
    for (size_t i = 0; i < m->n_tasks; i++)
        if (strcasecmp(want->task, m->tasks[i].name) == 0)
            return true;
    return ct_openai_refuse(f, 400, "invalid_value", "task", "no task '%.40s'%s", want->task,
                            m->is_embedding ? "; /api/show and carat info list the model's"
                                            : ": this is no embedding model, and has no prompts by name");
}

static bool take_memory(ct_vectors *to, size_t n, ct_openai_fault *f)
{
    to->prompts = calloc(n, sizeof *to->prompts);
    to->asks = calloc(n, sizeof *to->asks);
    to->texts = calloc(n, sizeof *to->texts);
    return (to->prompts && to->asks && to->texts) || ct_openai_no_memory(f, "embeddings");
}

bool ct_vectors_read(ct_vectors *to, const json_t *input, const ct_vectors_want *want, carat_engine *e,
                     ct_openai_fault *f)
{
    const char *param = want->param;
    const bool is_one = json_is_string(input) || json_is_integer(json_array_get(input, 0));
    const size_t n = is_one ? 1 : json_array_size(input);
    to->as_base64 = want->as_base64;
    if (!is_one && !json_is_array(input))
        return ct_openai_refuse(f, 400, input ? "invalid_value" : "missing_required_parameter", param,
                                "'%s' is %s, expected a text, token ids or a list of these", param,
                                input ? ct_json_kind(input) : "missing");
    if (n == 0 || n > CT_TALK_MAX_ASKS)
        return ct_openai_refuse(f, 400, "invalid_value", param, "'%s' is a list of %zu, expected 1 to %d", param, n,
                                CT_TALK_MAX_ASKS);
    bool ok = check_dims(want, e, f) && check_task(want, e, f) && take_memory(to, n, f);
    for (size_t i = 0; ok && i < n; i++) {
        char where[48];
        snprintf(where, sizeof where, is_one ? "%s" : "%s[%zu]", param, i);
        ok = add_input(to, is_one ? input : json_array_get(input, i), where, want, e, f);
    }
    return ok;
}

void ct_vectors_deinit(ct_vectors *v)
{
    for (size_t i = 0; i < v->n; i++) {
        carat_prompt_free(v->prompts[i]);
        ct_buf_deinit(&v->texts[i]);
    }
    free(v->prompts);
    free(v->asks);
    free(v->texts);
}

/* ---- as text ---- */

static bool write_base64(const float *v, size_t n, ct_buf *out)
{
    unsigned char *bytes = malloc(4 * n + 1);
    char *text = malloc(ct_base64_length(4 * n) + 1);
    for (size_t i = 0; bytes && i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        for (int k = 0; k < 4; k++)
            bytes[4 * i + (size_t)k] = (unsigned char)(bits >> 8 * k);
    }
    if (bytes && text)
        ct_base64_encode(bytes, 4 * n, text);
    const bool ok = bytes && text && ct_buf_char(out, '"') && ct_buf_add(out, text, ct_base64_length(4 * n)) &&
                    ct_buf_char(out, '"');
    free(bytes);
    free(text);
    return ok;
}

bool ct_vectors_take(ct_vectors *to, size_t i, const carat_event *event)
{
    if (event->kind != CARAT_EVENT_ANSWER)
        return true;
    if (!event->embedding)
        return false;
    return (to->as_base64 ? write_base64 : ct_json_text_floats)(event->embedding, event->n_embedding, &to->texts[i]);
}

const ct_buf *ct_vectors_text(const ct_vectors *v, size_t i)
{
    return &v->texts[i];
}
