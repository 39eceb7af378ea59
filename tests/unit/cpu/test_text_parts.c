/* test_text_parts.c - pieces of the step: rotary tables, the embedding's scale, sizes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/text_work.h"
#include "kv/kv.h"
#include "loaded.h"
#include "unit.h"

/* B03: cosine and sine at the positions where float32 angles go wrong, against long double, to half a float32 step of
 * 1 (the value's own rounding; the angle's error in double is 1e-11 at most). */
static void test_b03_rope_tables(void **state)
{
    (void)state;
    static const size_t positions[] = { 0, 1, 1023, 1024, 8191, 100000, 131071 };
    enum { N = sizeof positions / sizeof *positions, DIM = 256 };
    float local[N * DIM], global[N * DIM], inv_local[DIM / 2], inv_global[DIM / 2];
    ct_text_row rows[N];
    ct_config c;
    ct_config_of(ct_published_by_name("4B"), &c);
    ct_rope_inv_freq(&c.rope_local, DIM, inv_local);
    ct_rope_inv_freq(&c.rope_global, DIM, inv_global);
    for (size_t i = 0; i < N; i++)
        rows[i] = (ct_text_row){ .pos = positions[i] };
    ct_text t = { .c = &c,
                  .rows = rows,
                  .rope_local = local,
                  .rope_global = global,
                  .inv_freq_local = inv_local,
                  .inv_freq_global = inv_global };
    ct_text_work w = { .t = &t, .begin = 0, .end = N };
    ct_text_rope_tables(&w);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < DIM / 2; j++) {
            long double a = (long double)positions[i] * inv_local[j], b = (long double)positions[i] * inv_global[j];
            assert_true(fabsl(local[i * DIM + j] - cosl(a)) <= 6.1e-8L);
            assert_true(fabsl(local[i * DIM + DIM / 2 + j] - sinl(a)) <= 6.1e-8L);
            assert_true(fabsl(global[i * DIM + j] - cosl(b)) <= 6.1e-8L);
            assert_true(fabsl(global[i * DIM + DIM / 2 + j] - sinl(b)) <= 6.1e-8L);
        }
    /* base 10 000 against 1 000 000 / 8: the first pair turns once a radian, or once in eight */
    assert_true(inv_local[0] == 1 && inv_global[0] == 0.125f);
    assert_true(fabs(inv_local[64] - 0.01) < 1e-8 && fabs(inv_global[64] - 0.000125) < 1e-10);
}

/* B56 */
static void test_b56_embed_scale(void **state)
{
    (void)state;
    const struct {
        uint32_t hidden;
        float rounded;
    } shapes[] = { { 640, 25.25f }, { 1152, 34.0f }, { 2560, 50.5f }, { 3840, 62.0f }, { 5376, 73.5f } };
    for (size_t i = 0; i < 5; i++) {
        ct_config c;
        ct_config_of(ct_published_at(i), &c);
        assert_int_equal(c.hidden, shapes[i].hidden);
        assert_true(ct_embed_scale_of(&c, CARAT_EMBED_SCALE_BF16) == shapes[i].rounded);
        assert_true(ct_embed_scale_of(&c, CARAT_EMBED_SCALE_EXACT) == (float)sqrt(c.hidden));
        assert_true(ct_embed_scale_of(&c, CARAT_EMBED_SCALE_DEFAULT) == shapes[i].rounded);
        c.published = NULL; /* of no published shape */
        assert_true(ct_embed_scale_of(&c, CARAT_EMBED_SCALE_DEFAULT) == (float)sqrt(c.hidden));
    }
}

/* What ct_text_bytes says is what opening takes, at any batch. */
static void test_bytes_are_predicted(void **state)
{
    (void)state;
    const char *paths[] = { TEST_DATA "/models/tiny-text", TEST_DATA "/models/tiny-kq/gguf/tiny-kq.gguf" };
    ct_kernels k;
    ct_kernels_for(&k, ct_cpu_preferred());
    for (size_t i = 0; i < 2; i++)
        for (int threads = 1; threads <= 3; threads += 2)
            for (size_t batch = 1; batch <= 512; batch *= 8)
                for (int exact = 0; exact < 2; exact++) {
                    ct_pool *pool;
                    ct_model *m;
                    ct_weights w;
                    ct_text *t;
                    carat_err err;
                    size_t bytes;
                    ct_text_options o = { .max_batch = batch, .max_context = 4096, .exact = exact };
                    if (!ct_pool_open(threads, &pool, &err) || !loaded_peek(paths[i], &m, &err) ||
                        !ct_weights_describe(&w, m, &err) || /* they need not be loaded */
                        !ct_text_bytes(&w, &k, threads, &o, &bytes) ||
                        !ct_text_open(&(ct_text_parts){ &w, NULL, NULL, &k, pool }, &o, &t, &err))
                        fail_msg("%s", err.msg);
                    assert_int_equal(t->arena.size, bytes);
                    assert_int_equal(t->arena.used, bytes);
                    assert_false(t->arena.overflow);
                    ct_text_close(t);
                    ct_weights_close(&w);
                    ct_model_close(m);
                    ct_pool_close(pool);
                }
}

static void test_bad_options(void **state)
{
    (void)state;
    ct_pool *pool;
    ct_model *m;
    ct_weights w;
    ct_text *t;
    carat_err err;
    ct_kernels k;
    ct_kernels_for(&k, 0);
    assert_true(ct_pool_open(1, &pool, &err));
    assert_true(loaded_peek(TEST_DATA "/models/tiny-text", &m, &err) && ct_weights_describe(&w, m, &err));
    const ct_text_parts parts = { &w, NULL, NULL, &k, pool };
    const size_t bad[][2] = { { 0, 1 }, { 1, 0 }, { SIZE_MAX, 1 }, { 1, SIZE_MAX }, { CT_MAX_CONTEXT + 1, 8 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ct_text_options o = { .max_batch = bad[i][0], .max_context = bad[i][1] };
        assert_false(ct_text_open(&parts, &o, &t, &err));
        assert_int_equal(err.code, CARAT_EARG);
        assert_null(t);
    }
    ct_text_close(NULL);
    ct_model_close(NULL);
    ct_kv_close(NULL);
    ct_weights_close(&w);
    ct_model_close(m);
    ct_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b03_rope_tables),
        cmocka_unit_test(test_b56_embed_scale),
        cmocka_unit_test(test_bytes_are_predicted),
        cmocka_unit_test(test_bad_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
