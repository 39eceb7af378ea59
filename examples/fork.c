/* fork.c - two continuations of one text, which is read once.
 *
 *     fork MODEL "Once upon a time"
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <carat.h>
#include <stdio.h>

static bool print_token(void *arg, const carat_token *t)
{
    (void)arg;
    fwrite(t->text, 1, t->len, stdout);
    return true;
}

static bool go_on(carat_session *s, uint64_t seed, carat_err *err)
{
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.seed = seed;
    const carat_generation g = {
        .struct_size = sizeof g, .sampling = &sampling, .max_tokens = 24, .on_token = print_token
    };
    printf("%llu:", (unsigned long long)seed);
    bool ok = carat_session_generate(s, &g, NULL, err);
    printf("\n");
    return ok;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL TEXT\n", argv[0]);
        return 2;
    }
    carat_err err;
    carat_engine *engine = NULL;
    carat_prompt *prompt = NULL;
    carat_session *first = NULL, *second = NULL;
    carat_stats stats = { .struct_size = sizeof stats };
    const carat_options o = { .struct_size = sizeof o, .n_ctx = 512, .n_sessions = 2 };
    const carat_content content = { .struct_size = sizeof content, .text = argv[2] };

    bool ok =
        carat_engine_open(argv[1], &o, &engine, &err) && carat_prompt_text(engine, &content, 1, NULL, &prompt, &err) &&
        carat_session_open(engine, 0, &first, &err) && carat_session_append_prompt(first, prompt, NULL, NULL, &err) &&
        carat_session_fork(first, &second, &err) && /* copies nothing: both share the text's keys and values */
        go_on(first, 1, &err) && go_on(second, 2, &err) && carat_engine_stats(engine, &stats, &err);
    if (ok)
        printf("[%llu tokens were read, %llu written]\n", (unsigned long long)stats.prompt_tokens,
               (unsigned long long)stats.generated_tokens);
    else
        fprintf(stderr, "%s\n", err.msg);

    carat_session_close(second);
    carat_session_close(first);
    carat_prompt_free(prompt);
    carat_engine_close(engine);
    return ok ? 0 : 1;
}
