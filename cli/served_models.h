/* served_models.h - which models `carat serve` serves: paths, names of pulled ones, folders of models.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_SERVED_MODELS_H
#define CT_CLI_SERVED_MODELS_H

#include "options.h"
#include "server/server.h"

#define CLI_MAX_SERVED 1024

typedef struct cli_served {
    ct_server_model v[CLI_MAX_SERVED]; /* as long as the program */
    size_t n;
    bool is_named; /* the command line names them; else they are what there is */
} cli_served;

/* -m, the positional arguments (PATH, NAME of a pulled one, FOLDER of models, any as NAME=PATH), --name. Without any: the folder
 * models/ where we are, and what was pulled. Errors: CARAT_EARG (no such model; none at all), CARAT_EIO, CARAT_ENOMEM. */
bool cli_find_served(const char *first, const cli_list *args, const cli_list *names, cli_served *out, carat_err *err);

#endif
