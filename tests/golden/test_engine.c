/* test_engine.c - an answer is the same bits whatever else an engine does and remembers, and nothing is computed twice.
 *
 *     test_engine            the tiny models, a third of the prompts with either cache
 *     test_engine --all      all of them, in more ways, each in some of them
 *     test_engine --real     the real 270M, where there is one (test_real.c)
 *
 * With CARAT_TEST_EXHAUSTIVE every prompt is asked in every way with either cache. A pattern may follow: tests whose names match.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "carat.h"
#include "golden_file.h"
#include "unit.h"

enum { N_PROMPTS = 20, N_NEIGHBOURS = 7, SAID = 12, TOP = 20, MOST_TOKENS = 1024 };

#define TEXT  TEST_DATA "/models/tiny-text"
#define SIGHT TEST_DATA "/models/tiny-sight"

/* ---- what a model is asked ---- */

typedef struct subject {
    const char *path;
    bool has_pictures, is_large;
    size_t said; /* tokens of an answer */
    carat_picture *pictures[4];
} subject;

static void must(bool ok, const carat_err *e)
{
    if (!ok)
        fail_msg("%s: %s", carat_code_name(e->code), e->msg);
}

static void random_ids(uint64_t seed, int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        ids[i] = i ? (int32_t)(20 + (seed >> 33) % 480) : 2;
    }
}

static carat_prompt *prompt_ids(const carat_engine *e, const int32_t *ids, size_t n)
{
    carat_prompt *p;
    carat_err err;
    must(carat_prompt_ids(e, ids, n, NULL, 0, NULL, &p, &err), &err);
    return p;
}

/* Lengths around pages, windows and chunks. Of a large model only the last one leaves the window. */
static carat_prompt *text_prompt(const carat_engine *e, const subject *s, size_t i)
{
    static const size_t
        lengths[] = { 2, 3, 7, 8, 15, 16, 17, 31, 48, 63, 64, 65, 66, 80, 100, 127, 128, 129, 190, 260 },
        of_large[] = { 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 16, 17, 20, 31, 63, 64, 65, 600 };
    int32_t ids[MOST_TOKENS];
    size_t n = s->is_large ? of_large[i] : lengths[i];
    random_ids(i + 1, ids, n);
    return prompt_ids(e, ids, n);
}

static carat_prompt *picture_prompt(const carat_engine *e, const subject *s, size_t i)
{
    static const char *const words[] = { "What is this?", "A red star", "and", "one more thing, and then another" };
    carat_content c[9];
    size_t n = 0;
    carat_prompt *p;
    carat_err err;
    for (size_t k = 0; k <= i % 4; k++) {
        c[n++] = (carat_content){ .struct_size = sizeof(carat_content), .text = words[(i + k) % 4] };
        c[n++] = (carat_content){ .struct_size = sizeof(carat_content), .picture = s->pictures[(i / 4 + k) % 4] };
    }
    if (i % 3) /* or the image is the end */
        c[n++] = (carat_content){ .struct_size = sizeof(carat_content), .text = words[i % 4] };
    must(carat_prompt_text(e, c, n, NULL, &p, &err), &err);
    return p;
}

static carat_prompt *prompt_of(const carat_engine *e, const subject *s, size_t i)
{
    return s->has_pictures ? picture_prompt(e, s, i) : text_prompt(e, s, i);
}

/* ---- what it says ---- */

typedef struct heard {
    size_t n;
    int32_t ids[SAID];
    float logprobs[SAID];
    carat_top top[SAID][TOP];
    float *first, *last; /* [n_vocab]: logits after the prompt, and after the answer */
} heard;

static size_t n_vocab(const carat_engine *e)
{
    return carat_engine_info(e)->n_vocab;
}

static void heard_init(heard *h, const carat_engine *e)
{
    *h = (heard){ .first = calloc(n_vocab(e), sizeof(float)), .last = calloc(n_vocab(e), sizeof(float)) };
    assert_true(h->first && h->last);
}

