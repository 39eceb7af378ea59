/* carat chat - a conversation at the terminal.
 *
 * An instruction-tuned model gets the whole conversation through its template each time; what the session has already
 * evaluated is kept, so a turn costs its own tokens only. A base model just continues the text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "commands.h"
#include "common.h"
#include "line.h"
#include "term.h"
#include "turns.h"

static struct {
    const char *system, *session;
    int64_t n;
    bool trim;
} opt = { .n = -1 };

static const cli_option options[] = {
    CLI_OPTION_SYSTEM(&opt.system),
    CLI_OPTION_PREDICT(&opt.n, "; 256 for a base model"),
    { 0, "session", NULL, CLI_TEXT, &opt.session, "FILE",
      "go on from this file if it is there, and write it at the end", 0, 0 },
    { 0, "trim", NULL, CLI_FLAG, &opt.trim, NULL,
      "where the context is full, leave out the oldest turns without asking", 0, 0 },
};
static const cli_table table = CLI_TABLE("conversation", options);

typedef struct chat {
    carat_engine *engine;
    carat_session *session;
    carat_sampling sampling;
    carat_pan_scan pan_scan;
    bool is_base;
    char *system; /* owned, NULL if none */
    turns turns;
    cli_pictures attached; /* by /image, for the next message */
    carat_buf answer;
    bool write_failed;
    int why; /* errno of the write */
} chat;

static bool on_token(void *arg, const carat_token *t)
{
    chat *c = arg;
    carat_buf_add(&c->answer, t->text, t->len);
    c->write_failed = t->len && (fwrite(t->text, 1, t->len, stdout) != t->len || fflush(stdout) != 0);
    c->why = errno;
    return !c->write_failed;
}

/* Brings the session to the conversation as it stands, evaluating only what it does not hold yet. */
static bool advance(chat *c, size_t *computed, carat_err *err)
{
    carat_prompt *p;
    size_t n, cached;
    /* Room for an answer, too, or the next one would be cut at once. */
    size_t fit = opt.trim ? carat_session_n_ctx(c->session) - carat_session_n_ctx(c->session) / 8 : 0;
    if (!turns_prompt(&c->turns, c->engine, c->system, c->is_base, &c->pan_scan, fit, &p, err))
        return false;
    size_t dropped = carat_prompt_n_dropped(p);
    if (dropped) {
        term_note("(%zu oldest messages left out: the context of %zu tokens is full)", dropped,
                  carat_session_n_ctx(c->session));
        turns_drop(&c->turns, 0, dropped);
    }
    bool ok = carat_session_prompt(c->session, p, &cached, err);
    carat_prompt_tokens(p, &n);
    *computed = n - cached;
    carat_prompt_free(p);
    return ok;
}

/* The conversation does not fit any more: says so and asks whether the oldest exchange may go. */
static bool make_room(chat *c, const carat_err *why)
{
    if (c->turns.n < 3) {
        term_error(why);
        return false;
    }
    term_note("%s.", why->msg);
    char *line = line_read("drop the oldest exchange? [y/N] ", false);
    bool yes = line && (line[0] == 'y' || line[0] == 'Y');
    free(line);
    if (yes)
        turns_drop(&c->turns, 0, 2);
    return yes;
}

static double rate(size_t n, double seconds)
{
    return seconds > 0 ? (double)n / seconds : 0;
}

