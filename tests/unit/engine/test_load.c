/* Seven hundred requests of every kind from eight threads: memory stays as it is, counters add up, and whoever gets an
 * answer gets the one it would have got alone, bit for bit.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "poison.h"

enum {
    N_THREADS = 8,
    N_REQUESTS = UNIT_SANITIZED ? 150 : 700,
    N_WARM = 50,
    N_TEXTS = 16,
    N_PICTURES = 8,
    TOKENS = 16,
    MOST_ANSWERS = 3
};
enum { N_PROMPTS = N_TEXTS + N_PICTURES };
#define FLAT  (8u << 20) /* bytes */
#define GUARD 600        /* seconds after which a test that hangs is ended */

static char folder[64];
static carat_engine *engine;
static carat_prompt *prompts[N_PROMPTS], *poisoned;
static answer alone[N_PROMPTS], heard[N_THREADS][MOST_ANSWERS];

/* What happened, as their callers saw it. */
static atomic_size_t n_begun, n_ended, warm_rss, jobs, done, failed, cancelled, unseen, refused, least_tokens,
    most_tokens;

static size_t rss(void)
{
    unsigned long size, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
    fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

static uint32_t dice(uint64_t *seed, uint32_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*seed >> 33) % n);
}

static carat_prompt *with_pictures(size_t i)
{
    static const char *const names[N_PICTURES] = { "000", "001", "002", "003", "005", "006", "007", "008" };
    carat_picture *pictures[2];
    carat_prompt *p;
    carat_err e;
    for (size_t k = 0; k < 2; k++) {
        char path[512];
        snprintf(path, sizeof path, POISONED "/test/%s-0.png", names[(i + k) % N_PICTURES]);
        ask_must(carat_picture_load(path, &pictures[k], &e), &e);
    }
    const carat_content c[] = { { .struct_size = sizeof(carat_content), .text = "Look" },
                                { .struct_size = sizeof(carat_content), .picture = pictures[0] },
                                { .struct_size = sizeof(carat_content), .text = "and" },
                                { .struct_size = sizeof(carat_content), .picture = pictures[1] },
                                { .struct_size = sizeof(carat_content), .text = "now" } };
    ask_must(carat_prompt_text(engine, c, i % 2 ? 3 : 5, NULL, &p, &e), &e);
    carat_picture_free(pictures[0]), carat_picture_free(pictures[1]);
    return p;
}

static int setup(void **state)
{
    (void)state;
    carat_err e;
    unit_guard(GUARD);
    const carat_options o = {
        .struct_size = sizeof o, .n_threads = 1, .chunk = 32, .n_ctx = 512, .n_sessions = 6, .image_cache = 4
    };
    if (!poison_make(folder) || !carat_engine_open(folder, &o, &engine, &e))
        return -1;
    for (size_t i = 0; i < N_PROMPTS; i++) {
        prompts[i] = i < N_TEXTS ? ask_random(engine, i, 20 + 17 * i) : with_pictures(i - N_TEXTS);
        const carat_request_options ro = { .struct_size = sizeof ro,
                                           .prompt = prompts[i],
                                           .generation = ASK_GREEDY(TOKENS) };
        ask_whole(engine, &ro, &alone[i]);
    }
    int32_t ids[60];
    ask_ids(99, ids, 60);
    ids[40] = POISON;
    poisoned = ask_prompt(engine, ids, 60);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PROMPTS; i++)
        carat_prompt_free(prompts[i]);
    carat_prompt_free(poisoned);
    carat_engine_close(engine);
    poison_remove(folder);
    return 0;
}

/* What an answer's caller knows of its end, and whether what it was told is right. */
static void judge(const answer *a, const answer *right)
{
    bool was_cut = a->ok ? a->result.finish == CARAT_FINISH_CANCELLED : a->err.code == CARAT_ECANCELLED;
    assert_true(a->has_ended && a->n <= TOKENS);
    atomic_fetch_add(was_cut ? &cancelled : a->ok ? &done : &failed, 1);
    if (right && a->ok && !was_cut)
        ask_same(a, right, "under load");
    for (size_t i = 0; right && i < a->n; i++)
        assert_true(a->ids[i] == right->ids[i] && memcmp(a->top[i], right->top[i], sizeof a->top[i]) == 0);
}

/* A request that can never work: it is refused before it is anybody's. */
static void ask_nonsense(uint64_t *seed)
{
    carat_err e;
    carat_request *r;
    carat_sampling cold = ask_largest;
    carat_generation g = *ASK_GREEDY(4);
    carat_request_options o = { .struct_size = sizeof o, .prompt = prompts[N_TEXTS - 1], .generation = &g };
    cold.temperature = -1;
    uint32_t kind = dice(seed, 3);
    if (kind == 0)
        o.n_ctx = 64; /* the prompt is longer */
    else if (kind == 1)
        o.n_answers = 7;
    else
        g.sampling = &cold;
    assert_false(carat_request_submit(engine, &o, &r, &e));
    assert_int_equal(e.code, kind == 0 ? CARAT_ECONTEXT : CARAT_EARG);
    atomic_fetch_add(&refused, 1);
}

