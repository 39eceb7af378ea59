/* carat decide --jsonl: questions line by line, each with its own choices.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "batch.h"
#include "decide.h"
#include "engine.h"
#include "json_out.h"
#include "question.h"
#include "signals.h"
#include "term.h"

#define MOST_MESSAGES 4096

static const char *const fields[] = { "id", "prompt", "messages", "choices", "levels", "ending", NULL };
static const char *const message_fields[] = { "role", "content", NULL };

/* A field that nobody knows would be a wish that is not met. */
static bool check_fields(const json_t *o, const char *what, const char *const *known, carat_err *err)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: unknown field '%.40s'", what, key);
    }
    return true;
}

static bool text_of(const json_t *v, const char *what, size_t at, const char **to, carat_err *err)
{
    if (!json_is_string(v))
        return ct_fail(err, CARAT_EFORMAT, at, "%s %zu is %s, expected a string", what, at, ct_json_kind(v));
    *to = json_string_value(v);
    return strlen(*to) == json_string_length(v) ||
           ct_fail(err, CARAT_EFORMAT, at, "%s %zu has a NUL character", what, at);
}

static bool read_choices(const json_t *line, decision *d, const char ***texts, carat_err *err)
{
    const json_t *choices = json_object_get(line, "choices"), *levels = json_object_get(line, "levels");
    const json_t *list = levels ? levels : choices;
    if (choices && levels)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "both 'choices' and 'levels' are given, expected one of them");
    if (!json_is_array(list) || json_array_size(list) == 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "expected 'choices' or 'levels', a list of texts");
    d->n = json_array_size(list);
    d->is_scale = levels != NULL;
    d->first_level = 1;
    *texts = calloc(d->n, sizeof **texts);
    if (!*texts)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu choices", d->n);
    d->choices = *texts;
    for (size_t i = 0; i < d->n; i++)
        if (!text_of(json_array_get(list, i), "choice", i, &(*texts)[i], err))
            return false;
    return true;
}

static bool read_ending(const json_t *line, decision *d, carat_err *err)
{
    const char *word = NULL;
    if (!ct_json_text(line, "the line", "ending", &word, err))
        return false;
    if (word && strcmp(word, "whole") != 0 && strcmp(word, "open") != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'ending' is '%.20s', expected whole or open", word);
    if (word)
        d->ending = *word == 'w' ? CARAT_ENDING_WHOLE : CARAT_ENDING_OPEN;
    return true;
}

static bool chat_prompt(const carat_engine *e, const json_t *list, carat_prompt **out, carat_err *err)
{
    size_t n = json_array_size(list);
    if (n == 0 || n > MOST_MESSAGES)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'messages' is %s of %zu, expected a list of 1 to %d",
                       ct_json_kind(list), n, MOST_MESSAGES);
    carat_message *m = calloc(n, sizeof *m);
    bool ok = m || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu messages", n);
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *o = json_array_get(list, i);
        m[i].struct_size = sizeof *m;
        ok = (json_is_object(o) ||
              ct_fail(err, CARAT_EFORMAT, i, "message %zu is %s, expected an object", i, ct_json_kind(o))) &&
             check_fields(o, "a message", message_fields, err) &&
             text_of(json_object_get(o, "role"), "the role of message", i, &m[i].role, err) &&
             text_of(json_object_get(o, "content"), "the content of message", i, &m[i].text, err);
    }
    ok = ok && carat_prompt_chat(e, m, n, NULL, out, err);
    free(m);
    return ok;
}

static bool make_prompt(carat_engine *e, const decide_lines *o, const json_t *line, decision *d, carat_prompt **out,
                        carat_err *err)
{
    const cli_question q = { .system = o->system, .is_raw = o->is_raw };
    const cli_pictures none = { 0 };
    const carat_pan_scan pan = { .struct_size = sizeof pan };
    const json_t *prompt = json_object_get(line, "prompt"), *messages = json_object_get(line, "messages");
    const char *text;
    if ((prompt != NULL) == (messages != NULL))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "expected either 'prompt' or 'messages'");
    if (messages)
        return (!o->system && !o->is_raw) || !json_is_array(messages)
                   ? chat_prompt(e, messages, out, err)
                   : ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "messages take neither --system nor --raw");
    if (!text_of(prompt, "the prompt", 0, &text, err))
        return false;
    size_t len = strlen(text);
    if (!cli_question_is_chat(&q, e))
        len = decision_take_spaces(d, text, len);
    return cli_question_prompt(&q, e, text, len, &none, &pan, out, err);
}

