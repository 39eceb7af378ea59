/* The public interface on a tiny model: sessions, cancelling, rewinding, stop strings, several threads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "carat.h"

#define TINY TEST_DATA "/models/tiny-text"
#define N    40

static carat_engine *engine;
static int32_t prompt[N];

static int setup(void **state)
{
    (void)state;
    carat_err e;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .chunk = 16, .n_sessions = 8 };
    for (int i = 0; i < N; i++)
        prompt[i] = i ? 20 + i * 11 % 480 : 2;
    if (carat_engine_open(TINY, &o, &engine, &e))
        return 0;
    fprintf(stderr, "%s\n", e.msg);
    return -1;
}

static int teardown(void **state)
{
    (void)state;
    carat_engine_close(engine);
    return 0;
}

static carat_session *open_session(size_t n_ctx)
{
    carat_session *s;
    carat_err e;
    if (!carat_session_open(engine, n_ctx, &s, &e))
        fail_msg("%s", e.msg);
    return s;
}

static void must(bool ok, const carat_err *e)
{
    if (!ok)
        fail_msg("%s", e->msg);
}

static void logits_after(carat_session *s, float *out)
{
    assert_non_null(carat_session_logits(s));
    memcpy(out, carat_session_logits(s), carat_engine_info(engine)->n_vocab * sizeof *out);
}

static void append_in_pieces_is_append(void **state)
{
    (void)state;
    carat_err e;
    float whole[1024], cut[1024];
    carat_session *a = open_session(64), *b = open_session(64);
    assert_null(carat_session_logits(a));
    must(carat_session_append(a, prompt, N, &e), &e);
    for (int i = 0; i < N; i += 7)
        must(carat_session_append(b, prompt + i, N - i < 7 ? (size_t)(N - i) : 7, &e), &e);
    logits_after(a, whole), logits_after(b, cut);
    assert_memory_equal(whole, cut, carat_engine_info(engine)->n_vocab * sizeof *whole);
    assert_memory_equal(carat_session_tokens(b), prompt, sizeof prompt);
    carat_session_close(a), carat_session_close(b);
}

static void the_context_is_a_promise(void **state)
{
    (void)state;
    carat_err e;
    carat_session *s = open_session(N);
    must(carat_session_append(s, prompt, N - 1, &e), &e);
    assert_false(carat_session_append(s, prompt, 2, &e));
    assert_int_equal(e.code, CARAT_ECONTEXT);
    assert_non_null(strstr(e.msg, "41"));
    assert_non_null(strstr(e.msg, "40"));
    assert_int_equal(carat_session_n_tokens(s), N - 1); /* nothing was evaluated */
    must(carat_session_append(s, prompt, 1, &e), &e);
    const int32_t wrong[] = { 5, 1 << 20 };
    carat_session *t = open_session(0);
    assert_false(carat_session_append(t, wrong, 2, &e));
    assert_int_equal(e.code, CARAT_EARG);
    assert_int_equal(carat_session_n_tokens(t), 0);
    assert_int_equal(carat_session_n_ctx(t), 4096);
    carat_session *too_long = NULL;
    assert_false(carat_session_open(engine, 4097, &too_long, &e));
    assert_null(too_long);
    carat_session_close(s), carat_session_close(t);
}

static void rewinding_is_exact(void **state)
{
    (void)state;
    carat_err e;
    float want[1024], got[1024];
    size_t kept;
    for (size_t to = 0; to <= N; to += 5) {
        carat_session *s = open_session(2 * N), *fresh = open_session(2 * N);
        must(carat_session_append(s, prompt, N, &e), &e);
        must(carat_session_rewind(s, to, &kept, &e), &e);
        assert_true(kept == to || kept == 0);
        must(carat_session_append(s, prompt + kept, to - kept, &e), &e);
        must(carat_session_append(s, prompt + 3, 9, &e), &e);
        must(carat_session_append(fresh, prompt, to, &e), &e);
        must(carat_session_append(fresh, prompt + 3, 9, &e), &e);
        logits_after(s, got), logits_after(fresh, want);
        assert_memory_equal(got, want, carat_engine_info(engine)->n_vocab * sizeof *want);
        assert_false(carat_session_rewind(s, to + 10, &kept, &e));
        carat_session_close(s), carat_session_close(fresh);
    }
}

