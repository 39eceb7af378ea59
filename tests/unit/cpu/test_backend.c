/* test_backend.c - the CPU backend through its table alone: what it takes is what it said, pages, the output head's top,
 * several ways of running one model, pools that are shared.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/inside.h"
#include "model/checkpoint.h"
#include "sample/select.h"
#include "step/step.h"
#include "unit.h"

enum { CONTEXT = 256, BATCH = 64, N = 50 };

static ct_checkpoint checkpoint;
static ct_pool *pool;
static const ct_cache_options cache_options = {
    .context = CONTEXT, .n_seqs = 2, .max_batch = BATCH, .elem = CT_KV_F16
};

static int setup(void **state)
{
    (void)state;
    static const ct_checkpoint_options o;
    return ct_checkpoint_open(TEST_DATA "/models/tiny-sight", &o, &checkpoint, NULL) && checkpoint.tower &&
                   ct_pool_open(2, &pool, NULL)
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    ct_checkpoint_close(&checkpoint);
    ct_pool_close(pool);
    return 0;
}

static ct_desc desc(void)
{
    return (ct_desc){ .text = checkpoint.model, .tower = checkpoint.tower };
}

static ct_sizes sizes(void)
{
    ct_cache_size pages;
    assert_true(ct_cache_pages(&checkpoint.model->cfg, &cache_options, &pages));
    return (ct_sizes){ .max_batch = BATCH,
                       .max_context = CONTEXT,
                       .elem = cache_options.elem,
                       .n_global = pages.n[CT_PAGE_GLOBAL],
                       .n_local = pages.n[CT_PAGE_LOCAL],
                       .n_slots = 3 };
}

static void open_backend(const ct_cpu_options *o, ct_backend *b)
{
    carat_err err;
    const ct_desc d = desc();
    const ct_sizes s = sizes();
    const ct_files f = { &checkpoint.text, &checkpoint.vision };
    if (!ct_cpu_open(o, pool, b, &err) || !b->load(b->self, &d, &f, &s, NULL, &err))
        fail_msg("%s", err.msg);
}

/* ---- memory ---- */

static void bytes_are_what_load_takes(void **state)
{
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        ct_backend b, loaded;
        ct_footprint f;
        carat_err err;
        const ct_cpu_options o = { .exact = exact, .n_threads = 2 };
        const ct_desc d = desc();
        const ct_sizes s = sizes();
        assert_true(ct_cpu_open(&o, NULL, &b, &err)); /* one that is only asked */
        if (!b.bytes(b.self, &d, &s, &f, &err))
            fail_msg("%s", err.msg);
        b.close(b.self);
        open_backend(&o, &loaded);
        const ct_cpu *c = ct_cpu_inside(&loaded);
        assert_int_equal(f.weights, c->own.arena.size);
        assert_int_equal(f.weights, f.embedding + f.attention + f.ffn + f.norms);
        assert_int_equal(f.pages, c->pages.arena.size);
        assert_int_equal(f.slots, c->soft_bytes);
        assert_true(f.tower > 0 && f.tower_work > 0 && f.scratch > 0 && f.window > 0);
        loaded.close(loaded.self);
    }
}

/* ---- pages ---- */

static void fill(uint8_t *page, size_t n, uint8_t seed)
{
    for (size_t i = 0; i < n; i++)
        page[i] = (uint8_t)(i * 7 + seed);
}

static void pages_are_written_copied_cleared_and_read(void **state)
{
    (void)state;
    ct_backend b;
    open_backend(&(ct_cpu_options){ .exact = false }, &b);
    for (int kind = 0; kind < CT_N_PAGE_KINDS; kind++) {
        size_t n = ct_page_bytes(&checkpoint.model->cfg, cache_options.elem, (ct_page_kind)kind);
        uint8_t *a = malloc(n), *back = malloc(n);
        assert_true(n > 0 && a && back);
        b.page_read(b.self, kind, 1, back);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(back[i], 0); /* never written */
        fill(a, n, 3);
        b.page_write(b.self, kind, 0, a);
        b.page_copy(b.self, kind, 1, 0);
        b.page_read(b.self, kind, 1, back);
        assert_memory_equal(a, back, n);
        b.page_clear(b.self, kind, 0, 0, CT_TILE);
        b.page_read(b.self, kind, 0, back);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(back[i], 0);
        b.page_read(b.self, kind, 1, back); /* a copy of its own */
        assert_memory_equal(a, back, n);
        free(a), free(back);
    }
    b.close(b.self);
}

