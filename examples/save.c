/* save.c - a conversation on disk: saved, restored into a new session, and continued as if nothing had happened.
 *
 *     save MODEL "Once upon a time"
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <carat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct text {
    char bytes[4096];
    size_t len;
} text;

static bool keep(void *arg, const carat_token *t)
{
    text *to = arg;
    if (to->len + t->len > sizeof to->bytes)
        return false;
    memcpy(to->bytes + to->len, t->text, t->len);
    to->len += t->len;
    return true;
}

/* A next part of the text, and 24 tokens of the model's. */
static bool go_on(carat_session *s, const carat_prompt *next, text *to, carat_err *err)
{
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.seed = 7;
    const carat_generation g = {
        .struct_size = sizeof g, .sampling = &sampling, .max_tokens = 24, .on_token = keep, .arg = to
    };
    return carat_session_append_prompt(s, next, NULL, NULL, err) && carat_session_generate(s, &g, NULL, err);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL TEXT\n", argv[0]);
        return 2;
    }
    char path[] = "/tmp/carat-save-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    carat_err err;
    carat_engine *engine = NULL;
    carat_prompt *prompt = NULL, *next = NULL;
    carat_session *before = NULL, *after = NULL;
    const carat_options o = { .struct_size = sizeof o, .n_ctx = 512, .n_sessions = 2 };
    const carat_content content = { .struct_size = sizeof content, .text = argv[2] },
                        more = { .struct_size = sizeof more, .text = " and" };
    const carat_prompt_options no_bos = { .struct_size = sizeof no_bos, .omits_bos = true };
    text a = { .len = 0 }, b = { .len = 0 };

    bool ok =
        carat_engine_open(argv[1], &o, &engine, &err) && carat_prompt_text(engine, &content, 1, NULL, &prompt, &err) &&
        carat_prompt_text(engine, &more, 1, &no_bos, &next, &err) && carat_session_open(engine, 0, &before, &err) &&
        carat_session_append_prompt(before, prompt, NULL, NULL, &err) &&
        carat_session_save(before, path, NULL, 0, &err) && carat_session_open(engine, 0, &after, &err) &&
        carat_session_restore(after, path, NULL, NULL, &err) && go_on(before, next, &a, &err) &&
        go_on(after, next, &b, &err);
    bool same = ok && a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0;
    if (!ok)
        fprintf(stderr, "%s\n", err.msg);
    else
        printf("%.*s\n[%s after restoring]\n", (int)b.len, b.bytes, same ? "the same" : "DIFFERENT");
    unlink(path);
    carat_session_close(after);
    carat_session_close(before);
    carat_prompt_free(next);
    carat_prompt_free(prompt);
    carat_engine_close(engine);
    return same ? 0 : 1;
}
