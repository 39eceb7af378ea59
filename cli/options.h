/* options.h - command-line options, each written once: the parser, --help, the man pages and the completion are made
 * from these tables, defaults and words included. Adding an option means adding a row, and using what it fills.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_OPTIONS_H
#define CT_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exit.h"

typedef enum cli_kind {
    CLI_FLAG,  /* bool *: true */
    CLI_INT,   /* int64_t *, in [min, max]; or the value of one of the words */
    CLI_NUM,   /* double *, in [min, max] */
    CLI_WORD,  /* int *: the value of one of the words */
    CLI_SIZE,  /* uint64_t *: bytes, given like 8G or 512M; or the value of one of the words */
    CLI_TEXT,  /* const char ** */
    CLI_TEXTS, /* cli_list *: may be given several times */
} cli_kind;

#define CLI_MAX_LIST   64
#define CLI_MAX_TABLES 8

typedef struct cli_list {
    const char *v[CLI_MAX_LIST];
    size_t n;
} cli_list;

typedef struct cli_word {
    const char *word; /* any case is accepted */
    int value;
} cli_word;

typedef struct cli_option {
    char letter;       /* 0: none */
    const char *name;  /* "top-k" */
    const char *alias; /* other long names people know, separated by spaces, or NULL */
    cli_kind kind;
    void *to;              /* where the value goes */
    const char *arg;       /* "N", "FILE"; NULL: a flag, or nothing but words */
    const char *help;      /* one line */
    const char *deflt;     /* the default, as it would be given; NULL: `to` is left as it is */
    const char *otherwise; /* what holds without the option, where that is no value: "the physical cores allowed" */
    double min, max;       /* CLI_INT, CLI_NUM */
    const cli_word *words; /* CLI_WORD, CLI_SIZE, CLI_INT: those there are; a NULL word ends them */
} cli_option;

typedef struct cli_table { /* a group of options under one heading */
    const char *title;
    const cli_option *options;
    size_t n;
} cli_table;

typedef struct cli_command {
    const char *name;
    const char *usage;   /* "MODEL [PROMPT]" */
    const char *summary; /* one line, for `carat help` */
    const char *text;    /* paragraphs for the command's own --help; lines that begin with two spaces are examples */
    const cli_table *tables[CLI_MAX_TABLES + 1]; /* of its options, in the order of --help; then NULL */
    int (*run)(int argc, char **argv);
} cli_command;

/* Sets the defaults and parses argv[1..]; what is no option goes to args in order ("--" ends options). --help prints
 * and exits 0. Returns false after a message on stderr: the caller exits with CLI_USAGE. */
bool cli_parse(const cli_command *cmd, int argc, char **argv, cli_list *args);

/* "carat run: the message" and a pointer to --help on stderr; returns CLI_USAGE. */
int cli_usage(const cli_command *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Is the value of an option for a file that is written "-"? Then it has been refused as cli_usage does; NULL is not. */
bool cli_is_stream(const cli_command *cmd, const char *option, const char *value);

#define CLI_TABLE(title, options)                                                                                      \
    {                                                                                                                  \
        title, options, sizeof(options) / sizeof *(options)                                                            \
    }

#endif
