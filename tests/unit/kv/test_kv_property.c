/* test_kv_property.c - B11, B24, B34: random interleavings of everything a cache can do, over many shapes, against
 * plain lists of keys. After each operation the bookkeeping is consistent and what a sequence sees is its own.
 *
 *   test_kv_property [rounds] [first seed]
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/rng.h"
#include "fake.h"
#include "host_cache.h"
#include "unit.h"

enum { N_TEXTS = 6, N_BOOKS = 4, OPS = 150 };

static size_t rounds = 60, first_seed = 1;

typedef struct world {
    uint64_t rng, seed;
    ct_config c;
    ct_cache_options o;
    ct_cache *cache;
    text *texts; /* [N_TEXTS]; kv NULL: closed */
    uint64_t books[N_BOOKS][TEXT_MAX];
    size_t promised_global, promised_local;
    /* One that is being saved does not move; the others do. */
    const text *saved;
    ct_kv_still *still;
    char *expected; /* the file as it was when it was held */
    size_t expected_len, n_since;
} world;

static size_t n_saved_late; /* with something done in between */
static const uint8_t model[32] = { 1, 2, 3 };

static size_t dice(world *w, size_t n)
{
    return (size_t)(ct_rng_next(&w->rng) >> 11) % n;
}

static bool chance(world *w, size_t percent)
{
    return dice(w, 100) < percent;
}

/* ---- what sequences are made of ---- */

/* n keys: few different ones, so that texts meet; now and then an image, never longer than a step. */
static void make_keys(world *w, uint64_t *keys, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t image = w->o.max_batch > 1 && chance(w, 3) ? 1 + dice(w, w->o.max_batch < 80 ? w->o.max_batch : 80) : 0;
        if (image == 0 || image > n - i) {
            keys[i++] = dice(w, 3);
            continue;
        }
        uint64_t hash = CT_KEY_IMAGE + dice(w, 2);
        for (size_t j = 0; j < image; j++)
            keys[i++] = hash | (j ? CT_KEY_INSIDE : 0);
    }
}

/* What a client might send: a page of a book, perhaps with another end. */
static size_t make_prompt(world *w, uint64_t *keys, size_t max)
{
    size_t n = 1 + dice(w, max), same = chance(w, 50) ? n : dice(w, n + 1);
    memcpy(keys, w->books[dice(w, N_BOOKS)], n * sizeof *keys);
    while (same < n && (keys[same] & CT_KEY_INSIDE))
        same--;
    make_keys(w, keys + same, n - same);
    return n;
}

/* Shortens n so that it does not end inside an image. */
static size_t whole(const uint64_t *keys, size_t n, size_t have)
{
    while (n > 0 && n < have && (keys[n] & CT_KEY_INSIDE))
        n--;
    return n;
}

/* ---- operations ---- */

static size_t tiles_for(size_t n)
{
    return (n + CT_TILE - 1) / CT_TILE;
}

/* Admission is exact: allowed if and only if the pages still unpromised cover it. */
static bool expect_admission(world *w, size_t context, bool opened, const carat_err *err)
{
    size_t pages = tiles_for(context), ring = ct_cache_ring_pages(&w->c, context, w->o.max_batch);
    size_t all = tiles_for(w->o.context) * w->o.n_seqs;
    size_t all_ring = ct_cache_ring_pages(&w->c, w->o.context, w->o.max_batch) * w->o.n_seqs;
    bool fits = w->promised_global + pages <= all && w->promised_local + ring <= all_ring;
    if (fits != opened)
        fail_msg("seed %zu: admission of %zu positions: %d, expected %d", (size_t)w->seed, context, opened, fits);
    if (!opened) {
        assert_int_equal(err->code, CARAT_ELIMIT);
        return false;
    }
    w->promised_global += pages;
    w->promised_local += ring;
    return true;
}

