/* chat.h - a conversation at the terminal: what chat*.c share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_CHAT_H
#define CT_CLI_CHAT_H

#include "base/buf.h"
#include "carat.h"
#include "pictures.h"
#include "toolbox.h"
#include "turns.h"
#include "view.h"

/* Of a session file: FILE.carat-lock beside it, since saving puts another file in its place. Zeroed: none. */
typedef struct chat_lock {
    char *path; /* owned */
    int fd;
} chat_lock;

/* An answer as it comes: text, which is shown, and calls. Zeroed between answers. */
typedef struct chat_reading {
    carat_call_reader *reader; /* NULL: without tools all is text */
    ct_buf text;               /* of the answer */
    carat_call *calls;         /* [n_calls]: those that are whole; owned, and so are their strings */
    size_t n_calls;
    char *name; /* of the call that comes; NULL: none does */
    ct_buf arguments;
    bool is_shown; /* text is under way on the terminal */
    view view;     /* of it */
    bool failed;   /* what it read is lost */
    carat_err err; /* why */
} chat_reading;

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
    chat_reading reading;
    toolbox tools;
    int64_t max_rounds; /* --max-rounds: of calls, in an exchange */
    bool asks_first;    /* not --yes */
    bool some_failed;   /* of the messages */
    bool write_failed;
    int why;        /* errno of the write */
    int why_unread; /* errno of what ended the reading; 0: the end of input */
} chat;

/* chat_answer.c: answers the turns so far, the last of which is a message; calls are run, and their results answered. All that is
 * added to the turns. False: none was, and the message should be taken back. */
bool chat_answer(chat *c);

/* chat_read.c: the reading of an answer. False: c->reading.err, or c->write_failed. */
bool chat_read_begin(chat *c);
bool chat_read(chat *c, const char *text, size_t len);
bool chat_read_end(chat *c);
void chat_read_forget(chat *c);

/* chat_tools.c: what servers have said meanwhile. False after a message. */
bool chat_refresh_tools(chat *c);
typedef enum chat_ran {
    CHAT_RAN,         /* the model is to be told */
    CHAT_RAN_NO_MORE, /* the user stopped it; all calls have results */
    CHAT_RAN_NOT,     /* after a message: a result could not be kept */
} chat_ran;
/* Runs the calls that the last turn makes, each after asking, and adds their results. instead: none is run, and their results say why (NULL: run them). */
chat_ran chat_run_calls(chat *c, const char *instead);

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

/* chat_lora.c: /lora. */
void chat_lora(chat *c, const char *text);

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