typedef enum kind { PLAIN, SEVERAL, LATE, CANCELLED, ABANDONED, FAILING, NONSENSE, N_KINDS } kind;

static size_t length(const carat_prompt *p)
{
    size_t n;
    carat_prompt_tokens(p, &n);
    return n;
}

/* Listens for a while, then ends it. True: it was told to the end. */
static bool listen(carat_request *r, kind k, uint64_t *seed, answer *a)
{
    uint32_t patience = dice(seed, 60);
    if (k != CANCELLED && k != ABANDONED) {
        ask_rest(r, a);
        return true;
    }
    if (dice(seed, 2)) /* after some time, or after some tokens */
        ask_sleep(patience * 1e-4);
    else
        while (patience-- && ask_next(r, -1, a))
            ;
    if (k == CANCELLED) {
        carat_request_cancel(r);
        ask_rest(r, a);
    }
    return k == CANCELLED;
}

static void ask_something(uint64_t *seed, answer *a)
{
    kind k = (kind)dice(seed, N_KINDS);
    if (k == NONSENSE) {
        ask_nonsense(seed);
        return;
    }
    size_t which = dice(seed, N_PROMPTS), n = k == SEVERAL ? 2 + dice(seed, 2) : 1;
    carat_request_options o = { .struct_size = sizeof o,
                                .prompt = k == FAILING ? poisoned : prompts[which],
                                .generation = ASK_GREEDY(TOKENS),
                                .n_answers = n };
    if (k == LATE)
        o.seconds = (1 + dice(seed, 40)) * 1e-3;
    memset(a, 0, n * sizeof *a);
    carat_request *r = ask(engine, &o);
    bool is_seen = listen(r, k, seed, a);
    for (size_t i = 0; i < n && is_seen; i++) {
        judge(&a[i], k == FAILING ? NULL : &alone[which]);
        assert_true(k != FAILING || a[i].err.code == CARAT_ENUMERIC);
        assert_true((k != PLAIN && k != SEVERAL) || (a[i].ok && a[i].n == TOKENS));
        assert_true(k != LATE || a[i].ok || a[i].err.code == CARAT_ETIME);
    }
    carat_request_free(r);
    atomic_fetch_add(&jobs, n);
    atomic_fetch_add(&unseen, is_seen ? 0 : n);
    atomic_fetch_add(&most_tokens, length(o.prompt));
    atomic_fetch_add(&least_tokens, is_seen && a[0].ok ? length(o.prompt) : 0); /* it was read */
}

static void *run(void *arg)
{
    size_t thread = (size_t)(uintptr_t)arg;
    uint64_t seed = thread * 7919 + 1;
    while (atomic_fetch_add(&n_begun, 1) < N_REQUESTS) {
        ask_something(&seed, heard[thread]);
        if (atomic_fetch_add(&n_ended, 1) + 1 == N_WARM)
            atomic_store(&warm_rss, rss());
    }
    return NULL;
}

static void requests_of_every_kind(void **state)
{
    (void)state;
    pthread_t threads[N_THREADS];
    const carat_stats before = ask_stats(engine);
    double start = ask_now();
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    const carat_stats s = ask_stats(engine);
    size_t now = rss(), warm = atomic_load(&warm_rss);
    uint64_t n_done = s.requests_done - before.requests_done, n_failed = s.requests_failed - before.requests_failed,
             n_cut = s.requests_cancelled - before.requests_cancelled;
    printf("%zu requests, %zu answers in %.1f s: %ju done, %ju failed, %ju cancelled (%zu without a listener), %zu "
           "refused; resident %.1f MiB after %d, %.1f at the end\n",
           (size_t)N_REQUESTS, jobs, ask_now() - start, (uintmax_t)n_done, (uintmax_t)n_failed, (uintmax_t)n_cut,
           unseen, refused, (double)warm / (1 << 20), N_WARM, (double)now / (1 << 20));
    assert_int_equal(n_ended, N_REQUESTS);
    assert_true(warm > 0 && (UNIT_SANITIZED || now <= warm + FLAT));
    /* Every answer ended once, as its caller saw it. Those that nobody listened to ended somehow. */
    assert_int_equal(n_done + n_failed + n_cut, jobs);
    assert_in_range(n_done, done, done + unseen);
    assert_int_equal(n_failed, failed);
    assert_in_range(n_cut, cancelled, cancelled + unseen);
    assert_true(done > N_REQUESTS / 7 && failed > N_REQUESTS / 14 && cancelled > N_REQUESTS / 35);
    assert_true(unseen > N_REQUESTS / 14 && refused > N_REQUESTS / 14);
    /* Prompts are read or known, once for all their answers. */
    uint64_t read = s.prompt_tokens - before.prompt_tokens + s.cached_tokens - before.cached_tokens;
    assert_in_range(read, least_tokens, most_tokens);
    assert_true(s.images_cached > 0 && s.images_encoded > N_PICTURES); /* more than are remembered */
    assert_true(s.running == 0 && s.queued == 0 && s.kv_bytes_promised == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(requests_of_every_kind) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
