/* lora.h - --lora: adapters by their files, names and scales.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_LORA_H
#define CT_CLI_LORA_H

#include "carat.h"
#include "options.h"

/* "FILE", "FILE=0.5", "NAME=FILE" and "NAME=FILE=0.5" as the library wants them: *n of them, which live as long as the program.
 * A path that is there may have a '=' in it. NULL: there are none, or no memory. */
const carat_adapter_file *cli_lora_files(const cli_list *given, size_t *n);

#endif