static void heard_free(heard *h)
{
    free(h->first), free(h->last);
}

static bool on_token(void *arg, const carat_token *t)
{
    heard *h = arg;
    if (t->id < 0)
        return true;
    assert_true(h->n < SAID && t->n_top == TOP);
    h->ids[h->n] = t->id;
    h->logprobs[h->n] = t->logprob;
    memcpy(h->top[h->n++], t->top, sizeof h->top[0]);
    return true;
}

/* The session has its prompt: what it says, and the logits before and after. */
static void hear(const carat_engine *e, carat_session *s, size_t said, heard *h)
{
    carat_err err;
    carat_result r = { .struct_size = sizeof r };
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    carat_generation g = { .struct_size = sizeof g,
                           .sampling = &sampling,
                           .max_tokens = said,
                           .ignores_eos = true,
                           .n_top = TOP,
                           .on_token = on_token,
                           .arg = h };
    sampling.temperature = 0;
    h->n = 0;
    memcpy(h->first, carat_session_logits(s), n_vocab(e) * sizeof(float));
    must(carat_session_generate(s, &g, &r, &err) && carat_session_append(s, &h->ids[h->n - 1], 1, &err), &err);
    memcpy(h->last, carat_session_logits(s), n_vocab(e) * sizeof(float));
}

static void expect_same(const carat_engine *e, const heard *a, const heard *b, const char *what, size_t prompt)
{
    if (memcmp(a->first, b->first, n_vocab(e) * sizeof(float)) != 0)
        fail_msg("%s, prompt %zu: other logits after the prompt", what, prompt);
    if (a->n != b->n || memcmp(a->ids, b->ids, a->n * sizeof *a->ids) != 0)
        fail_msg("%s, prompt %zu: other tokens", what, prompt);
    if (memcmp(a->logprobs, b->logprobs, a->n * sizeof *a->logprobs) != 0 ||
        memcmp(a->top, b->top, a->n * sizeof a->top[0]) != 0)
        fail_msg("%s, prompt %zu: other probabilities", what, prompt);
    if (memcmp(a->last, b->last, n_vocab(e) * sizeof(float)) != 0)
        fail_msg("%s, prompt %zu: other logits after the answer", what, prompt);
}

/* ---- ways to get there ---- */

static carat_session *session_of(carat_engine *e)
{
    carat_session *s;
    carat_err err;
    must(carat_session_open(e, 0, &s, &err), &err);
    return s;
}

/* A fresh session; returns how many tokens the engine knew. */
static size_t ask_fresh(carat_engine *e, const carat_prompt *p, size_t said, heard *h)
{
    carat_err err;
    size_t cached;
    carat_session *s = session_of(e);
    must(carat_session_prompt(s, p, &cached, &err), &err);
    hear(e, s, said, h);
    carat_session_close(s);
    return cached;
}

/* Two conversations with one beginning: the first goes elsewhere, at the same time in the same pages; the fork is
 * asked.
 */
static void ask_forked(carat_engine *e, const carat_prompt *p, size_t said, heard *h)
{
    static const int32_t elsewhere[] = { 30, 31, 32, 33, 34 };
    carat_err err;
    size_t cached, n, kept;
    carat_session *s = session_of(e), *fork;
    const int32_t *ids = carat_prompt_tokens(p, &n);
    must(carat_session_prompt(s, p, &cached, &err), &err);
    must(carat_session_rewind(s, n / 2, &kept, &err) && carat_session_fork(s, &fork, &err), &err);
    must(carat_session_append(s, elsewhere, 5, &err), &err);
    must(carat_session_prompt(fork, p, &cached, &err), &err);
    must(carat_session_append(s, elsewhere, 5, &err), &err);
    assert_memory_equal(carat_session_tokens(fork), ids, n * sizeof *ids);
    hear(e, fork, said, h);
    carat_session_close(s), carat_session_close(fork);
}

