/* engine.h - the options of models and engines, and opening one with them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_ENGINE_H
#define CT_CLI_ENGINE_H

#include "carat.h"
#include "options.h"

enum { CLI_LOOKUP_AUTO = -1, CLI_LOOKUP_OFF = 0 };
#define CLI_NO_PREFIX_CACHE 1 /* the word "none" where prefix_cache is a size */

typedef struct cli_model {
    const char *path, *cpu, *mmproj, *chat_template, *draft;
    const char *importance; /* set by carat imatrix */
    int64_t threads, ctx, chunk, image_cache;
    int64_t lookup;                    /* most tokens guessed in a step; or CLI_LOOKUP_AUTO, CLI_LOOKUP_OFF */
    int cache, embed_scale;            /* carat_cache_type, carat_embed_scale */
    uint64_t prefix_cache, max_memory; /* 0: not given */
    bool exact, trust_header, no_vision, quiet;
    cli_list adapters;      /* --lora */
    size_t sessions, queue; /* set by the command; 0: the defaults of carat_options */
} cli_model;

extern cli_model cli_model_values;
extern const cli_table cli_model_table;   /* what its memory and speed depend on */
extern const cli_table cli_loading_table; /* what else counts where it is loaded */
extern const cli_table cli_guess_table;   /* what answers' tokens are guessed from */

/* The model's path from -m or the first positional argument, which is taken off the list; NULL if there is none. */
const char *cli_model_path(cli_list *args);
/* A model that is named: a file or folder, else what was pulled under that name (hub/store.h). *path is the caller's (free). */
bool cli_find_model(const char *name, char **path, carat_err *err);
/* What is written to `out` takes the place of nothing that is read: the model, what is loaded beside it, `text`. NULLs and "-" are
 * passed over. Errors: CARAT_EARG. */
bool cli_spares_inputs(const char *out, const char *model, const char *text, carat_err *err);
/* The engine's settings from the options. vision: what the command needs of it; --no-vision wins. */
carat_options cli_engine_options(carat_vision_use vision);
/* Can the file that --chat-template names be read? For callers of cli_engine_options, which reports no error; cli_try_engine
 * checks it itself. */
bool cli_template_is_readable(carat_err *err);
/* name: as of cli_find_model. */
bool cli_try_engine(const char *name, carat_vision_use vision, carat_engine **out, carat_err *err);
/* The same; false after a message. */
bool cli_open_engine(const char *name, carat_vision_use vision, carat_engine **out, int *exit_code);
/* The same for one question: nothing is kept for a second one unless that was asked for, and the tower is read only if there are
 * pictures. */
bool cli_open_engine_once(const char *name, bool has_pictures, carat_engine **out, int *exit_code);

#endif
