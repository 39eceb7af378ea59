/* pull_bar.h - what is seen of a pull on stderr: a bar at a terminal, a line for each file elsewhere.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_PULL_BAR_H
#define CT_CLI_PULL_BAR_H

#include "hub/pull.h"

void pull_bar_show(const ct_pull_event *e);
void pull_bar_end(void); /* wipes it, so that other lines may follow */

/* "2.32 GiB", "812 MiB", "1.2 KiB" */
const char *pull_size(uint64_t bytes, char out[24]);

#endif
