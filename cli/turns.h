/* turns.h - the messages of a conversation at the terminal, with their pictures, calls and results.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_TURNS_H
#define CT_CLI_TURNS_H

#include "base/json.h"
#include "carat.h"
#include "pictures.h"

#define MAX_TURNS 4096

typedef struct turn {
    const char *role; /* "user", "assistant", "tool" */
    char *text;       /* owned */
    cli_pictures pictures;
    carat_content *content; /* owned: text and pictures in order */
    size_t n_content;
    bool is_inline;
    carat_call *calls; /* [n_calls]: an assistant's; owned, and so are their strings */
    size_t n_calls;
    char *call_id, *name; /* a result's; owned */
    json_t *note;         /* where a restored turn's texts are; NULL: in text */
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
/* An answer with the calls that it ends with, which get ids of their own. Errors: as turns_add. */
bool turns_add_calls(turns *t, const char *text, const carat_call *calls, size_t n, carat_err *err);
/* What a call has given: behind the answer that made it, in the order of its calls. */
bool turns_add_result(turns *t, const carat_call *call, const char *text, carat_err *err);
/* Where the last exchange begins: at the last user's message. 0: there is none. */
size_t turns_last_exchange(const turns *t);
/* How many turns the first exchange has: up to the second user's message. */
size_t turns_first_exchange(const turns *t);
void turns_drop(turns *t, size_t from, size_t n);
/* Takes the turns from there on off, the caller's: to be put back (turns_put_back) or freed (turn_deinit each, free). NULL: no
 * memory, or there are none. */
turn *turns_pop(turns *t, size_t from, size_t *n);
void turns_put_back(turns *t, turn *popped, size_t n);
void turns_free_popped(turn *popped, size_t n);
void turn_deinit(turn *t);

/* The conversation as a prompt: with the template, or (is_base) as one text. system and tools may be NULL. fit as in
 * carat_prompt_options. */
bool turns_prompt(const turns *t, const carat_engine *e, const char *system, bool is_base, const carat_tools *tools,
                  const carat_pan_scan *pan, size_t fit, carat_prompt **out, carat_err *err);

/* turns_note.c: as a session's note, and back:
 *
 *   {"system": .., "template": .., "turns": [{"role": .., "inline": .., "content": [{"text": ..}, {"picture": name, "bytes": n}],
 *                                                         "calls": [{"id": .., "name": .., "arguments": text}]  an assistant's
 *                                                         "call_id": .., "name": ..                             a tool's}]}
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