typedef struct seen {
    char text[4096];
    size_t len, tokens, flushes, stop_after;
    int32_t ids[256];
    size_t at[256];
    double logprob;
    carat_session *cancel;
} seen;

static bool on_token(void *arg, const carat_token *t)
{
    seen *s = arg;
    memcpy(s->text + s->len, t->text, t->len);
    s->text[s->len += t->len] = '\0';
    if (t->id < 0) {
        s->flushes++;
        return true;
    }
    s->at[s->tokens] = t->at;
    s->ids[s->tokens++] = t->id;
    s->logprob += (double)t->logprob;
    if (s->cancel && s->tokens == 3)
        carat_session_cancel(s->cancel);
    return s->tokens != s->stop_after;
}

static carat_generation greedy(seen *s, size_t n)
{
    static const carat_sampling largest = { .struct_size = sizeof largest, .top_p = 1, .repetition_penalty = 1 };
    carat_generation g = { .struct_size = sizeof g, .sampling = &largest, .max_tokens = n, .ignores_eos = true };
    g.on_token = on_token;
    g.arg = s;
    return g;
}

static void run(const carat_generation *g, seen *s, carat_result *r)
{
    carat_err e;
    carat_session *session = open_session(256);
    if (s->cancel)
        s->cancel = session;
    must(carat_session_append(session, prompt, N, &e), &e);
    must(carat_session_generate(session, g, r, &e), &e);
    carat_session_close(session);
}

static void stop_strings_cut_anywhere(void **state)
{
    (void)state;
    static seen all;
    carat_result r = { .struct_size = sizeof r };
    carat_generation g = greedy(&all, 40);
    run(&g, &all, &r);
    assert_int_equal(r.n_generated, 40);
    assert_int_equal(r.finish, CARAT_FINISH_LENGTH);
    assert_int_equal(r.stop, 0);
    for (size_t at = 0; at + 2 < all.len; at++) {
        if (((unsigned char)all.text[at] & 0xC0) == 0x80)
            continue; /* a stop string begins with a whole character */
        for (size_t len = 1; len <= 5 && at + len <= all.len; len++) {
            static seen s;
            s = (seen){ 0 };
            char stop[8] = "";
            memcpy(stop, all.text + at, len);
            const char *const stops[] = { "never there", stop, stop };
            carat_generation with = greedy(&s, 40);
            with.stops = stops, with.n_stops = 3;
            run(&with, &s, &r);
            const char *first = strstr(all.text, stop);
            assert_int_equal(s.len, (size_t)(first - all.text));
            assert_memory_equal(s.text, all.text, s.len);
            assert_int_equal(r.finish, CARAT_FINISH_STOP);
            assert_int_equal(r.stop, 2);                                /* the first of two that are the same */
            assert_memory_equal(s.at, all.at, s.tokens * sizeof *s.at); /* held back or not */
        }
        at += 9;
    }
}

/* The text of each token lies where it says. */
static void tokens_know_their_place(void **state)
{
    (void)state;
    static seen s;
    carat_result r = { .struct_size = sizeof r };
    s = (seen){ 0 };
    carat_generation g = greedy(&s, 100);
    run(&g, &s, &r);
    assert_int_equal(s.at[0], 0);
    for (size_t i = 0; i < s.tokens; i++) { /* what the tokens before it amount to: whole characters only */
        carat_detokenizer *d;
        size_t before = 0;
        carat_err e;
        must(carat_detokenizer_open(carat_engine_tokenizer(engine), false, &d, &e), &e);
        for (size_t k = 0; k < i; k++) {
            const char *text;
            size_t len;
            must(carat_detokenizer_push(d, s.ids[k], &text, &len, &e), &e);
            before += len;
        }
        assert_int_equal(s.at[i], before);
        carat_detokenizer_close(d);
    }
}

