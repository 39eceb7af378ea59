/* Random answers with guesses, of what the prompt and the answer said before and of predictions, beside the same answers
 * without: the same tokens, probabilities, text and ending, bit for bit, whatever is asked for and whoever else is there;
 * and what a session holds afterwards is the same.
 *
 *     test_random_guesses [RUNS [FIRST [MODEL [DRAFT]]]]
 *
 * FIRST is the number of the first run, for going back to one that failed; MODEL a file in place of the tiny one, DRAFT a smaller
 * one of its vocabulary.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/internal.h"
#include "ask.h"

enum { QUICK = UNIT_SANITIZED ? 60 : 240, TOKENS = 48, CTX = 320, MOST_IDS = 220, N_ENGINES = 6, N_NEIGHBOURS = 4 };
#define SIGHT   TEST_DATA "/models/tiny-sight"
#define SLOT    512  /* the id of an image token ... */
#define SOFT    16   /* ... of which an image has so many */
#define SECONDS 3000 /* until a test that hangs is ended */

static size_t n_runs = QUICK, first_run;
static const char *model = SIGHT;
static const char *draft;
static bool is_tiny = true;

/* In small steps what is guessed has to wait; where it is decided by the times of steps, it depends on the machine. */
static carat_engine *engines[N_ENGINES];
static carat_format *formats[N_ENGINES][4];
static const struct {
    size_t chunk;
    carat_lookup lookup;
    carat_cache_type cache;
    int threads;
    const char *draft;
    double step_seconds; /* of almost none, images are read layer by layer beside answers */
} kinds[N_ENGINES] = { { 6, CARAT_LOOKUP_ALWAYS, CARAT_CACHE_F16, 1 },
                       { 64, CARAT_LOOKUP_ALWAYS, CARAT_CACHE_F16, 2 },
                       { 64, CARAT_LOOKUP_AUTO, CARAT_CACHE_F16, 1 },
                       { 32, CARAT_LOOKUP_ALWAYS, CARAT_CACHE_Q8_0, 1, .step_seconds = 1e-9 },
                       { 64, CARAT_LOOKUP_ALWAYS, CARAT_CACHE_F16, 1, .draft = SIGHT },
                       { 6, CARAT_LOOKUP_ALWAYS, CARAT_CACHE_Q8_0, 1, .draft = TEST_DATA "/models/tiny-text" } };
static answer alone[N_ENGINES][N_NEIGHBOURS];
static carat_prompt *neighbours[N_NEIGHBOURS];
static uint64_t drafted, accepted, n_cut, n_formed, n_seen, n_several, n_sessions, n_beside;

/* ---- dice ---- */

static uint64_t seed;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

static bool one_of(uint32_t n)
{
    return dice(n) == 0;
}

/* ---- prompts ---- */

static carat_picture *draw(unsigned n)
{
    enum { SIDE = 8, HEADER = 54 };
    uint8_t bmp[HEADER + SIDE * SIDE * 3] = { 'B',       'M',         sizeof bmp & 255, sizeof bmp >> 8, [10] = HEADER,
                                              [14] = 40, [18] = SIDE, [22] = SIDE,      [26] = 1,        [28] = 24 };
    carat_picture *p;
    carat_err e;
    for (unsigned i = 0; i < SIDE * SIDE * 3; i++)
        bmp[HEADER + i] = (uint8_t)((n + 1) * 2654435761u >> (i / 6 % 24));
    ask_must(carat_picture_decode(bmp, sizeof bmp, &p, &e), &e);
    return p;
}

/* Ids in which stretches stand again, so that something is found. */
static size_t draw_ids(int32_t *ids, size_t n)
{
    const uint32_t many = one_of(2) ? 8 : 470;
    for (size_t i = 0; i < n; i++) {
        size_t len = 2 + dice(20), from = i ? dice((uint32_t)i) : 0;
        if (i > 10 && one_of(8))
            for (size_t k = 0; k < len && i < n; k++)
                ids[i++] = ids[from + k];
        if (i < n)
            ids[i] = i ? (int32_t)(20 + dice(many)) : 2;
    }
    return n;
}

