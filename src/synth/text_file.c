/* A file of random weights: the text model's keys, vocabulary and tensors, then the tower's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "synth/synth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/size.h"
#include "format/gguf_write.h"
#include "model/write_gguf.h"
#include "quant/pack.h"

#define POOL_BLOCKS 4096                 /* per type and width: their order in a row is drawn anew, so rows differ */
#define TELL_BYTES  ((uint64_t)16 << 20) /* progress is told, and asked whether to go on, after so many */

typedef struct synth {
    ct_gguf_writer *w;
    const ct_config *cfg;
    const ct_mix *mix;
    uint64_t rng;
    uint64_t done, told, total; /* bytes of tensors */
    carat_progress_fn *progress;
    void *arg;
    uint8_t *row;
    /* the blocks of the latest (type, cols), each made when it is first drawn: small tensors need few */
    uint8_t *pool;
    bool is_made[POOL_BLOCKS];
    ct_type pool_type;
    size_t pool_cols;
} synth;

/* Box and Muller, Ann. Math. Statist. 29 (1958) 610. */
static float normal(uint64_t *rng)
{
    double u = ct_rng_unit(rng), v = ct_rng_unit(rng);
    return (float)(sqrt(-2 * log(1 - u)) * cos(2 * 3.14159265358979323846 * v));
}

static void write_keys(const synth *s)
{
    ct_write_config_keys(s->w, s->cfg);
    if (s->mix->file_type != UINT32_MAX)
        ct_gguf_writer_u32(s->w, "general.file_type", s->mix->file_type);
}

static bool copy_vocab(synth *s, const char *path, carat_err *err)
{
    ct_gguf *g;
    if (!ct_gguf_open(path, &g, err))
        return false;
    const ct_gguf_kv *tokens = ct_gguf_find(g, "tokenizer.ggml.tokens");
    bool ok = tokens && tokens->count <= s->cfg->n_vocab;
    if (!ok)
        ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: its vocabulary of %llu tokens does not fit a table of %u rows",
                path, tokens ? (unsigned long long)tokens->count : 0ull, s->cfg->n_vocab);
    for (size_t i = 0; ok && i < ct_gguf_n_kv(g); i++)
        if (strncmp(ct_gguf_kv_at(g, i)->key, "tokenizer.", 10) == 0)
            ct_gguf_writer_copy(s->w, ct_gguf_kv_at(g, i));
    ct_gguf_close(g);
    return ok;
}

typedef bool tensor_fn(synth *s, ct_part part, size_t layer, const char *name, carat_err *err);

typedef struct walk {
    synth *s;
    tensor_fn *fn;
    carat_err *err;
} walk;

static bool visit(void *arg, ct_part part, size_t layer)
{
    const walk *w = arg;
    char name[64];
    snprintf(name, sizeof name, part < CT_FIRST_LAYER_PART ? "%s" : "blk.%2$zu.%1$s", ct_part_get(part)->gguf, layer);
    return w->fn(w->s, part, layer, name, w->err);
}

/* Calls fn for every tensor in file order. */
static bool each_tensor(synth *s, tensor_fn *fn, carat_err *err)
{
    return ct_part_each(s->cfg, visit, &(walk){ s, fn, err });
}

/* The codebook types: nothing here quantises to them, but any bits are a valid block. */
static bool is_drawn(ct_type type)
{
    return !ct_pack_keeps_bits(type);
}

static bool declare(synth *s, ct_part part, size_t layer, const char *name, carat_err *err)
{
    size_t rows, cols, row_bytes, bytes;
    ct_part_shape(s->cfg, part, &rows, &cols);
    ct_type type = ct_mix_type(s->mix, s->cfg, part, layer);
    if (!ct_type_get(type)->can_quantise && !is_drawn(type) && type != CT_F32)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "weights cannot be made in %s", ct_type_get(type)->name);
    if (!ct_row_bytes(type, cols, &row_bytes) || !ct_mul_size(row_bytes, rows, &bytes))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: rows of %zu do not divide into blocks of %s", name, cols,
                       ct_type_get(type)->name);
    const uint64_t dims[] = { cols, rows };
    ct_gguf_writer_tensor(s->w, name, type, ct_part_get(part)->is_norm ? 1 : 2, dims);
    s->total += bytes;
    return true;
}

/* The f16 scale of such a block (quant/README.md). */
static void put_scale(ct_type type, float d, uint8_t *block)
{
    const uint16_t h = ct_f32_to_f16(d);
    if (type != CT_IQ1_M) {
        memcpy(block, &h, sizeof h);
        return;
    }
    for (int i = 0; i < 4; i++)
        block[49 + 2 * i] = (uint8_t)((block[49 + 2 * i] & 15) | (h >> (4 * i) & 15) << 4);
}

