/* The fake backend, and a model for it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fake_backend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "cpu/pages.h"
#include "sample/select.h"

#define HIDDEN 4 /* a hash in pieces of 16 bits, which floats hold exactly */
#define SOFT   4
#define LAYERS 3 /* of the tower, so that encoding takes several steps */

typedef struct fake {
    ct_config c;
    ct_vision_config tower;
    ct_host_pages pages;
    float (*rows)[HIDDEN]; /* [max_batch] of the last step */
    uint64_t *slots;       /* of images: hashes */
    uint64_t encoding;
    uint32_t slot;
    size_t layer;
} fake;

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* ---- keys and values: a number of 16 bits a token in V[slot][0] of each layer's first head ---- */

static float *place(const fake *f, const ct_step_span *s, size_t layer, size_t pos)
{
    const ct_page_ref *refs = f->c.is_global[layer] ? s->global : s->local;
    void *k, *v;
    ct_host_pages_tile(&f->pages, layer, 0, refs[pos / CT_TILE].page, &k, &v);
    return (float *)v + pos % CT_TILE * f->c.head_dim;
}

static float number_of(const fake *f, const ct_step_input *in)
{
    if (!in->is_soft && in->id == FAKE_BAD)
        return NAN;
    uint64_t x = in->is_soft ? f->slots[in->slot] + in->index : (uint64_t)in->id;
    return (float)(mix(x + 77) & 0xffff);
}

static void write_span(const fake *f, const ct_step_span *s)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t layer = 0; layer < f->c.n_layer; layer++)
            *place(f, s, layer, s->pos + i) = number_of(f, &s->tokens[i]);
}

/* Of all that position pos sees, up to hi; false if something of it is not a number. */
static bool state_at(const fake *f, const ct_step_span *s, size_t pos, size_t hi, float out[HIDDEN])
{
    uint64_t h = 0;
    bool ok = true;
    for (size_t layer = 0; layer < f->c.n_layer; layer++) {
        size_t lo = !f->c.is_global[layer] && pos + 1 > f->c.window ? pos + 1 - f->c.window : 0;
        for (size_t t = lo; t < hi; t++) {
            float x = *place(f, s, layer, t);
            ok = ok && isfinite(x);
            h = mix(h + layer) + (ok ? (uint64_t)x : 0);
        }
    }
    for (size_t i = 0; i < HIDDEN; i++)
        out[i] = ok ? (float)(h >> 16 * i & 0xffff) : NAN;
    return ok;
}

static bool step(void *self, const ct_step_span *spans, size_t n_spans, bool *failed, carat_err *err)
{
    fake *f = self;
    size_t row = 0;
    (void)err;
    for (size_t i = 0; i < n_spans; i++)
        write_span(f, &spans[i]);
    for (size_t i = 0; i < n_spans; i++) {
        failed[i] = false;
        for (size_t j = 0; j < spans[i].n; j++) {
            size_t pos = spans[i].pos + j, hi = pos + 1 + spans[i].tokens[j].sees_ahead;
            failed[i] = !state_at(f, &spans[i], pos, hi, f->rows[row++]) || failed[i];
        }
    }
    return true;
}

/* ---- the head ---- */

static void hidden(void *self, size_t row, float *out)
{
    memcpy(out, ((fake *)self)->rows[row], sizeof *((fake *)self)->rows);
}

static void draw_logits(const float *state, float *logits)
{
    uint64_t h = 0;
    for (size_t i = 0; i < HIDDEN; i++)
        h = mix(h + (uint64_t)state[i]);
    for (size_t v = 0; v < FAKE_VOCAB; v++)
        logits[v] = (float)(mix(h + v * 0x9E3779B97F4A7C15u) >> 44) / 0x1p16f; /* 0 .. 16 */
}

static bool head(void *self, ct_head *h, carat_err *err)
{
    const fake *f = self;
    (void)err;
    for (size_t i = 0; i < h->n; i++) {
        ct_head_row *r = &h->rows[i];
        float *logits = h->logits + i * FAKE_VOCAB;
        double sum = 0;
        draw_logits(r->hidden ? r->hidden : f->rows[r->row], logits);
        for (size_t v = 0; v < h->n_pieces; v++)
            sum += exp((double)logits[v]);
        r->is_finite = true;
        r->lse = (float)log(sum);
        if (r->n_top)
            r->n_top = ct_select_top(&(ct_logit_row){ logits, h->n_pieces, NULL }, r->n_top, r->top);
        if (h->want == CT_HEAD_TOP) /* nobody may read them */
            memset(logits, 0xFF, FAKE_VOCAB * sizeof *logits);
    }
    return true;
}

/* ---- images ---- */

static void encode_begin(void *self, const uint8_t *rgb, uint32_t slot)
{
    fake *f = self;
    size_t n = (size_t)f->tower.image_size * f->tower.image_size * 3;
    f->encoding = 0;
    for (size_t i = 0; i < n; i++)
        f->encoding = mix(f->encoding + rgb[i]);
    f->slot = slot;
    f->layer = 0;
}