static bool has_pictures(void)
{
    return is_tiny && !ask_is_fake();
}

static carat_prompt *draw_prompt(const carat_engine *e)
{
    int32_t ids[MOST_IDS + SOFT];
    size_t n = draw_ids(ids, 1 + dice(one_of(3) ? MOST_IDS : 60));
    if (!has_pictures() || !one_of(4))
        return ask_prompt(e, ids, n);
    carat_picture *picture = draw(dice(6));
    const carat_pan_scan whole = { .struct_size = sizeof whole, .mode = CARAT_PAN_SCAN_OFF };
    const carat_prompt_options o = { .struct_size = sizeof o, .pan_scan = &whole };
    carat_prompt *p;
    carat_err err;
    size_t at = 1 + dice((uint32_t)n);
    at = at < n ? at : n;
    memmove(ids + at + SOFT, ids + at, (n - at) * sizeof *ids);
    for (size_t i = 0; i < SOFT; i++)
        ids[at + i] = SLOT;
    ask_must(carat_prompt_ids(e, ids, n + SOFT, (const carat_picture *const *)&picture, 1, &o, &p, &err), &err);
    carat_picture_free(picture);
    n_seen++;
    return p;
}

/* ---- what is asked ---- */

typedef struct run {
    size_t engine, n_answers, n_neighbours,
        stop_after; /* stop_after: tokens after which the listener ends it; 0: never */
    bool is_session;
    carat_generation g;
    carat_sampling sampling;
    carat_bias bias[6];
    carat_mask mask;
    int every; /* of the mask */
    char stop[8];
    const char *stops[1];
    char prediction[2048];
} run;

static bool allows(void *state, int32_t id)
{
    return id % *(const int *)state == 0;
}

static void draw_sampling(run *r)
{
    static const float hot[] = { 0, 0, 0.3f, 0.8f, 1, 1.7f };
    static const int k[] = { 0, 1, 2, 40 };
    carat_sampling *s = &r->sampling;
    *s = (carat_sampling)CARAT_SAMPLING_DEFAULT;
    s->temperature = hot[dice(6)];
    s->top_k = k[dice(4)];
    s->top_p = one_of(2) ? 1 : 0.9f;
    s->min_p = one_of(3) ? 0.02f : 0;
    s->seed = dice(1000);
    s->order = one_of(2) ? CARAT_TEMP_FIRST : CARAT_TEMP_LAST;
    if (one_of(3)) {
        s->repetition_penalty = 1 + (float)dice(5) * 0.1f;
        s->presence_penalty = (float)dice(3) * 0.4f;
        s->frequency_penalty = (float)dice(3) * 0.3f;
        s->penalty_window = 4 + (int)dice(80);
    }
    if (one_of(2)) { /* a few ids, so that it repeats itself */
        for (size_t i = 0; i < 6; i++)
            r->bias[i] = (carat_bias){ (int32_t)(20 + 7 * i), (float)(10 + dice(20)) };
        s->bias = r->bias;
        s->n_bias = 2 + dice(5);
    }
}

static void draw_form(run *r)
{
    carat_generation *g = &r->g;
    uint32_t kind = dice(4);
    if (kind == 0 && !ask_is_fake())
        g->format = formats[r->engine][dice(4)];
    else if (kind == 1) {
        r->every = 2 + (int)dice(40);
        r->mask = (carat_mask){ .struct_size = sizeof r->mask, .arg = &r->every, .allows = allows };
        g->mask = &r->mask;
    }
    n_formed += g->format || g->mask;
}

static void draw_run(run *r)
{
    memset(r, 0, sizeof *r);
    r->engine = dice(N_ENGINES);
    r->is_session = one_of(3);
    r->n_answers = r->is_session || !one_of(4) ? 1 : 2 + dice(2);
    r->n_neighbours = one_of(3) ? 1 + dice(N_NEIGHBOURS) : 0;
    r->stop_after = r->is_session && one_of(3) ? 1 + dice(TOKENS) : 0;
    draw_sampling(r);
    r->g = (carat_generation){ .struct_size = sizeof r->g,
                               .sampling = &r->sampling,
                               .max_tokens = one_of(4) ? 1 + dice(12) : 1 + dice(TOKENS),
                               .ignores_eos = one_of(2),
                               .wants_logprobs = one_of(3),
                               .n_top = one_of(4) ? (int)dice(6) : 0 };
    if (one_of(5))
        r->g.min_tokens = 1 + dice((uint32_t)r->g.max_tokens);
    draw_form(r);
    n_several += r->n_answers > 1;
    n_sessions += r->is_session;
    n_beside += r->n_neighbours > 0;
}

