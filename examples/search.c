/* search.c - exact search: a thousand documents become vectors, a question finds the five that are nearest to it.
 *
 *     search EMBEDDING-MODEL "who repairs boats?"
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <carat.h>
#include <stdio.h>
#include <stdlib.h>

#define N 1000

static const char *const words[3][10] = {
    { "baker", "pilot", "aunt", "fisherman", "clerk", "nurse", "farmer", "student", "potter", "sailor" },
    { "repairs", "paints", "sells", "collects", "describes", "cleans", "draws", "buys", "loses", "finds" },
    { "clocks", "boats", "bread", "maps", "trees", "songs", "glass", "books", "rivers", "kites" },
};

/* Text i: a document, or the question behind them. Its vector will be at `to`. */
static bool submit(carat_engine *e, carat_queue *q, size_t i, const char *question, float *to, carat_err *err)
{
    char text[128];
    snprintf(text, sizeof text, "The %s %s %s.", words[0][i / 100 % 10], words[1][i / 10 % 10], words[2][i % 10]);
    const carat_embedding_text t = { .struct_size = sizeof t,
                                     .task = i < N ? "document" : "query",
                                     .text = i < N ? text : question };
    carat_request_options o = { .struct_size = sizeof o, .wants_embedding = true, .omits_answers = true };
    carat_prompt *p;
    carat_request *r;
    if (!carat_prompt_embedding(e, &t, &p, err))
        return false;
    o.prompt = p, o.queue = q, o.user = to;
    bool ok = carat_request_submit(e, &o, &r, err);
    carat_prompt_free(p);
    return ok;
}

/* Vectors [N + 1][n]: the documents', then the question's. */
static bool embed(carat_engine *e, carat_queue *q, const char *question, float *v, size_t n, carat_err *err)
{
    for (size_t i = 0; i <= N; i++)
        if (!submit(e, q, i, question, v + i * n, err))
            return false;
    for (size_t left = N + 1; left > 0;) {
        const carat_event *event = carat_queue_next(q, -1);
        for (size_t k = 0; event->kind == CARAT_EVENT_ANSWER && k < n; k++)
            ((float *)event->user)[k] = event->embedding[k];
        if (event->kind == CARAT_EVENT_END && left--)
            carat_request_free(event->request);
    }
    return true;
}

int main(int argc, char **argv)
{
    const carat_options o = { .struct_size = sizeof o, .n_queue = N + 1 };
    carat_err err = { 0 };
    carat_engine *e = NULL;
    carat_queue *q = NULL;
    static float score[N];
    bool ok = carat_engine_open(argc > 2 ? argv[1] : "", &o, &e, &err) && carat_queue_open(&q, &err);
    const size_t n = ok ? carat_engine_info(e)->hidden : 0;
    float *v = calloc((N + 1) * n + 1, sizeof *v);
    ok = ok && v && embed(e, q, argv[2], v, n, &err);
    for (size_t i = 0; i < N && ok; i++)
        for (size_t k = 0; k < n; k++)
            score[i] += v[i * n + k] * v[N * n + k]; /* all have length 1 */
    for (size_t best = 0, b = 0; b < 5 && ok; score[best] = -2, best = 0, b++) {
        for (size_t i = 1; i < N; i++)
            best = score[i] > score[best] ? i : best;
        printf("%.4f  The %s %s %s.\n", (double)score[best], words[0][best / 100], words[1][best / 10 % 10],
               words[2][best % 10]);
    }
    if (!ok)
        fprintf(stderr, "%s\n", argc > 2 ? err.msg : "usage: search EMBEDDING-MODEL QUESTION");
    carat_queue_close(q);
    carat_engine_close(e);
    free(v);
    return ok ? 0 : 1;
}