static bool encode_layer(void *self, size_t *done, carat_err *err)
{
    fake *f = self;
    (void)err;
    *done = ++f->layer;
    if (f->layer == LAYERS)
        f->slots[f->slot] = f->encoding;
    return true;
}

static void soft_tokens(void *self, uint32_t slot, float *out)
{
    for (size_t i = 0; i < SOFT * HIDDEN; i++)
        out[i] = (float)(mix(((fake *)self)->slots[slot] + i) & 0xffff);
}

/* ---- pages, memory ---- */

static void page_copy(void *self, ct_page_kind kind, uint32_t to, uint32_t from)
{
    ct_host_pages_copy(&((fake *)self)->pages, kind, to, from);
}

static void page_clear(void *self, ct_page_kind kind, uint32_t page, size_t begin, size_t end)
{
    ct_host_pages_clear(&((fake *)self)->pages, kind, page, begin, end);
}

void (*fake_on_page_read)(void);

static void page_read(void *self, ct_page_kind kind, uint32_t page, void *to)
{
    if (fake_on_page_read)
        fake_on_page_read();
    ct_host_pages_read(&((fake *)self)->pages, kind, page, to);
}

static void page_write(void *self, ct_page_kind kind, uint32_t page, const void *from)
{
    ct_host_pages_write(&((fake *)self)->pages, kind, page, from);
}

static bool bytes(void *self, const ct_desc *d, const ct_sizes *s, ct_footprint *out, carat_err *err)
{
    ct_host_pages pages;
    (void)self;
    *out = (ct_footprint){ .scratch = s->max_batch * HIDDEN * sizeof(float), .slots = s->n_slots * sizeof(uint64_t) };
    if (!ct_host_pages_describe(&pages, &d->text->cfg, s->elem, s->n_global, s->n_local, err))
        return false;
    out->pages = pages.bytes;
    return true;
}

static void limits(void *self, ct_memlimit *out)
{
    (void)self;
    ct_memlimit_now(out);
}

static bool load(void *self, const ct_desc *d, const ct_files *files, const ct_sizes *s, const ct_load_progress *how,
                 carat_err *err)
{
    fake *f = self;
    (void)files, (void)how;
    f->c = d->text->cfg;
    f->tower = d->tower->cfg;
    f->rows = calloc(s->max_batch, sizeof *f->rows);
    f->slots = calloc(s->n_slots, sizeof *f->slots);
    return ((f->rows && f->slots) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a fake")) &&
           ct_host_pages_describe(&f->pages, &f->c, s->elem, s->n_global, s->n_local, err) &&
           ct_host_pages_take(&f->pages, err);
}

static void close_fake(void *self)
{
    fake *f = self;
    ct_host_pages_close(&f->pages);
    free(f->rows);
    free(f->slots);
    free(f);
}

/* ---- a model for it ---- */

static ct_type any_type(void *arg, ct_part part, size_t layer)
{
    (void)arg, (void)part, (void)layer;
    return CT_F32;
}

static bool make_checkpoint(ct_checkpoint *c, carat_err *err)
{
    ct_config cfg;
    ct_config_defaults(&cfg);
    cfg.n_layer = 4;
    cfg.hidden = HIDDEN;
    cfg.ffn = cfg.n_head = cfg.n_kv_head = 1;
    cfg.head_dim = 4;
    cfg.n_vocab = FAKE_VOCAB;
    cfg.window = 40;
    cfg.context = 8192;
    cfg.tied = true;
    ct_config_pattern(&cfg, 2);
    const ct_vision_config tower = { true, HIDDEN, 1, LAYERS, 1, 16, 4, 3, SOFT, 1e-6f };
    *c = (ct_checkpoint){ .note = "" };
    if (!ct_model_imagine(&cfg, any_type, NULL, &c->model, err) ||
        !ct_tower_imagine(&tower, HIDDEN, CT_F32, &c->tower, err))
        return false;
    c->model->path = strdup("fake");
    c->tower->path = strdup("fake");
    c->model->stops[c->model->n_stops++] = FAKE_STOP;
    c->model->n_pieces = FAKE_BAD; /* it has a row, but is never sampled */
    return c->model->path && c->tower->path;
}

bool fake_engine_open(const carat_options *o, carat_engine **out, carat_err *err)
{
    ct_checkpoint c;
    fake *f = calloc(1, sizeof *f);
    if (!f || !make_checkpoint(&c, err))
        return false;
    ct_backend b = { .name = "fake",
                     .self = f,
                     .bytes = bytes,
                     .limits = limits,
                     .load = load,
                     .page_copy = page_copy,
                     .page_clear = page_clear,
                     .page_read = page_read,
                     .page_write = page_write,
                     .step = step,
                     .hidden = hidden,
                     .head = head,
                     .encode_begin = encode_begin,
                     .encode_layer = encode_layer,
                     .soft_tokens = soft_tokens,
                     .close = close_fake };
    carat_options own = *o;
    own.is_exact = true; /* an f32 cache */
    return ct_api_open_on(&c, &b, &own, out, err);
}
