/* batch.c - several prompts at once: they share the engine's steps, which costs little more than one of them.
 *
 *     batch MODEL "Once upon a time" "The sea is" "A red star"
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <carat.h>
#include <stdio.h>
#include <string.h>

#define MOST 16

/* The text as one prompt, submitted. */
static bool ask(carat_engine *e, const char *text, carat_prompt **prompt, carat_request **request, carat_err *err)
{
    const carat_content content = { .struct_size = sizeof content, .text = text };
    if (!carat_prompt_text(e, &content, 1, NULL, prompt, err))
        return false;
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.temperature = 0; /* always the likeliest token */
    const carat_generation g = { .struct_size = sizeof g, .sampling = &sampling, .max_tokens = 32 };
    const carat_request_options o = { .struct_size = sizeof o, .prompt = *prompt, .generation = &g };
    return carat_request_submit(e, &o, request, err);
}

/* All of one answer. The others are generated meanwhile: the engine keeps their tokens until they are fetched. */
static bool print_answer(carat_request *r, const char *text, carat_err *err)
{
    const carat_event *event;
    printf("%s", text);
    while ((event = carat_request_next(r, -1))->kind != CARAT_EVENT_END) {
        if (event->kind == CARAT_EVENT_TOKEN)
            fwrite(event->token->text, 1, event->token->len, stdout);
        if (event->kind == CARAT_EVENT_ANSWER)
            printf("\n[%zu tokens, %s]\n", event->result->n_generated, carat_finish_name(event->result->finish));
        if (event->kind == CARAT_EVENT_FAILED) {
            *err = *event->err;
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 2 + MOST) {
        fprintf(stderr, "usage: %s MODEL TEXT... (at most %d)\n", argv[0], MOST);
        return 2;
    }
    size_t n = (size_t)argc - 2;
    carat_prompt *prompts[MOST] = { 0 };
    carat_request *requests[MOST] = { 0 };
    carat_err err;
    carat_engine *engine = NULL;
    const carat_options o = { .struct_size = sizeof o, .n_ctx = 256, .n_sessions = n };
    bool ok = carat_engine_open(argv[1], &o, &engine, &err);
    for (size_t i = 0; ok && i < n; i++)
        ok = ask(engine, argv[2 + i], &prompts[i], &requests[i], &err);
    for (size_t i = 0; ok && i < n; i++)
        ok = print_answer(requests[i], argv[2 + i], &err);
    if (!ok)
        fprintf(stderr, "%s\n", err.msg);
    for (size_t i = 0; i < n; i++) {
        carat_request_free(requests[i]);
        carat_prompt_free(prompts[i]);
    }
    carat_engine_close(engine);
    return ok ? 0 : 1;
}