/* One answer to the turns so far. False: the last turn should be taken back. */
static bool answer(chat *c)
{
    carat_err err;
    size_t computed = 0;
    bool ok;
    cli_cancel_on_interrupt(c->session);
    double start = carat_now();
    for (;;) {
        ok = advance(c, &computed, &err);
        term_progress_end();
        if (!ok && err.code == CARAT_ECANCELLED && !cli_was_interrupted())
            continue; /* a Ctrl-C that came when the last answer had just ended */
        if (ok || err.code != CARAT_ECONTEXT || !make_room(c, &err))
            break;
    }
    double prompt_s = carat_now() - start;
    carat_result r = { 0 };
    carat_buf_clear(&c->answer);
    carat_generation g = {
        .sampling = c->sampling,
        .max_tokens = opt.n >= 0   ? (size_t)opt.n
                      : c->is_base ? 256
                                   : 0,
        .on_token = on_token,
        .arg = c,
    };
    c->sampling.seed += 1;           /* another draw for the next answer */
    if (ok && cli_was_interrupted()) /* between the two calls */
        ok = carat_fail(&err, CARAT_ECANCELLED, CARAT_NOWHERE, "interrupted");
    if (ok && g.max_tokens == 0 && opt.n == 0)
        r.finish = CARAT_FINISH_LENGTH;
    else if (ok)
        ok = carat_session_generate(c->session, &g, &r, &err);
    bool interrupted = cli_was_interrupted();
    cli_cancel_on_interrupt(NULL);
    if (!ok) {
        if (interrupted && err.code == CARAT_ECANCELLED)
            term_note("\n(interrupted before the answer began: the message is not kept)");
        else if (err.code != CARAT_ECONTEXT)
            term_error(&err);
        return false;
    }
    putchar('\n');
    carat_err why;
    if (!turns_add(&c->turns, "assistant", c->answer.data ? c->answer.data : "", NULL, false, &why))
        term_note("%s", why.msg);
    if (r.finish == CARAT_FINISH_LENGTH && carat_session_n_tokens(c->session) == carat_session_n_ctx(c->session))
        term_note("(the context of %zu tokens is full: the answer is cut)", carat_session_n_ctx(c->session));
    if (term_is_tty(2))
        term_note("%zu new prompt tokens at %.1f/s, %zu generated at %.1f/s, %zu of %zu in context%s", computed,
                  rate(computed, prompt_s), r.n_generated, rate(r.n_generated, r.seconds),
                  carat_session_n_tokens(c->session), carat_session_n_ctx(c->session),
                  interrupted ? ", interrupted" : "");
    return true;
}

static void help(void)
{
    puts("  /help            this list\n"
         "  /clear           forget the conversation\n"
         "  /retry           another answer to the last message\n"
         "  /undo            take back the last exchange\n"
         "  /system TEXT     set the system text (empty: none) and start anew\n"
         "  /set NAME VALUE  temp, top-k, top-p, min-p or seed\n"
         "  /image FILE      show a picture with the next message; or write the file's name into the message\n"
         "  /save [FILE]     write the conversation, to go on with later by --session FILE\n"
         "  /show            settings and how full the context is\n"
         "  /bye             leave (also Ctrl-D)\n"
         "  A line that begins with \"\"\" opens a message of several lines, the next \"\"\" closes it.\n"
         "  Ctrl-C stops an answer.");
}

static void show(const chat *c)
{
    printf("  temp %g, top-k %d, top-p %g, min-p %g, seed %llu\n  %zu of %zu tokens in context, %d threads, %s\n",
           (double)c->sampling.temperature, c->sampling.top_k, (double)c->sampling.top_p, (double)c->sampling.min_p,
           (unsigned long long)c->sampling.seed, carat_session_n_tokens(c->session), carat_session_n_ctx(c->session),
           carat_engine_threads(c->engine), carat_engine_isa(c->engine));
}

static void set(chat *c, const char *text)
{
    char name[32], *end;
    int at = 0;
    if (sscanf(text, " %31s %n", name, &at) != 1 || !text[at]) {
        puts("  /set NAME VALUE: temp, top-k, top-p, min-p or seed");
        return;
    }
    double v = strtod(text + at, &end);
    carat_sampling s = c->sampling;
    bool is_whole = v == floor(v);
    if (*end || end == text + at)
        puts("  the value is no number");
    else if (strcmp(name, "temp") == 0)
        s.temperature = (float)v;
    else if (strcmp(name, "top-k") == 0 && is_whole && v >= 0 && v <= 1 << 30)
        s.top_k = (int)v;
    else if (strcmp(name, "top-p") == 0)
        s.top_p = (float)v;
    else if (strcmp(name, "min-p") == 0)
        s.min_p = (float)v;
    else if (strcmp(name, "seed") == 0 && is_whole && v >= 0 && v <= 9e15)
        s.seed = (uint64_t)v;
    else if (strcmp(name, "top-k") == 0 || strcmp(name, "seed") == 0)
        printf("  %s is %s, expected a whole number of 0 to %s\n", name, text + at,
               *name == 's' ? "9e15" : "1073741824");
    else
        printf("  unknown setting '%s': temp, top-k, top-p, min-p or seed\n", name);
    carat_err err;
    if (carat_sampling_check(&s, &err))
        c->sampling = s;
    else
        printf("  %s\n", err.msg);
}

static void clear(chat *c)
{
    turns_drop(&c->turns, 0, c->turns.n);
    cli_pictures_free(&c->attached);
}

/* The answer there is stays until there is another. */
static void retry(chat *c)
{
    if (c->turns.n < 2) {
        puts("  nothing to answer again");
        return;
    }
    turn before = turns_pop(&c->turns);
    if (answer(c))
        turn_deinit(&before);
    else
        turns_put_back(&c->turns, before);
}

