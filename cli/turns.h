/* turns.h - the messages of a conversation at the terminal, with their pictures.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_TURNS_H
#define CT_CLI_TURNS_H

#include "base/json.h"
#include "carat.h"
#include "pictures.h"

#define MAX_TURNS 4096

typedef struct turn {
    const char *role; /* "user", "assistant" */
    char *text;       /* owned; cut where pictures stand */
    cli_pictures pictures;
    carat_content *content; /* owned: text and pictures in order */
    size_t n_content;
    bool is_inline;
    json_t *note; /* where a restored turn's texts are; NULL: in text */
} turn;

typedef struct turns {
    turn v[MAX_TURNS];
    size_t n;
} turns;

/* Adds a message. Pictures in `attached` go before the text and become the turn's; a word of the text that names a
 * picture file that exists is replaced by that picture, if looks is true. False, with nothing added and `attached`
 * untouched: a picture that cannot be read, too many turns, no memory. */
bool turns_add(turns *t, const char *role, const char *text, cli_pictures *attached, bool looks, carat_err *err);
/* Does a line begin with the name of a picture file that exists? Then it is a message though it begins with a slash. */
bool turns_begins_with_picture(const char *line);
void turns_drop(turns *t, size_t from, size_t n);
/* Takes the last turn off, the caller's: to be put back or freed. There is one. */
turn turns_pop(turns *t);
void turns_put_back(turns *t, turn last);
void turn_deinit(turn *t);

/* The conversation as a prompt: with the template, or (is_base) as one text. system may be NULL. fit as in
 * carat_prompt_options. */
bool turns_prompt(const turns *t, const carat_engine *e, const char *system, bool is_base, const carat_pan_scan *pan,
                  size_t fit, carat_prompt **out, carat_err *err);

/* As JSON for a session's note, and back; pictures by their files' full names, which are read again. *note and *system
 * are malloc'd. */
bool turns_to_note(const turns *t, const char *system, char **note, carat_err *err);
bool turns_from_note(turns *t, const char *note, char **system, carat_err *err);

#endif
