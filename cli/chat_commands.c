/* Commands in a conversation: lines that begin with a slash.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "picture_names.h"
#include "sampling.h"
#include "term.h"

#define BLANKS " \t"

static void help(void)
{
    puts("  /help            this list\n"
         "  /clear           start a new conversation\n"
         "  /retry           another answer to the last message\n"
         "  /undo            remove the last exchange\n"
         "  /system TEXT     set the system text (empty: none) and start a new conversation\n"
         "  /set NAME VALUE  temp, top-k, top-p, min-p or seed\n"
         "  /image FILE ...  send images with the next message; or name the files in the message\n"
         "  /save [FILE]     save the conversation, to resume later with --session FILE\n"
         "  /show            the settings, and how much of the context is used\n"
         "  /bye             quit (also Ctrl-D)\n"
         "  A line that begins with \"\"\" opens a message of several lines, the next \"\"\" closes it.\n"
         "  Ctrl-C stops an answer.");
}

/* Where the settings come from, each place with the names of its own. */
static void show_origin(const chat *c)
{
    const carat_model_info *i = carat_engine_info(c->engine);
    const unsigned line = cli_sampling_given(), shown = (1u << CLI_N_SAMPLING) - 1;
    const struct {
        const char *name;
        unsigned fields;
    } places[] = { { "/set", c->was_set },
                   { "the command line", line & ~c->was_set },
                   { i->sampling_from, i->sampling_fields & ~line & ~c->was_set },
                   { "built in", shown & ~(i->sampling_fields | line | c->was_set) } };
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        const char *between = ": ";
        if (places[p].fields)
            printf("  %s", places[p].name);
        for (unsigned f = 0; f < CLI_N_SAMPLING; f++)
            if (places[p].fields & 1u << f) {
                printf("%s%s", between, cli_sampling_names[f]);
                between = ", ";
            }
        if (places[p].fields)
            putchar('\n');
    }
}

static void show(const chat *c)
{
    printf("  temp %g, top-k %d, top-p %g, min-p %g, seed %llu\n  %zu of %zu tokens in context, %d thread%s, %s\n",
           (double)c->sampling.temperature, c->sampling.top_k, (double)c->sampling.top_p, (double)c->sampling.min_p,
           (unsigned long long)c->sampling.seed, carat_session_n_tokens(c->session), carat_session_n_ctx(c->session),
           carat_engine_threads(c->engine), carat_engine_threads(c->engine) == 1 ? "" : "s",
           carat_engine_isa(c->engine));
    show_origin(c);
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
    unsigned field = 0;
    if (*end || end == text + at)
        printf("  '%s' is not a number\n", text + at);
    else if (strcmp(name, "temp") == 0)
        s.temperature = (float)v, field = CARAT_SAMPLING_TEMPERATURE;
    else if (strcmp(name, "top-k") == 0 && is_whole && v >= 0 && v <= 1 << 30)
        s.top_k = (int)v, field = CARAT_SAMPLING_TOP_K;
    else if (strcmp(name, "top-p") == 0)
        s.top_p = (float)v, field = CARAT_SAMPLING_TOP_P;
    else if (strcmp(name, "min-p") == 0)
        s.min_p = (float)v, field = CARAT_SAMPLING_MIN_P;
    else if (strcmp(name, "seed") == 0 && is_whole && v >= 0 && v <= 9e15)
        s.seed = (uint64_t)v;
    else if (strcmp(name, "top-k") == 0 || strcmp(name, "seed") == 0)
        printf("  %s is %s, expected a whole number from 0 to %s\n", name, text + at,
               *name == 's' ? "9e15" : "1073741824");
    else
        printf("  unknown setting '%s': temp, top-k, top-p, min-p or seed\n", name);
    carat_err err;
    if (!carat_sampling_check(&s, &err)) {
        printf("  %s\n", err.msg);
        return;
    }
    c->sampling = s;
    c->was_set |= field;
}

/* The answer there is stays until there is another. */
static void retry(chat *c)
{
    if (c->turns.n < 2) {
        puts("  there is no answer to retry");
        return;
    }
    turn before = turns_pop(&c->turns);
    if (chat_answer(c))
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
    term_note(n ? "(the last exchange is removed; %zu messages are left)" : "(nothing to undo)", c->turns.n);
}

/* The files of /image, all or none. */
static bool load_typed(const char *text, cli_pictures *out)
{
    carat_err err;
    picture_name p;
    bool ok = true;
    *out = (cli_pictures){ 0 };
    for (size_t at = 0; ok && picture_path_next(text, &at, &p);) {
        char name[256];
        cli_pictures one = { 0 };
        ok = p.kind == PICTURE_FILE && cli_pictures_keep(p.path, &one, &err);
        term_printable(p.path, name, sizeof name);
        if (p.kind == PICTURE_ADDRESS)
            printf("  %s: nothing is downloaded, give a file\n", name);
        else if (p.kind != PICTURE_FILE)
            printf("  %s: %s\n", name, p.why == EINVAL ? "not a file" : strerror(p.why));
        else if (!ok)
            printf("  %s\n", err.msg);
        else if (!(ok = cli_pictures_join(out, &one)))
            puts("  no memory for the image");
        cli_pictures_free(&one);
    }
    if (!ok)
        cli_pictures_free(out);
    return ok;
}

