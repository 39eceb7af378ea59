/* The sampler against a plain one that sorts everything, and its promises: order, ties, reproducibility, bans.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sample/recent.h"
#include "sample/sampler.h"
#include "sample/select.h"
#include "sample/weights.h"

#define N 5000

static carat_sampling plain(void)
{
    return (carat_sampling){ .temperature = 1, .top_p = 1, .repetition_penalty = 1, .penalty_window = 64, .seed = 1 };
}

static void fill(float *x, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) /* rounded, so that ties happen */
        x[i] = (float)floor(ct_rng_unit(&seed) * 160) / 8 - 10;
}

static ct_sampler *open_sampler(const carat_sampling *set, size_t n_vocab, size_t n_pieces)
{
    ct_sampler *s;
    carat_err e;
    static const int32_t banned[] = { 7 };
    if (!ct_sampler_open(set, n_vocab, n_pieces, banned, 1, &s, &e))
        fail_msg("%s", e.msg);
    return s;
}

static void prepare(ct_sampler *s, float *logits)
{
    carat_err e;
    if (!ct_sampler_prepare(s, logits, &e))
        fail_msg("%s", e.msg);
}

static int32_t pick(ct_sampler *s, const float *logits, size_t n)
{
    float *x = malloc(n * sizeof *x);
    memcpy(x, logits, n * sizeof *x);
    prepare(s, x);
    int32_t id = ct_sampler_draw(s, x, NULL);
    free(x);
    return id;
}

static bool has_bit(const uint32_t *bits, int32_t i)
{
    return bits[i / 32] >> i % 32 & 1;
}

/* ---- the plain sampler: sort all, filter as the papers say, draw with the same number ---- */

static int by_logit(const void *pa, const void *pb)
{
    const ct_candidate *a = pa, *b = pb;
    if (a->logit != b->logit)
        return a->logit < b->logit ? 1 : -1;
    return (a->id > b->id) - (a->id < b->id);
}

static int by_id(const void *pa, const void *pb)
{
    const ct_candidate *a = pa, *b = pb;
    return (a->id > b->id) - (a->id < b->id);
}

static double normalise(ct_candidate *c, size_t n, double scale)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += c[i].p = exp(((double)c[i].logit - (double)c[0].logit) * scale);
    for (size_t i = 0; i < n; i++)
        c[i].p /= sum;
    return sum;
}

static int32_t plain_pick(const carat_sampling *set, const float *logits, size_t n, size_t n_pieces, uint64_t *rng)
{
    ct_candidate *c = malloc(n * sizeof *c);
    size_t m = 0;
    for (size_t i = 0; i < n_pieces; i++)
        if (i != 7)
            c[m++] = (ct_candidate){ (int32_t)i, logits[i], 0 };
    qsort(c, m, sizeof *c, by_logit);
    double hot = 1 / (double)set->temperature, scale = set->order == CARAT_TEMP_LAST ? 1 : hot;
    bool is_wide = set->top_k > 1024;
    if (set->top_k && (size_t)set->top_k < m)
        m = (size_t)set->top_k;
    normalise(c, m, scale);
    double sum = 0;
    for (size_t i = 0; i < m; i++) {
        sum += c[i].p;
        if (set->top_p < 1 && sum >= (double)set->top_p) {
            m = i + 1;
            break;
        }
    }
    if (set->top_k == 0) /* top-p lets a little more be listed than it keeps: no set here is that near */
        is_wide = m > 1024 || set->top_p >= 1;
    size_t kept = 1;
    while (kept < m && c[kept].p >= (double)set->min_p * c[0].p)
        kept++;
    normalise(c, kept, hot);
    if (is_wide)
        qsort(c, kept, sizeof *c, by_id);
    double u = ct_rng_unit(rng);
    int32_t id = c[kept - 1].id;
    for (size_t i = 0; i < kept; i++) {
        u -= c[i].p;
        if (u < 0) {
            id = c[i].id;
            break;
        }
    }
    free(c);
    return id;
}

