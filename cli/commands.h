/* commands.h - every command of carat, one file each; main.c lists them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_COMMANDS_H
#define CT_CLI_COMMANDS_H

#include "options.h"

extern const cli_command cli_run, cli_chat, cli_info, cli_tokenize, cli_detokenize, cli_logits, cli_see, cli_synth,
    cli_merge, cli_quantize, cli_imatrix, cli_pack, cli_bench, cli_weigh, cli_decide, cli_embed, cli_eval, cli_serve,
    cli_pull, cli_list_models, cli_rm;

#endif