static void undo(chat *c)
{
    /* The last message has no answer where the conversation was full. */
    size_t n = c->turns.n && strcmp(c->turns.v[c->turns.n - 1].role, "user") == 0 ? 1 : 2;
    n = n < c->turns.n ? n : c->turns.n;
    turns_drop(&c->turns, c->turns.n - n, n);
    term_note(n ? "(the last exchange is taken back, %zu messages are left)" : "(nothing to take back)", c->turns.n);
}

static bool save(chat *c, const char *path)
{
    carat_err err;
    char *note = NULL;
    bool ok = turns_to_note(&c->turns, c->system, &note, &err) &&
              carat_session_save(c->session, path, note, strlen(note), &err);
    if (ok)
        term_note("%s: %zu messages, %zu tokens", path, c->turns.n, carat_session_n_tokens(c->session));
    else
        term_error(&err);
    free(note);
    return ok;
}

/* Can the conversation be written in the end? Nobody should learn it then. */
static bool check_folder(const char *path)
{
    carat_err err;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    bool ok = folder && access(folder, W_OK | X_OK) == 0;
    if (!ok) {
        carat_fail(&err, CARAT_EIO, CARAT_NOWHERE, "--session %s: it could not be written: %s", path, strerror(errno));
        term_error(&err);
    }
    free(folder);
    return ok;
}

/* The saved conversation, if there is one. False after a message. */
static bool restore(chat *c)
{
    carat_err err;
    char *note = NULL;
    size_t len;
    if (access(opt.session, F_OK) != 0 && errno == ENOENT)
        return true;
    bool ok = carat_session_restore(c->session, opt.session, &note, &len, &err) &&
              turns_from_note(&c->turns, note, &c->system, &err);
    if (ok)
        term_note("%s: going on after %zu messages, %zu tokens", opt.session, c->turns.n,
                  carat_session_n_tokens(c->session));
    else
        term_error(&err);
    carat_free(note);
    return ok;
}

static void attach(chat *c, const char *path)
{
    carat_err err;
    const cli_list one = { .v = { path }, .n = 1 };
    cli_pictures p;
    if (!*path) {
        puts("  /image FILE: JPEG, PNG, WebP, GIF or BMP");
    } else if (!carat_engine_info(c->engine)->has_vision) {
        puts("  this model cannot see");
    } else if (!cli_pictures_load(&one, &p, &err)) {
        printf("  %s\n", err.msg);
    } else {
        const carat_picture *new = p.v[0];
        size_t views = carat_picture_n_views(new, &c->pan_scan);
        if (cli_pictures_join(&c->attached, &p))
            printf("  %u x %u pixels, %zu view%s: goes with your next message\n", carat_picture_width(new),
                   carat_picture_height(new), views, views == 1 ? "" : "s");
        cli_pictures_free(&p);
    }
}

static void set_system(chat *c, const char *text)
{
    free(c->system);
    c->system = *text ? strdup(text) : NULL;
    clear(c);
    if (*text && !c->system)
        puts("  no memory for the system text");
    else
        term_note(*text ? "(a new conversation, with this system text)" : "(a new conversation, without system text)");
}

typedef enum verb { HELP, CLEAR, RETRY, UNDO, SYSTEM, SET, IMAGE, SAVE, SHOW, BYE, UNKNOWN } verb;

/* The command that begins with these n letters; they may be the beginning of one only: "/s" could save the conversation
 * or throw it away. */
static verb find_verb(const char *line, size_t n)
{
    static const struct {
        const char *name;
        verb verb;
    } names[] = {
        { "/help", HELP },     { "/clear", CLEAR }, { "/retry", RETRY }, { "/undo", UNDO },
        { "/system", SYSTEM }, { "/set", SET },     { "/image", IMAGE }, { "/save", SAVE },
        { "/show", SHOW },     { "/bye", BYE },     { "/quit", BYE },    { "/exit", BYE },
    };
    verb found = UNKNOWN;
    size_t n_found = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(line, names[i].name, n) == 0) {
            if (!names[i].name[n])
                return names[i].verb;
            found = names[i].verb;
            n_found++;
        }
    return n_found == 1 ? found : UNKNOWN;
}

