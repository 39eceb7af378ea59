/* json_out.h - JSON on stdout: all of it, or the program ends by saying that it is not (exit.h).
 *
 * Values are built without a check at every step: what jansson had no memory for is remembered here.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_JSON_OUT_H
#define CT_CLI_JSON_OUT_H

#include <jansson.h>
#include <stdbool.h>

/* Before the first use of jansson. */
void cli_json_watch(void);
/* Takes o; NULL is one that there was no memory for. Writes nothing once something was refused. */
void cli_json_print(json_t *o, size_t flags);
/* Was anything refused since the program began? */
bool cli_json_failed(void);

#endif
