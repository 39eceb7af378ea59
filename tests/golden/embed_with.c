/* Requests for embeddings, alone and many at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embed_with.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

carat_engine *embed_open(const char *path, const carat_options *o)
{
    carat_engine *e;
    carat_err err;
    if (!carat_engine_open(path, o, &e, &err))
        fail_msg("%s", err.msg);
    return e;
}

static carat_request *ask(carat_engine *e, const embed_text_ids *t, embed_how how, carat_queue *q, void *user)
{
    carat_prompt *p;
    carat_request *r;
    carat_err err;
    if (!carat_prompt_ids(e, t->ids, t->n, NULL, 0, NULL, &p, &err))
        fail_msg("%s", err.msg);
    const carat_request_options o = { .struct_size = sizeof o,
                                      .prompt = p,
                                      .wants_embedding = true,
                                      .omits_norm = how.omits_norm,
                                      .omits_answers = true,
                                      .n_dims = how.n_dims,
                                      .queue = q,
                                      .user = user };
    if (!carat_request_submit(e, &o, &r, &err))
        fail_msg("%s", err.msg);
    carat_prompt_free(p);
    return r;
}

static void keep(const carat_event *ev, embed_vector *to)
{
    if (ev->kind == CARAT_EVENT_FAILED)
        fail_msg("%s", ev->err->msg);
    if (ev->kind != CARAT_EVENT_ANSWER)
        return;
    assert_true(ev->embedding && ev->n_embedding <= EMBED_WIDE);
    to->n = ev->n_embedding;
    memcpy(to->v, ev->embedding, to->n * sizeof *to->v);
}

void embed_alone(carat_engine *e, const int32_t *ids, size_t n, embed_how how, embed_vector *out)
{
    embed_together(e, &(embed_text_ids){ ids, n }, 1, how, out);
}

void embed_together(carat_engine *e, const embed_text_ids *texts, size_t n, embed_how how, embed_vector *out)
{
    carat_queue *q;
    carat_err err;
    carat_request **r = calloc(n, sizeof(carat_request *));
    assert_true(r && carat_queue_open(&q, &err));
    for (size_t i = 0; i < n; i++)
        r[i] = ask(e, &texts[i], how, q, &out[i]);
    for (size_t left = n; left > 0;) {
        const carat_event *ev = carat_queue_next(q, 300);
        assert_true(ev->kind != CARAT_EVENT_NONE);
        keep(ev, ev->user);
        left -= ev->kind == CARAT_EVENT_END;
    }
    for (size_t i = 0; i < n; i++)
        carat_request_free(r[i]);
    free(r);
    carat_queue_close(q);
}

double embed_distance(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return 1 - ab / sqrt(aa * bb);
}

double embed_expect(const embed_vector *have, const golden_array *want, size_t row, double max_abs, double max_distance,
                    const char *what)
{
    const size_t n = want->shape[1];
    const float *w = (const float *)want->data + row * n;
    assert_int_equal(have->n, n);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)have->v[i] - (double)w[i]) <= max_abs))
            fail_msg("%s, text %zu: number %zu is %.9g, expected %.9g within %.2g", what, row, i, (double)have->v[i],
                     (double)w[i], max_abs);
    const double d = embed_distance(have->v, w, n);
    if (!(d <= max_distance))
        fail_msg("%s, text %zu: 1 - cosine is %.3g, expected at most %.3g", what, row, d, max_distance);
    return d;
}

embed_text_ids embed_golden_ids(golden_file *g, size_t i)
{
    const int32_t *ids = golden_i32(g, "ids", 0, NULL), *at = golden_i32(g, "ids_offset", 0, NULL);
    return (embed_text_ids){ ids + at[i], (size_t)(at[i + 1] - at[i]) };
}
