/* Command-line options from their tables: parsing, "did you mean", --help.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

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

/* ---- help ---- */

static void print_option(const cli_option *o)
{
    char left[80];
    int n = o->letter ? snprintf(left, sizeof left, "-%c, --%s", o->letter, o->name)
                      : snprintf(left, sizeof left, "    --%s", o->name);
    if (o->arg && n > 0 && (size_t)n < sizeof left)
        snprintf(left + n, sizeof left - (size_t)n, " %s", o->arg);
    const char *help = o->help;
    if (strlen(left) > 24)
        printf("  %s\n%28s", left, "");
    else
        printf("  %-24s  ", left);
    for (size_t width = 0; *help;) { /* words folded at 80 columns */
        size_t word = strcspn(help, " ");
        if (width && width + 1 + word > 52) {
            printf("\n%28s", "");
            width = 0;
        }
        width += (size_t)printf("%s%.*s", width ? " " : "", (int)word, help);
        help += word;
        help += strspn(help, " ");
    }
    putchar('\n');
}

void cli_print_help(const cli_command *cmd)
{
    printf("usage: carat %s %s\n\n%s\n", cmd->name, cmd->usage, cmd->text);
    for (const cli_table *const *t = cmd->tables; *t; t++) {
        printf("\n%s:\n", (*t)->title);
        for (size_t i = 0; i < (*t)->n; i++)
            print_option(&(*t)->options[i]);
    }
}

/* ---- values ---- */

static bool set_number(const cli_command *cmd, const cli_option *o, const char *text)
{
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    bool is_int = o->kind == CLI_INT;
    /* 8k, 128K: contexts are said that way */
    if (is_int && end != text && (*end == 'k' || *end == 'K')) {
        v *= 1024;
        end++;
    }
    if (end == text || *end || !isfinite(v) || (is_int && v != floor(v))) {
        cli_usage(cmd, "--%s is '%s', expected %s", o->name, text, is_int ? "a whole number" : "a number");
        return false;
    }
    if (v < o->min || v > o->max) {
        cli_usage(cmd, "--%s is %s, expected %.15g to %.15g", o->name, text, o->min, o->max);
        return false;
    }
    if (is_int)
        *(int64_t *)o->to = (int64_t)v;
    else
        *(double *)o->to = v;
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

/* ---- finding ---- */

static bool named(const char *name, const char *arg, size_t len)
{
    return strlen(name) == len && strncmp(name, arg, len) == 0;
}

const char *cli_next_name(const char *names, size_t *len)
{
    if (!names)
        return NULL;
    names += strspn(names, " ");
    *len = strcspn(names, " ");
    return *len ? names : NULL;
}

static bool has_alias(const cli_option *o, const char *arg, size_t len)
{
    size_t n;
    for (const char *a = o->alias; (a = cli_next_name(a, &n)); a += n)
        if (n == len && strncmp(a, arg, len) == 0)
            return true;
    return false;
}

const cli_option *cli_find_option(const cli_command *cmd, const char *name, size_t len)
{
    for (int alias = 0; alias < 2; alias++)
        for (const cli_table *const *t = cmd->tables; *t; t++)
            for (size_t i = 0; i < (*t)->n; i++) {
                const cli_option *o = &(*t)->options[i];
                if (alias ? has_alias(o, name, len) : named(o->name, name, len))
                    return o;
            }
    return NULL;
}

static const cli_option *find_letter(const cli_command *cmd, char letter)
{
    for (const cli_table *const *t = cmd->tables; *t; t++)
        for (size_t i = 0; i < (*t)->n; i++)
            if ((*t)->options[i].letter == letter)
                return &(*t)->options[i];
    return NULL;
}

/* How many letters must change to make a into b (Levenshtein), for "did you mean". */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[64];
    if (m >= sizeof row / sizeof *row || n >= sizeof row / sizeof *row)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]), gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < gap ? change : gap;
        }
    }
    return row[m];
}

typedef struct near_name {
    const char *arg, *name; /* what was asked for; the nearest so far, NULL if none is near */
    size_t arg_len, name_len, distance;
} near_name;

static void look_at(near_name *near, const char *names)
{
    size_t n;
    for (const char *a = names; (a = cli_next_name(a, &n)); a += n) {
        size_t d = distance(near->arg, near->arg_len, a, n);
        if (d < near->distance)
            near->distance = d, near->name = a, near->name_len = n;
    }
}

static void unknown(const cli_command *cmd, const char *arg, size_t len)
{
    near_name near = { .arg = arg, .arg_len = len, .distance = len < 4 ? 2 : 4 }; /* further away is no typing error */
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
            cli_usage(p->cmd, "--%s needs a value (%s)", o->name, o->arg);
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
    if (named("help", arg, len)) {
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
    const cli_option *o = find_letter(p->cmd, *arg);
    if (!o) {
        cli_usage(p->cmd, "unknown option -%s", arg);
        return false;
    }
    return take(p, o, arg[1] ? arg + 1 : NULL);
}

bool cli_parse(const cli_command *cmd, int argc, char **argv, cli_list *args)
{
    parser p = { .cmd = cmd, .argc = argc, .argv = argv };
    bool options = true;
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
