/* engine.h - the options of models and engines, and opening one with them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_ENGINE_H
#define CT_CLI_ENGINE_H

#include "carat.h"
#include "options.h"

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

#endif