/* ---- steps and the head ---- */

typedef struct running {
    ct_backend b;
    ct_cache *cache;
    ct_kv *kv;
    size_t n_vocab;
} running;

static void run_prompt(running *r, const ct_cpu_options *o)
{
    carat_err err;
    ct_step_input in[N] = { { .id = 2 } };
    bool failed[1];
    open_backend(o, &r->b);
    r->n_vocab = checkpoint.model->cfg.n_vocab;
    assert_true(ct_cache_open(&checkpoint.model->cfg, &cache_options, &r->b, &r->cache, &err));
    assert_true(ct_kv_open(r->cache, CONTEXT, &r->kv, &err));
    for (int i = 1; i < N; i++)
        in[i].id = 20 + i * 7 % 400;
    const ct_config *c = &checkpoint.model->cfg;
    const ct_step_limits l = { BATCH, CONTEXT, r->n_vocab, c->n_layer, 3, checkpoint.tower->cfg.tokens_per_image };
    if (!ct_step_run(&l, &(ct_step_span){ r->kv, in, N }, 1, failed, &err))
        fail_msg("%s", err.msg);
}

static void end(running *r)
{
    ct_kv_close(r->kv);
    ct_cache_close(r->cache);
    r->b.close(r->b.self);
}

static void the_top_is_that_of_the_full_row(void **state)
{
    (void)state;
    enum { ROWS = 3, K = 7 };
    running r;
    carat_err err;
    run_prompt(&r, &(ct_cpu_options){ .exact = false });
    size_t n_pieces = checkpoint.model->cfg.n_vocab - 5; /* rows past it are no tokens */
    float *logits = malloc(2 * ROWS * r.n_vocab * sizeof *logits), hidden[4096];
    ct_candidate top[2][ROWS][K];
    ct_head_row rows[2][ROWS];
    r.b.hidden(r.b.self, 9, hidden);
    for (int want = 0; want < 2; want++) {
        rows[want][0] = (ct_head_row){ .row = 0, .n_top = K, .top = top[want][0], .wants_lse = true };
        rows[want][1] = (ct_head_row){ .row = N - 1, .n_top = K, .top = top[want][1], .wants_lse = true };
        rows[want][2] = (ct_head_row){ .hidden = hidden, .n_top = K, .top = top[want][2], .wants_lse = true };
        ct_head h = { .want = want ? CT_HEAD_TOP : CT_HEAD_FULL,
                      .rows = rows[want],
                      .n = ROWS,
                      .n_pieces = n_pieces,
                      .logits = logits + want * ROWS * r.n_vocab };
        assert_true(r.b.head(r.b.self, &h, &err));
    }
    for (size_t i = 0; i < ROWS; i++) {
        const float *x = logits + i * r.n_vocab;
        double sum = 0;
        size_t best = 0;
        for (size_t v = 0; v < n_pieces; v++) {
            sum += exp((double)x[v]);
            best = x[v] > x[best] ? v : best;
        }
        assert_true(rows[0][i].is_finite && rows[1][i].is_finite);
        /* a float sum of n terms: n rounding errors at most, and the logarithm's own */
        assert_true(fabs((double)rows[0][i].lse - log(sum)) < (double)n_pieces * 6e-8 + 1e-5);
        assert_true(rows[0][i].lse == rows[1][i].lse && rows[0][i].n_top == K && rows[1][i].n_top == K);
        assert_int_equal(top[0][i][0].id, best);
        for (size_t k = 0; k < K; k++) {
            assert_true(top[0][i][k].id == top[1][i][k].id && top[0][i][k].logit == x[top[0][i][k].id]);
            assert_true(k == 0 || top[0][i][k].logit <= top[0][i][k - 1].logit);
        }
    }
    free(logits);
    end(&r);
}