static const carat_sampling sets[] = {
    { .temperature = 1, .top_k = 64, .top_p = 0.95f, .repetition_penalty = 1 },
    { .temperature = 1, .top_p = 1, .repetition_penalty = 1 },
    { .temperature = 1.7f, .top_p = 1, .min_p = 0.02f, .repetition_penalty = 1 },
    { .temperature = 0.6f, .top_p = 1, .min_p = 0.05f, .repetition_penalty = 1, .order = CARAT_TEMP_LAST },
    { .temperature = 0.3f, .top_p = 0.5f, .repetition_penalty = 1 },
    { .temperature = 2, .top_p = 0.9f, .repetition_penalty = 1 },
    { .temperature = 1.5f, .top_k = 10, .top_p = 0.8f, .min_p = 0.1f, .repetition_penalty = 1 },
    { .temperature = 0.7f,
      .top_k = 40,
      .top_p = 0.95f,
      .min_p = 0.05f,
      .repetition_penalty = 1,
      .order = CARAT_TEMP_LAST },
    { .temperature = 3, .top_k = N + 5, .top_p = 0.99f, .repetition_penalty = 1, .order = CARAT_TEMP_LAST },
    { .temperature = 1, .top_k = 1, .top_p = 0, .repetition_penalty = 1 },
    { .temperature = 50, .top_p = 0.7f, .repetition_penalty = 1 },
    { .temperature = 50, .top_p = 0.999f, .min_p = 0.8f, .repetition_penalty = 1 },
    { .temperature = 9, .top_k = 1025, .top_p = 1, .repetition_penalty = 1 },
    { .temperature = 40, .top_k = 3000, .top_p = 0.6f, .min_p = 0.7f, .repetition_penalty = 1 },
    { .temperature = 5, .top_k = 2000, .top_p = 0, .repetition_penalty = 1, .order = CARAT_TEMP_LAST },
    { .temperature = 4, .top_k = 4000, .top_p = 1, .min_p = 1e-7f, .repetition_penalty = 1 },
};
#define N_SETS (sizeof sets / sizeof *sets)

static void filters_equal_the_plain_sampler(void **state)
{
    (void)state;
    static float x[N];
    for (size_t k = 0; k < N_SETS; k++) {
        ct_sampler *s = open_sampler(&sets[k], N, N - 60);
        uint64_t rng = sets[k].seed;
        for (uint64_t round = 0; round < 25; round += unit_step(3)) {
            fill(x, N, round * 31 + k);
            int32_t id = pick(s, x, N);
            assert_int_equal(id, plain_pick(&sets[k], x, N, N - 60, &rng));
            assert_true(id != 7 && id < N - 60);
        }
        ct_sampler_close(s);
    }
}

/* Rows of a vocabulary like Gemma's: few tokens that matter, some thousands, nearly all, and with many equal ones. */
static void fill_whole(float *x, size_t n, int kind, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        double bell = -6;
        for (int j = 0; j < 12; j++)
            bell += ct_rng_unit(&seed);
        x[i] = (float)(kind == 0 ? 3 * bell : kind == 1 ? 2.2 * bell : kind == 2 ? bell / 4 : floor(bell * 8) / 8);
    }
    for (int i = 0; kind == 0 && i < 40; i++)
        x[ct_rng_next(&seed) % n] += (float)(16 * ct_rng_unit(&seed));
}

/* F10: the same tokens as from the sorted list, over a vocabulary of 262,144. */
static void a_whole_vocabulary_equals_the_plain_sampler(void **state)
{
    (void)state;
    enum { n = 262144 };
    static const carat_sampling set[] = {
        { .temperature = 1, .top_p = 0.95f, .repetition_penalty = 1 },
        { .temperature = 0.5f, .top_p = 0.95f, .min_p = 0.001f, .repetition_penalty = 1, .order = CARAT_TEMP_LAST },
    };
    float *x = malloc(n * sizeof *x);
    ct_sampler *s[2] = { open_sampler(&set[0], n, n), open_sampler(&set[1], n, n) };
    uint64_t rng[2] = { set[0].seed, set[1].seed };
    for (int kind = 0; kind < 4; kind++) {
        fill_whole(x, n, kind, (uint64_t)kind);
        for (size_t k = 0; k < 2; k++)
            assert_int_equal(pick(s[k], x, n), plain_pick(&set[k], x, n, n, &rng[k]));
    }
    ct_sampler_close(s[0]), ct_sampler_close(s[1]);
    free(x);
}

