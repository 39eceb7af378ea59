/* common.h - options that several commands share, and what is done with them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_COMMON_H
#define CT_CLI_COMMON_H

#include "base/clock.h"
#include "base/json.h"
#include "carat.h"
#include "options.h"

/* ---- options that stand in several tables: to is where the value goes ---- */

#define CLI_OPTION_MODEL(to)                                                                                           \
    {                                                                                                                  \
        'm', "model", NULL, CLI_TEXT, to, "PATH", "GGUF file or Hugging Face folder; also the first argument", 0, 0    \
    }
#define CLI_OPTION_QUIET(to)                                                                                           \
    {                                                                                                                  \
        'q', "quiet", NULL, CLI_FLAG, to, NULL, "no notices, no progress, only errors", 0, 0                           \
    }
#define CLI_OPTION_JSON(to)                                                                                            \
    {                                                                                                                  \
        0, "json", NULL, CLI_FLAG, to, NULL, "print one JSON object instead of text", 0, 0                             \
    }
#define CLI_OPTION_FILE(to, what)                                                                                      \
    {                                                                                                                  \
        'f', "file", NULL, CLI_TEXT, to, "FILE", "read the " what " from a file; - is stdin", 0, 0                     \
    }
#define CLI_OPTION_SYSTEM(to)                                                                                          \
    {                                                                                                                  \
        0, "system", NULL, CLI_TEXT, to, "TEXT", "system text, before all else (instruction-tuned models)", 0, 0       \
    }
/* when: "" or the condition under which it counts */
#define CLI_OPTION_SPECIAL(to, when)                                                                                   \
    {                                                                                                                  \
        0, "special", NULL, CLI_FLAG, to, NULL, when "control tokens in the text count as such", 0, 0                  \
    }
#define CLI_OPTION_NO_BOS(to, when)                                                                                    \
    {                                                                                                                  \
        0, "no-bos", NULL, CLI_FLAG, to, NULL, when "no <bos> in front", 0, 0                                          \
    }
/* also: what there is to say of the default */
#define CLI_OPTION_PREDICT(to, also)                                                                                   \
    {                                                                                                                  \
        'n', "predict", "n-predict", CLI_INT, to, "N",                                                                 \
            "most tokens of the answer; -1: until the model stops (default: -1" also ")", -1, 1 << 24                  \
    }

/* ---- the model ---- */

typedef struct cli_model {
    const char *path;
    int64_t threads, ctx, chunk, image_cache;
    const char *cpu, *embed_scale, *mmproj, *kv, *prefix, *max_memory;
    size_t sessions;       /* set by the command; 0: 1 */
    uint64_t prefix_cache; /* likewise, where the user says nothing; as in carat_options */
    bool exact, trust_header, no_vision, quiet;
    size_t queue; /* likewise: requests that may wait; 0: the default */
} cli_model;

extern cli_model cli_model_values;
extern const cli_table cli_model_table;   /* what its memory and speed depend on */
extern const cli_table cli_loading_table; /* what else counts where it is loaded */

/* The model's path from -m or the first positional argument, which is taken off the list; NULL if there is none. */
const char *cli_model_path(cli_list *args);
/* The engine's settings from the options. vision as below. False after a message. */
bool cli_engine_options(const cli_command *cmd, carat_vision_use vision, carat_options *out, int *exit_code);
/* vision: what the command needs of it; --no-vision wins. */
bool cli_open_engine(const cli_command *cmd, const char *path, carat_vision_use vision, carat_engine **out,
                     int *exit_code);

/* "8G", "16 GiB", "512M": powers of two, as memory is sold; a bare number, of a million at least, is bytes. False after
 * a message about --name. */
bool cli_parse_size(const cli_command *cmd, const char *name, const char *text, uint64_t *out);
/* A size or "none", as in carat_options. */
bool cli_parse_prefix_cache(const cli_command *cmd, const char *text, uint64_t *out);

/* ---- sampling ---- */

extern const cli_table cli_sampling_table;
/* Settings from the options; the biases are parsed into storage that lives on. A seed that was not given is drawn. */
bool cli_sampling(const cli_command *cmd, carat_sampling *out);

/* ---- the end ---- */

/* What stdout still holds must arrive: a full disk is an error. A reader that has gone (`| head`) knows it already.
 * Returns the code to exit with. */
int cli_finish(int code);

/* ---- signals ---- */

/* Ctrl-C cancels this session's work (NULL: the default again). A second one ends the program. */
void cli_cancel_on_interrupt(carat_session *s);
/* From now on Ctrl-C does nothing while nothing is to be cancelled: one that comes just after the answer it was meant
 * for, or while a file is written, must not end a conversation. */
void cli_ignore_interrupts(void);
/* From now on SIGTERM and SIGHUP (the terminal is closed) are the end of input: what cli_cancel_on_interrupt was told
 * is cancelled, and a conversation ends as by Ctrl-D, with all that is written then. A second one ends the program. */
void cli_end_on_signals(void);
int cli_ended_by(void); /* the signal, 0: none */
/* From now on Ctrl-C and SIGTERM are only noted, a second one ends the program. */
void cli_note_interrupts(void);
bool cli_was_interrupted(void);

/* ---- timing and files ---- */

double cli_median(double *v, size_t n); /* sorts v */
/* Reads all of a stream ("-" is stdin, of any kind, from where it stands) or file, at most 256 MiB. The caller frees
 * it. */
bool cli_read_text(const char *path, char **text, size_t *len, carat_err *err);

/* "1,2 3\n" -> ids; text has a NUL behind its len bytes; the caller frees the ids. False with a message naming the
 * place. */
bool cli_parse_ids(const char *text, size_t len, int32_t **ids, size_t *n, carat_err *err);

#endif
