/* Tables of a model: quantisations by contexts, and what fits a device.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "planner/planner.h"

/* Best quality first. QAT before plain Q4_0: perplexity 14.59 against 16.80 for the 4B (a community measurement). */
static const char *const quants[] = {
    "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "qat-q4_0", "q4_0", "q3_k_m", "q2_k"
};
static const size_t contexts[PLANNER_MAX_CTX] = { 1024, 8192, 32768, 65536, 131072 };

#define N_QUANTS (sizeof quants / sizeof *quants)

/* ---- the grid ---- */

bool planner_grid_fill(const carat_weigh_query *q, bool is_file, planner_grid *g, carat_err *err)
{
    *g = (planner_grid){ .n_quant = is_file || q->quant ? 1 : N_QUANTS, .n_ctx = PLANNER_MAX_CTX };
    carat_estimate_result row[PLANNER_MAX_CTX] = { { 0 } };
    carat_weigh_query one = *q;
    size_t n = 0;
    carat_options options = *q->options;
    options.n_ctx = 0;
    one.options = &options;
    for (size_t j = 0; j < PLANNER_MAX_CTX; j++)
        row[j].struct_size = sizeof *row;
    if (!carat_weigh(&one, row, err)) /* tells the model's context */
        return false;
    memcpy(g->ctx, contexts, sizeof g->ctx);
    while (n < g->n_ctx && contexts[n] <= row->context)
        n++;
    for (size_t i = 0; i < g->n_quant; i++) {
        g->quant[i] = one.quant = is_file ? NULL : q->quant ? q->quant : quants[i];
        if (!carat_weigh_contexts(&one, contexts, n, row, err))
            return false;
        for (size_t j = 0; j < n; j++)
            g->cell[i][j] = (planner_cell){ true, row[j], planner_smallest_card(&row[j]) };
    }
    return true;
}

json_t *planner_grid_json(const planner_grid *g)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < g->n_quant; i++)
        for (size_t j = 0; j < g->n_ctx; j++) {
            const planner_cell *c = &g->cell[i][j];
            if (!c->is_there)
                continue;
            json_t *o = planner_point_json(&c->w);
            json_object_set_new(o, "card", c->card ? json_string(c->card->name) : json_null());
            json_object_set_new(o, "card_memory",
                                c->card ? json_integer((json_int_t)c->card->memory_bytes) : json_null());
            json_array_append_new(rows, o);
        }
    return rows;
}

/* ---- what fits ---- */

bool planner_fits(const carat_weigh_query *q, bool is_file, const carat_device *d, planner_fit fits[PLANNER_MAX_QUANTS],
                  size_t *n, carat_err *err)
{
    carat_weigh_query one = *q;
    carat_options options = *q->options;
    one.options = &options;
    *n = is_file || q->quant ? 1 : N_QUANTS;
    for (size_t i = 0; i < *n; i++) {
        planner_fit *f = &fits[i];
        f->quant = one.quant = is_file ? NULL : q->quant ? q->quant : quants[i];
        if (!carat_weigh_largest(&one, d->usable_bytes, &f->n_ctx, err))
            return false;
        size_t n_ctx = options.n_ctx = f->n_ctx ? f->n_ctx : 256;
        if (n_ctx < one.shared)
            one.shared = n_ctx;
        f->w.struct_size = sizeof f->w, f->speed.struct_size = sizeof f->speed;
        if (!carat_weigh(&one, &f->w, err) || !carat_weigh_speed(&f->w, d, &f->speed, err))
            return false;
        one.shared = q->shared;
    }
    return true;
}

json_t *planner_fits_json(const planner_fit *fits, size_t n)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *o = planner_point_json(&fits[i].w);
        json_object_set_new(o, "largest_context", json_integer((json_int_t)fits[i].n_ctx));
        json_object_set_new(o, "fits", json_boolean(fits[i].n_ctx > 0));
        json_object_set_new(o, "expected", planner_speed_json(&fits[i].speed));
        json_array_append_new(rows, o);
    }
    return rows;
}