static void what_was_held_back_comes_at_the_end(void **state)
{
    (void)state;
    static seen all, held;
    carat_result r = { .struct_size = sizeof r };
    carat_generation g = greedy(&all, 12);
    run(&g, &all, &r);
    char stop[64];
    assert_true(all.len > 2);
    snprintf(stop, sizeof stop, "%.1sno", all.text + all.len - 1); /* begins as the text ends */
    const char *const stops[] = { stop };
    carat_generation with = greedy(&held, 12);
    with.stops = stops, with.n_stops = 1;
    run(&with, &held, &r);
    assert_string_equal(held.text, all.text);
}

/* Three NUL characters in three tokens are a stop string, if its length says so. */
static void stop_strings_have_lengths(void **state)
{
    (void)state;
    static seen s;
    carat_err e;
    carat_result r = { .struct_size = sizeof r };
    int32_t *nul;
    size_t n;
    must(carat_tokenizer_encode(carat_engine_tokenizer(engine), "", 1, 0, &nul, &n, &e), &e);
    assert_int_equal(n, 1);
    const carat_bias bias = { *nul, 1000 };
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.bias = &bias, sampling.n_bias = 1;
    carat_generation g = greedy(&s, 5);
    g.sampling = &sampling;
    run(&g, &s, &r);
    assert_int_equal(s.len, 5); /* five NUL characters */
    assert_memory_equal(s.text, "\0\0\0\0\0", 5);
    const char *const stops[] = { "\0\0\0 and what lies behind" };
    const size_t lens[] = { 3 };
    g.stops = stops, g.stop_lens = lens, g.n_stops = 1;
    s = (seen){ 0 };
    run(&g, &s, &r);
    assert_int_equal(r.finish, CARAT_FINISH_STOP);
    assert_int_equal(s.tokens, 3);
    assert_int_equal(s.len, 0);
    g.stop_lens = NULL; /* NUL-terminated, so it is empty */
    carat_session *session = open_session(64);
    must(carat_session_append(session, prompt, N, &e), &e);
    assert_false(carat_session_generate(session, &g, &r, &e));
    assert_int_equal(e.code, CARAT_EARG);
    assert_non_null(strstr(e.msg, "a stop string is empty"));
    carat_session_close(session);
    carat_free(nul);
}

/* What makes no sense together is refused, not ignored. */
static void nothing_is_ignored(void **state)
{
    (void)state;
    carat_err e;
    carat_engine *other;
    carat_request *r;
    carat_prompt *p;
    const carat_options o = { .struct_size = sizeof o, .prefix_cache = 1 << 20, .omits_prefix_cache = true };
    assert_false(carat_engine_open(TINY, &o, &other, &e));
    assert_int_equal(e.code, CARAT_EARG);
    assert_non_null(strstr(e.msg, "omits_prefix_cache"));
    must(carat_prompt_ids(engine, prompt, N, NULL, 0, NULL, &p, &e), &e);
    const carat_generation g = { .struct_size = sizeof g, .max_tokens = 1, .on_token = on_token };
    const carat_request_options ro = { .struct_size = sizeof ro, .prompt = p, .generation = &g };
    assert_false(carat_request_submit(engine, &ro, &r, &e));
    assert_int_equal(e.code, CARAT_EARG);
    assert_non_null(strstr(e.msg, "on_token"));
    const carat_request_options nothing = { .struct_size = sizeof nothing };
    assert_false(carat_request_submit(engine, &nothing, &r, &e));
    assert_int_equal(e.code, CARAT_EARG);
    carat_prompt_free(p);
}

static void callbacks_and_signals_end_it(void **state)
{
    (void)state;
    static seen s;
    carat_result r = { .struct_size = sizeof r };
    s.stop_after = 5;
    carat_generation g = greedy(&s, 0);
    run(&g, &s, &r);
    assert_int_equal(r.n_generated, 5);
    assert_int_equal(r.finish, CARAT_FINISH_CANCELLED);
    s = (seen){ .cancel = (carat_session *)1 };
    run(&g, &s, &r);
    assert_int_equal(r.finish, CARAT_FINISH_CANCELLED);
    assert_int_equal(r.n_generated, 3);
    assert_string_equal(carat_finish_name(r.finish), "cancelled");
}

