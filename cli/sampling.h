/* sampling.h - the sampling options.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_SAMPLING_H
#define CT_CLI_SAMPLING_H

#include "carat.h"
#include "options.h"

extern const cli_table cli_sampling_table;
/* Settings from the options; the biases are parsed into storage that lives on. A seed that was not given is drawn.
 * False after a message. */
bool cli_sampling(const cli_command *cmd, carat_sampling *out);

#endif
