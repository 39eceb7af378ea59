/* The CPU's parts behind the table of the backend.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "cpu/adapters.h"
#include "cpu/inside.h"
#include "cpu/packing.h"

/* ---- sizes ---- */

static ct_text_options text_options(const ct_cpu *c, const ct_desc *d, const ct_sizes *s)
{
    return (ct_text_options){ .max_batch = s->max_batch,
                              .n_soft = d->tower ? d->tower->cfg.tokens_per_image : 0,
                              .max_context = s->max_context,
                              .exact = c->exact,
                              .embed_scale = s->embed_scale };
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64; /* as the arena does */
}

typedef struct adding {
    const ct_weights *w;
    ct_footprint *out;
} adding;

static bool add_part(void *arg, ct_part part, size_t layer)
{
    const adding *a = arg;
    ct_part_group group = ct_part_get(part)->group;
    if (group == CT_GROUP_NORM)
        return true;
    const ct_matrix *m = ct_weights_matrix(a->w, part, layer);
    uint64_t *sums[] = {
        [CT_GROUP_TABLE] = &a->out->embedding, [CT_GROUP_ATTENTION] = &a->out->attention, [CT_GROUP_FFN] = &a->out->ffn
    };
    *sums[group] += round_up(m->bytes);
    /* Of a table of its own one row is read, of the head all. */
    if (part != CT_PART_EMBED || a->w->m->cfg.tied)
        a->out->bytes_of[m->type] += m->bytes;
    return true;
}

static bool add_text(const ct_cpu *c, const ct_desc *d, const ct_sizes *s, ct_footprint *out, carat_err *err)
{
    ct_weights w;
    const ct_text_options o = text_options(c, d, s);
    size_t scratch = 0;
    bool ok = ct_weights_describe(&w, d->text, err);
    if (ok) {
        ct_part_each(&d->text->cfg, add_part, &(adding){ &w, out });
        out->weights = w.bytes;
        out->norms = w.bytes - out->embedding - out->attention - out->ffn;
        out->bytes_of[CT_F32] += out->norms;
        if (!ct_text_bytes(&w, &c->kernels, c->n_threads, &o, &scratch))
            ok = ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "steps of %zu tokens are too large", s->max_batch);
        out->scratch = scratch;
    }
    ct_weights_close(&w);
    return ok;
}

static bool slot_bytes(const ct_desc *d, const ct_sizes *s, size_t *out, carat_err *err)
{
    *out = 0;
    return !d->tower ||
           (ct_mul_size((size_t)d->tower->cfg.tokens_per_image * sizeof(float), d->text->cfg.hidden, out) &&
            ct_mul_size(*out, s->n_slots, out)) ||
           ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "a cache of %zu images is too large", s->n_slots);
}

static bool add_tower(const ct_cpu *c, const ct_desc *d, const ct_sizes *s, ct_footprint *out, carat_err *err)
{
    ct_vision_size size;
    size_t slots;
    const ct_vision_options o = { .exact = c->exact };
    if (!d->tower)
        return true;
    if (!ct_vision_bytes(d->tower, &c->kernels, c->n_threads, &o, &size, err) || !slot_bytes(d, s, &slots, err))
        return false;
    out->tower = size.weights;
    out->tower_work = size.work;
    out->slots = slots;
    return true;
}

static bool add_adapters(const ct_desc *d, const ct_sizes *s, ct_footprint *out, carat_err *err)
{
    for (size_t i = 0; i < d->n_adapters; i++) {
        uint64_t bytes;
        if (!ct_lora_check(d->adapters[i], &d->text->cfg, err) ||
            !ct_adapter_bytes(d->adapters[i], &d->text->cfg, s->max_batch, &bytes, err))
            return false;
        out->adapters += bytes;
        out->rounding += ct_block_bytes((size_t)bytes) - bytes;
    }
    return true;
}

