/* Splits a command line into words as a POSIX shell does (POSIX.1-2017, Shell Command Language, 2.2 "Quoting"), and does
 * nothing else that a shell does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define BLANKS " \t\n"

typedef struct splitter {
    const char *at;    /* what is left of the command */
    const char *start; /* for messages */
    char *to;          /* where the next byte of a word goes */
    carat_err *err;
} splitter;

static bool refuse(splitter *s, const char *what)
{
    return ct_fail(s->err, CARAT_EARG, (uint64_t)(s->at - s->start), "'%.100s': %s", s->start, what);
}

static bool for_a_shell(splitter *s)
{
    char what[96];
    snprintf(what, sizeof what, "%c is for a shell, which there is none: in single quotes it is itself", *s->at);
    return refuse(s, what);
}

static bool single_quotes(splitter *s)
{
    const char *end = strchr(s->at + 1, '\'');
    if (!end)
        return refuse(s, "a quote ' that is not closed");
    memcpy(s->to, s->at + 1, (size_t)(end - s->at) - 1);
    s->to += end - s->at - 1;
    s->at = end + 1;
    return true;
}

static bool double_quotes(splitter *s)
{
    const char *open = s->at++;
    for (; *s->at && *s->at != '"'; s->at++) {
        if (*s->at == '$' || *s->at == '`')
            return for_a_shell(s);
        if (*s->at == '\\' && s->at[1] && strchr("$`\"\\\n", s->at[1]) && *++s->at == '\n')
            continue; /* a line that goes on */
        *s->to++ = *s->at;
    }
    if (!*s->at) {
        s->at = open;
        return refuse(s, "a quote \" that is not closed");
    }
    s->at++;
    return true;
}

static bool escaped(splitter *s)
{
    if (!s->at[1])
        return refuse(s, "it ends with a backslash");
    if (s->at[1] != '\n')
        *s->to++ = s->at[1];
    s->at += 2;
    return true;
}

/* One word, and a NUL behind it. */
static bool word(splitter *s)
{
    bool ok = *s->at != '~' || for_a_shell(s);
    while (ok && *s->at && !strchr(BLANKS, *s->at)) {
        if (*s->at == '\'')
            ok = single_quotes(s);
        else if (*s->at == '"')
            ok = double_quotes(s);
        else if (*s->at == '\\')
            ok = escaped(s);
        else if (strchr("|&;<>()$`", *s->at))
            ok = for_a_shell(s);
        else
            *s->to++ = *s->at++;
    }
    *s->to++ = '\0';
    return ok;
}

bool cli_split_words(const char *command, char ***words, carat_err *err)
{
    const size_t list = (WORDS_MOST + 1) * sizeof **words;
    char **all = malloc(list + 2 * strlen(command) + 2); /* each word is no longer than its spelling, and has a NUL */
    splitter s = { command, command, (char *)all + list, err };
    size_t n = 0;
    bool ok = all || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a command");
    while (ok && *(s.at += strspn(s.at, BLANKS))) {
        if (n == WORDS_MOST) {
            ok = ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "'%.100s': more than %d words", command, WORDS_MOST);
            break;
        }
        all[n++] = s.to;
        ok = word(&s);
    }
    if (ok && n == 0)
        ok = refuse(&s, "no command");
    if (!ok) {
        free(all);
        return false;
    }
    all[n] = NULL;
    *words = all;
    return true;
}
