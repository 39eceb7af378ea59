/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void print_help(const cli_command *cmd, const cli_table *tables, size_t n_tables)
{
    printf("usage: carat %s %s\n\n%s\n", cmd->name, cmd->usage, cmd->text);
    for (size_t t = 0; t < n_tables; t++) {
        printf("\n%s:\n", tables[t].title);
        for (size_t i = 0; i < tables[t].n; i++)
            print_option(&tables[t].options[i]);
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
    return name && strlen(name) == len && strncmp(name, arg, len) == 0;
}

static const cli_option *find_long(const cli_table *tables, size_t n_tables, const char *arg, size_t len)
{
    for (size_t t = 0; t < n_tables; t++)
        for (size_t i = 0; i < tables[t].n; i++) {
            const cli_option *o = &tables[t].options[i];
            if (named(o->name, arg, len) || named(o->alias, arg, len))
                return o;
        }
    return NULL;
}

static const cli_option *find_letter(const cli_table *tables, size_t n_tables, char letter)
{
    for (size_t t = 0; t < n_tables; t++)
        for (size_t i = 0; i < tables[t].n; i++)
            if (tables[t].options[i].letter == letter)
                return &tables[t].options[i];
    return NULL;
}

/* How many letters must change to make a into b (Levenshtein), for "did you mean". */
static size_t distance(const char *a, size_t n, const char *b)
{
    size_t m = strlen(b), row[64];
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

static void unknown(const cli_command *cmd, const cli_table *tables, size_t n_tables, const char *arg, size_t len)
{
    const char *near = NULL;
    size_t best = len < 4 ? 2 : 4; /* further away is no typing error */
    for (size_t t = 0; t < n_tables; t++)
        for (size_t i = 0; i < tables[t].n; i++) {
            const char *names[] = { tables[t].options[i].name, tables[t].options[i].alias };
            for (size_t k = 0; k < 2 && names[k]; k++) {
                size_t d = distance(arg, len, names[k]);
                if (d < best)
                    best = d, near = names[k];
            }
        }
    if (near)
        cli_usage(cmd, "unknown option --%.*s; did you mean --%s?", (int)len, arg, near);
    else
        cli_usage(cmd, "unknown option --%.*s", (int)len, arg);
}

/* ---- parsing ---- */

typedef struct parser {
    const cli_command *cmd;
    const cli_table *tables;
    size_t n_tables;
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
        print_help(p->cmd, p->tables, p->n_tables);
        exit(CLI_OK);
    }
    const cli_option *o = find_long(p->tables, p->n_tables, arg, len);
    if (!o) {
        unknown(p->cmd, p->tables, p->n_tables, arg, len);
        return false;
    }
    return take(p, o, value);
}

/* -n 5, -n5, and flags in a row are not needed by anyone here. */
static bool parse_short(parser *p, const char *arg)
{
    if (*arg == 'h' && !arg[1]) {
        print_help(p->cmd, p->tables, p->n_tables);
        exit(CLI_OK);
    }
    const cli_option *o = find_letter(p->tables, p->n_tables, *arg);
    if (!o) {
        cli_usage(p->cmd, "unknown option -%s", arg);
        return false;
    }
    return take(p, o, arg[1] ? arg + 1 : NULL);
}

bool cli_parse(const cli_command *cmd, const cli_table *tables, size_t n_tables, int argc, char **argv, cli_list *args)
{
    parser p = { .cmd = cmd, .tables = tables, .n_tables = n_tables, .argc = argc, .argv = argv };
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