/* Borders that no error allows to guess: the mass that top-p asks for is reached by a token exactly. */
static void borders_are_decided_exactly(void **state)
{
    (void)state;
    static float x[4096];
    static const size_t sizes[] = { 2, 8, 1024, 2048, 4096 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        carat_sampling set = plain();
        set.top_p = 0.5f;
        ct_sampler *s;
        carat_err e;
        assert_true(ct_sampler_open(&set, n, n, NULL, 0, &s, &e));
        for (int round = 0; round < 100; round++)
            assert_true((size_t)pick(s, x, n) < n / 2); /* the first half by id, and no more */
        ct_sampler_close(s);
        ct_spread spread;
        ct_cut cut;
        double kept;
        ct_spread_fill(&spread, &(ct_logit_row){ x, n, NULL }, 0, 1);
        assert_false(ct_spread_cut(&spread, &(ct_logit_row){ x, n, NULL }, (double)n / 2, &cut, &kept));
    }
}

/* Quick weights keep the error that their header states. */
static void weights_are_near_exp(void **state)
{
    (void)state;
    ct_weights w;
    static const double scales[] = { 0.01, 0.7, 1, 3, 1e4 };
    for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
        ct_weights_init(&w, 11.5, scales[k], false);
        for (int i = 0; i < 200000; i++) {
            float x = (float)(11.5 - i * 0.0002 / scales[k]);
            double weight, exact = exp(((double)x - 11.5) * scales[k]);
            ct_weigh(&w, &(ct_logit_row){ &x, 1, NULL }, 0, 1, &weight, NULL);
            assert_true(fabs(weight - exact) <= 5.95e-10 * exact + 0x1p-58);
        }
        float none = -INFINITY;
        double weight;
        ct_weigh(&w, &(ct_logit_row){ &none, 1, NULL }, 0, 1, &weight, NULL);
        assert_true(weight == 0);
    }
}

/* ---- sets of allowed ids ---- */

/* One id in `of` is allowed, by chance. */
static void fill_bits(uint32_t *bits, uint32_t of, uint64_t seed)
{
    memset(bits, 0, (N + 31) / 32 * sizeof *bits);
    for (size_t i = 0; i < N; i++)
        bits[i / 32] |= (uint32_t)(ct_rng_next(&seed) % of == 0) << i % 32;
}

/* A draw from the allowed is the plain sampler's from a row that has no others; it leaves row and sampler as they were,
 * so that the free draw before it and after it is the same. */
static void allowed_ids_are_a_row_of_their_own(void **state)
{
    (void)state;
    static float x[N], was[N], alone[N];
    static uint32_t bits[(N + 31) / 32];
    for (size_t k = 0; k < N_SETS; k++) {
        ct_sampler *s = open_sampler(&sets[k], N, N - 60);
        uint64_t rng = sets[k].seed;
        for (uint64_t round = 0; round < 16; round += unit_step(3)) {
            fill(x, N, round * 37 + k);
            fill_bits(bits, round % 2 ? 2 : 200, round);
            for (int32_t i = 0; i < N; i++)
                alone[i] = has_bit(bits, i) ? x[i] : -INFINITY;
            prepare(s, x);
            memcpy(was, x, sizeof x);
            int32_t free_one = ct_sampler_draw(s, x, NULL), id = ct_sampler_draw(s, x, bits);
            uint64_t free_rng = rng;
            assert_int_equal(free_one, plain_pick(&sets[k], x, N, N - 60, &rng));
            uint64_t other = ~rng;
            assert_true(has_bit(bits, id) && id != 7 && id < N - 60);
            assert_int_equal(id, plain_pick(&sets[k], alone, N, N - 60, &other));
            assert_int_equal(ct_sampler_draw(s, x, bits), id);
            assert_int_equal(ct_sampler_draw(s, x, NULL), free_one);
            assert_memory_equal(x, was, sizeof x);
            assert_true(rng != free_rng);
        }
        ct_sampler_close(s);
    }
}

