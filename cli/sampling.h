/* sampling.h - the options of sampling, as a carat_sampling.
 *
 * What the command line does not give is the model's: known when it is open (cli_sampling_of).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_SAMPLING_H
#define CT_CLI_SAMPLING_H

#include "carat.h"
#include "options.h"

#define CLI_N_SAMPLING 6

extern const cli_table cli_sampling_table;
extern const char *const cli_sampling_names[CLI_N_SAMPLING]; /* of carat_sampling_field's bits, as options have them */

/* Reads the biases and draws the seed; the settings that a model may recommend are not in it yet. False after a message.
 */
bool cli_sampling(const cli_command *cmd, carat_sampling *out);
/* Those settings: the command line's, else the model's. */
void cli_sampling_of(const carat_model_info *info, carat_sampling *s);
/* carat_sampling_field: which the command line gives. */
unsigned cli_sampling_given(void);
bool cli_seed_given(void);

#endif