/* Blocks of our own are whole huge pages; what is mapped from a pack is whole pages of the file. */
static void add_rounding(const ct_desc *d, ct_footprint *f)
{
    const struct {
        uint64_t bytes;
        bool is_packed;
    } blocks[] = { { f->weights, d->text->is_packed },
                   { f->tower, d->tower && d->tower->is_packed },
                   { f->tower_work, false },
                   { f->slots, false },
                   { f->pages, false },
                   { f->scratch, false } };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        const uint64_t bytes = blocks[i].bytes;
        f->mapped += blocks[i].is_packed ? bytes : 0;
        f->rounding += (blocks[i].is_packed ? (bytes + 4095) / 4096 * 4096 : ct_block_bytes((size_t)bytes)) - bytes;
    }
}

static bool bytes(void *self, const ct_desc *d, const ct_sizes *s, ct_footprint *out, carat_err *err)
{
    const ct_cpu *c = self;
    ct_host_pages pages;
    const bool reads = !d->text->is_packed || (d->tower && !d->tower->is_packed);
    *out = (ct_footprint){ .window = reads ? ct_pack_window_bytes(c->n_threads) : 0 };
    if (!add_text(c, d, s, out, err) || !add_tower(c, d, s, out, err) || !add_adapters(d, s, out, err) ||
        !ct_host_pages_describe(&pages, &d->text->cfg, s->elem, s->n_global, s->n_local, err))
        return false;
    out->pages = pages.bytes;
    add_rounding(d, out);
    return true;
}

static void limits(void *self, ct_memlimit *out)
{
    (void)self;
    ct_memlimit_now(out);
}

/* ---- loading ---- */

static bool load_weights(ct_cpu *c, const ct_desc *d, const ct_files *f, const ct_load_progress *how, carat_err *err)
{
    if (c->weights)
        return true;
    c->weights = &c->own;
    return ct_weights_describe(&c->own, d->text, err) && ct_weights_load(&c->own, f->text, c->pool, how, err);
}

static bool load_tower(ct_cpu *c, const ct_desc *d, const ct_files *f, const ct_sizes *s, carat_err *err)
{
    const ct_vision_options o = { .exact = c->exact };
    if (!d->tower)
        return true;
    if (!ct_vision_open(d->tower, f->tower, &c->kernels, c->pool, &o, &c->vision, err) ||
        !slot_bytes(d, s, &c->soft_bytes, err))
        return false;
    c->soft = (ct_soft_tokens){ .rows = ct_block_new(c->soft_bytes),
                                .n_slots = s->n_slots,
                                .n_soft = d->tower->cfg.tokens_per_image };
    return c->soft.rows || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a cache of %zu images", s->n_slots);
}

static bool load(void *self, const ct_desc *d, const ct_files *f, const ct_sizes *s, const ct_load_progress *how,
                 carat_err *err)
{
    ct_cpu *c = self;
    ct_text_options o = text_options(c, d, s);
    if (!load_weights(c, d, f, how, err) || !load_tower(c, d, f, s, err) ||
        !ct_host_pages_describe(&c->pages, &d->text->cfg, s->elem, s->n_global, s->n_local, err) ||
        !ct_host_pages_take(&c->pages, err))
        return false;
    c->max_batch = s->max_batch;
    const ct_text_parts parts = { c->weights, &c->pages, &c->soft, &c->kernels, c->pool };
    return ct_text_open(&parts, &o, &c->text, err);
}

/* ---- adapters ---- */

static bool adapter_bytes(void *self, const ct_lora *l, uint64_t *out, carat_err *err)
{
    const ct_cpu *c = self;
    return ct_adapter_bytes(l, &c->weights->m->cfg, c->max_batch, out, err);
}

static bool adapter_load(void *self, const ct_lora *l, ct_adapter **out, uint8_t digest[32], carat_err *err)
{
    const ct_cpu *c = self;
    return ct_adapter_load(l, &c->weights->m->cfg, c->max_batch, out, digest, err);
}

static void adapter_free(void *self, ct_adapter *a)
{
    (void)self;
    ct_adapter_free(a);
}

/* ---- keys and values ---- */

static void page_copy(void *self, ct_page_kind kind, uint32_t to, uint32_t from)
{
    ct_host_pages_copy(&((ct_cpu *)self)->pages, kind, to, from);
}

static void page_clear(void *self, ct_page_kind kind, uint32_t page, size_t begin, size_t end)
{
    ct_host_pages_clear(&((ct_cpu *)self)->pages, kind, page, begin, end);
}