static void nothing_allowed_is_nobody(void **state)
{
    (void)state;
    const carat_bias ban = { 3, -INFINITY };
    for (int hot = 0; hot < 2; hot++) {
        carat_sampling set = plain();
        set.temperature = (float)hot, set.bias = &ban, set.n_bias = 1;
        float x[10] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
        ct_sampler *s = open_sampler(&set, 10, 9);
        prepare(s, x);
        /* nothing; the one that a bias forbids; the one that is never sampled; the one that is no piece */
        assert_int_equal(ct_sampler_draw(s, x, &(uint32_t){ 0 }), -1);
        assert_int_equal(ct_sampler_draw(s, x, &(uint32_t){ 1 << 3 | 1 << 7 | 1 << 9 }), -1);
        assert_int_equal(ct_sampler_draw(s, x, &(uint32_t){ 1 << 3 | 1 << 2 }), 2);
        ct_sampler_close(s);
    }
}

/* Drawn among all, and again where that is refused: what comes follows the distribution of the allowed, wherever the
 * refused lie. (With one number for both draws 0 would have all of what 1 to 3 had.) */
static void refused_draws_share_out_fairly(void **state)
{
    (void)state;
    const float x[9] = { 1, 2, 1.5f, 2.5f, 1, 0, 2, 0, 1 };
    const uint32_t bits = 1 << 0 | 1 << 4 | 1 << 6 | 1 << 8;
    carat_sampling set = plain();
    ct_sampler *s = open_sampler(&set, 9, 9);
    double p[9] = { 0 }, sum = 0;
    for (int32_t i = 0; i < 9; i++)
        sum += p[i] = has_bit(&bits, i) ? exp((double)x[i]) : 0;
    int count[9] = { 0 }, refused = 0;
    enum { draws = 40000 };
    for (int i = 0; i < draws; i++) {
        float row[9];
        memcpy(row, x, sizeof x);
        prepare(s, row);
        int32_t id = ct_sampler_draw(s, row, NULL);
        if (!has_bit(&bits, id)) {
            refused++;
            id = ct_sampler_draw(s, row, &bits);
        }
        count[id]++;
    }
    assert_true(refused > draws / 2);
    for (int i = 0; i < 9; i++) { /* five standard deviations of a binomial */
        double q = p[i] / sum, sd = sqrt(draws * q * (1 - q));
        assert_true(fabs(count[i] - draws * q) <= 5 * sd);
    }
    ct_sampler_close(s);
}

/* Tokens that are given use up their random numbers. */
static void skipped_tokens_keep_the_numbers_in_step(void **state)
{
    (void)state;
    static float x[N];
    fill(x, N, 8);
    carat_sampling set = plain();
    ct_sampler *a = open_sampler(&set, N, N), *b = open_sampler(&set, N, N);
    for (int i = 0; i < 60; i++) {
        int32_t id = pick(a, x, N);
        if (i % 3 == 1) {
            ct_sampler_skip(b);
            assert_true(ct_sampler_raw(b, x, 5) == x[5]);
        } else {
            assert_int_equal(id, pick(b, x, N));
        }
    }
    ct_sampler_close(a), ct_sampler_close(b);
}

