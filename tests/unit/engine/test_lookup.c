/* Where guesses come from, and how many pay: the functions alone, with texts and times that are made up.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "engine/guess.h"

#define IDS(...) ((const int32_t[]){ __VA_ARGS__ }), sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)
enum { MOST = CT_MOST_GUESSES };

static void expect_found(const int32_t *ids, size_t n, size_t agrees, const int32_t *want, size_t n_want)
{
    int32_t out[MOST] = { 0 };
    size_t agree, m = ct_lookup(ids, n, out, n_want ? n_want : MOST, &agree);
    assert_int_equal(m, n_want);
    assert_int_equal(agree, agrees);
    if (n_want)
        assert_memory_equal(out, want, n_want * sizeof *want);
}

static void what_agrees_longest_is_found(void **state)
{
    (void)state;
    expect_found(IDS(1, 2, 3, 4, 9, 1, 2), 2, IDS(3, 4, 9));
    expect_found(IDS(7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2), 3, IDS(3, 8)); /* not the latest, but the longest */
    expect_found(IDS(1, 2, 3, 8, 1, 2, 4, 9, 1, 2), 2, IDS(4, 9));    /* the latest of equal ones */
    expect_found(IDS(1, 2, 3, 4, 5), 0, NULL, 0);
    expect_found(IDS(1, 2, 3, 4, 3), 0, NULL, 0); /* one token is not enough */
    expect_found(IDS(5), 0, NULL, 0);
    expect_found(IDS(5, 5), 0, NULL, 0);
    expect_found(NULL, 0, 0, NULL, 0);
}

static void what_repeats_goes_on_repeating(void **state)
{
    (void)state;
    expect_found(IDS(9, 1, 2, 3, 1, 2, 3, 1), 4, IDS(2, 3, 1, 2, 3, 1, 2));
    expect_found(IDS(5, 5, 5), 2, IDS(5, 5, 5, 5));
}

/* Against a search that looks at every place, in texts of few different tokens and of any length. */
static void as_a_search_of_every_place(void **state)
{
    (void)state;
    uint64_t seed = 1;
    int32_t ids[120], out[MOST];
    for (size_t round = 0; round < 3000; round++) {
        size_t n = round % 120, longest = 0, place = 0, agree;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            ids[i] = (int32_t)(seed >> 33) % (round % 3 ? 30 : 6);
        }
        for (size_t end = n; end-- > 2;) {
            size_t k = 0;
            while (k < end && k < CT_LOOKUP_MOST && ids[end - 1 - k] == ids[n - 1 - k])
                k++;
            if (k >= CT_LOOKUP_LEAST && k > longest) {
                longest = k;
                place = end;
            }
        }
        size_t m = ct_lookup(ids, n, out, MOST, &agree);
        assert_int_equal(agree, longest);
        assert_int_equal(m, longest ? MOST : 0);
        for (size_t i = 0; longest && i < MOST && place + i < n; i++)
            assert_int_equal(out[i], ids[place + i]);
    }
}

static void predictions_are_followed_from_their_beginning(void **state)
{
    (void)state;
    static const int32_t text[] = { 10, 11, 12, 13, 14, 15, 16, 17, 18, 11, 12, 19 };
    const size_t n = sizeof text / sizeof *text;
    ct_lookup_place place = { 0 };
    int32_t out[MOST], answer[] = { 10, 11, 12, 50, 14, 15, 16, 17, 18 };
    size_t agree;
    assert_int_equal(ct_lookup_in(text, n, &place, answer, 0, out, 3, &agree), 3);
    assert_memory_equal(out, text, 3 * sizeof *out);
    assert_int_equal(agree, CT_LOOKUP_MOST);
    assert_int_equal(ct_lookup_in(text, n, &place, answer, 1, out, 3, &agree), 3); /* one token is enough there */
    assert_int_equal(out[0], 11);
    assert_int_equal(ct_lookup_in(text, n, &place, answer, 3, out, 3, &agree), 3); /* 11 12 stands twice: it goes on */
    assert_int_equal(out[0], 13);
    assert_int_equal(ct_lookup_in(text, n, &place, answer, 4, out, 3, &agree), 0); /* something else */
    assert_int_equal(ct_lookup_in(text, n, &place, answer, 5, out, 3, &agree), 0);
    assert_int_equal(ct_lookup_in(text, n, &place, answer, 6, out, 3, &agree), 3); /* and back again */
    assert_int_equal(out[0], 16);
    assert_int_equal(agree, 2);
    assert_int_equal(ct_lookup_in(text, n, &place, answer, 9, out, MOST, &agree), 3); /* to its end */
    assert_int_equal(out[2], 19);
}

/* ---- how many ---- */

/* One step takes a second, a row more so much of it. */
static void teach(ct_paces *p, double slope)
{
    ct_paces_init(p);
    for (size_t i = 0; i < 30; i++)
        for (size_t rows = 1; rows <= 16; rows += rows < 4 ? 1 : 4)
            ct_paces_learn(p, rows, 1 + slope * (double)(rows - 1));
}