/* Now that the answer is known: a string of it may end it, and a prediction be like it. */
static void draw_rest(run *r, const answer *a)
{
    if (a->len > 4 && one_of(4)) {
        size_t at = dice((uint32_t)a->len - 2), n = 1 + dice(3);
        for (size_t i = 0; i < n && a->text[at + i]; i++)
            r->stop[i] = a->text[at + i];
        r->stops[0] = r->stop;
        r->g.stops = r->stops;
        r->g.n_stops = r->stop[0] != '\0'; /* an answer may have a NUL, a stop string none */
    }
    r->g.n_guesses = one_of(2) ? 0 : 1 + (int)dice(15);
    if (a->len && a->len < sizeof r->prediction && one_of(2)) {
        memcpy(r->prediction, a->text, a->len);
        for (uint32_t i = dice(4); i > 0; i--)
            r->prediction[dice((uint32_t)a->len)] = (char)('a' + dice(26));
        r->g.prediction = r->prediction;
        r->g.prediction_len = a->len;
    }
}

/* ---- asking ---- */

typedef struct heard {
    answer a;
    size_t stop_after;
} heard;

static bool on_token(void *arg, const carat_token *t)
{
    heard *h = arg;
    const carat_event e = { .kind = CARAT_EVENT_TOKEN, .token = t };
    ask_take(&e, &h->a);
    return !h->stop_after || h->a.n < h->stop_after;
}

/* A session: its answer, and the logits after all that it holds then. */
static void ask_session(const run *r, const carat_prompt *p, answer *out, float *logits)
{
    static heard h;
    carat_engine *e = engines[r->engine];
    carat_session *s;
    carat_err err;
    carat_generation g = r->g;
    size_t had, n;
    memset(&h, 0, sizeof h);
    h.stop_after = r->stop_after;
    g.on_token = on_token;
    g.arg = &h;
    carat_prompt_tokens(p, &had);
    ask_must(carat_session_open(e, CTX, &s, &err), &err);
    ask_must(carat_session_append_prompt(s, p, NULL, NULL, &err), &err);
    h.a.result.struct_size = sizeof h.a.result;
    h.a.ok = carat_session_generate(s, &g, &h.a.result, &h.a.err);
    n = carat_session_n_tokens(s);
    if (h.a.ok) {
        assert_in_range(n, had + (h.a.n ? h.a.n - 1 : 0), had + h.a.n);
        assert_memory_equal(carat_session_tokens(s) + had, h.a.ids, (n - had) * sizeof *h.a.ids);
        int32_t next = 30;
        ask_must(carat_session_append(s, &next, 1, &err), &err);
        ask_must(carat_session_copy_logits(s, logits, &err), &err);
    }
    carat_session_close(s);
    *out = h.a;
}

/* All of a run; the neighbours' answers are checked. */
static void ask_run(const run *r, const carat_prompt *p, answer *out, float *logits)
{
    static answer beside[N_NEIGHBOURS];
    carat_engine *e = engines[r->engine];
    carat_request *others[N_NEIGHBOURS];
    carat_request_options o = { .struct_size = sizeof o, .generation = ASK_GREEDY(20) };
    for (size_t i = 0; i < r->n_neighbours; i++) {
        o.prompt = neighbours[i];
        others[i] = ask(e, &o);
    }
    if (r->is_session)
        ask_session(r, p, out, logits);
    else {
        o = (carat_request_options){
            .struct_size = sizeof o, .prompt = p, .generation = &r->g, .n_answers = r->n_answers, .n_ctx = CTX
        };
        ask_whole(e, &o, out);
    }
    for (size_t i = 0; i < r->n_neighbours; i++) {
        memset(&beside[i], 0, sizeof beside[i]);
        ask_rest(others[i], &beside[i]);
        carat_request_free(others[i]);
        ask_same(&beside[i], &alone[r->engine][i], "a neighbour");
    }
}