static text *empty_text(world *w)
{
    for (size_t i = 0; i < N_TEXTS; i++)
        if (!w->texts[i].kv) {
            w->texts[i].n = w->texts[i].labelled = 0;
            return &w->texts[i];
        }
    return NULL;
}

/* Another variant's keys and values are others: whoever is given them sees it. */
static void set_variant(text *t, uint32_t variant)
{
    ct_kv_set_variant(t->kv, variant);
    t->hash[0] = variant;
}

static void op_open(world *w)
{
    static uint64_t keys[TEXT_MAX];
    text *t = empty_text(w);
    carat_err err;
    if (!t)
        return;
    size_t context = chance(w, 40) ? w->o.context : 1 + dice(w, w->o.context);
    if (!expect_admission(w, context, ct_kv_open(w->cache, context, &t->kv, &err), &err)) {
        assert_null(t->kv);
        return;
    }
    set_variant(t, (uint32_t)dice(w, 3));
    size_t n = make_prompt(w, keys, context), max = chance(w, 70) ? n - 1 : dice(w, n + 1);
    size_t got = chance(w, 90) ? ct_kv_resume(t->kv, keys, n, max) : 0;
    assert_true(got <= max);
    assert_true(got == 0 || got == n || !(keys[got] & CT_KEY_INSIDE));
    text_add(t, keys, got);
    t->labelled = got;
    fake_verify(&w->c, t);
    size_t end = whole(keys, got + dice(w, n - got + 1), n);
    if (end > got)
        fake_append(&w->c, t, keys + got, end - got, chance(w, 90));
}

static void op_close(world *w, text *t)
{
    w->promised_global -= tiles_for(ct_kv_context(t->kv));
    w->promised_local -= ct_cache_ring_pages(&w->c, ct_kv_context(t->kv), w->o.max_batch);
    ct_kv_close(t->kv);
    t->kv = NULL;
}

static void op_append(world *w, text *t)
{
    static uint64_t keys[TEXT_MAX];
    size_t room = ct_kv_context(t->kv) - t->n;
    if (room == 0) {
        assert_false(ct_kv_begin(t->kv, 1));
        return;
    }
    size_t n = 1 + dice(w, chance(w, 50) ? (room < 9 ? room : 9) : room);
    make_keys(w, keys, n);
    fake_append(&w->c, t, keys, n, chance(w, 85));
}

static void op_label(text *t)
{
    ct_kv_label(t->kv, t->keys + t->labelled, t->n - t->labelled);
    t->labelled = t->n;
}

static void op_rewind(world *w, text *t)
{
    size_t pos = chance(w, 40) ? t->n - dice(w, t->n < 20 ? t->n + 1 : 20) : dice(w, t->n + 1);
    size_t limit = host_kv_rewind_limit(t->kv), got = ct_kv_rewind(t->kv, pos);
    assert_true(got <= pos && (got == t->n || got >= t->labelled || !(t->keys[got] & CT_KEY_INSIDE)));
    if (pos >= limit && (pos == t->n || pos >= t->labelled || !(t->keys[pos] & CT_KEY_INSIDE)))
        assert_int_equal(got, pos);
    text_cut(t, got);
}

static void op_fork(world *w, const text *t)
{
    text *fork = empty_text(w);
    carat_err err;
    ct_kv *kv;
    if (!fork || !expect_admission(w, ct_kv_context(t->kv), ct_kv_fork(t->kv, &kv, &err), &err))
        return;
    memcpy(fork, t, sizeof *fork);
    fork->kv = kv;
    fake_verify(&w->c, fork);
}

static void op_fail(world *w, text *t)
{
    size_t room = ct_kv_context(t->kv) - t->n, n = room < w->o.max_batch ? room : w->o.max_batch;
    if (n > 0)
        fake_failed_step(&w->c, t, 1 + dice(w, n));
}

