/* Attention of a step: items of (block of tokens, KV head, share of its query heads), handed out over threads.
 *
 * A row's result depends on its own visible range alone (kernels.h), so how rows are gathered into items is free.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/text_work.h"

void ct_text_plan_blocks(ct_text *t)
{
    size_t group = t->c->n_head / t->c->n_kv_head, tokens = group < CT_ITEM_ROWS ? CT_ITEM_ROWS / group : 1;
    size_t row = 0;
    t->n_blocks = t->n_whole_blocks = 0;
    for (size_t s = 0; s < t->n_spans; s++) {
        for (size_t left = t->spans[s].n; left > 0;) {
            size_t n = left < tokens ? left : tokens;
            t->blocks[t->n_blocks++] = (ct_text_block){ (uint32_t)row, (uint32_t)n };
            row += n;
            left -= n;
        }
        if (row <= t->n_whole)
            t->n_whole_blocks = t->n_blocks;
    }
}

/* Query heads of one KV head that go together: all of them, unless threads would be idle. */
static size_t heads_together(const ct_text_work *w)
{
    const ct_config *c = w->t->c;
    size_t group = c->n_head / c->n_kv_head, items = w->n_blocks * c->n_kv_head, together = group;
    while (together > 1 && items * (group / together) < (size_t)w->n_threads) {
        together--;
        while (group % together)
            together--;
    }
    return together;
}

/* The positions that a row attends to on a layer: of what it may see at all, on local layers those in the window. */
static void range_of(const ct_config *c, size_t layer, const ct_text_row *row, size_t *lo, size_t *hi)
{
    size_t behind = c->is_encoder ? ct_config_reach(c) : (size_t)c->window - 1;
    *lo = !c->is_global[layer] && row->pos > behind ? row->pos - behind : 0;
    *hi = row->hi;
    if (c->is_encoder && !c->is_global[layer] && row->hi > row->pos + 1 + behind)
        *hi = row->pos + 1 + behind;
}

/* Fills the thread's row lists for one item; returns how many rows. */
static size_t gather(ct_text_work *w, size_t layer, const ct_text_block *b, size_t first_head, size_t n_heads)
{
    ct_text *t = w->t;
    const ct_config *c = t->c;
    ct_text_thread *own = w->own;
    size_t n = 0;
    for (size_t r = b->first; r < (size_t)b->first + b->n; r++) {
        const ct_text_row *row = &t->rows[r];
        size_t lo, hi;
        range_of(c, layer, row, &lo, &hi);
        for (size_t h = first_head; h < first_head + n_heads; h++, n++) {
            own->q[n] = t->q + r * t->q_dim + h * c->head_dim;
            own->out[n] = t->heads + r * t->q_dim + h * c->head_dim;
            own->lo[n] = lo;
            own->hi[n] = hi;
        }
    }
    return n;
}

static void attend_item(ct_text_work *w, size_t layer, const ct_text_block *b, size_t kv_head, size_t first_head,
                        size_t n_heads)
{
    ct_text *t = w->t;
    ct_text_thread *own = w->own;
    const ct_step_span *span = &t->spans[t->rows[b->first].span];
    size_t n = gather(w, layer, b, first_head, n_heads), lo = own->lo[0], hi = own->hi[0];
    for (size_t i = 1; i < n; i++) {
        lo = own->lo[i] < lo ? own->lo[i] : lo;
        hi = own->hi[i] > hi ? own->hi[i] : hi;
    }
    size_t tile0 = lo / CT_TILE, tile1 = (hi + CT_TILE - 1) / CT_TILE;
    for (size_t i = tile0; i < tile1; i++) {
        void *k, *v;
        ct_text_tile(t, span, layer, kv_head, i, &k, &v);
        own->k_tiles[i - tile0] = k;
        own->v_tiles[i - tile0] = v;
    }
    t->k->attend(&(ct_attend){ .head_dim = t->c->head_dim,
                               .scale = t->c->query_scale,
                               .elem = t->pages->elem,
                               .k_tiles = own->k_tiles,
                               .v_tiles = own->v_tiles,
                               .tile0 = tile0,
                               .n = n,
                               .q = own->q,
                               .out = own->out,
                               .lo = own->lo,
                               .hi = own->hi },
                 own->scratch);
}

void ct_text_attention(ct_text_work *w, size_t layer)
{
    const ct_config *c = w->t->c;
    size_t group = c->n_head / c->n_kv_head, together = heads_together(w), parts = group / together;
    size_t n_items = w->n_blocks * c->n_kv_head * parts;
    ct_text_barrier(w);
    for (size_t i; (i = ct_text_next_piece(w)) < n_items;) {
        size_t item = n_items - 1 - i; /* the last tokens attend to the most positions: longest first */
        size_t part = item % parts, kv_head = item / parts % c->n_kv_head;
        attend_item(w, layer, &w->t->blocks[item / parts / c->n_kv_head], kv_head, kv_head * group + part * together,
                    together);
    }
    ct_text_next_call(w);
    ct_text_barrier(w);
}