static void expect_same(size_t number, const answer *got, const answer *want)
{
    bool ok = got->ok == want->ok && got->n == want->n && got->len == want->len &&
              memcmp(got->ids, want->ids, got->n * sizeof *got->ids) == 0 &&
              memcmp(got->text, want->text, got->len) == 0 &&
              memcmp(got->logprobs, want->logprobs, got->n * sizeof *got->logprobs) == 0 &&
              memcmp(got->top, want->top, got->n * sizeof *got->top) == 0;
    if (ok && got->ok)
        ok = got->result.finish == want->result.finish && got->result.stop_id == want->result.stop_id &&
             got->result.stop == want->result.stop && got->result.n_generated == want->result.n_generated;
    else if (ok)
        ok = got->err.code == want->err.code && strcmp(got->err.msg, want->err.msg) == 0;
    if (!ok)
        fail_msg("run %zu: %zu tokens '%.60s' (%s) became %zu '%.60s' (%s)", number, want->n, want->text,
                 want->ok ? carat_finish_name(want->result.finish) : want->err.msg, got->n, got->text,
                 got->ok ? carat_finish_name(got->result.finish) : got->err.msg);
}

static void one_run(size_t number, float *plain, float *guessed)
{
    static answer want[3], got[3];
    static run r;
    seed = number * 7919 + 1;
    draw_run(&r);
    carat_engine *e = engines[r.engine];
    const size_t n_vocab = carat_engine_info(e)->n_vocab;
    carat_prompt *p = draw_prompt(e);
    r.g.omits_guesses = true;
    memset(want, 0, sizeof want), memset(got, 0, sizeof got);
    ask_run(&r, p, want, plain);
    const bool had = r.g.n_stops;
    draw_rest(&r, &want[0]);
    if (!had && r.g.n_stops)
        ask_run(&r, p, want, plain);
    for (size_t i = 0; i < r.n_answers; i++)
        assert_true(!want[i].ok || want[i].result.n_drafted == 0);
    r.g.omits_guesses = false;
    ask_run(&r, p, got, guessed);
    for (size_t i = 0; i < r.n_answers; i++) {
        expect_same(number, &got[i], &want[i]);
        assert_true(!got[i].ok || got[i].result.n_accepted <= got[i].result.n_drafted);
        drafted += got[i].ok ? got[i].result.n_drafted : 0;
        accepted += got[i].ok ? got[i].result.n_accepted : 0;
        n_cut += want[i].ok && want[i].n < r.g.max_tokens;
    }
    if (r.is_session && want[0].ok && memcmp(plain, guessed, n_vocab * sizeof *plain) != 0)
        fail_msg("run %zu: the session holds something else", number);
    carat_prompt_free(p);
}

static void guesses_change_nothing(void **state)
{
    (void)state;
    const size_t n_vocab = carat_engine_info(engines[0])->n_vocab;
    float *plain = calloc(n_vocab, sizeof *plain), *guessed = calloc(n_vocab, sizeof *guessed);
    assert_true(plain && guessed);
    for (size_t i = 0; i < n_runs; i++) {
        one_run(first_run + i, plain, guessed);
        if (n_runs >= 2000 && (i + 1) % 1000 == 0) {
            printf("%zu runs\n", i + 1);
            fflush(stdout);
        }
    }
    free(plain);
    free(guessed);
    printf("%zu runs, from %zu on: %ju guesses, %ju right; %ju answers of a form, %ju runs with a picture, %ju with "
           "several "
           "answers, %ju of sessions, %ju beside others; %ju answers ended before max_tokens\n",
           n_runs, first_run, (uintmax_t)drafted, (uintmax_t)accepted, (uintmax_t)n_formed, (uintmax_t)n_seen,
           (uintmax_t)n_several, (uintmax_t)n_sessions, (uintmax_t)n_beside, (uintmax_t)n_cut);
    if (n_runs < QUICK)
        return;
    /* Guesses were right, and wrong; everything was tried. */
    assert_true(accepted > n_runs && drafted > accepted + n_runs);
    assert_true(n_formed > n_runs / 8 && n_several > n_runs / 12 && n_sessions > n_runs / 5 && n_beside > n_runs / 5);
    assert_true(n_cut > n_runs / 10 && (!has_pictures() || n_seen > n_runs / 8));
}

