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

typedef struct chat {
    carat_engine *engine;
    carat_session *session;
    carat_sampling sampling;
    unsigned was_set; /* carat_sampling_field: which settings /set gave */
    carat_pan_scan pan_scan;
    const char *file; /* --session; NULL without */
    int64_t most;     /* --predict: tokens of an answer; -1: until the model stops */
    int64_t least;    /* --min-tokens */
    bool trims;       /* --trim */
    bool is_base;
    bool is_plain; /* --plain */
    char *system;  /* owned, NULL if none */
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
/* Drops the conversation and the images attached to the next message. */
void chat_clear(chat *c);

/* chat_commands.c: is this line a command, or a message though it begins with a slash ("/etc/fstab: what is it?", "// what
 * does this do")? Commands are known names, and one word of letters that may be meant as one. */
bool chat_is_command(const char *line);
/* A command; it loses the white space at its end. False: to leave. */
bool chat_command(chat *c, char *line);

/* chat_file.c: writes the conversation. False after a message. */
bool chat_save(const chat *c, const char *path);
/* Restores the conversation in c->file, if the file exists. False after a message. */
bool chat_restore(chat *c);
/* Can a file be written at path? Asked before the conversation, which could be lost at its end. False after a message. */
bool chat_can_save(const char *path);

#endif
