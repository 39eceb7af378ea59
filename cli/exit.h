/* exit.h - how the program ends: its exit codes, and what must have arrived before.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_EXIT_H
#define CT_CLI_EXIT_H

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

/* What stdout still holds must arrive: a full disk is an error, and so is JSON that there was no memory for. A reader that has gone (`| head`) knows it already.
 * Returns the code to exit with. */
int cli_finish(int code);

#endif
