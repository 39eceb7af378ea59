/* Command-line options from their tables: parsing, "did you mean".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "help.h"
#include "nearest.h"
#include "option_names.h"

int cli_usage(const cli_command *cmd, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "carat %s: ", cmd->name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n(carat %s --help lists the options)\n", cmd->name);
    return CLI_USAGE;
}

bool cli_is_stream(const cli_command *cmd, const char *option, const char *value)
{
    if (!value || strcmp(value, "-") != 0)
        return false;
    cli_usage(cmd,
              "--%s - would be standard output, expected a file's name: what is written is a file as a whole "
              "(./- is one that is called -)",
              option);
    return true;
}

/* ---- values ---- */

/* "f16 or q8_0", "auto, off or on"; after: what may be given besides. */
static void list_words(const cli_option *o, const char *before, char *to, size_t size)
{
    size_t n = (size_t)snprintf(to, size, "%s", before);
    for (const cli_word *w = o->words; w && w->word && n < size; w++)
        n += (size_t)snprintf(to + n, size - n, "%s%s",
                              n == 0      ? ""
                              : w[1].word ? ", "
                              : *before   ? ", or "
                                          : " or ",
                              w->word);
}

static const cli_word *find_word(const cli_option *o, const char *text)
{
    for (const cli_word *w = o->words; w && w->word; w++)
        if (strcasecmp(w->word, text) == 0)
            return w;
    return NULL;
}

static bool set_number(const cli_command *cmd, const cli_option *o, const char *text)
{
    char *end, expected[128];
    errno = 0;
    double v = strtod(text, &end);
    bool is_int = o->kind == CLI_INT;
    const cli_word *w = find_word(o, text);
    if (w) {
        *(int64_t *)o->to = w->value;
        return true;
    }
    /* 8k, 128K: the usual way to give a context */
    if (is_int && end != text && (*end == 'k' || *end == 'K')) {
        v *= 1024;
        end++;
    }
    if (end == text || *end || !isfinite(v) || (is_int && v != floor(v))) {
        list_words(o, is_int ? "a whole number" : "a number", expected, sizeof expected);
        cli_usage(cmd, "--%s is '%s', expected %s", o->name, text, expected);
        return false;
    }
    if (v < o->min || v > o->max) {
        cli_usage(cmd, "--%s is %s, expected %.16g to %.16g", o->name, text, o->min, o->max);
        return false;
    }
    if (is_int)
        *(int64_t *)o->to = (int64_t)v;
    else
        *(double *)o->to = v;
    return true;
}

static bool set_word(const cli_command *cmd, const cli_option *o, const char *text)
{
    char words[128];
    const cli_word *w = find_word(o, text);
    if (w) {
        *(int *)o->to = w->value;
        return true;
    }
    list_words(o, "", words, sizeof words);
    cli_usage(cmd, "--%s is '%s', expected %s", o->name, text, words);
    return false;
}

/* "8G", "16 GiB", "512M": powers of two, as memory is sold; a bare number, of a million at least, is bytes. */
static bool set_size(const cli_command *cmd, const cli_option *o, const char *text)
{
    const cli_word *w = find_word(o, text);
    if (w) {
        *(uint64_t *)o->to = (uint64_t)w->value;
        return true;
    }
    char *end, words[128];
    double v = strtod(text, &end), unit = 1;
    bool is_number = end != text && *text != '-' && *text != '+' && v > 0 && v < 0x1p50;
    while (*end == ' ')
        end++;
    const char *units = "MmGgTt", *u = *end ? strchr(units, *end) : NULL;
    if (u) {
        unit = u - units < 2 ? 0x1p20 : u - units < 4 ? 0x1p30 : 0x1p40;
        end++;
        if (strcasecmp(end, "b") == 0 || strcasecmp(end, "ib") == 0)
            end += strlen(end);
    }
    if (!is_number || *end || v * unit < (u ? 0x1p20 : 1e6) || v * unit > 0x1p50) {
        list_words(o, "a size like 8G, 512M or 1.5T", words, sizeof words);
        cli_usage(cmd, "--%s is '%s', expected %s", o->name, text, words);
        return false;
    }
    *(uint64_t *)o->to = (uint64_t)(v * unit);
    return true;
}

