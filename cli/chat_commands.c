/* Commands in a conversation: lines that begin with a slash.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"

#include <ctype.h>
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
         "  /lora NAME=SCALE how much of an adapter (--lora) counts from now on; alone: which there are\n"
         "  /tools           the functions that the model may call, and who runs them\n"
         "  /prompt          what the model was given for its last answer, and what was mended of the messages\n"
         "  /bye             quit (also Ctrl-D)\n"
         "  Other lines that begin with a slash are messages, unless they are one word of letters: \"/tmp is what?\",\n"
         "  \"/show me one\", \"/etc/fstab\".\n"
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
        chat_fail(c, "/set NAME VALUE: temp, top-k, top-p, min-p or seed");
        return;
    }
    double v = strtod(text + at, &end);
    carat_sampling s = c->sampling;
    bool is_whole = v == floor(v);
    unsigned field = 0;
    if (*end || end == text + at) {
        chat_fail(c, "/set %s: '%.80s' is not a number", name, text + at);
        return;
    }
    if (strcmp(name, "temp") == 0)
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
        chat_fail(c, "/set: %s is %.80s, expected a whole number from 0 to %s", name, text + at,
                  *name == 's' ? "9e15" : "1073741824");
    else
        chat_fail(c, "/set: unknown setting '%s': temp, top-k, top-p, min-p or seed", name);
    carat_err err;
    if (!carat_sampling_check(&s, &err)) {
        chat_fail(c, "/set: %s", err.msg);
        return;
    }
    c->sampling = s;
    c->was_set |= field;
}

/* The answer there is, with its calls, stays until there is another. */
static void retry(chat *c)
{
    size_t n = 0;
    const size_t from = c->turns.n ? turns_last_exchange(&c->turns) + 1 : 0;
    if (from >= c->turns.n) {
        chat_fail(c, "/retry: there is no answer to retry");
        return;
    }
    turn *before = turns_pop(&c->turns, from, &n);
    if (!before) {
        chat_fail(c, "/retry: no memory");
    } else if (chat_answer(c)) {
        turns_free_popped(before, n);
    } else {
        turns_put_back(&c->turns, before, n);
        c->some_failed = true;
    }
}

static void undo(chat *c)
{
    const size_t n = c->turns.n - turns_last_exchange(&c->turns);
    if (!c->turns.n) {
        chat_fail(c, "/undo: there is nothing to undo");
        return;
    }
    turns_drop(&c->turns, c->turns.n - n, n);
    chat_forget(c);
    term_note("(the last exchange is removed; %zu messages are left)", c->turns.n);
}

/* The files of /image, all or none. */
static bool load_typed(chat *c, const char *text, cli_pictures *out)
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
            chat_fail(c, "/image %s: nothing is downloaded, give a file", name);
        else if (p.kind != PICTURE_FILE)
            chat_fail(c, "/image %s: %s", name, picture_name_why(&p));
        else if (!ok)
            chat_fail(c, "/image %s", err.msg);
        else if (!(ok = cli_pictures_join(out, &one)))
            chat_fail(c, "/image %s: no memory", name);
        cli_pictures_free(&one);
    }
    if (!ok)
        cli_pictures_free(out);
    return ok;
}

static void attach(chat *c, const char *text)
{
    cli_pictures all;
    const turn_names names = chat_names(c);
    if (!*text) {
        chat_fail(c, "/image FILE: JPEG, PNG, WebP, GIF or BMP");
        return;
    }
    if (names != TURN_NAMES_PICTURES) {
        chat_fail(c, "/image: %s",
                  names == TURN_NAMES_UNSEEN ? "opened without vision, as --no-vision asks"
                                             : "this model has no vision tower");
        return;
    }
    if (!load_typed(c, text, &all))
        return;
    const size_t first = c->attached.n;
    if (!cli_pictures_join(&c->attached, &all))
        chat_fail(c, "/image: no memory");
    cli_pictures_free(&all);
    for (size_t i = first; i < c->attached.n; i++) {
        const carat_picture *p = c->attached.v[i];
        size_t views = 1;
        carat_picture_n_views(p, &c->pan_scan, &views, NULL);
        printf("  %u x %u pixels, %zu view%s: goes with your next message\n", carat_picture_width(p),
               carat_picture_height(p), views, views == 1 ? "" : "s");
    }
}

/* A new conversation; pictures that wait for a message go with the old one. */
static void begin_anew(chat *c, const char *what)
{
    const size_t n = c->attached.n;
    chat_clear(c);
    term_note("(%s)", what);
    if (n)
        term_tell("(%s dropped: /image gives %s again)",
                  n == 1 ? "the picture that waited for a message is" : "the pictures that waited for a message are",
                  n == 1 ? "it" : "them");
}

static void set_system(chat *c, const char *text)
{
    char *system = *text ? strdup(text) : NULL;
    if (*text && !system) {
        chat_fail(c, "/system: no memory");
        return;
    }
    free(c->system);
    c->system = system;
    begin_anew(c, *text ? "a new conversation, with this system text" : "a new conversation, without system text");
}

