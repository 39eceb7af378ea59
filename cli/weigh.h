/* weigh.h - what the parts of `carat weigh` share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_WEIGH_H
#define CT_CLI_WEIGH_H

#include "base/json.h"
#include "carat_weigh.h"

/* ---- the grid: quantisations x contexts ---- */

#define WEIGH_MAX_QUANTS 12
#define WEIGH_MAX_CTX    5

typedef struct weigh_cell {
    bool is_there; /* the model has such a context */
    carat_estimate_result w;
    const carat_device *card; /* the smallest that holds it, in this layout and in others; NULL if none does */
} weigh_cell;

typedef struct weigh_grid {
    size_t n_quant, n_ctx;
    const char *quant[WEIGH_MAX_QUANTS]; /* NULL: the file's own types */
    size_t ctx[WEIGH_MAX_CTX];
    weigh_cell cell[WEIGH_MAX_QUANTS][WEIGH_MAX_CTX];
} weigh_grid;

bool weigh_grid_fill(const carat_weigh_query *q, bool is_file, weigh_grid *g, carat_err *err);
void weigh_grid_print(const weigh_grid *g);
json_t *weigh_grid_json(const weigh_grid *g);

/* The smallest card whose usable memory holds this; of those of one memory the newest, of those the first. */
const carat_device *weigh_smallest_card(const carat_estimate_result *w);

/* ---- a device: what fits it ---- */

typedef struct weigh_fit {
    const char *quant;
    size_t n_ctx;            /* the largest; 0: does not fit */
    carat_estimate_result w; /* at that context, or the smallest there is */
    carat_speed speed;
} weigh_fit;

/* One for each quantisation, best first; *n of them. */
bool weigh_fits(const carat_weigh_query *q, bool is_file, const carat_device *d, weigh_fit fits[WEIGH_MAX_QUANTS],
                size_t *n, carat_err *err);
void weigh_fits_print(const carat_device *d, const weigh_fit *fits, size_t n);
json_t *weigh_fits_json(const weigh_fit *fits, size_t n);

/* ---- one point ---- */

void weigh_point_print(const carat_estimate_result *w, const carat_device *d);
json_t *weigh_point_json(const carat_estimate_result *w);
json_t *weigh_device_json(const carat_device *d);
json_t *weigh_speed_json(const carat_speed *s);
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