typedef struct five {
    seen s;
    int n;
    bool is_slow;
} five;

static bool is_among_five(void *arg, int32_t id)
{
    return id > 10 && ((const five *)arg)->n < 5;
}

static void count_to_five(void *arg, int32_t id)
{
    (void)id;
    ((five *)arg)->n++;
}

static bool stop_at_five(void *arg, const carat_token *t)
{
    five *f = arg;
    const struct timespec soon = { .tv_nsec = 20000000 };
    if (f->is_slow && f->s.tokens == 4)
        nanosleep(&soon, NULL); /* meanwhile the engine reaches the end */
    return on_token(&f->s, t);
}

/* Nothing may follow the fifth token, with which the listener ends the answer: whether the engine has noticed the former
 * by then changes nothing. */
static void a_late_end_is_not_told_apart(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        static five f;
        f = (five){ .is_slow = round % 2, .s.stop_after = 5 };
        carat_result r = { .struct_size = sizeof r };
        const carat_mask mask = {
            .struct_size = sizeof mask, .arg = &f, .allows = is_among_five, .accept = count_to_five
        };
        carat_generation g = greedy(&f.s, 0);
        g.on_token = stop_at_five, g.arg = &f, g.mask = &mask;
        run(&g, &f.s, &r);
        assert_int_equal(r.n_generated, 5);
        assert_int_equal(r.finish, CARAT_FINISH_CANCELLED);
    }
}

static void *cancel_soon(void *arg)
{
    const struct timespec soon = { .tv_nsec = 30000000 };
    nanosleep(&soon, NULL);
    carat_session_cancel(arg);
    return NULL;
}

/* The cancel comes at any moment, mostly in the middle of a step. */
static void another_thread_cancels(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        carat_err e;
        carat_result r = { .struct_size = sizeof r };
        carat_session *s = open_session(4096);
        must(carat_session_append(s, prompt, N, &e), &e);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, s), 0);
        carat_generation g = greedy(NULL, 0);
        g.on_token = NULL;
        must(carat_session_generate(s, &g, &r, &e), &e);
        pthread_join(thread, NULL);
        assert_int_equal(r.finish, CARAT_FINISH_CANCELLED);
        assert_true(r.n_generated < 4096 - N);
        const int32_t next = 5;
        must(carat_session_append(s, &next, 1, &e), &e); /* the cancel is forgotten */
        carat_session_close(s);
    }
}

/* B14: both ends of a text stop it, whatever the header names, and neither is text. */
static void both_ends_stop_and_are_not_printed(void **state)
{
    (void)state;
    const char *const ends[] = { "<eos>", "<end_of_turn>" };
    for (int i = 0; i < 2; i++) {
        static seen s;
        s = (seen){ 0 };
        carat_err e;
        carat_result r = { .struct_size = sizeof r };
        int32_t *id;
        size_t n;
        must(carat_tokenizer_encode(carat_engine_tokenizer(engine), ends[i], strlen(ends[i]), CARAT_TOK_SPECIAL, &id,
                                    &n, &e),
             &e);
        assert_int_equal(n, 1);
        const carat_bias bias = { *id, 1000 };
        carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
        carat_generation g = greedy(&s, 5);
        g.ignores_eos = false;
        sampling.temperature = 0, sampling.bias = &bias, sampling.n_bias = 1;
        g.sampling = &sampling;
        run(&g, &s, &r);
        assert_int_equal(r.finish, CARAT_FINISH_STOP);
        assert_int_equal(r.stop_id, *id);
        assert_int_equal(r.stop, 0);
        assert_int_equal(r.n_generated + s.tokens + s.len, 0);
        g.ignores_eos = true;
        run(&g, &s, &r);
        assert_int_equal(s.tokens, 5);
        assert_string_equal(s.text, ""); /* a control token has no text */
        carat_free(id);
    }
}