static void save(chat *c, const char *path)
{
    if (!*path && !c->file)
        chat_fail(c, "/save FILE: there is no --session file");
    else if (!chat_save(c, *path ? path : c->file))
        c->some_failed = true;
}

typedef enum verb { HELP, CLEAR, RETRY, UNDO, SYSTEM, SET, IMAGE, SAVE, SHOW, LORA, TOOLS, PROMPT, BYE, UNKNOWN } verb;

static const struct {
    const char *name;
    verb verb;
} names[] = {
    { "/help", HELP },     { "/clear", CLEAR },   { "/retry", RETRY }, { "/undo", UNDO },
    { "/system", SYSTEM }, { "/set", SET },       { "/image", IMAGE }, { "/save", SAVE },
    { "/show", SHOW },     { "/prompt", PROMPT }, { "/lora", LORA },   { "/tools", TOOLS },
    { "/bye", BYE },       { "/quit", BYE },      { "/exit", BYE },    { "/?", HELP },
};
#define N_NAMES (sizeof names / sizeof *names)

static bool takes_words(verb v)
{
    return v == SYSTEM || v == SET || v == IMAGE || v == SAVE || v == LORA;
}

/* The command of that name, n letters. */
static verb named_verb(const char *line, size_t n)
{
    for (size_t i = 0; i < N_NAMES; i++)
        if (strlen(names[i].name) == n && strncmp(line, names[i].name, n) == 0)
            return names[i].verb;
    return UNKNOWN;
}

/* The same, or the one that begins with these n letters; they may be the beginning of one only: "/s" could save the
 * conversation or throw it away. */
static verb find_verb(const char *line, size_t n)
{
    verb found = named_verb(line, n);
    size_t n_found = 0;
    for (size_t i = 0; found == UNKNOWN && i < N_NAMES; i++)
        n_found += strncmp(line, names[i].name, n) == 0;
    for (size_t i = 0; n_found == 1 && i < N_NAMES; i++)
        if (strncmp(line, names[i].name, n) == 0)
            found = names[i].verb;
    return found;
}

/* Without the white space at its end: completion leaves some behind a file's name. */
static size_t length_of(const char *line)
{
    size_t n = strlen(line);
    while (n && isspace((unsigned char)line[n - 1]))
        n--;
    return n;
}

bool chat_is_command(const char *line)
{
    const size_t len = length_of(line), word = strcspn(line, BLANKS), n = word < len ? word : len;
    size_t letters = 1;
    if (line[0] != '/')
        return false;
    if (n < len)
        return takes_words(named_verb(line, n));
    while (letters < n && isalpha((unsigned char)line[letters]))
        letters++;
    return letters == n || find_verb(line, n) != UNKNOWN;
}

/* "; did you mean /system, /set, /save or /show?" */
static void suggest(ct_buf *b, const char *line, size_t n)
{
    const char *found[N_NAMES];
    size_t n_found = 0;
    cli_nearest near = cli_nearest_to(line, n);
    for (size_t i = 0; i < N_NAMES && n > 1; i++) {
        if (isalpha((unsigned char)names[i].name[1]) && n > 2)
            cli_nearest_try(&near, names[i].name, strlen(names[i].name));
        if (strncmp(line, names[i].name, n) == 0)
            found[n_found++] = names[i].name;
    }
    if (!n_found && near.name)
        found[n_found++] = near.name;
    for (size_t i = 0; i < n_found; i++)
        ct_buf_fmt(b, "%s%s", i == 0 ? "; did you mean " : i + 1 < n_found ? ", " : " or ", found[i]);
    if (n_found)
        ct_buf_char(b, '?');
}

static void unknown(chat *c, const char *line, size_t n)
{
    ct_buf b;
    ct_buf_init(&b, 4096);
    suggest(&b, line, n);
    chat_fail(c, "unknown command %.*s%s (/help lists the commands; a message may begin with a slash after a blank)",
              n < 80 ? (int)n : 80, line, b.data && !b.failed ? b.data : "");
    ct_buf_deinit(&b);
}

bool chat_command(chat *c, char *line)
{
    line[length_of(line)] = '\0';
    size_t n = strcspn(line, BLANKS);
    const char *rest = line + n + strspn(line + n, BLANKS);
    switch (find_verb(line, n)) {
    case BYE:
        return false;
    case CLEAR:
        begin_anew(c, "the conversation is cleared");
        break;
    case RETRY:
        retry(c);
        break;
    case UNDO:
        undo(c);
        break;
    case IMAGE:
        attach(c, rest);
        break;
    case SYSTEM:
        set_system(c, rest);
        break;
    case SAVE:
        save(c, rest);
        break;
    case SET:
        set(c, rest);
        break;
    case SHOW:
        show(c);
        break;
    case LORA:
        chat_lora(c, rest);
        break;
    case TOOLS:
        if (chat_refresh_tools(c))
            toolbox_list(&c->tools);
        break;
    case PROMPT:
        chat_show_prompt(c);
        break;
    case HELP:
        help();
        break;
    case UNKNOWN:
        unknown(c, line, n);
        break;
    }
    return true;
}