/* Seven who talk all the time. */
typedef struct neighbours {
    carat_engine *engine;
    carat_prompt *prompts[N_NEIGHBOURS];
    pthread_t threads[N_NEIGHBOURS];
    atomic_bool is_over;
    atomic_size_t n_talking, n_told;
} neighbours;

typedef struct neighbour {
    neighbours *all;
    size_t i;
} neighbour;

static void *talk(void *arg)
{
    neighbour *me = arg;
    neighbours *all = me->all;
    carat_err err;
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    const carat_generation g = { .struct_size = sizeof g, .sampling = &sampling, .ignores_eos = true };
    const carat_request_options o = { .struct_size = sizeof o, .prompt = all->prompts[me->i], .generation = &g };
    for (bool is_new = true; !atomic_load(&all->is_over);) {
        carat_request *r;
        const carat_event *ev = NULL;
        must(carat_request_submit(all->engine, &o, &r, &err), &err);
        sampling.seed++;
        while (!atomic_load(&all->is_over) && !(ev && ev->kind == CARAT_EVENT_END)) {
            ev = carat_request_next(r, 0.1);
            if (ev->kind != CARAT_EVENT_TOKEN)
                continue;
            atomic_fetch_add(&all->n_told, 1);
            if (is_new)
                atomic_fetch_add(&all->n_talking, 1);
            is_new = false;
        }
        carat_request_free(r);
    }
    return NULL;
}

static void invite(neighbours *all, neighbour *list, carat_engine *e)
{
    *all = (neighbours){ .engine = e };
    for (size_t i = 0; i < N_NEIGHBOURS; i++) {
        int32_t ids[100];
        size_t n = 20 + 11 * i;
        random_ids(1000 + i, ids, n);
        all->prompts[i] = prompt_ids(e, ids, n);
        list[i] = (neighbour){ all, i };
        assert_int_equal(pthread_create(&all->threads[i], NULL, talk, &list[i]), 0);
    }
    while (atomic_load(&all->n_talking) < N_NEIGHBOURS)
        usleep(1000);
}

static void send_home(neighbours *all)
{
    atomic_store(&all->is_over, true);
    for (size_t i = 0; i < N_NEIGHBOURS; i++) {
        pthread_join(all->threads[i], NULL);
        carat_prompt_free(all->prompts[i]);
    }
}

/* ---- the property ---- */

typedef struct way {
    int n_threads;
    size_t chunk; /* 0: prompts whole */
    bool busy;
} way;

static carat_engine *open_engine(const subject *s, carat_cache_type cache, way w, bool omits_prefix_cache)
{
    carat_engine *e;
    carat_err err;
    const carat_options o = { .struct_size = sizeof o,
                              .n_threads = w.n_threads,
                              .chunk = w.chunk,
                              .n_ctx = MOST_TOKENS,
                              .n_sessions = w.busy ? N_NEIGHBOURS + 2 : 2,
                              .cache = cache,
                              .vision = s->has_pictures ? CARAT_VISION_REQUIRED : CARAT_VISION_OFF,
                              .omits_prefix_cache = omits_prefix_cache };
    must(carat_engine_open(s->path, &o, &e, &err), &err);
    return e;
}

static const way tiny_ways[] = { { 1, 0, false }, { 1, 1, false }, { 2, 7, false }, { 1, 64, true } }, all_ways[] = {
    { 1, 0, false }, { 1, 1, false }, { 2, 7, false },  { 1, 64, true },  { 2, 0, false },
    { 2, 1, false }, { 1, 7, false }, { 1, 64, false }, { 2, 64, false }, { 2, 64, true },
    { 1, 1, true },  { 2, 1, true },  { 2, 7, true },   { 2, 0, true },
};
static const way *ways = tiny_ways;
static size_t n_ways = sizeof tiny_ways / sizeof *tiny_ways;

/* Each cache meets a third of the prompts, on both sides of 16, 64, 128, and half of those with two threads, which on a busy
 * machine wait for each other most of the time. */