static bool set(const cli_command *cmd, const cli_option *o, const char *value)
{
    switch (o->kind) {
    case CLI_FLAG: /* takes no value: see take() */
        break;
    case CLI_INT:
    case CLI_NUM:
        return set_number(cmd, o, value);
    case CLI_WORD:
        return set_word(cmd, o, value);
    case CLI_SIZE:
        return set_size(cmd, o, value);
    case CLI_TEXT:
        *(const char **)o->to = value;
        return true;
    case CLI_TEXTS: {
        cli_list *l = o->to;
        if (l->n == CLI_MAX_LIST) {
            cli_usage(cmd, "--%s was given more than %d times", o->name, CLI_MAX_LIST);
            return false;
        }
        l->v[l->n++] = value;
        return true;
    }
    }
    return false;
}

/* ---- "did you mean" ---- */

static void look_at(cli_nearest *near, const char *names)
{
    size_t n;
    for (const char *a = names; (a = cli_next_name(a, &n)); a += n)
        cli_nearest_try(near, a, n);
}

static void unknown(const cli_command *cmd, const char *arg, size_t len)
{
    cli_nearest near = cli_nearest_to(arg, len);
    for (const cli_table *const *t = cmd->tables; *t; t++)
        for (size_t i = 0; i < (*t)->n; i++) {
            look_at(&near, (*t)->options[i].name);
            look_at(&near, (*t)->options[i].alias);
        }
    if (near.name)
        cli_usage(cmd, "unknown option --%.*s; did you mean --%.*s?", (int)len, arg, (int)near.name_len, near.name);
    else
        cli_usage(cmd, "unknown option --%.*s", (int)len, arg);
}

/* ---- parsing ---- */

typedef struct parser {
    const cli_command *cmd;
    int argc, i;
    char **argv;
} parser;

/* attached: "=value" or "-nvalue" text, NULL if none; then the next argument is taken. */
static bool take(parser *p, const cli_option *o, const char *attached)
{
    if (o->kind == CLI_FLAG) {
        if (attached) {
            cli_usage(p->cmd, "--%s takes no value", o->name);
            return false;
        }
        *(bool *)o->to = true;
        return true;
    }
    if (!attached) {
        if (p->i + 1 >= p->argc) {
            char arg[64];
            cli_usage(p->cmd, "--%s needs a value (%s)", o->name, cli_option_arg(o, arg, sizeof arg));
            return false;
        }
        attached = p->argv[++p->i];
    }
    return set(p->cmd, o, attached);
}

static bool parse_long(parser *p, const char *arg)
{
    size_t len = strcspn(arg, "=");
    const char *value = arg[len] ? arg + len + 1 : NULL;
    if (len == strlen("help") && strncmp("help", arg, len) == 0) {
        cli_print_help(p->cmd);
        exit(cli_finish(CLI_OK));
    }
    const cli_option *o = cli_find_option(p->cmd, arg, len);
    if (!o) {
        unknown(p->cmd, arg, len);
        return false;
    }
    return take(p, o, value);
}

/* -n 5, -n5, and flags in a row are not needed by anyone here. */
static bool parse_short(parser *p, const char *arg)
{
    if (*arg == 'h' && !arg[1]) {
        cli_print_help(p->cmd);
        exit(cli_finish(CLI_OK));
    }
    const cli_option *o = cli_find_letter(p->cmd, *arg);
    if (!o) {
        cli_usage(p->cmd, "unknown option -%s", arg);
        return false;
    }
    return take(p, o, arg[1] ? arg + 1 : NULL);
}

static bool set_defaults(const cli_command *cmd)
{
    for (const cli_table *const *t = cmd->tables; *t; t++)
        for (size_t i = 0; i < (*t)->n; i++) {
            const cli_option *o = &(*t)->options[i];
            if (o->deflt && !set(cmd, o, o->deflt))
                return false;
        }
    return true;
}

bool cli_parse(const cli_command *cmd, int argc, char **argv, cli_list *args)
{
    parser p = { .cmd = cmd, .argc = argc, .argv = argv };
    bool options = true;
    if (!set_defaults(cmd))
        return false;
    for (p.i = 1; p.i < argc; p.i++) {
        const char *a = argv[p.i];
        if (options && strcmp(a, "--") == 0) {
            options = false;
        } else if (options && a[0] == '-' && a[1] == '-') {
            if (!parse_long(&p, a + 2))
                return false;
        } else if (options && a[0] == '-' && a[1]) {
            if (!parse_short(&p, a + 1))
                return false;
        } else {
            if (args->n == CLI_MAX_LIST) {
                cli_usage(cmd, "too many arguments");
                return false;
            }
            args->v[args->n++] = a;
        }
    }
    return true;
}
