/* weigh.h - what the parts of `carat weigh` share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_WEIGH_H
#define CT_CLI_WEIGH_H

#include "planner/planner.h"

/* On stdout. */
void weigh_grid_print(const planner_grid *g);
void weigh_fits_print(const carat_device *d, const planner_fit *fits, size_t n);
void weigh_point_print(const carat_estimate_result *w, const carat_device *d);
void weigh_device_print(const carat_device *d);
void weigh_devices_list(void);

/* The shape beside the published model it began with, what differs marked. */
void weigh_shape_print(const carat_estimate_result *asked, const carat_estimate_result *real);
json_t *weigh_shape_json(const carat_estimate_result *asked, const carat_estimate_result *real);

/* "4.12 GiB", "812 MiB". */
const char *weigh_size(uint64_t bytes, char buf[24]);
/* "8k", "1000". */
const char *weigh_ctx(size_t n, char buf[24]);

#endif
