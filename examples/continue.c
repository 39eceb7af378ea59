/* continue.c - load a model, continue a text, print it as it comes.
 *
 *     continue MODEL "Once upon a time"
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <carat.h>
#include <stdio.h>
#include <string.h>

static bool print_token(void *arg, const carat_token *t)
{
    (void)arg;
    fwrite(t->text, 1, t->len, stdout); /* whole characters only, so a terminal never gets half of one */
    fflush(stdout);
    return true; /* false would end the generation */
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
    size_t n;
    carat_result result = { .struct_size = sizeof result };
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.temperature = 0; /* always the likeliest token */
    const carat_generation g = {
        .struct_size = sizeof g, .sampling = &sampling, .max_tokens = 32, .on_token = print_token
    };

    bool ok = carat_engine_open(argv[1], NULL, &engine, &err) && carat_session_open(engine, 0, &session, &err) &&
              carat_tokenizer_encode(carat_engine_tokenizer(engine), argv[2], strlen(argv[2]), CARAT_TOK_BOS, &ids, &n,
                                     &err) &&
              carat_session_append(session, ids, n, &err) && carat_session_generate(session, &g, &result, &err);
    if (ok)
        printf("\n[%zu tokens, %s]\n", result.n_generated, carat_finish_name(result.finish));
    else
        fprintf(stderr, "%s\n", err.msg);

    carat_free(ids);
    carat_session_close(session);
    carat_engine_close(engine);
    return ok ? 0 : 1;
}