/* Another backend with the same weights gives the same bits, and its own cache. */
static void weights_can_be_shared(void **state)
{
    (void)state;
    running one, two;
    float a[4096], b[4096];
    size_t width = checkpoint.model->cfg.hidden;
    run_prompt(&one, &(ct_cpu_options){ .exact = false });
    run_prompt(&two, &(ct_cpu_options){ .weights_of = &one.b });
    assert_null(ct_cpu_inside(&two.b)->own.arena.base);
    one.b.hidden(one.b.self, N - 1, a);
    two.b.hidden(two.b.self, N - 1, b);
    assert_memory_equal(a, b, width * sizeof *a);
    end(&two);
    end(&one);
}

/* A part's later layers have their tokens from the one before: a place of an image may have an id that the table has no row for, as
 * in models of 262144 rows, and its slot may be another image's by then. The first layer wants both. */
static void later_layers_read_no_table(void **state)
{
    (void)state;
    enum { PART = 16 };
    running r;
    carat_err err;
    bool failed[1];
    ct_step_input in[PART] = { { .id = 2 } };
    run_prompt(&r, &(ct_cpu_options){ .exact = false });
    const size_t n_layer = checkpoint.model->cfg.n_layer;
    const ct_step_limits l = { BATCH, CONTEXT, r.n_vocab, n_layer, 3, PART };
    assert_int_equal(checkpoint.tower->cfg.tokens_per_image, PART);
    for (int i = 1; i < PART; i++)
        in[i].id = 20 + i;
    assert_true(ct_step_run(&l, &(ct_step_span){ r.kv, in, PART, .end_layer = 1 }, 1, failed, &err));
    assert_int_equal(ct_kv_len(r.kv), N);
    for (int i = 1; i < PART; i++)
        in[i] = (ct_step_input){ .id = (int32_t)r.n_vocab, .is_soft = i % 2, .slot = 9 };
    ct_step_span later = { r.kv, in, PART, .first_layer = 1, .end_layer = n_layer };
    if (!ct_step_run(&l, &later, 1, failed, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(ct_kv_len(r.kv), N + PART);
    for (int i = 1; i < 3; i++) {
        ct_step_span first = { r.kv, in + i, 1, .end_layer = 1 };
        assert_false(ct_step_run(&l, &first, 1, failed, &err));
        assert_int_equal(err.code, CARAT_EARG);
    }
    end(&r);
}

/* ---- images ---- */

static void slots_hold_images(void **state)
{
    (void)state;
    ct_backend b;
    carat_err err;
    const ct_vision_config *c = &checkpoint.tower->cfg;
    size_t pixels = 3 * (size_t)c->image_size * c->image_size,
           n = (size_t)c->tokens_per_image * checkpoint.model->cfg.hidden;
    uint8_t *rgb[2] = { malloc(pixels), malloc(pixels) };
    float *rows[3];
    open_backend(&(ct_cpu_options){ .exact = false }, &b);
    for (int i = 0; i < 3; i++)
        rows[i] = malloc(n * sizeof **rows);
    fill(rgb[0], pixels, 1), fill(rgb[1], pixels, 90);
    const uint32_t slots[] = { 2, 0, 1 };
    for (int i = 0; i < 3; i++) { /* the first image again in the last slot */
        size_t done = 0;
        b.encode_begin(b.self, rgb[i % 2], slots[i]);
        while (done < c->n_layer)
            assert_true(b.encode_layer(b.self, &done, &err));
    }
    for (int i = 0; i < 3; i++)
        b.soft_tokens(b.self, slots[i], rows[i]);
    assert_memory_equal(rows[0], rows[2], n * sizeof **rows);
    assert_memory_not_equal(rows[0], rows[1], n * sizeof **rows);
    for (int i = 0; i < 3; i++)
        free(rows[i]);
    free(rgb[0]), free(rgb[1]);
    b.close(b.self);
}

static void a_level_that_is_not_there(void **state)
{
    (void)state;
    ct_backend b;
    carat_err err;
    assert_false(ct_cpu_open(&(ct_cpu_options){ .level = "z80" }, NULL, &b, &err));
    assert_int_equal(err.code, CARAT_EARG);
    assert_null(b.close);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_what_load_takes),       cmocka_unit_test(pages_are_written_copied_cleared_and_read),
        cmocka_unit_test(the_top_is_that_of_the_full_row), cmocka_unit_test(weights_can_be_shared),
        cmocka_unit_test(later_layers_read_no_table),      cmocka_unit_test(slots_hold_images),
        cmocka_unit_test(a_level_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