static bool is_in_short(size_t i, carat_cache_type cache, way w)
{
    return (i + (cache == CARAT_CACHE_Q8_0)) % 3 == 0 && (w.n_threads == 1 || i % 2 == 0);
}

/* With --all or --real: every n-th pair of prompt and way, other pairs with the other cache. A prompt meets each cache in other
 * ways, a way each cache with other prompts, short ones and long ones. The long prompt of a large model is always asked.
 * 0: is_in_short. */
static size_t every;

static bool is_asked(const subject *s, size_t i, carat_cache_type cache, size_t k)
{
    if (!every)
        return is_in_short(i, cache, ways[k]);
    return (i + k + (cache == CARAT_CACHE_Q8_0 ? every / 2 : 0)) % every == 0 || (s->is_large && i == N_PROMPTS - 1);
}

/* One engine of another kind: its prompts fresh, again and forked, some beginning in what others left. */
static void check_way(const subject *s, carat_cache_type cache, size_t k_way, const heard *cold)
{
    const way w = ways[k_way];
    char what[80];
    heard h;
    neighbours all;
    neighbour list[N_NEIGHBOURS];
    carat_engine *e = open_engine(s, cache, w, false);
    size_t n_warm = 0, n_asked = 0, n_left = 0, n_due = 0;
    heard_init(&h, e);
    if (w.busy)
        invite(&all, list, e);
    for (size_t i = 0; i < N_PROMPTS; i++) {
        if (!is_asked(s, i, cache, k_way))
            continue;
        size_t n;
        n_due++;
        carat_prompt *p = prompt_of(e, s, i);
        carat_prompt_tokens(p, &n);
        if (s->is_large && w.chunk == 1 && n > 100) { /* minutes */
            carat_prompt_free(p);
            n_left++;
            continue;
        }
        n_asked++;
        for (size_t k = 0; k < 3; k++) {
            static const char *const names[] = { "first", "again", "forked" };
            snprintf(what, sizeof what, "%s, %d threads, chunks of %zu, %s%s", names[k], w.n_threads, w.chunk,
                     cache == CARAT_CACHE_F16 ? "f16" : "q8_0", w.busy ? ", neighbours" : "");
            if (k == 2)
                ask_forked(e, p, s->said, &h);
            else
                n_warm += ask_fresh(e, p, s->said, &h) > 0 && k == 1;
            expect_same(e, &h, &cold[i], what, i);
        }
        carat_prompt_free(p);
    }
    if (w.busy) {
        assert_true(atomic_load(&all.n_told) > N_NEIGHBOURS * n_asked); /* they did talk in the meantime */
        send_home(&all);
    }
    assert_true(n_asked + n_left == n_due && n_due >= 3 && n_left <= 1 && n_warm >= n_asked - 1);
    heard_free(&h);
    carat_engine_close(e);
}

/* B51: cold, warm, forked; alone and beside seven; one thread and two; any chunk; both caches. */
static void check_invariance(const subject *s)
{
    for (carat_cache_type cache = CARAT_CACHE_F16; cache <= CARAT_CACHE_Q8_0; cache++) {
        heard cold[N_PROMPTS];
        carat_engine *e = open_engine(s, cache, (way){ 1, 0, false }, true);
        for (size_t i = 0; i < N_PROMPTS; i++) {
            heard_init(&cold[i], e);
            if (!every && !is_asked(s, i, cache, 0))
                continue;
            carat_prompt *p = prompt_of(e, s, i);
            ask_fresh(e, p, s->said, &cold[i]);
            carat_prompt_free(p);
        }
        carat_engine_close(e);
        for (size_t i = 0; i < n_ways; i++)
            check_way(s, cache, i, cold);
        for (size_t i = 0; i < N_PROMPTS; i++)
            heard_free(&cold[i]);
    }
}

static void invariant_text(void **state)
{
    (void)state;
    const subject s = { .path = TEXT, .said = 6 };
    check_invariance(&s);
}

