/* Masks of the caller's own: which tokens may come next is asked of functions of the program's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "forms.h"

static int setup(void **state)
{
    (void)state;
    asked_open("An answer, please.");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    asked_close();
    return 0;
}

/* Only even ids, and an end after so many. */
typedef struct even {
    size_t answer, n;
    atomic_int *n_open, *n_filled;
} even;

static void *even_open(void *arg, size_t which)
{
    const even *of = arg;
    even *e = malloc(sizeof *e);
    if (e)
        *e = (even){ .answer = which, .n_open = of->n_open, .n_filled = of->n_filled };
    atomic_fetch_add(of->n_open, 1);
    return e;
}

static void *even_fails(void *arg, size_t which)
{
    return which == 0 ? even_open(arg, which) : NULL;
}

static bool even_allows(void *state, int32_t id)
{
    (void)state;
    return id % 2 == 0;
}

static void even_fill(void *state, uint32_t *bits)
{
    const even *e = state;
    const size_t n = carat_engine_info(engine)->n_vocab;
    atomic_fetch_add(e->n_filled, 1);
    for (size_t i = 0; i < (n + 31) / 32; i++)
        bits[i] = 0x55555555u;
}

static void even_accept(void *state, int32_t id)
{
    even *e = state;
    e->n += id % 2 == 0;
}

static bool even_may_end(void *state)
{
    const even *e = state;
    return e->n >= 5 + e->answer;
}

static void even_close(void *state)
{
    const even *e = state;
    atomic_fetch_sub(e->n_open, 1);
    free(state);
}

/* Three answers of a request, each with a state of its own. */
static void ask_even(const carat_mask *mask, size_t n_tokens[3], int32_t ids[3][64])
{
    carat_err e;
    carat_request *r;
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.temperature = 3;
    sampling.top_k = 0; /* else the likeliest are asked about, and no set is filled */
    sampling.top_p = 1;
    const carat_generation g = { .struct_size = sizeof g, .sampling = &sampling, .max_tokens = 40, .mask = mask };
    const carat_request_options o = { .struct_size = sizeof o, .prompt = prompt, .generation = &g, .n_answers = 3 };
    must(carat_request_submit(engine, &o, &r, &e), &e);
    memset(n_tokens, 0, 3 * sizeof *n_tokens);
    for (const carat_event *event; (event = carat_request_next(r, -1))->kind != CARAT_EVENT_END;) {
        if (event->kind == CARAT_EVENT_FAILED)
            fail_msg("%s", event->err->msg);
        if (event->kind == CARAT_EVENT_TOKEN && event->token->id >= 0)
            ids[event->answer][n_tokens[event->answer]++] = event->token->id;
    }
    carat_request_free(r);
}

static void callers_have_masks_of_their_own(void **state)
{
    (void)state;
    carat_err e;
    size_t n[3], n_filled[3];
    int32_t ids[3][64], filled[3][64];
    atomic_int n_open = 0, fills = 0;
    even of = { .n_open = &n_open, .n_filled = &fills };
    carat_mask mask = { .struct_size = sizeof mask,
                        .arg = &of,
                        .open = even_open,
                        .allows = even_allows,
                        .accept = even_accept,
                        .may_end = even_may_end,
                        .close = even_close };
    ask_even(&mask, n, ids);
    mask.fill = even_fill;
    ask_even(&mask, n_filled, filled);
    assert_true(fills > 0);
    for (size_t a = 0; a < 3; a++) {
        assert_true(n[a] >= 5 + a && n[a] == n_filled[a]);
        assert_memory_equal(ids[a], filled[a], n[a] * sizeof **ids);
        for (size_t i = 0; i < n[a]; i++)
            assert_int_equal(ids[a][i] % 2, 0);
    }
    /* What a session generates, and what is refused. */
    carat_session *s;
    carat_result result = { .struct_size = sizeof result };
    carat_generation g = { .struct_size = sizeof g, .max_tokens = 8, .ignores_eos = true, .mask = &mask };
    must(carat_session_open(engine, 0, &s, &e) && carat_session_prompt(s, prompt, &(size_t){ 0 }, &e), &e);
    mask.allows = NULL;
    assert_false(carat_session_generate(s, &g, NULL, &e));
    assert_non_null(strstr(e.msg, "without 'allows'"));
    carat_format *f = open_form(&forms[FORM_REGEX]);
    mask.allows = even_allows;
    g.format = f;
    assert_false(carat_session_generate(s, &g, NULL, &e));
    assert_non_null(strstr(e.msg, "one of them"));
    g.format = NULL;
    const size_t before = carat_session_n_tokens(s);
    must(carat_session_generate(s, &g, &result, &e), &e);
    assert_int_equal(result.n_generated, 8);
    for (size_t i = before; i < carat_session_n_tokens(s); i++)
        assert_int_equal(carat_session_tokens(s)[i] % 2, 0);
    carat_format_close(f);
    carat_session_close(s);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = prompt, .generation = &g, .n_answers = 2 };
    carat_request *r;
    mask.open = even_fails;
    assert_false(carat_request_submit(engine, &o, &r, &e));
    assert_int_equal(e.code, CARAT_ENOMEM);
    assert_int_equal(n_open, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callers_have_masks_of_their_own),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