static void page_read(void *self, ct_page_kind kind, uint32_t page, void *host)
{
    ct_host_pages_read(&((ct_cpu *)self)->pages, kind, page, host);
}

static void page_write(void *self, ct_page_kind kind, uint32_t page, const void *host)
{
    ct_host_pages_write(&((ct_cpu *)self)->pages, kind, page, host);
}

/* ---- steps ---- */

static bool step(void *self, const ct_step_span *spans, size_t n_spans, bool *failed, carat_err *err)
{
    (void)err;
    ct_text_step(((ct_cpu *)self)->text, spans, n_spans, failed);
    return true;
}

static void hidden(void *self, size_t row, float *out)
{
    const ct_cpu *c = self;
    memcpy(out, ct_text_hidden(c->text, row), c->weights->m->cfg.hidden * sizeof *out);
}

static bool head(void *self, ct_head *h, carat_err *err)
{
    (void)err;
    ct_text_head(((ct_cpu *)self)->text, h);
    return true;
}

static bool dense(void *self, const float *means, size_t n, float *out, carat_err *err)
{
    (void)err;
    ct_text_dense_layers(((ct_cpu *)self)->text, means, n, out);
    return true;
}

static bool note_inputs(void *self, ct_imatrix *m, carat_err *err)
{
    return ct_text_note_inputs(((ct_cpu *)self)->text, m, err);
}

/* ---- images ---- */

static float *slot_rows(const ct_cpu *c, uint32_t slot)
{
    return c->soft.rows + slot * c->soft.n_soft * c->weights->m->cfg.hidden;
}

static void encode_begin(void *self, const uint8_t *rgb, uint32_t slot)
{
    ct_cpu *c = self;
    ct_vision_begin(c->vision, rgb, slot_rows(c, slot));
}

static bool encode_layer(void *self, size_t *done, carat_err *err)
{
    return ct_vision_advance(((ct_cpu *)self)->vision, done, err);
}

static void soft_tokens(void *self, uint32_t slot, float *out)
{
    const ct_cpu *c = self;
    memcpy(out, slot_rows(c, slot), c->soft.n_soft * c->weights->m->cfg.hidden * sizeof *out);
}

/* ---- open and close ---- */

static void close_cpu(void *self)
{
    ct_cpu *c = self;
    if (!c)
        return;
    ct_text_close(c->text);
    ct_vision_close(c->vision);
    ct_block_free(c->soft.rows, c->soft_bytes);
    ct_host_pages_close(&c->pages);
    ct_weights_close(&c->own);
    free(c);
}

bool ct_cpu_open(const ct_cpu_options *o, ct_pool *pool, ct_backend *out, carat_err *err)
{
    unsigned mask;
    char msg[160];
    *out = (ct_backend){ 0 };
    if (!ct_cpu_by_name(o->level, &mask, msg))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s", msg);
    ct_cpu *c = calloc(1, sizeof *c);
    if (!c)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the CPU backend");
    ct_kernels_for(&c->kernels, mask);
    c->pool = pool;
    c->exact = o->exact;
    c->n_threads = pool ? ct_pool_threads(pool) : o->n_threads ? o->n_threads : ct_cpu_default();
    if (o->weights_of)
        c->weights = ct_cpu_inside(o->weights_of)->weights;
    *out = (ct_backend){ .name = c->kernels.isa,
                         .self = c,
                         .bytes = bytes,
                         .limits = limits,
                         .load = load,
                         .adapter_bytes = adapter_bytes,
                         .adapter_load = adapter_load,
                         .adapter_free = adapter_free,
                         .page_copy = page_copy,
                         .page_clear = page_clear,
                         .page_read = page_read,
                         .page_write = page_write,
                         .step = step,
                         .hidden = hidden,
                         .head = head,
                         .dense = dense,
                         .note_inputs = note_inputs,
                         .encode_begin = encode_begin,
                         .encode_layer = encode_layer,
                         .soft_tokens = soft_tokens,
                         .close = close_cpu };
    return true;
}

const char *ct_cpu_best(void)
{
    ct_kernels k;
    ct_kernels_for(&k, ct_cpu_preferred());
    return k.isa;
}