static void new_file(char path[300])
{
    snprintf(path, 300, "%s/carat-kv-XXXXXX", unit_tmp());
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

/* Saved, and restored in the place of another sequence or into another cache. */
static void op_save(world *w, const text *t)
{
    char path[300];
    text *copy = empty_text(w);
    carat_err err;
    size_t len = 0;
    new_file(path);
    if (!host_kv_save(t->kv, path, model, t->keys, t->n * sizeof *t->keys, &err))
        fail_msg("%s", err.msg);
    size_t context = t->n < w->o.context ? t->n + 1 : t->n;
    if (copy && expect_admission(w, context, ct_kv_open(w->cache, context, &copy->kv, &err), &err)) {
        uint8_t *blob;
        set_variant(copy, ct_kv_variant(t->kv));
        if (!host_kv_restore(copy->kv, path, model, &blob, &len, &err))
            fail_msg("%s", err.msg);
        assert_int_equal(len, t->n * sizeof *t->keys);
        text_add(copy, (const uint64_t *)(const void *)blob, t->n);
        copy->labelled = t->labelled;
        free(blob);
        fake_verify(&w->c, copy);
        fake_verify(&w->c, t);
    }
    unlink(path);
}

/* Held still, and saved at once for comparison. */
static void op_hold(world *w, const text *t)
{
    char path[300];
    carat_err err;
    if (w->still)
        return;
    new_file(path);
    if (!host_kv_save(t->kv, path, model, t->keys, t->n, &err) ||
        !ct_read_file(path, 1 << 26, &w->expected, &w->expected_len, &err) || !ct_kv_still_take(t->kv, &w->still, &err))
        fail_msg("%s", err.msg);
    w->saved = t;
    w->n_since = 0;
    unlink(path);
}

/* Whatever the others have done since: the same file. */
static void op_save_held(world *w)
{
    char path[300], *found;
    size_t len;
    carat_err err;
    new_file(path);
    if (!ct_kv_still_save(w->still, path, model, w->saved->keys, w->saved->n, &err) ||
        !ct_read_file(path, 1 << 26, &found, &len, &err))
        fail_msg("%s", err.msg);
    if (len != w->expected_len || memcmp(found, w->expected, len) != 0)
        fail_msg("seed %zu: a session of %zu tokens changed while it was saved", (size_t)w->seed, w->saved->n);
    n_saved_late += w->n_since > 0;
    free(found);
    free(w->expected);
    ct_kv_still_free(w->still);
    w->saved = NULL;
    w->still = NULL;
    unlink(path);
}

static void operate(world *w)
{
    text *t = &w->texts[dice(w, N_TEXTS)];
    size_t what = dice(w, 100);
    w->n_since++;
    if (t == w->saved) {
        if (what < 30)
            op_save_held(w);
        return;
    }
    if (!t->kv)
        op_open(w);
    else if (what < 40)
        op_append(w, t);
    else if (what < 50)
        op_rewind(w, t);
    else if (what < 60)
        ct_kv_mark(t->kv);
    else if (what < 65)
        op_label(t);
    else if (what < 75)
        op_fork(w, t);
    else if (what < 80)
        op_fail(w, t);
    else if (what < 83)
        op_save(w, t);
    else if (what < 87)
        op_hold(w, t);
    else if (what < 98)
        op_close(w, t);
    else
        ct_cache_clear(w->cache);
    if (t->kv)
        fake_verify(&w->c, t);
}

/* ---- rounds ---- */

static void check_world(world *w)
{
    carat_err err;
    ct_cache_stats s;
    if (!ct_cache_check(w->cache, &err))
        fail_msg("seed %zu: %s", (size_t)w->seed, err.msg);
    ct_cache_get_stats(w->cache, &s);
    assert_int_equal(s.global.total, s.global.free + s.global.held + s.global.cached);
    assert_int_equal(s.local.total, s.local.free + s.local.held + s.local.cached);
    assert_int_equal(s.global.promised, w->promised_global);
    assert_int_equal(s.local.promised, w->promised_local);
}

static void open_world(world *w)
{
    static const uint32_t windows[] = { 1, 2, 8, 63, 64, 65, 100, 200 };
    static const size_t batches[] = { 1, 2, 7, 64, 100, 300 };
    static const ct_kv_elem elems[] = { CT_KV_F16, CT_KV_F32, CT_KV_Q8_0 };
    carat_err err;
    size_t page, kind = dice(w, 10); /* layers of both kinds; rarely of one */
    w->c = fake_config(3, kind == 0 ? 1 : kind == 1 ? 0 : 3, 1 + (uint32_t)dice(w, 2), 32, windows[dice(w, 8)]);
    w->o = (ct_cache_options){ .context = 1 + dice(w, 700),
                               .n_seqs = 1 + dice(w, 3),
                               .max_batch = batches[dice(w, 6)],
                               .elem = elems[dice(w, 3)] };
    page = (size_t)CT_TILE * 32 * 2 * 4 * w->c.n_kv_head * 3;
    w->o.keep_bytes = dice(w, 3) * dice(w, 15) * page;
    if (!host_cache_open(&w->c, &w->o, &w->cache, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < N_BOOKS; i++) {
        size_t same = i ? dice(w, 400) : 0;
        memcpy(w->books[i], w->books[0], same * sizeof w->books[i][0]);
        same = whole(w->books[i], same, TEXT_MAX);
        make_keys(w, w->books[i] + same, TEXT_MAX - same);
    }
}

static void close_world(world *w)
{
    ct_cache_stats s;
    if (w->still)
        op_save_held(w);
    for (size_t i = 0; i < N_TEXTS; i++)
        if (w->texts[i].kv) {
            fake_verify(&w->c, &w->texts[i]);
            op_close(w, &w->texts[i]);
        }
    check_world(w);
    ct_cache_clear(w->cache);
    ct_cache_get_stats(w->cache, &s);
    assert_int_equal(s.global.free, s.global.total); /* nothing leaks */
    assert_int_equal(s.local.free, s.local.total);
    assert_int_equal(s.local.kept, 0);
    host_cache_close(w->cache);
}

static void test_b11_random_interleavings(void **state)
{
    (void)state;
    world *w = malloc(sizeof *w);
    text *texts = malloc(N_TEXTS * sizeof *texts);
    ct_cache_stats sum = { 0 }, s;
    for (size_t seed = first_seed; seed < first_seed + rounds; seed++) {
        *w = (world){ .rng = seed, .seed = seed, .texts = texts };
        memset(texts, 0, N_TEXTS * sizeof *texts);
        open_world(w);
        for (size_t op = 0; op < OPS; op++) {
            operate(w);
            check_world(w);
            if (op % 10 == 0)
                for (size_t i = 0; i < N_TEXTS; i++)
                    if (texts[i].kv)
                        fake_verify(&w->c, &texts[i]);
        }
        ct_cache_get_stats(w->cache, &s);
        sum.hits += s.hits, sum.misses += s.misses, sum.reused_tokens += s.reused_tokens, sum.copies += s.copies;
        sum.global.evictions += s.global.evictions, sum.local.evictions += s.local.evictions;
        close_world(w);
    }
    printf("%zu rounds of %d: %zu hits, %zu misses, %zu tokens reused, %zu pages copied, %zu + %zu evicted\n", rounds,
           OPS, sum.hits, sum.misses, sum.reused_tokens, sum.copies, sum.global.evictions, sum.local.evictions);
    /* the interesting things did happen */
    assert_true(rounds < 20 || (n_saved_late > rounds && sum.hits > rounds && sum.copies > rounds &&
                                sum.global.evictions > rounds && sum.local.evictions > rounds));
    free(texts);
    free(w);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = (size_t)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        first_seed = (size_t)strtoul(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_b11_random_interleavings) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