static void invariant_pictures(void **state)
{
    (void)state;
    static const char *const names[] = { "000-0.png", "001-0.png", "002-0.png", "004-0.jpg" };
    subject s = { .path = SIGHT, .has_pictures = true, .said = 6 };
    carat_err err;
    for (size_t i = 0; i < 4; i++) {
        char path[512];
        snprintf(path, sizeof path, SIGHT "/test/%s", names[i]);
        must(carat_picture_load(path, &s.pictures[i], &err), &err);
    }
    check_invariance(&s);
    for (size_t i = 0; i < 4; i++)
        carat_picture_free(s.pictures[i]);
}

/* ---- nothing twice ---- */

enum { EDIT = 50, ANSWER = 8, TURN = 40, PAGE = 64 };

typedef struct growth {
    carat_engine *engine;
    uint64_t had;
} growth;

/* Tokens of prompts computed since the last look. */
static size_t grown(growth *g)
{
    carat_stats stats = { .struct_size = sizeof stats };
    carat_err err;
    must(carat_engine_stats(g->engine, &stats, &err), &err);
    uint64_t now = stats.prompt_tokens;
    size_t n = (size_t)(now - g->had);
    g->had = now;
    return n;
}

static carat_engine *open_long(const char *path, size_t n_ctx, bool omits_prefix_cache)
{
    carat_engine *e;
    carat_err err;
    const carat_options o = { .struct_size = sizeof o,
                              .n_threads = 1,
                              .n_ctx = n_ctx,
                              .n_sessions = omits_prefix_cache ? 2 : 1,
                              .vision = CARAT_VISION_OFF,
                              .omits_prefix_cache = omits_prefix_cache };
    must(carat_engine_open(path, &o, &e, &err), &err);
    return e;
}

static void append(carat_session *s, const int32_t *ids, size_t n)
{
    carat_err err;
    must(carat_session_append(s, ids, n, &err), &err);
}

/* What an engine that remembers nothing says to the other end and to the further turn. The beginning that they share is read
 * once, for reading it takes longest, by a session that then parts in two. */
static void hear_cold(carat_engine *e, const int32_t *ids, size_t n_turn, const int32_t *other, size_t n, heard *edited,
                      heard *turn)
{
    carat_err err;
    carat_session *s = session_of(e), *fork;
    append(s, ids, n - EDIT);
    must(carat_session_fork(s, &fork, &err), &err);
    append(fork, other + n - EDIT, EDIT);
    hear(e, fork, ANSWER, edited);
    carat_session_close(fork);
    append(s, ids + n - EDIT, n_turn - (n - EDIT));
    hear(e, s, ANSWER, turn);
    carat_session_close(s);
}

/* A prompt of n tokens; again; with other tokens at its end; and a further turn. Sessions are new ones, so that the
 * engine's index is what remembers. */