/* Cuts against a sorted list: every count, and masses; negative zeros, equal logits at the border, -infinity. */
static void cuts_are_the_beginning_of_the_list(void **state)
{
    (void)state;
    enum { n = 700 };
    static float x[n];
    static ct_candidate c[n];
    fill(x, n, 5);
    for (size_t i = 0; i < n; i += 7)
        x[i] = i % 3 == 0 ? -0.0f : i % 3 == 1 ? 0.0f : -INFINITY;
    const ct_logit_row row = { x, n, NULL };
    size_t m = ct_select_top(&row, n, c);
    double sum = 0, each = 0, kept;
    static ct_spread spread;
    ct_spread_fill(&spread, &row, (double)c[0].logit, 0.125);
    for (size_t k = 1; k <= m; k++) {
        size_t equal = 0;
        for (size_t i = 0; i < k; i++)
            equal += c[i].logit == c[k - 1].logit;
        each = exp(((double)c[k - 1].logit - (double)c[0].logit) * 0.125);
        sum += each;
        ct_cut by_count = ct_cut_count(&row, k);
        assert_true(by_count.floor == c[k - 1].logit && by_count.n_equal == equal);
        /* Half a token short of it: rounding cannot move the border. */
        ct_cut quick;
        assert_true(ct_spread_cut(&spread, &row, sum - each / 2, &quick, &kept));
        assert_true(quick.floor == c[k - 1].logit && quick.n_equal == equal && fabs(kept - sum) < 1e-9 * sum);
        ct_cut by_mass = ct_cut_mass(&row, (double)c[0].logit, 0.125, sum - each / 2);
        assert_true(by_mass.floor == c[k - 1].logit && by_mass.n_equal == equal);
    }
    ct_cut all = ct_cut_count(&row, n), mass = ct_cut_mass(&row, (double)c[0].logit, 0.125, 2 * sum);
    ct_cut one = ct_cut_mass(&row, (double)c[0].logit, 0.125, 0);
    assert_true(all.floor == c[m - 1].logit && mass.floor == c[m - 1].logit && one.floor == c[0].logit);
    assert_true(all.n_equal == mass.n_equal && one.n_equal == 1);
}

static void temperature_zero_takes_the_first_of_the_largest(void **state)
{
    (void)state;
    float x[20] = { [7] = 99, [4] = 5, [12] = 5, [19] = 50 };
    carat_sampling set = plain();
    set.temperature = 0, set.top_p = 0.1f;
    ct_sampler *s = open_sampler(&set, 20, 18);
    assert_int_equal(pick(s, x, 20), 4); /* 7 is banned, 19 is no piece, 12 comes later */
    ct_sampler_close(s);
}

static void the_draw_follows_the_distribution(void **state)
{
    (void)state;
    float x[8] = { 0, 1, 2, 3, -1, 0.5f, 2.5f, 0 };
    carat_sampling set = plain();
    ct_sampler *s = open_sampler(&set, 8, 8);
    double p[8], sum = 0;
    for (int i = 0; i < 7; i++)
        sum += p[i] = exp((double)x[i]);
    int count[8] = { 0 };
    enum { draws = 40000 };
    for (int i = 0; i < draws; i++)
        count[pick(s, x, 8)]++;
    for (int i = 0; i < 7; i++) { /* five standard deviations of a binomial */
        double q = p[i] / sum, sd = sqrt(draws * q * (1 - q));
        assert_true(fabs(count[i] - draws * q) < 5 * sd);
    }
    ct_sampler_close(s);
}

static void seeds_reproduce_and_differ(void **state)
{
    (void)state;
    static float x[N];
    fill(x, N, 3);
    carat_sampling set = CARAT_SAMPLING_DEFAULT;
    int distinct = 0;
    int32_t first[16];
    for (int seed = 0; seed < 16; seed++) {
        set.seed = (uint64_t)seed;
        ct_sampler *a = open_sampler(&set, N, N), *b = open_sampler(&set, N, N);
        for (int i = 0; i < 10; i++) {
            int32_t id = pick(a, x, N);
            assert_int_equal(id, pick(b, x, N));
            if (i == 0)
                first[seed] = id;
        }
        bool is_new = true;
        for (int i = 0; i < seed; i++)
            is_new = is_new && first[i] != first[seed];
        distinct += is_new;
        ct_sampler_close(a), ct_sampler_close(b);
    }
    assert_true(distinct >= 8);
}

