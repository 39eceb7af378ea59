/* score.c - how likely a model finds a text: the mean negative log-likelihood a token, and the perplexity.
 *
 *     score MODEL "The capital of France is Paris."
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <carat.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct score {
    const int32_t *ids;
    size_t n;
    double nll;
} score;

/* The logits at position pos predict the token at pos + 1. */
static bool add(void *arg, size_t pos, const float *logits, size_t n_vocab)
{
    score *s = arg;
    if (pos + 1 == s->n)
        return true;
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n_vocab; i++)
        max = logits[i] > max ? logits[i] : max;
    for (size_t i = 0; i < n_vocab; i++)
        sum += exp(logits[i] - max);
    s->nll += max + log(sum) - logits[s->ids[pos + 1]];
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL TEXT\n", argv[0]);
        return 2;
    }
    carat_err err;
    carat_engine *engine = NULL;
    carat_session *session = NULL;
    int32_t *ids = NULL;
    score s = { 0 };
    bool ok = carat_engine_open(argv[1], NULL, &engine, &err) && carat_session_open(engine, 0, &session, &err) &&
              carat_tokenizer_encode(carat_engine_tokenizer(engine), argv[2], strlen(argv[2]), CARAT_TOK_BOS, &ids,
                                     &s.n, &err);
    s.ids = ids;
    ok = ok && carat_session_append_logits(session, ids, s.n, add, &s, &err);
    if (!ok)
        fprintf(stderr, "%s\n", err.msg);
    else if (s.n < 2)
        fprintf(stderr, "expected a text of at least one token\n");
    else
        printf("%zu tokens, %.4f nats a token, perplexity %.3f\n", s.n - 1, s.nll / (double)(s.n - 1),
               exp(s.nll / (double)(s.n - 1)));
    carat_free(ids);
    carat_session_close(session);
    carat_engine_close(engine);
    return ok && s.n >= 2 ? 0 : 1;
}