static void check_reuse(const char *path, size_t n)
{
    size_t n_turn = n + ANSWER + TURN, cached;
    carat_err err;
    int32_t *ids = malloc(n_turn * sizeof *ids), *other = malloc(n * sizeof *ids);
    carat_engine *e = open_long(path, n_turn + 64, false), *fresh = open_long(path, n_turn + 64, true);
    growth g = { .engine = e };
    heard first, h, of_edit, cold_edit, cold;
    heard_init(&first, e), heard_init(&h, e), heard_init(&of_edit, e), heard_init(&cold_edit, e), heard_init(&cold, e);
    random_ids(5, ids, n_turn), random_ids(6, other, n);
    memcpy(other, ids, (n - EDIT) * sizeof *ids);
    assert_true(ids[n - EDIT] != other[n - EDIT]);
    carat_prompt *whole = prompt_ids(e, ids, n), *edited = prompt_ids(e, other, n), *turn;

    assert_int_equal(ask_fresh(e, whole, ANSWER, &first), 0);
    assert_int_equal(grown(&g), n + 1); /* with the answer's last token, which hear appends */
    cached = ask_fresh(e, whole, ANSWER, &h);
    size_t n_repeat = grown(&g) - 1;
    assert_int_equal(n_repeat, 1);
    assert_int_equal(cached, n - 1);
    expect_same(e, &h, &first, "repeated", 0);

    cached = ask_fresh(e, edited, ANSWER, &of_edit);
    size_t n_edit = grown(&g) - 1;
    assert_true(n_edit <= EDIT + PAGE && cached == n - n_edit);

    /* The turn goes on from the first answer. The session that gave it is gone; what is worth returning to is the
     * answer but for its last token, which generating does not evaluate. */
    memcpy(ids + n, first.ids, ANSWER * sizeof *ids);
    turn = prompt_ids(e, ids, n_turn);
    cached = ask_fresh(e, turn, ANSWER, &h);
    size_t n_new = grown(&g) - 1;
    printf("a prompt of %zu tokens: again %zu computed; %d others at its end: %zu; a turn of %d more: %zu\n", n,
           n_repeat, EDIT, n_edit, TURN, n_new);
    assert_int_equal(n_new, 1 + TURN);
    assert_int_equal(cached, n + ANSWER - 1);
    hear_cold(fresh, ids, n_turn, other, n, &cold_edit, &cold);
    expect_same(e, &of_edit, &cold_edit, "with another end", 0);
    expect_same(e, &h, &cold, "a further turn", 0);

    /* In a session that stays, a turn is what is appended to it. */
    carat_session *s = session_of(e);
    must(carat_session_prompt(s, turn, &cached, &err), &err);
    assert_int_equal(grown(&g), 1);
    carat_session_close(s);
    carat_prompt_free(whole), carat_prompt_free(edited), carat_prompt_free(turn);
    heard_free(&first), heard_free(&h), heard_free(&of_edit), heard_free(&cold_edit), heard_free(&cold);
    carat_engine_close(e), carat_engine_close(fresh);
    free(ids), free(other);
}

static void nothing_twice(void **state)
{
    (void)state;
    check_reuse(TEXT, 1500);
}

/* A session asked the same again computes one token, however short the prompt and whatever the engine remembers. */
static void short_prompts_are_not_read_twice(void **state)
{
    (void)state;
    static const size_t lengths[] = { 2, 10, 16, 40, 63, 64, 65 };
    for (int i = 0; i < 2; i++) {
        carat_engine *e = open_long(TEXT, 256, i == 1);
        carat_session *s = session_of(e);
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            int32_t ids[65];
            size_t cached;
            carat_err err;
            random_ids(50 + k, ids, lengths[k]);
            carat_prompt *p = prompt_ids(e, ids, lengths[k]);
            for (int again = 0; again < 3; again++)
                must(carat_session_prompt(s, p, &cached, &err), &err);
            assert_int_equal(cached, lengths[k] - 1);
            carat_prompt_free(p);
        }
        carat_session_close(s);
        carat_engine_close(e);
    }
}

/* ---- the real model ---- */

static const char *real_path;

static void real_nothing_twice(void **state)
{
    (void)state;
    check_reuse(real_path, unit_is_exhaustive() ? 10000 : 4000);
}

static void real_invariant(void **state)
{
    (void)state;
    static const way few[] = { { 2, 0, false }, { 2, 1, false }, { 1, 7, false }, { 2, 64, true } };
    const subject s = { .path = real_path, .said = 3, .is_large = true };
    ways = few, n_ways = sizeof few / sizeof *few;
    check_invariance(&s);
}

/* The reference's likelihood of every token of a long text, as one continuation of <bos>. Tolerances of the mean and of single
 * tokens are test_real.c's for f32 activations. */