static void attach(chat *c, const char *text)
{
    cli_pictures all;
    if (!*text) {
        puts("  /image FILE: JPEG, PNG, WebP, GIF or BMP");
        return;
    }
    if (!carat_engine_info(c->engine)->has_vision) {
        puts("  this model has no vision tower");
        return;
    }
    if (!load_typed(text, &all))
        return;
    const size_t first = c->attached.n;
    if (!cli_pictures_join(&c->attached, &all))
        puts("  no memory for the image");
    cli_pictures_free(&all);
    for (size_t i = first; i < c->attached.n; i++) {
        const carat_picture *p = c->attached.v[i];
        size_t views = 1;
        carat_picture_n_views(p, &c->pan_scan, &views, NULL);
        printf("  %u x %u pixels, %zu view%s: goes with your next message\n", carat_picture_width(p),
               carat_picture_height(p), views, views == 1 ? "" : "s");
    }
}

static void set_system(chat *c, const char *text)
{
    free(c->system);
    c->system = *text ? strdup(text) : NULL;
    chat_clear(c);
    if (*text && !c->system)
        puts("  no memory for the system text");
    else
        term_note(*text ? "(a new conversation, with this system text)" : "(a new conversation, without system text)");
}

typedef enum verb { HELP, CLEAR, RETRY, UNDO, SYSTEM, SET, IMAGE, SAVE, SHOW, BYE, UNKNOWN } verb;

static const struct {
    const char *name;
    verb verb;
} names[] = {
    { "/help", HELP }, { "/clear", CLEAR }, { "/retry", RETRY }, { "/undo", UNDO }, { "/system", SYSTEM },
    { "/set", SET },   { "/image", IMAGE }, { "/save", SAVE },   { "/show", SHOW }, { "/bye", BYE },
    { "/quit", BYE },  { "/exit", BYE },    { "/?", HELP },
};
#define N_NAMES (sizeof names / sizeof *names)

/* The command that begins with these n letters; they may be the beginning of one only: "/s" could save the conversation
 * or throw it away. */
static verb find_verb(const char *line, size_t n)
{
    verb found = UNKNOWN;
    size_t n_found = 0;
    for (size_t i = 0; i < N_NAMES; i++)
        if (strncmp(line, names[i].name, n) == 0) {
            if (!names[i].name[n])
                return names[i].verb;
            found = names[i].verb;
            n_found++;
        }
    return n_found == 1 ? found : UNKNOWN;
}

bool chat_is_command(const char *line)
{
    const size_t n = strcspn(line, BLANKS);
    size_t letters = 1;
    while (letters < n && isalpha((unsigned char)line[letters]))
        letters++;
    return line[0] == '/' && (letters == n || find_verb(line, n) != UNKNOWN);
}

static void unknown(const char *line, size_t n)
{
    cli_nearest near = cli_nearest_to(line, n);
    for (size_t i = 0; i < N_NAMES; i++)
        cli_nearest_try(&near, names[i].name, strlen(names[i].name));
    printf("  unknown command %.*s", (int)n, line);
    if (near.name)
        printf("; did you mean %s?", near.name);
    puts("  (/help lists the commands; a message may begin with a slash after a blank)");
}

bool chat_command(chat *c, char *line)
{
    for (size_t end = strlen(line); end && isspace((unsigned char)line[end - 1]);)
        line[--end] = '\0'; /* completion leaves some behind a file's name */
    size_t n = strcspn(line, BLANKS);
    const char *rest = line + n + strspn(line + n, BLANKS);
    verb v = find_verb(line, n);
    if (v == BYE)
        return false;
    if (v == CLEAR) {
        chat_clear(c);
        term_note("(the conversation is cleared)");
    } else if (v == RETRY) {
        retry(c);
    } else if (v == UNDO) {
        undo(c);
    } else if (v == IMAGE) {
        attach(c, rest);
    } else if (v == SYSTEM) {
        set_system(c, rest);
    } else if (v == SAVE && !*rest && !c->file) {
        puts("  /save FILE");
    } else if (v == SAVE) {
        chat_save(c, *rest ? rest : c->file);
    } else if (v == SET) {
        set(c, rest);
    } else if (v == SHOW) {
        show(c);
    } else if (v == HELP) {
        help();
    } else {
        unknown(line, n);
    }
    return true;
}