/* ---- engines ---- */

static void open_formats(size_t at)
{
    static const char *const texts[] = { "(the cat sat on the mat[.] |a dog ran[.] )*", "[ab ]{20}|[0-9]{3,30}", NULL,
                                         "(yes|no)( and (yes|no))*[.]" };
    for (size_t i = 0; i < 4; i++) {
        const carat_format_options o = {
            .struct_size = sizeof o,
            .kind = texts[i] ? CARAT_FORMAT_REGEX : CARAT_FORMAT_JSON_SCHEMA,
            .text = texts[i] ? texts[i]
                             : "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":"
                               "{\"name\":{\"type\":\"string\"},\"size\":{\"type\":\"integer\"}},"
                               "\"required\":[\"name\",\"size\"],\"additionalProperties\":false}}"
        };
        carat_err e;
        ask_must(carat_format_open(engines[at], &o, &formats[at][i], &e), &e);
    }
}

/* A model that drafts is a file: the fake backend has none. */
static const char *draft_of(size_t kind)
{
    return ask_is_fake() || !kinds[kind].draft ? NULL : is_tiny ? kinds[kind].draft : draft;
}

static int setup(void **state)
{
    (void)state;
    unit_guard(SECONDS);
    for (size_t i = 0; i < N_ENGINES; i++) {
        const carat_options o = { .struct_size = sizeof o,
                                  .n_threads = kinds[i].threads,
                                  .step_seconds = kinds[i].step_seconds,
                                  .chunk = kinds[i].chunk,
                                  .cache = ask_is_fake() ? CARAT_CACHE_F16 : kinds[i].cache,
                                  .lookup = kinds[i].lookup,
                                  .draft = draft_of(i),
                                  .n_ctx = CTX,
                                  .n_sessions = 3 + N_NEIGHBOURS };
        engines[i] = ask_open(model, &o);
        engines[i]->looks_up =
            kinds[i].lookup != CARAT_LOOKUP_OFF && !draft_of(i); /* a draft's guesses, and no others */
        if (!ask_is_fake())
            open_formats(i);
    }
    for (size_t i = 0; i < N_NEIGHBOURS; i++)
        neighbours[i] = ask_random(engines[0], 100 + i, 30 + 20 * i);
    for (size_t k = 0; k < N_ENGINES; k++)
        for (size_t i = 0; i < N_NEIGHBOURS; i++) {
            carat_generation g = *ASK_GREEDY(20);
            const carat_request_options o = { .struct_size = sizeof o, .prompt = neighbours[i], .generation = &g };
            g.omits_guesses = true;
            ask_whole(engines[k], &o, &alone[k][i]);
        }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bool all_gone = true;
    for (size_t i = 0; i < N_NEIGHBOURS; i++)
        carat_prompt_free(neighbours[i]);
    for (size_t i = 0; i < N_ENGINES; i++) {
        const carat_stats s = ask_stats(engines[i]);
        all_gone = all_gone && s.running == 0 && s.queued == 0 && s.kv_bytes_promised == 0;
        all_gone = all_gone && s.accepted_tokens <= s.drafted_tokens;
        for (size_t k = 0; k < 4; k++)
            carat_format_close(formats[i][k]);
        carat_engine_close(engines[i]);
    }
    return all_gone ? 0 : -1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(guesses_change_nothing) };
    n_runs = argc > 1 ? strtoul(argv[1], NULL, 10) : QUICK;
    first_run = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    is_tiny = argc <= 3;
    model = is_tiny ? SIGHT : argv[3];
    draft = argc > 4 ? argv[4] : NULL;
    return cmocka_run_group_tests(tests, setup, teardown);
}
