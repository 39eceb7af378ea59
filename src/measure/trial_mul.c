/* The products of every type of weights: one token beside a plain read of the weights, many beside the instruction.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cpu/products.h"
#include "measure/trial.h"

#define COLS        CT_TRIAL_COLS
#define MANY        512  /* tokens */
#define PANELS      72   /* of each thread, by many tokens */
#define MOST_PANELS 4096 /* of all of them */
#define LONGEST     0.02 /* seconds of a run that is wanted; slower work is cut down */

typedef struct product {
    ct_trials *t;
    ct_mul_fn *fn;
    ct_mul m;
    size_t panels;             /* one token: of all threads; many: of each */
    size_t piece;              /* tokens of a call */
    size_t slice, slice_bytes; /* of the memory, one token */
} product;

static void run_one(void *arg, int thread, int n_threads)
{
    const product *p = arg;
    const size_t i = (size_t)thread, n = (size_t)n_threads;
    p->fn(&p->m, p->panels * i / n, p->panels * (i + 1) / n, p->t->scratch[thread]);
}

/* The next stretch of the memory. */
static void next_slice(void *arg)
{
    product *p = arg;
    p->slice = (p->slice + 1) % CT_TRIAL_SLICES;
    p->m.w = p->t->memory + p->slice * p->slice_bytes;
}

static void run_many(void *arg, int thread, int n_threads)
{
    const product *p = arg;
    const size_t begin = p->panels * (size_t)thread;
    (void)n_threads;
    for (size_t token = 0; token < MANY; token += p->piece) {
        ct_mul m = p->m;
        m.n = MANY - token < p->piece ? MANY - token : p->piece;
        m.x = (const uint8_t *)p->m.x + token * m.x_stride;
        m.y = p->m.y + token * m.y_stride;
        p->fn(&m, begin, begin + p->panels, p->t->scratch[thread]);
    }
}

/* ---- weights and activations ---- */

/* Any bits that mean numbers of a usual size: what is not a number, or vanishes, could be faster or slower. */
static void fill_block(ct_type type, const ct_type_info *info, uint8_t *block, uint64_t *rng)
{
    float values[256];
    for (int attempt = 0; attempt < 10000; attempt++) {
        double largest = 0;
        for (size_t i = 0; i < info->bytes; i++)
            block[i] = (uint8_t)(ct_rng_next(rng) >> 56);
        ct_unpack_row(type, block, values, info->block);
        for (size_t i = 0; i < info->block; i++)
            largest = isfinite(values[i]) ? fmax(largest, fabs((double)values[i])) : (double)INFINITY;
        if (largest > 1e-4 && largest < 1e4)
            return;
    }
    memset(block, 0, info->bytes);
}

/* One panel of random weights; its bytes, 0: this type has none of so many columns. */
static size_t fill_panel(ct_trials *t, ct_type type)
{
    const ct_type_info *info = ct_type_get(type);
    size_t bytes = 0, row = 0;
    uint64_t rng = type;
    if (COLS % info->block || !ct_panel_bytes(type, COLS, &bytes) || !ct_row_bytes(type, COLS, &row))
        return 0;
    if (t->is_list)
        return bytes;
    uint8_t *rows = malloc(row * CT_PANEL);
    if (!rows)
        return 0;
    for (size_t at = 0; at < row * CT_PANEL; at += info->bytes)
        fill_block(type, info, rows + at, &rng);
    ct_pack_panel(type, rows, row, CT_PANEL, COLS, t->memory);
    free(rows);
    return bytes;
}

/* The same panel again and again, so many times in all. */
static void spread_panel(ct_trials *t, size_t bytes, size_t n)
{
    for (size_t i = 1; i < n && !t->is_list; i++)
        memcpy(t->memory + i * bytes, t->memory, bytes);
}

static void put_acts(const ct_trials *t, ct_acts_form form, bool tiled, const float *x, uint8_t *to)
{
    const size_t stride = ct_acts_stride(form, COLS);
    for (size_t token = 0; token < MANY && !t->is_list; token++)
        if (tiled)
            t->k->acts_tiled[form](x + token * COLS, COLS,
                                   to + token / CT_TILED * CT_TILED * stride + token % CT_TILED * 64);
        else
            t->k->acts[form](x + token * COLS, COLS, to + token * stride);
}

/* ---- one type in one form ---- */

typedef struct buffers {
    float *x, *y; /* [MANY][COLS], [MANY][MOST_PANELS * CT_PANEL] */
    uint8_t *acts;
} buffers;

/* Panels, at most so many, whose products take no longer than LONGEST, by the time of a few. */
static size_t panels_in_time(product *p, void (*run)(void *, int, int), size_t most)
{
    p->panels = 1;
    const double one = ct_trial_once(p->t, run, p), fits = LONGEST / fmax(one, 1e-9);
    return fits < 1 ? 1 : fits < (double)most ? (size_t)fits : most;
}

