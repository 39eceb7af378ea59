/* chat.h - a conversation at the terminal: what chat*.c share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_CHAT_H
#define CT_CLI_CHAT_H

#include "base/buf.h"
#include "carat.h"
#include "pictures.h"
#include "turns.h"
#include "view.h"

/* Of a session file: FILE.carat-lock beside it, since saving puts another file in its place. Zeroed: none. */
typedef struct chat_lock {
    char *path; /* owned */
    int fd;
} chat_lock;

typedef struct chat {
    carat_engine *engine;
    carat_session *session;
    carat_sampling sampling;
    unsigned was_set; /* carat_sampling_field: which settings /set gave */
    carat_pan_scan pan_scan;
    const char *file; /* --session; NULL without */
    chat_lock lock;   /* of that file */
    int64_t most;     /* --predict: tokens of an answer; -1: until the model stops */
    int64_t least;    /* --min-tokens */
    bool trims;       /* --trim */
    bool is_base;
    bool is_plain;      /* --plain */
    bool shows_prompts; /* --show-prompt */
    char *system;       /* owned, NULL if none */
    turns turns;
    cli_pictures attached; /* by /image, for the next message */
    ct_buf answer;
    view view;        /* of the answer */
    bool some_failed; /* of the messages */
    bool write_failed;
    int why;        /* errno of the write */
    int why_unread; /* errno of what ended the reading; 0: the end of input */
} chat;

/* chat_answer.c: one answer to the turns so far, which is added to them. False: the last turn should be taken back. */
bool chat_answer(chat *c);
/* Shows the prompt of the last answer. False after a message: there is none. */
bool chat_show_prompt(chat *c);
/* The session forgets what is no part of the conversation any more: turns were taken away. */
void chat_forget(chat *c);
/* Drops the conversation and the images attached to the next message. */
void chat_clear(chat *c);

/* An error on stderr, which makes a conversation from a pipe fail. */
void chat_fail(chat *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What becomes of names of pictures in a message. */
turn_names chat_names(const chat *c);

/* chat_commands.c: is this line a command, or a message though it begins with a slash ("/etc/fstab: what is it?", "/tmp is
 * what?", "/show me one")? A command is one word, of letters or a known name, or the whole name of one that takes words,
 * and these. */
bool chat_is_command(const char *line);
/* A command; it loses the white space at its end. False: to leave. */
bool chat_command(chat *c, char *line);

/* chat_file.c: writes the conversation. False after a message. */
bool chat_save(const chat *c, const char *path);
/* Takes the lock of c->file and restores the conversation in it, if the file exists. False after a message. */
bool chat_restore(chat *c);
/* Gives it back. */
void chat_release(chat *c);
/* Is there something to be written at the end: a conversation, or that there is none any more? */
bool chat_is_worth_saving(const chat *c);
/* Can a file be written at path? Asked before the conversation, which could be lost at its end. False after a message. */
bool chat_can_save(const char *path);

#endif
