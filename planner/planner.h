/* planner.h - what a model needs, as tables and JSON: for `carat weigh --json` and the page's planner. Over carat_weigh.h; nothing
 * here prints. JSON that is returned is the caller's; NULL: no memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_PLANNER_H
#define CT_PLANNER_H

#include "base/json.h"
#include "carat_weigh.h"

/* ---- the parts of a total ---- */

#define PLANNER_N_PARTS 16

typedef struct planner_part {
    char mark;               /* in a bar */
    const char *name, *json; /* for people; in JSON */
    uint64_t bytes;
} planner_part;

void planner_parts_of(const carat_estimate_result *w, planner_part p[PLANNER_N_PARTS]);

/* ---- the grid: quantisations x contexts ---- */

#define PLANNER_MAX_QUANTS 12
#define PLANNER_MAX_CTX    5

typedef struct planner_cell {
    bool is_there; /* the model has such a context */
    carat_estimate_result w;
    const carat_device *card; /* the smallest that holds it, in this layout and in others; NULL if none does */
} planner_cell;

typedef struct planner_grid {
    size_t n_quant, n_ctx;
    const char *quant[PLANNER_MAX_QUANTS]; /* NULL: the file's own types */
    size_t ctx[PLANNER_MAX_CTX];
    planner_cell cell[PLANNER_MAX_QUANTS][PLANNER_MAX_CTX];
} planner_grid;

bool planner_grid_fill(const carat_weigh_query *q, bool is_file, planner_grid *g, carat_err *err);
json_t *planner_grid_json(const planner_grid *g);

/* The smallest card whose usable memory holds this; of those of one memory the newest, of those the first. */
const carat_device *planner_smallest_card(const carat_estimate_result *w);

/* ---- a device: what fits it ---- */

typedef struct planner_fit {
    const char *quant;
    size_t n_ctx;            /* the largest; 0: does not fit */
    carat_estimate_result w; /* at that context, or the smallest there is */
    carat_speed speed;
} planner_fit;

/* One for each quantisation, best first; *n of them. */
bool planner_fits(const carat_weigh_query *q, bool is_file, const carat_device *d, planner_fit fits[PLANNER_MAX_QUANTS],
                  size_t *n, carat_err *err);
json_t *planner_fits_json(const planner_fit *fits, size_t n);

/* ---- one point ---- */

json_t *planner_point_json(const carat_estimate_result *w);
json_t *planner_device_json(const carat_device *d);
json_t *planner_speed_json(const carat_speed *s);

#endif