static void logprobs_are_of_the_model(void **state)
{
    (void)state;
    carat_err e;
    carat_session *s = open_session(64);
    must(carat_session_append(s, prompt, N, &e), &e);
    size_t n = carat_engine_info(engine)->n_pieces;
    const float *logits = carat_session_logits(s);
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        max = fmax(max, (double)logits[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - max);
    static seen got;
    got = (seen){ 0 };
    carat_generation g = greedy(&got, 1);
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    g.wants_logprobs = true, g.n_top = 4;
    g.sampling = &sampling;
    sampling.temperature = 2; /* and filters change nothing about what the model said */
    carat_result r = { .struct_size = sizeof r };
    float before[1024];
    memcpy(before, logits, n * sizeof *before);
    must(carat_session_generate(s, &g, &r, &e), &e);
    assert_float_equal(got.logprob, (double)before[got.ids[0]] - max - log(sum), 1e-4);
    assert_false(carat_session_generate(s, &g, &r, &e)); /* the token was not evaluated: nothing to go on from */
    assert_int_equal(e.code, CARAT_EARG);
    g.n_top = 21;
    must(carat_session_append(s, got.ids, 1, &e), &e);
    assert_false(carat_session_generate(s, &g, &r, &e));
    carat_session_close(s);
}

typedef struct job {
    pthread_t thread;
    seen out;
    uint64_t seed;
} job;

static void *generate(void *arg)
{
    job *j = arg;
    carat_generation g = greedy(&j->out, 24);
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.seed = j->seed;
    g.sampling = &sampling;
    carat_result r = { .struct_size = sizeof r };
    run(&g, &j->out, &r);
    return NULL;
}

static void threads_share_an_engine(void **state)
{
    (void)state;
    static job alone[4], together[4];
    for (int i = 0; i < 4; i++) {
        alone[i] = together[i] = (job){ .seed = (uint64_t)i };
        generate(&alone[i]);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&together[i].thread, NULL, generate, &together[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(together[i].thread, NULL);
        assert_int_equal(together[i].out.tokens, 24);
        assert_memory_equal(together[i].out.ids, alone[i].out.ids, 24 * sizeof(int32_t));
    }
}

static bool stop_loading(void *arg, uint64_t done, uint64_t total)
{
    (void)arg, (void)done, (void)total;
    return false;
}

#define SIZED .struct_size = sizeof(carat_options)

static void opening_can_fail_cleanly(void **state)
{
    (void)state;
    carat_err e;
    carat_engine *other = NULL;
    const struct {
        carat_options o;
        carat_code code;
    } cases[] = {
        { { SIZED, .n_threads = -4 }, CARAT_EARG },
        { { SIZED, .n_threads = 100000 }, CARAT_EARG },
        { { SIZED, .cpu = "z80" }, CARAT_EARG },
        { { SIZED, .chunk = 100000 }, CARAT_EARG },
        { { SIZED, .progress = stop_loading }, CARAT_ECANCELLED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(carat_engine_open(TINY, &cases[i].o, &other, &e));
        assert_int_equal(e.code, cases[i].code);
        assert_null(other);
    }
    assert_false(carat_engine_open(TEST_DATA "/nowhere", NULL, &other, NULL));
    carat_model_info_free(NULL);
    carat_engine_close(NULL);
    carat_session_close(NULL);
    carat_tokenizer_close(NULL);
    carat_free(NULL);
}

/* A saved conversation goes on as if nothing had been: logits at once, and after more tokens. */
static void saved_and_restored(void **state)
{
    (void)state;
    carat_err e;
    char path[] = "/tmp/carat-test-XXXXXX", *note;
    size_t note_len, n_vocab = carat_engine_info(engine)->n_vocab;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    float before[1024], after[1024];
    carat_session *a = open_session(128), *b = open_session(128), *empty = open_session(128);
    must(carat_session_append(a, prompt, N, &e), &e);
    must(carat_session_save(a, path, "a note", 6, &e), &e);
    must(carat_session_restore(b, path, &note, &note_len, &e), &e);
    assert_string_equal(note, "a note");
    assert_int_equal(note_len, 6);
    carat_free(note);
    logits_after(a, before), logits_after(b, after);
    assert_memory_equal(before, after, n_vocab * sizeof *before);
    must(carat_session_append(a, prompt + 1, 9, &e), &e);
    must(carat_session_append(b, prompt + 1, 9, &e), &e);
    logits_after(a, before), logits_after(b, after);
    assert_memory_equal(before, after, n_vocab * sizeof *before);
    assert_memory_equal(carat_session_tokens(a), carat_session_tokens(b), (N + 9) * sizeof *prompt);
    assert_false(carat_session_restore(b, path, NULL, NULL, &e)); /* not empty */
    assert_int_equal(e.code, CARAT_EARG);
    must(carat_session_save(empty, path, NULL, 0, &e), &e);
    must(carat_session_restore(empty, path, &note, &note_len, &e), &e);
    assert_int_equal(note_len, 0);
    assert_null(carat_session_logits(empty));
    carat_free(note);
    carat_session_close(a), carat_session_close(b), carat_session_close(empty);
    unlink(path);
}

static carat_memory memory_of(size_t n_ctx, size_t n_sessions, carat_cache_type type)
{
    carat_err e;
    carat_engine *other;
    const carat_options o = {
        .struct_size = sizeof o, .n_threads = 1, .chunk = 16, .n_ctx = n_ctx, .n_sessions = n_sessions, .cache = type
    };
    must(carat_engine_open(TINY, &o, &other, &e), &e);
    carat_memory m = *carat_engine_memory(other);
    carat_engine_close(other);
    return m;
}

static void memory_is_known(void **state)
{
    (void)state;
    carat_memory small = memory_of(128, 1, CARAT_CACHE_F16), large = memory_of(4096, 1, CARAT_CACHE_F16);
    /* two global layers of 2 heads of 32 in f16, keys and values; the local rings stay as they are */
    const uint64_t token = 2 * 2 * 2 * 32 * 2;
    assert_in_range(large.kv_global - small.kv_global, (4096 - 128) * token, (4096 - 128 + 128) * token);
    assert_in_range(large.kv_local, small.kv_local, small.kv_local + 4 * 10 * 64 * 2 * 2 * 32 * 2);
    assert_in_range(large.kv_index - small.kv_index, 1, (4096 - 128) / 64 * 700); /* keys and lists of a page */
    carat_memory four = memory_of(4096, 4, CARAT_CACHE_F16), q8 = memory_of(4096, 1, CARAT_CACHE_Q8_0);
    assert_in_range(four.kv_global, 4 * 4096 * token, 4 * (4096 + 128) * token + (large.kv_global - 4096 * token));
    assert_true(q8.kv_global * 32 == large.kv_global * 17); /* 34 bytes for 64 */
    assert_int_equal(large.total,
                     large.weights + large.kv_global + large.kv_local + large.kv_index + large.work + large.logits);
}

static void the_machine_is_known(void **state)
{
    (void)state;
    carat_err e;
    carat_machine_info m = { .struct_size = sizeof m }, none = { 0 };
    assert_true(carat_machine(&m, &e));
    assert_true(m.memory_left > 0 && m.memory_all > 1 << 20 && m.n_cores >= 1);
    assert_true(m.memory_left < UINT64_MAX && m.memory_limit[0]);
    assert_false(carat_machine(&none, &e));
    assert_int_equal(e.code, CARAT_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_in_pieces_is_append),
        cmocka_unit_test(the_context_is_a_promise),
        cmocka_unit_test(rewinding_is_exact),
        cmocka_unit_test(stop_strings_cut_anywhere),
        cmocka_unit_test(tokens_know_their_place),
        cmocka_unit_test(what_was_held_back_comes_at_the_end),
        cmocka_unit_test(stop_strings_have_lengths),
        cmocka_unit_test(nothing_is_ignored),
        cmocka_unit_test(callbacks_and_signals_end_it),
        cmocka_unit_test(a_late_end_is_not_told_apart),
        cmocka_unit_test(another_thread_cancels),
        cmocka_unit_test(both_ends_stop_and_are_not_printed),
        cmocka_unit_test(logprobs_are_of_the_model),
        cmocka_unit_test(threads_share_an_engine),
        cmocka_unit_test(opening_can_fail_cleanly),
        cmocka_unit_test(saved_and_restored),
        cmocka_unit_test(memory_is_known),
        cmocka_unit_test(the_machine_is_known),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