/* A line that begins with a slash; it loses the white space at its end. Returns false to leave. */
static bool command(chat *c, char *line)
{
    for (size_t end = strlen(line); end && isspace((unsigned char)line[end - 1]);)
        line[--end] = '\0'; /* completion leaves some behind a file's name */
    size_t n = strcspn(line, " ");
    const char *rest = line + n + strspn(line + n, " ");
    verb v = find_verb(line, n);
    if (v == BYE)
        return false;
    if (v == CLEAR) {
        clear(c);
        term_note("(the conversation is forgotten)");
    } else if (v == RETRY) {
        retry(c);
    } else if (v == UNDO) {
        undo(c);
    } else if (v == IMAGE) {
        attach(c, rest);
    } else if (v == SYSTEM) {
        set_system(c, rest);
    } else if (v == SAVE && !*rest && !opt.session) {
        puts("  /save FILE");
    } else if (v == SAVE) {
        save(c, *rest ? rest : opt.session);
    } else if (v == SET) {
        set(c, rest);
    } else if (v == SHOW) {
        show(c);
    } else {
        if (v == UNKNOWN)
            printf("  unknown command %.*s\n", (int)n, line);
        help();
    }
    return true;
}

/* A message and its answer. */
static void say(chat *c, const char *line)
{
    carat_err err;
    bool sees = carat_engine_info(c->engine)->has_vision;
    if (!turns_add(&c->turns, "user", line, &c->attached, sees, &err))
        term_error(&err);
    else if (!answer(c) && c->turns.n)
        turns_drop(&c->turns, c->turns.n - 1, 1);
}

static void talk(chat *c)
{
    for (;;) {
        char *line = line_read(c->is_base ? "text> " : ">>> ", true);
        if (!line)
            return;
        bool go_on = true;
        if (line[0] == '/' && !turns_begins_with_picture(line))
            go_on = command(c, line);
        else if (line[0])
            say(c, line);
        free(line);
        if (!go_on || c->write_failed)
            return;
    }
}

static void greet(const chat *c)
{
    const carat_model_info *i = carat_engine_info(c->engine);
    term_note("%s, %d threads, %s, context %zu. /help lists commands, Ctrl-D leaves.",
              *i->published ? i->published : i->path, carat_engine_threads(c->engine), carat_engine_isa(c->engine),
              carat_session_n_ctx(c->session));
    if (c->is_base)
        term_note("This is a base model without a chat template: it continues your text instead of answering.");
}

static int run(int argc, char **argv)
{
    static chat c;
    cli_list args = { 0 };
    if (!cli_parse(&cli_chat, argc, argv, &args) || !cli_sampling(&cli_chat, &c.sampling) ||
        !cli_pan_scan(&cli_chat, &c.pan_scan))
        return CLI_USAGE;
    const char *path = cli_model_path(&args);
    if (!path || args.n)
        return cli_usage(&cli_chat, "expected one model");
    if (opt.session && !check_folder(opt.session))
        return CLI_FAILED;
    term_init(cli_model_values.quiet);
    carat_err err;
    int code = CLI_OK;
    carat_buf_init(&c.answer, (size_t)1 << 28);
    c.system = opt.system ? strdup(opt.system) : NULL;
    if (!cli_open_engine(&cli_chat, path, CARAT_VISION_AUTO, &c.engine, &code))
        goto done;
    if (!carat_session_open(c.engine, 0, &c.session, &err)) {
        code = term_error(&err);
        goto done;
    }
    carat_session_on_progress(c.session, cli_prompt_progress, NULL);
    c.is_base = !carat_engine_info(c.engine)->is_instruction_tuned;
    if (opt.session && !restore(&c)) {
        code = CLI_FAILED;
        goto done;
    }
    cli_ignore_interrupts();
    line_open();
    greet(&c);
    talk(&c);
    line_close();
    if (opt.session && c.turns.n && !save(&c, opt.session))
        code = CLI_FAILED;
    if (c.write_failed) {
        carat_fail(&err, CARAT_EIO, CARAT_NOWHERE, "cannot write the answer: %s", strerror(c.why));
        code = c.why == EPIPE ? CLI_FAILED : term_error(&err);
    }
done:
    clear(&c);
    free(c.system);
    carat_buf_deinit(&c.answer);
    carat_session_close(c.session);
    carat_engine_close(c.engine);
    return code;
}

const cli_command cli_chat = {
    .name = "chat",
    .usage = "MODEL [options]",
    .summary = "a conversation at the terminal",
    .text = "Talks with a model: line editing, history, messages of several lines, commands with a slash. A model that "
            "sees\n"
            "takes pictures by /image FILE or by a file's name in the message.\n\n"
            "  carat chat gemma-3-4b-it-q4_0.gguf --system \"Answer in French.\"",
    .tables = { &table, &cli_model_table, &cli_loading_table, &cli_pan_scan_table, &cli_sampling_table },
    .run = run,
};