/* Random bits, scaled so that the block's root mean square is sigma. */
static void draw_block(uint64_t *rng, ct_type type, float sigma, uint8_t *block)
{
    const ct_type_info *t = ct_type_get(type);
    float x[256];
    double sum = 0;
    for (int i = 0; i < t->bytes; i++)
        block[i] = (uint8_t)ct_rng_next(rng);
    put_scale(type, 1, block);
    ct_unpack_row(type, block, x, t->block);
    for (int i = 0; i < t->block; i++)
        sum += (double)x[i] * x[i];
    put_scale(type, (float)(sigma / sqrt(sum / t->block)), block);
}

static bool empty_pool(synth *s, ct_type type, size_t cols, carat_err *err)
{
    if (s->pool && s->pool_type == type && s->pool_cols == cols)
        return true;
    const ct_type_info *t = ct_type_get(type);
    free(s->pool);
    s->pool = malloc((size_t)POOL_BLOCKS * t->bytes);
    memset(s->is_made, 0, sizeof s->is_made);
    s->pool_type = type;
    s->pool_cols = cols;
    return (s->pool && ct_quantise_prepare(type)) ||
           ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for random blocks of %s", t->name);
}

static void make_block(synth *s, uint8_t *block)
{
    const ct_type_info *t = ct_type_get(s->pool_type);
    const float sigma = (float)(1 / sqrt((double)s->pool_cols));
    float x[256];
    if (is_drawn(s->pool_type)) {
        draw_block(&s->rng, s->pool_type, sigma, block);
        return;
    }
    for (int i = 0; i < t->block; i++)
        x[i] = normal(&s->rng) * sigma;
    if (s->pool_type == CT_F32)
        memcpy(block, x, t->bytes);
    else
        ct_quantise_row(s->pool_type, x, block, t->block);
}

static const uint8_t *any_block(synth *s)
{
    const size_t i = ct_rng_next(&s->rng) % POOL_BLOCKS;
    uint8_t *block = s->pool + i * ct_type_get(s->pool_type)->bytes;
    if (!s->is_made[i])
        make_block(s, block);
    s->is_made[i] = true;
    return block;
}

/* False, with the error set: to be given up. */
static bool tell(synth *s, carat_err *err)
{
    s->told = s->done;
    return !s->progress || s->progress(s->arg, s->done, s->total) ||
           ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
}

static bool write_norm(synth *s, size_t n, carat_err *err)
{
    for (size_t i = 0; i < n; i++) {
        float v = 1 + 0.1f * normal(&s->rng); /* the +1 is inside in GGUF */
        if (!ct_gguf_writer_data(s->w, &v, sizeof v, err))
            return false;
    }
    return true;
}

static bool fill(synth *s, ct_part part, size_t layer, const char *name, carat_err *err)
{
    (void)name;
    size_t rows, cols, row_bytes;
    ct_part_shape(s->cfg, part, &rows, &cols);
    if (ct_part_get(part)->is_norm)
        return write_norm(s, cols, err);
    ct_type type = ct_mix_type(s->mix, s->cfg, part, layer);
    const ct_type_info *t = ct_type_get(type);
    if (!empty_pool(s, type, cols, err) || !ct_row_bytes(type, cols, &row_bytes))
        return false;
    for (size_t r = 0; r < rows; r++) {
        for (size_t at = 0; at < row_bytes; at += t->bytes)
            memcpy(s->row + at, any_block(s), t->bytes);
        if (!ct_gguf_writer_data(s->w, s->row, row_bytes, err))
            return false;
        s->done += row_bytes;
        if (s->done - s->told >= TELL_BYTES && !tell(s, err))
            return false;
    }
    return tell(s, err);
}

/* The tower's bytes come after the text's. */
static bool tower_done(void *arg, uint64_t bytes)
{
    const synth *s = arg;
    return !s->progress || s->progress(s->arg, s->done + bytes, s->total);
}

bool ct_synth_write(const ct_config *c, const ct_mix *mix, uint64_t seed, const char *vocab_from,
                    const ct_synth_tower *tower, const char *path, carat_progress_fn *progress, void *arg,
                    carat_err *err)
{
    synth s = { .cfg = c, .mix = mix, .rng = seed, .progress = progress, .arg = arg };
    size_t widest = c->ffn > c->hidden ? c->ffn : c->hidden, heads = (size_t)c->n_head * c->head_dim;
    if (heads > widest)
        widest = heads;
    s.row = calloc(c->dense > widest ? c->dense : widest, sizeof(float) * 2);
    bool ok = s.row || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a row");
    ok = ok && ct_gguf_create(path, &s.w, err);
    if (ok) {
        write_keys(&s);
        ok = (vocab_from ? copy_vocab(&s, vocab_from, err) : ct_synth_vocab(s.w, c->n_vocab, err)) &&
             each_tensor(&s, declare, err) && (!tower || ct_synth_tower_declare(s.w, tower, &s.total, err)) &&
             each_tensor(&s, fill, err) && (!tower || ct_synth_tower_fill(s.w, tower, tower_done, &s, err));
        if (ok)
            ok = ct_gguf_finish(s.w, err);
        else
            ct_gguf_abandon(s.w);
    }
    free(s.pool);
    free(s.row);
    return ok;
}