static size_t guessed(ct_guesses *g, const ct_paces *p, size_t n_answers, const int32_t *ids, size_t n, size_t n_new)
{
    int32_t out[MOST];
    return ct_guesses_next(g, p, n_answers, ids, n, 0, n_new, out, MOST);
}

static void times_of_steps_are_learned(void **state)
{
    (void)state;
    ct_paces p;
    ct_paces_init(&p);
    assert_true(ct_paces_of(&p, 1) == 0);
    ct_paces_learn(&p, 1, 1);
    assert_true(ct_paces_of(&p, 9) > 1.2 && ct_paces_of(&p, 9) < 3); /* the first opinion */
    teach(&p, 0.5);
    assert_true(ct_paces_of(&p, 1) > 0.9 && ct_paces_of(&p, 1) < 1.1);
    assert_true(ct_paces_of(&p, 8) > 4 && ct_paces_of(&p, 8) < 5);       /* 4.5 */
    assert_true(ct_paces_of(&p, 11) > 5.4 && ct_paces_of(&p, 11) < 6.6); /* never measured: 6 */
    ct_paces_learn(&p, 8, 1000);                                         /* an accident */
    assert_true(ct_paces_of(&p, 8) < 6);
    ct_paces_learn(&p, 0, 1), ct_paces_learn(&p, CT_PACES + 1, 1), ct_paces_learn(&p, 3, 0);
    assert_true(ct_paces_of(&p, 1000) == ct_paces_of(&p, CT_PACES));
}

/* Where guesses are right many are made; where they are wrong hardly any; where rows are dear none. */
static void as_many_as_pay(void **state)
{
    (void)state;
    int32_t ids[400];
    ct_paces cheap, dear;
    ct_guesses right = { .most = MOST, .looks_up = true }, wrong = right, costly = right;
    teach(&cheap, 0.08), teach(&dear, 1);
    for (int32_t i = 0; i < 400; i++)
        ids[i] = i % 40; /* it repeats itself */
    for (size_t n = 100; n < 300; n += 10) {
        size_t m = guessed(&right, &cheap, 1, ids, n, 10);
        assert_true(n < 150 || m == MOST);
        assert_true(n < 150 || guessed(&costly, &dear, 1, ids, n, 10) == 0);
    }
    /* A pair that stands again and again, and always goes on otherwise. */
    size_t n = 0, late = 0;
    for (int32_t i = 0; i < 100; i++) {
        ids[n++] = 1, ids[n++] = 2;
        size_t m = guessed(&wrong, &cheap, 1, ids, n, i ? 4 : 2);
        late += i > 50 ? m : 0;
        ids[n++] = 100 + i, ids[n++] = 300 + i;
    }
    assert_int_equal(late, 0);
}

/* The same text, guessed only where it is allowed: opinions come from what was found, guessed or not. */
static void prose_is_watched_at_no_cost(void **state)
{
    (void)state;
    int32_t ids[400];
    ct_paces none, cheap;
    ct_paces_init(&none);
    teach(&cheap, 0.08);
    ct_guesses g = { .most = MOST, .looks_up = true };
    for (int32_t i = 0; i < 400; i++)
        ids[i] = i % 40;
    for (size_t n = 100; n < 300; n++)
        assert_int_equal(guessed(&g, &none, 1, ids, n, 1), 0); /* no step was measured yet */
    assert_int_equal(guessed(&g, &cheap, 1, ids, 300, 1), MOST);
}

static void limits_are_kept(void **state)
{
    (void)state;
    int32_t ids[100], out[MOST];
    ct_paces none;
    ct_paces_init(&none);
    for (int32_t i = 0; i < 100; i++)
        ids[i] = i % 7;
    ct_guesses g = { .most = 4, .looks_up = true, .always = true };
    assert_int_equal(ct_guesses_next(&g, &none, 1, ids, 100, 50, 1, out, MOST), 4);
    assert_int_equal(ct_guesses_next(&g, &none, 1, ids, 100, 50, 1, out, 2), 2);
    g.looks_up = false;
    assert_int_equal(ct_guesses_next(&g, &none, 1, ids, 100, 50, 1, out, MOST), 0);
    g.most = 0;
    assert_int_equal(ct_guesses_next(&g, &none, 1, ids, 100, 50, 1, out, MOST), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_agrees_longest_is_found), cmocka_unit_test(what_repeats_goes_on_repeating),
        cmocka_unit_test(as_a_search_of_every_place),   cmocka_unit_test(predictions_are_followed_from_their_beginning),
        cmocka_unit_test(times_of_steps_are_learned),   cmocka_unit_test(as_many_as_pay),
        cmocka_unit_test(prose_is_watched_at_no_cost),  cmocka_unit_test(limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