/* False with a reason. *answer: what goes out. */
static bool answer(carat_engine *e, const decide_lines *o, const json_t *line, json_t **out, carat_err *err)
{
    decision d = { .engine = e, .ending = o->ending };
    const char **texts = NULL;
    carat_prompt *p = NULL;
    bool ok = (json_is_object(line) ||
               ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "the line is %s, expected an object", ct_json_kind(line))) &&
              check_fields(line, "the line", fields, err) && read_choices(line, &d, &texts, err) &&
              read_ending(line, &d, err) && make_prompt(e, o, line, &d, &p, err);
    if (ok) {
        d.prompt = p;
        ok = decide(&d, err);
        *out = ok ? decision_json(&d) : NULL;
        decision_free(&d);
    }
    carat_prompt_free(p);
    free(texts);
    return ok;
}

/* One line of output. False: it could not be written. */
static bool put(json_t *o, const json_t *id)
{
    if (id)
        json_object_set(o, "id", (json_t *)(uintptr_t)id);
    cli_json_print(o, 0);
    return putchar('\n') != EOF && fflush(stdout) == 0;
}

static bool decide_line(carat_engine *e, const decide_lines *o, const batch_lines *in, uint64_t *n_failed)
{
    carat_err err;
    json_t *line = NULL, *out = NULL;
    bool ok = in->is_long ? ct_fail(&err, CARAT_ELIMIT, CARAT_NOWHERE, "longer than %zu MiB", BATCH_MAX_LINE >> 20)
              : in->has_no_memory ? ct_fail(&err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the line")
                                  : ct_json_parse("the line", in->line.data, in->line.len, &line, &err) &&
                                        answer(e, o, line, &out, &err);
    if (!ok && cli_was_interrupted()) {
        json_decref(line);
        return true;
    }
    if (!ok) {
        *n_failed += 1;
        fprintf(stderr, "carat: %s:%" PRIu64 ": %s\n", in->name, in->number, err.msg);
        out = json_pack("{s:I, s:o}", "line", (json_int_t)in->number, "error", ct_json_from_str(err.msg));
    }
    ok = put(out, json_object_get(line, "id"));
    json_decref(line);
    return ok;
}

/* Sleeps until there is a line, or Ctrl-C. */
static void wait_for_line(const batch_lines *in)
{
    struct pollfd p[] = { { .fd = in->fd, .events = POLLIN }, { .fd = cli_interrupt_fd(), .events = POLLIN } };
    if (!batch_lines_ready(in))
        poll(p, 2, -1);
}

static int decide_lines_of(carat_engine *e, const decide_lines *o, batch_lines *in)
{
    carat_err err = { .code = CARAT_OK };
    uint64_t n_failed = 0;
    bool can_write = true;
    while (can_write) {
        wait_for_line(in);
        if (cli_was_interrupted())
            return CLI_INTERRUPTED;
        if (!batch_lines_next(in, &err))
            break;
        if (in->number == 1 && in->line.len >= 3 && memcmp(in->line.data, "\xef\xbb\xbf", 3) == 0)
            memcpy(in->line.data, "   ", 3); /* a byte order mark */
        if (!batch_line_is_blank(in))
            can_write = decide_line(e, o, in, &n_failed);
    }
    if (err.code != CARAT_OK)
        return term_error(&err);
    return cli_was_interrupted() ? CLI_INTERRUPTED : n_failed ? CLI_FAILED : CLI_OK;
}

int decide_all(const char *model, const decide_lines *o)
{
    carat_err err;
    carat_engine *e;
    int code;
    const bool is_stdin = strcmp(o->path, "-") == 0;
    batch_lines in = { .fd = is_stdin ? 0 : open(o->path, O_RDONLY | O_CLOEXEC),
                       .name = is_stdin ? "stdin" : o->path,
                       .max = BATCH_MAX_LINE };
    if (in.fd < 0) {
        ct_fail(&err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be opened: %s", o->path, strerror(errno));
        return term_error(&err);
    }
    if (cli_open_engine(model, CARAT_VISION_OFF, &e, &code)) {
        cli_question_tell(&(cli_question){ .system = o->system, .is_raw = o->is_raw }, e, "", &(cli_pictures){ 0 },
                          "choices are scored as continuations of prompts, and messages are put into Gemma's turns");
        cli_signals(CLI_SIGNALS_NOTED);
        code = decide_lines_of(e, o, &in);
        carat_engine_close(e);
    }
    batch_lines_deinit(&in);
    if (!is_stdin)
        close(in.fd);
    return code;
}
