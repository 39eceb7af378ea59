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
    char *text;       /* owned */
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

/* What becomes of names of pictures in a message. */
typedef enum turn_names {
    TURN_NAMES_TEXT,     /* nothing: it is the model's */
    TURN_NAMES_PICTURES, /* the pictures take their places; a notice where there is none by that name */
    TURN_NAMES_BLIND,    /* a notice: the model cannot see */
    TURN_NAMES_UNSEEN,   /* a notice: it was opened without vision */
} turn_names;

/* Adds a message. Pictures in `attached` go before the text and become the turn's. False, with nothing added and
 * `attached` untouched: a picture that cannot be read, too many turns or pictures, no memory. */
bool turns_add(turns *t, const char *role, const char *text, cli_pictures *attached, turn_names names, carat_err *err);
void turns_drop(turns *t, size_t from, size_t n);
/* Takes the last turn off, the caller's: to be put back or freed. There is one. */
turn turns_pop(turns *t);
void turns_put_back(turns *t, turn last);
void turn_deinit(turn *t);

/* The conversation as a prompt: with the template, or (is_base) as one text. system may be NULL. fit as in
 * carat_prompt_options. */
bool turns_prompt(const turns *t, const carat_engine *e, const char *system, bool is_base, const carat_pan_scan *pan,
                  size_t fit, carat_prompt **out, carat_err *err);

/* As a session's note, and back:
 *
 *   {"system": .., "template": .., "turns": [{"role": .., "inline": .., "content": [{"text": ..}, {"picture": name, "bytes": n}]}]}
 *   a NUL, then the bytes of the pictures' files, one after the other
 *
 * A name is for people: the files themselves are not read again. The template is the name of the one that the session
 * holds the turns in. *note, *system and *chat_template are malloc'd; *system is NULL without one, *chat_template in a
 * note of an older Carat. Errors of reading: CARAT_EFORMAT, CARAT_EUNSUPPORTED (a note without its pictures), those of
 * decoding. */
bool turns_to_note(const turns *t, const char *system, const char *chat_template, char **note, size_t *len,
                   carat_err *err);
bool turns_from_note(turns *t, const char *note, size_t len, char **system, char **chat_template, carat_err *err);

#endif