static void real_scores_are_the_references(void **state)
{
    (void)state;
    golden_file *g = golden_open("real-270m");
    size_t n;
    const int32_t *ids = golden_i32(g, "nll.ids", 0, &n);
    const float *ref = golden_f32(g, "nll.per_token", n - 1, NULL);
    const carat_options o = {
        .struct_size = sizeof o, .is_exact = true, .embed_scale = CARAT_EMBED_SCALE_EXACT, .chunk = 100, .n_ctx = 2048
    };
    carat_engine *e;
    carat_request *r;
    carat_err err;
    must(carat_engine_open(real_path, &o, &e, &err), &err);
    carat_prompt *p = prompt_ids(e, ids, 1);
    const carat_continuation c = { .struct_size = sizeof c, .ids = ids + 1, .n_ids = n - 1 };
    const carat_request_options ro = {
        .struct_size = sizeof ro, .prompt = p, .continuations = &c, .n_continuations = 1
    };
    must(carat_request_submit(e, &ro, &r, &err), &err);
    const carat_event *ev = carat_request_next(r, -1);
    assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
    assert_int_equal(ev->scores->n_logprobs, n - 1);
    double square = 0, mean = -ev->scores->logprob / (double)(n - 1);
    for (size_t i = 0; i < n - 1; i++)
        square += pow((double)ev->scores->logprobs[i] + (double)ref[i], 2);
    double want = json_number_value(json_object_get(g->manifest, "mean_nll")), rms = sqrt(square / (double)(n - 1));
    printf("  a mean of %.5f, the reference's is %.5f; a token's differs by %.5f rms\n", mean, want, rms);
    assert_true(fabs(mean - want) <= 0.002 && rms <= 0.001);
    /* The same text as a prompt, past the window. */
    carat_request *r2;
    n = unit_is_exhaustive() ? n : 700;
    carat_prompt *whole = prompt_ids(e, ids, n);
    const carat_request_options as_prompt = {
        .struct_size = sizeof as_prompt, .prompt = whole, .omits_answers = true, .n_prompt_top = 1
    };
    must(carat_request_submit(e, &as_prompt, &r2, &err), &err);
    const carat_event *told = carat_request_next(r2, -1);
    assert_int_equal(told->kind, CARAT_EVENT_ANSWER);
    assert_int_equal(told->prompt->n, n);
    assert_memory_equal(told->prompt->logprobs + 1, ev->scores->logprobs, (n - 1) * sizeof(float));
    for (size_t i = 1; i < n; i++)
        assert_true((told->prompt->ranks[i] == 1) == (told->prompt->top[i].id == ids[i]));
    carat_request_free(r2);
    carat_prompt_free(whole);
    carat_request_free(r);
    carat_prompt_free(p);
    carat_engine_close(e);
    golden_close(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tiny[] = {
        cmocka_unit_test(invariant_text),
        cmocka_unit_test(invariant_pictures),
        cmocka_unit_test(nothing_twice),
        cmocka_unit_test(short_prompts_are_not_read_twice),
    };
    const struct CMUnitTest real[] = { cmocka_unit_test(real_nothing_twice), cmocka_unit_test(real_invariant),
                                       cmocka_unit_test(real_scores_are_the_references) };
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0, is_real = argc > 1 && strcmp(argv[1], "--real") == 0;
    every = unit_is_exhaustive() ? 1 : all ? 5 : is_real ? 4 : 0;
    if (all)
        ways = all_ways, n_ways = sizeof all_ways / sizeof *all_ways;
    if (argc > 2 && is_real)
        UNIT_CHOOSE(real, argv[2]);
    else if (argc > 2)
        UNIT_CHOOSE(tiny, argv[2]);
    if (!is_real)
        return cmocka_run_group_tests(tiny, NULL, NULL);
    const char *env = getenv("CARAT_TEST_MODEL");
    real_path = env && *env ? env : TEST_ROOT "/models/gemma-3-270m-q4_k_m.gguf";
    if (access(real_path, R_OK) != 0) {
        printf("skipped: no model at %s (make model fetches it)\n", real_path);
        return 77;
    }
    return cmocka_run_group_tests(real, NULL, NULL);
}
