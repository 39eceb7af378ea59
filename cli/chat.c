/* carat chat - a conversation at the terminal.
 *
 * An instruction-tuned model gets the whole conversation through its template each time; what the session has already
 * evaluated is kept, so a turn costs its own tokens only. A base model just continues the text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "commands.h"
#include "engine.h"
#include "line.h"
#include "sampling.h"
#include "shared_options.h"
#include "signals.h"
#include "term.h"

static struct {
    const char *system, *session;
    int64_t n, min_tokens;
    bool trim, plain, show_prompt;
} opt;

/* clang-format off */
static const cli_option options[] = {
    CLI_OPTION_SYSTEM(&opt.system),
    CLI_OPTION_TEMPLATE(&cli_model_values.chat_template),
    CLI_OPTION_PREDICT(&opt.n, "-1; 256 for a base model"),
    CLI_OPTION_LEAST(&opt.min_tokens),
    { 0, "session", NULL, CLI_TEXT, &opt.session, "FILE",
      "load the conversation from this file if it exists, and save it there on exit" },
    { 0, "trim", NULL, CLI_FLAG, &opt.trim, NULL, "when the context is full, drop the oldest turns without asking" },
    CLI_OPTION_SHOW_PROMPT(&opt.show_prompt, " for each answer"),
    CLI_OPTION_PLAIN(&opt.plain),
};
/* clang-format on */
static const cli_table table = CLI_TABLE("conversation", options);

/* A message and its answer. */
static void say(chat *c, const char *line)
{
    carat_err err;
    if (!turns_add(&c->turns, "user", line, &c->attached, chat_names(c), &err)) {
        term_error(&err);
    } else if (!chat_answer(c) && c->turns.n) {
        turns_drop(&c->turns, c->turns.n - 1, 1);
        chat_forget(c);
    } else {
        return;
    }
    c->some_failed = true;
}

static void talk(chat *c)
{
    for (;;) {
        char *line = line_read(c->is_base ? "text> " : ">>> ", true);
        if (!line) {
            c->why_unread = line_error();
            return;
        }
        bool go_on = true;
        if (line_has_nul())
            chat_fail(c, "the message has a NUL byte: it is not sent");
        else if (!line_is_text() && chat_is_command(line))
            go_on = chat_command(c, line);
        else if (line[0])
            say(c, line);
        free(line);
        if (fflush(stdout) != 0 && !c->write_failed) { /* who reads a pipe by lines waits for this one */
            c->write_failed = true;
            c->why = errno;
        }
        if (!go_on || c->write_failed || cli_ended_by())
            return;
    }
}

static void greet(const chat *c)
{
    const carat_model_info *i = carat_engine_info(c->engine);
    term_note("%s, %d thread%s, %s, context %zu. /help lists commands, Ctrl-D leaves.",
              *i->published ? i->published : i->path, carat_engine_threads(c->engine),
              carat_engine_threads(c->engine) == 1 ? "" : "s", carat_engine_isa(c->engine),
              carat_session_n_ctx(c->session));
    if (c->is_base)
        term_note(
            cli_model_values.chat_template
                ? "Without a chat template the model continues your text instead of answering."
                : "This is a base model without a chat template: it continues your text instead of answering. If it "
                  "is instruction-tuned, give --chat-template gemma.");
}

static int run(int argc, char **argv)
{
    static chat c;
    cli_list args = { 0 };
    if (!cli_parse(&cli_chat, argc, argv, &args) || !cli_sampling(&cli_chat, &c.sampling))
        return CLI_USAGE;
    c.pan_scan = cli_pan_scan();
    const char *path = cli_model_path(&args);
    if (!path || args.n)
        return cli_usage(&cli_chat, "expected one model");
    if (opt.n >= 0 && opt.min_tokens > opt.n)
        return cli_usage(&cli_chat, "--min-tokens is %jd, but -n only %jd", (intmax_t)opt.min_tokens, (intmax_t)opt.n);
    if (opt.session && !chat_can_save(opt.session))
        return CLI_FAILED;
    c.file = opt.session;
    c.trims = opt.trim;
    c.is_plain = opt.plain;
    c.shows_prompts = opt.show_prompt;
    c.most = opt.n;
    c.least = opt.min_tokens;
    term_init(cli_model_values.quiet);
    const bool is_watched = isatty(0); /* somebody sees the errors; a signal may take the terminal's place at 0 */
    carat_err err;
    int code = CLI_OK;
    ct_buf_init(&c.answer, (size_t)1 << 28);
    c.system = opt.system ? strdup(opt.system) : NULL;
    if (!cli_open_engine(path, CARAT_VISION_AUTO, &c.engine, &code))
        goto done;
    if (!carat_session_open(c.engine, 0, &c.session, &err)) {
        code = term_error(&err);
        goto done;
    }
    carat_session_on_progress(c.session, cli_prompt_progress, NULL);
    cli_sampling_of(carat_engine_info(c.engine), &c.sampling);
    c.is_base = !carat_engine_info(c.engine)->is_instruction_tuned;
    if (c.file && !chat_restore(&c)) {
        code = CLI_FAILED;
        goto done;
    }
    cli_signals(CLI_SIGNALS_CONVERSATION);
    line_open();
    greet(&c);
    talk(&c);
    line_close();
    if (chat_is_worth_saving(&c) && !chat_save(&c, c.file))
        code = CLI_FAILED;
    if (c.write_failed) {
        ct_fail(&err, CARAT_EIO, CARAT_NOWHERE, "cannot write the answer: %s", strerror(c.why));
        code = c.why == EPIPE ? CLI_FAILED : term_error(&err);
    }
    if (c.why_unread) {
        ct_fail(&err, CARAT_EIO, CARAT_NOWHERE, "cannot read the next message: %s", strerror(c.why_unread));
        code = term_error(&err);
    }
    if (c.some_failed && !is_watched)
        code = CLI_FAILED;
    if (code == CLI_OK && cli_ended_by())
        code = 128 + cli_ended_by();
done:
    chat_release(&c);
    chat_clear(&c);
    free(c.system);
    ct_buf_deinit(&c.answer);
    carat_session_close(c.session);
    carat_engine_close(c.engine);
    return code;
}

const cli_command cli_chat = {
    .name = "chat",
    .usage = "MODEL [options]",
    .summary = "a conversation at the terminal",
    .text =
        "A conversation with a model: line editing, history, messages of several lines, commands with a slash. A\n"
        "model with vision takes images by /image FILE or by a file's name in the message; --session keeps them.\n"
        "Answers are broken between words and show light Markdown, unless --plain is given or they go to a file.\n\n"
        "  carat chat gemma-3-4b-it-q4_0.gguf --system \"Answer in French.\"",
    .tables = { &table, &cli_model_table, &cli_loading_table, &cli_pan_scan_table, &cli_sampling_table },
    .run = run,
};