static void penalties_count_the_window_only(void **state)
{
    (void)state;
    carat_sampling set = plain();
    set.temperature = 0, set.repetition_penalty = 2, set.presence_penalty = 0.5f, set.frequency_penalty = 0.25f;
    set.penalty_window = 3;
    ct_sampler *s = open_sampler(&set, 6, 6);
    ct_sampler_accept(s, 0); /* leaves the window */
    ct_sampler_accept(s, 1);
    ct_sampler_accept(s, 1);
    ct_sampler_accept(s, 2);
    ct_sampler_accept(s, -5); /* ignored */
    for (int round = 0; round < 2; round++) {
        float x[6] = { 4, 4, -4, 1, 0, 0 };
        prepare(s, x);
        assert_float_equal(x[0], 4, 0);
        assert_float_equal(x[1], 4.0 / 2 - 0.5 - 2 * 0.25, 0);
        assert_float_equal(x[2], -4.0 * 2 - 0.5 - 0.25, 0);
        assert_float_equal(x[3], 1, 0);
        assert_int_equal(ct_sampler_draw(s, x, NULL), 0);
        const float was[6] = { 4, 4, -4, 1, 0, 0 };
        for (int32_t i = 0; i < 6; i++)
            assert_float_equal(ct_sampler_raw(s, x, i), was[i], 0);
    }
    ct_sampler_close(s);
}

/* Windows of all sizes against counting; tokens come back after their places were given up. */
static void recent_tokens_are_counted(void **state)
{
    (void)state;
    static const size_t windows[] = { 1, 2, 31, 64, 500, 5000 };
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
        ct_recent r;
        static int32_t all[9000];
        uint64_t rng = w;
        assert_true(ct_recent_init(&r, windows[w]));
        for (size_t n = 0; n < 9000; n++) {
            all[n] = (int32_t)(ct_rng_next(&rng) % (n % 700 < 350 ? 40 : 262144));
            ct_recent_add(&r, all[n]);
            if (n % 97)
                continue;
            size_t at = 0, sum = 0, first = n + 1 > windows[w] ? n + 1 - windows[w] : 0;
            for (const ct_recent_token *t; (t = ct_recent_next(&r, &at));) {
                size_t times = 0;
                for (size_t i = first; i <= n; i++)
                    times += all[i] == t->id;
                assert_int_equal(t->n, times);
                sum += times;
            }
            assert_int_equal(sum, n + 1 - first);
        }
        assert_true(((size_t)1 << r.bits) <= 64 || ((size_t)1 << r.bits) <= 8 * windows[w]);
        ct_recent_deinit(&r);
    }
}

/* Biases and penalties of the same token: the logit as it was is known. */
static void logits_before_prepare_are_known(void **state)
{
    (void)state;
    const carat_bias bias[] = { { 3, 2 }, { 1, -1 }, { 3, 5 } };
    carat_sampling set = plain();
    set.bias = bias, set.n_bias = 3, set.repetition_penalty = 1.3f, set.top_k = 3;
    ct_sampler *s = open_sampler(&set, 6, 6);
    ct_sampler_accept(s, 3);
    ct_sampler_accept(s, 2);
    for (int round = 0; round < 20; round++) {
        const float was[6] = { 0.5f, 1.1f, 1.7f, -0.3f, 1.4f, 0.9f };
        float x[6];
        memcpy(x, was, sizeof x);
        prepare(s, x);
        for (int32_t i = 0; i < 6; i++)
            assert_float_equal(ct_sampler_raw(s, x, i), was[i], 0);
        ct_sampler_accept(s, ct_sampler_draw(s, x, NULL));
    }
    ct_sampler_close(s);
}

static void biases_ban_and_lift(void **state)
{
    (void)state;
    const carat_bias bias[] = { { 0, -INFINITY }, { 3, 10 } };
    carat_sampling set = plain();
    set.temperature = 0, set.bias = bias, set.n_bias = 2;
    float x[6] = { 9, 1, 1, 1, 2, 0 };
    ct_sampler *s = open_sampler(&set, 6, 6);
    assert_int_equal(pick(s, x, 6), 3);
    ct_sampler_close(s);
}