static void trial_one(ct_trials *t, product *p, ct_work *w, size_t panel_bytes)
{
    const size_t most = CT_TRIAL_SLICE / panel_bytes / 4 * 4;
    p->m.n = 1;
    p->m.rows = p->m.y_stride = most * CT_PANEL;
    p->panels = (panels_in_time(p, run_one, most) + 3) / 4 * 4; /* so that slices begin at multiples of 64 bytes */
    p->slice_bytes = p->panels * panel_bytes;
    spread_panel(t, panel_bytes, p->panels * CT_TRIAL_SLICES);
    ct_trial_settle(t, p->slice_bytes * CT_TRIAL_SLICES);
    w->work = "1 token";
    w->limit = CT_LIMIT_READ;
    w->read = t->memory;
    w->next = next_slice;
    w->all = (double)p->slice_bytes;
    w->each = 0;
    w->run = run_one;
    ct_trial(t, w);
}

static void trial_many(ct_trials *t, product *p, ct_work *w, size_t panel_bytes, ct_acts_form form)
{
    const size_t threads = (size_t)ct_trials_threads(t), room = CT_TRIAL_MEMORY / panel_bytes / threads;
    p->m.w = t->memory;
    size_t most = MOST_PANELS / threads < PANELS ? MOST_PANELS / threads : PANELS;
    most = room < most ? room : most;
    p->piece = t->k->piece_tokens[form] ? t->k->piece_tokens[form] : MANY;
    p->m.rows = p->m.y_stride = most * threads * CT_PANEL;
    p->panels = most ? panels_in_time(p, run_many, most) : 0;
    if (!p->panels)
        return;
    spread_panel(t, panel_bytes, p->panels * threads);
    w->next = NULL;
    w->work = "512 tokens";
    w->limit = CT_LIMIT_PEAK;
    w->peak = t->k->mul_peak[form];
    w->all = 0;
    w->each = 2.0 * MANY * (double)(p->panels * CT_PANEL) * (double)COLS;
    w->run = run_many;
    ct_trial(t, w);
}

static void trial_form(ct_trials *t, const buffers *b, ct_type type, ct_acts_form form, size_t panel_bytes,
                       bool is_for_one)
{
    const ct_kernels *k = t->k;
    product p = { .t = t, .fn = k->mul[type][form] };
    ct_work w = { .kernel = "mul",
                  .type = ct_type_get(type)->name,
                  .form = ct_acts_name(form),
                  .fn = (ct_any_fn *)k->mul[type][form],
                  .generic = (ct_any_fn *)t->generic->mul[type][form],
                  .arg = &p };
    p.m = (ct_mul){ .w = t->memory, .type = type, .cols = COLS, .x = b->acts, .y = b->y };
    p.m.x_stride = ct_acts_stride(form, COLS);
    if (is_for_one) {
        put_acts(t, form, false, b->x, b->acts);
        trial_one(t, &p, &w, panel_bytes);
    }
    p.m.x_is_tiled = k->acts_tiled[form] && MANY >= k->tiled_tokens;
    if (p.m.x_is_tiled || !is_for_one)
        put_acts(t, form, p.m.x_is_tiled, b->x, b->acts);
    trial_many(t, &p, &w, panel_bytes, form);
}

/* In the forms that the engine gives it: a text model's, a tower's if that is another; or in all. */
static void trial_type(ct_trials *t, const buffers *b, ct_type type)
{
    const ct_acts_form text = ct_linear_form(t->k, false, false, type), tower = ct_linear_form(t->k, false, true, type);
    size_t bytes = 0;
    for (int form = 0; form < CT_N_ACTS; form++) {
        const ct_acts_form f = (ct_acts_form)form;
        if (!t->k->mul[type][form] || (f != text && f != tower && !t->with_all_forms))
            continue;
        if (!ct_trial_is_wanted(t, "mul", ct_type_get(type)->name, ct_acts_name(f)))
            continue;
        bytes = bytes ? bytes : fill_panel(t, type);
        if (bytes)
            trial_form(t, b, type, f, bytes, f == text || t->with_all_forms);
    }
}

bool ct_trial_mul(ct_trials *t, carat_err *err)
{
    size_t stride = 0;
    ct_arena arena;
    buffers b = { NULL };
    if (!ct_trial_is_wanted(t, "mul", "", "") && !t->filter)
        return true;
    for (int form = 0; form < CT_N_ACTS; form++)
        stride = stride < ct_acts_stride((ct_acts_form)form, COLS) ? ct_acts_stride((ct_acts_form)form, COLS) : stride;
    const size_t y = (size_t)MANY * MOST_PANELS * CT_PANEL * sizeof(float), x = MANY * COLS * sizeof(float);
    if (!ct_arena_init(&arena, y + x + MANY * stride + 192))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for measuring products");
    b.y = ct_arena_take(&arena, y, 1);
    b.x = ct_arena_take(&arena, x, 1);
    b.acts = ct_arena_take(&arena, MANY, stride);
    ct_trial_fill(b.x, MANY * COLS, 1);
    for (uint32_t type = 0; type < CT_N_TYPE; type++)
        if (ct_type_get(type))
            trial_type(t, &b, (ct_type)type);
    ct_arena_deinit(&arena);
    return true;
}
