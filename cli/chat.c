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
    int64_t n, min_tokens, max_rounds;
    const char *tools;
    cli_list servers;
    double tool_timeout;
    bool trim, plain, show_prompt, yes;
} opt;

/* clang-format off */
static const cli_option options[] = {
    CLI_OPTION_SYSTEM(&opt.system),
    CLI_OPTION_TEMPLATE(&cli_model_values.chat_template, ""),
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

/* clang-format off */
static const cli_option tool_options[] = {
    { 0, "tools", NULL, CLI_TEXT, &opt.tools, "FILE",
      "functions that the model may call: a JSON list of commands of this machine" },
    { 0, "mcp", NULL, CLI_TEXTS, &opt.servers, "COMMAND",
      "the same of a server of the Model Context Protocol, which this command starts; repeatable" },
    { 0, "yes", NULL, CLI_FLAG, &opt.yes, NULL, "run what the model calls without asking" },
    { 0, "max-rounds", NULL, CLI_INT, &opt.max_rounds, "N", "rounds of calls before a message must be answered",
      .deflt = "8", .min = 1, .max = 1000 },
    { 0, "tool-timeout", NULL, CLI_NUM, &opt.tool_timeout, "SECONDS", "time for a call, and for a server to start",
      .deflt = "60", .min = 0.1, .max = 86400 },
};
/* clang-format on */
static const cli_table tool_table = CLI_TABLE("tools", tool_options);

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

/* The model may be given tools. They are run when somebody has agreed: here, or by --yes. */
static bool may_have_tools(void)
{
    if ((opt.tools || opt.servers.n) && !opt.yes && !isatty(0)) {
        cli_usage(&cli_chat,
                  "tools are asked for before they run, and standard input is no terminal to ask at: --yes runs them "
                  "without asking");
        return false;
    }
    return true;
}

/* Before the model, which takes longer to open. */
static int open_tools(chat *c)
{
    carat_err err;
    if (toolbox_open(&c->tools, opt.tools, &opt.servers, opt.tool_timeout, &err))
        return CLI_OK;
    term_error(&err);
    return err.code == CARAT_ECANCELLED ? CLI_INTERRUPTED : CLI_FAILED;
}

/* Once the model is known. */
static bool bind_tools(chat *c)
{
    carat_err err;
    bool ok = true;
    if (c->tools.tools && c->is_base)
        ok = ct_fail(
            &err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
            "tools need a chat template, and this model has none (--chat-template gemma, if it is instruction-tuned)");
    if (!ok || !toolbox_bind(&c->tools, c->engine, &err)) {
        term_error(&err);
        return false;
    }
    return true;
}

static int converse(chat *c, int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_chat, argc, argv, &args) || !cli_sampling(&cli_chat, &c->sampling))
        return CLI_USAGE;
    c->pan_scan = cli_pan_scan();
    const char *path = cli_model_path(&args);
    if (!path || args.n)
        return cli_usage(&cli_chat, "expected one model");
    if (opt.n >= 0 && opt.min_tokens > opt.n)
        return cli_usage(&cli_chat, "--min-tokens is %jd, but -n only %jd", (intmax_t)opt.min_tokens, (intmax_t)opt.n);
    if (!may_have_tools())
        return CLI_USAGE;
    if (opt.session && !chat_can_save(opt.session))
        return CLI_FAILED;
    c->file = opt.session;
    c->trims = opt.trim;
    c->is_plain = opt.plain;
    c->shows_prompts = opt.show_prompt;
    c->most = opt.n;
    c->least = opt.min_tokens;
    c->max_rounds = opt.max_rounds;
    c->asks_first = !opt.yes;
    term_init(cli_model_values.quiet);
    const bool is_watched = isatty(0); /* somebody sees the errors; a signal may take the terminal's place at 0 */
    carat_err err;
    int code = CLI_OK;
    c->system = opt.system ? strdup(opt.system) : NULL;
    code = open_tools(c);
    if (code != CLI_OK)
        goto done;
    if (!cli_open_engine(path, CARAT_VISION_AUTO, &c->engine, &code))
        goto done;
    if (!carat_session_open(c->engine, 0, &c->session, &err)) {
        code = term_error(&err);
        goto done;
    }
    carat_session_on_progress(c->session, cli_prompt_progress, NULL);
    cli_sampling_of(carat_engine_info(c->engine), &c->sampling);
    c->is_base = !carat_engine_info(c->engine)->is_instruction_tuned;
    if (!bind_tools(c) || (c->file && !chat_restore(c))) {
        code = CLI_FAILED;
        goto done;
    }
    cli_signals(CLI_SIGNALS_CONVERSATION);
    line_open();
    greet(c);
    talk(c);
    line_close();
    if (chat_is_worth_saving(c) && !chat_save(c, c->file))
        code = CLI_FAILED;
    if (c->write_failed) {
        ct_fail(&err, CARAT_EIO, CARAT_NOWHERE, "cannot write the answer: %s", strerror(c->why));
        code = c->why == EPIPE ? CLI_FAILED : term_error(&err);
    }
    if (c->why_unread) {
        ct_fail(&err, CARAT_EIO, CARAT_NOWHERE, "cannot read the next message: %s", strerror(c->why_unread));
        code = term_error(&err);
    }
    if (c->some_failed && !is_watched)
        code = CLI_FAILED;
    if (code == CLI_OK && cli_ended_by())
        code = 128 + cli_ended_by();
done:
    chat_release(c);
    chat_clear(c);
    free(c->system);
    chat_read_forget(c);
    toolbox_close(&c->tools);
    carat_session_close(c->session);
    carat_engine_close(c->engine);
    return code;
}

/* On the heap: it is half a megabyte, which no other command needs. */
static int run(int argc, char **argv)
{
    carat_err err;
    chat *c = calloc(1, sizeof *c);
    if (!c) {
        ct_fail(&err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a conversation of %zu bytes", sizeof *c);
        return term_error(&err);
    }
    const int code = converse(c, argc, argv);
    free(c);
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
        "With --tools and --mcp the model may call functions: each call is shown and asked for, run here, and its\n"
        "result given to the model, which answers then (docs/TOOLS.md).\n\n"
        "  carat chat gemma-3-4b-it-q4_0.gguf --system \"Answer in French.\"\n"
        "  carat chat gemma-3-4b-it-q4_0.gguf --tools tools.json --mcp \"uvx mcp-server-time\"",
    .tables = { &table, &tool_table, &cli_model_table, &cli_loading_table, &cli_guess_table, &cli_pan_scan_table,
                &cli_sampling_table },
    .run = run,
};