static void bad_settings_and_logits_are_named(void **state)
{
    (void)state;
    const struct {
        carat_sampling set;
        const char *says;
    } cases[] = {
        { { .temperature = -1, .repetition_penalty = 1 }, "temperature is -1" },
        { { .temperature = NAN, .repetition_penalty = 1 }, "temperature" },
        { { .top_k = -1, .repetition_penalty = 1 }, "top-k is -1" },
        { { .top_p = 1.5f, .repetition_penalty = 1 }, "top-p is 1.5" },
        { { .min_p = 2, .repetition_penalty = 1 }, "min-p is 2" },
        { { .repetition_penalty = 0 }, "repetition penalty is 0, expected 0.01 to 100" },
        { { .repetition_penalty = 1, .penalty_window = -1 }, "penalty window is -1" },
        { { .repetition_penalty = 1, .n_bias = 1, .bias = &(const carat_bias){ 6, 1 } }, "token 6" },
        { { .repetition_penalty = 1, .n_bias = 1, .bias = &(const carat_bias){ 1, NAN } }, "is nan" },
        { { .repetition_penalty = 1, .n_bias = 1, .bias = &(const carat_bias){ 1, 3e38f } }, "3e+38" },
    };
    carat_err e;
    ct_sampler *s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(ct_sampler_open(&cases[i].set, 6, 6, NULL, 0, &s, &e));
        assert_int_equal(e.code, CARAT_EARG);
        if (!strstr(e.msg, cases[i].says))
            fail_msg("'%s' lacks '%s'", e.msg, cases[i].says);
    }
    carat_sampling set = plain();
    set.repetition_penalty = 0.01f; /* the least, as the message has it */
    assert_true(ct_sampler_open(&set, 4, 4, NULL, 0, &s, &e));
    ct_sampler_close(s);
    set = plain();
    assert_true(ct_sampler_open(&set, 4, 4, NULL, 0, &s, &e));
    float bad[3][4] = { { 1, NAN, 2, 3 }, { 1, INFINITY, 2, 3 }, { -INFINITY, -INFINITY, -INFINITY, -INFINITY } };
    for (int i = 0; i < 3; i++) {
        assert_false(ct_sampler_prepare(s, bad[i], &e));
        assert_int_equal(e.code, CARAT_ENUMERIC);
    }
    ct_sampler_close(s);
    /* What the caller forbids is the caller's error, no damaged model's. */
    const carat_bias all[4] = { { 0, -INFINITY }, { 1, -INFINITY }, { 2, -INFINITY }, { 3, -INFINITY } };
    const carat_sampling none = { .repetition_penalty = 1, .n_bias = 4, .bias = all };
    float good[4] = { 1, 2, 3, 4 };
    assert_true(ct_sampler_open(&none, 4, 4, NULL, 0, &s, &e));
    assert_false(ct_sampler_prepare(s, good, &e));
    assert_int_equal(e.code, CARAT_EARG);
    assert_non_null(strstr(e.msg, "forbid all"));
    ct_sampler_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_equal_the_plain_sampler),
        cmocka_unit_test(a_whole_vocabulary_equals_the_plain_sampler),
        cmocka_unit_test(borders_are_decided_exactly),
        cmocka_unit_test(weights_are_near_exp),
        cmocka_unit_test(allowed_ids_are_a_row_of_their_own),
        cmocka_unit_test(nothing_allowed_is_nobody),
        cmocka_unit_test(refused_draws_share_out_fairly),
        cmocka_unit_test(skipped_tokens_keep_the_numbers_in_step),
        cmocka_unit_test(cuts_are_the_beginning_of_the_list),
        cmocka_unit_test(temperature_zero_takes_the_first_of_the_largest),
        cmocka_unit_test(the_draw_follows_the_distribution),
        cmocka_unit_test(seeds_reproduce_and_differ),
        cmocka_unit_test(penalties_count_the_window_only),
        cmocka_unit_test(recent_tokens_are_counted),
        cmocka_unit_test(logits_before_prepare_are_known),
        cmocka_unit_test(biases_ban_and_lift),
        cmocka_unit_test(bad_settings_and_logits_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
