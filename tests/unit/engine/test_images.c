/* Requests with several images, when the engine remembers hardly any.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>
#include <unistd.h>

#include "ask.h"

#define SIGHT   TEST_DATA "/models/tiny-sight"
#define SOFT    16
#define SLOT    512 /* the id of an image token */
#define IMAGES  4
#define LEN     (1 + IMAGES * SOFT + 1)
#define ROUNDS  12
#define SIDE    8
#define HEADER  54
#define SECONDS 60 /* until a test that hangs is ended */

/* A picture of one's own for each n: a BMP of SIDE x SIDE pixels, 24 bits. */
static carat_picture *draw(unsigned n)
{
    uint8_t bmp[HEADER + SIDE * SIDE * 3] = { 'B',       'M',         sizeof bmp & 255, sizeof bmp >> 8, [10] = HEADER,
                                              [14] = 40, [18] = SIDE, [22] = SIDE,      [26] = 1,        [28] = 24 };
    carat_picture *p;
    carat_err e;
    for (unsigned i = 0; i < SIDE * SIDE * 3; i++)
        bmp[HEADER + i] = (uint8_t)((n + 1) * 2654435761u >> (i / 6 % 24));
    ask_must(carat_picture_decode(bmp, sizeof bmp, &p, &e), &e);
    return p;
}

/* Four images in a row, and a word: one step. */
static carat_prompt *show(carat_engine *e, const unsigned images[IMAGES])
{
    int32_t ids[LEN] = { 2, [LEN - 1] = 30 };
    carat_picture *pictures[IMAGES];
    carat_prompt *p;
    carat_err err;
    const carat_pan_scan whole = { .struct_size = sizeof whole, .mode = CARAT_PAN_SCAN_OFF };
    for (size_t i = 1; i < LEN - 1; i++)
        ids[i] = SLOT;
    for (size_t i = 0; i < IMAGES; i++)
        pictures[i] = draw(images[i]);
    ask_must(carat_prompt_ids(
                 e, ids, LEN, (const carat_picture *const *)pictures, IMAGES,
                 &(carat_prompt_options){ .struct_size = sizeof(carat_prompt_options), .pan_scan = &whole }, &p, &err),
             &err);
    for (size_t i = 0; i < IMAGES; i++)
        carat_picture_free(pictures[i]);
    return p;
}

/* Three at once whose steps take all places for images there are, with some that are remembered: those that wait for
 * the tower keep no place from the one that has it. */
static void waiting_for_the_tower_takes_no_place(void **state)
{
    (void)state;
    unit_guard(SECONDS);
    carat_options o = {
        .struct_size = sizeof o, .n_threads = 1, .chunk = LEN, .n_ctx = 128, .n_sessions = 4, .image_cache = 1
    };
    carat_engine *small = ask_open(SIGHT, &o);
    o.image_cache = 0;
    carat_engine *large = ask_open(SIGHT, &o);
    for (unsigned round = 0; round < ROUNDS; round++) {
        static answer a[3], alone;
        const unsigned b = round * 100;
        const unsigned known[IMAGES] = { b, b + 1, b + 10, b + 11 };
        const unsigned shown[3][IMAGES] = { { b, b + 1, b + 2, b + 3 },
                                            { b + 10, b + 11, b + 12, b + 13 },
                                            { b + 20, b + 21, b + 22, b + 23 } };
        carat_prompt *p = show(small, known), *prompts[3];
        carat_request_options ro = { .struct_size = sizeof ro, .prompt = p, .generation = ASK_GREEDY(2) };
        carat_request *r[3];
        ask_whole(small, &ro, &alone);
        for (size_t i = 0; i < 3; i++) {
            ro.prompt = prompts[i] = show(small, shown[i]);
            r[i] = ask(small, &ro);
        }
        memset(a, 0, sizeof a);
        for (size_t i = 0; i < 3; i++) {
            ask_rest(r[i], &a[i]);
            carat_request_free(r[i]);
            ask_must(a[i].ok, &a[i].err);
            ro.prompt = prompts[i];
            ask_whole(large, &ro, &alone);
            ask_same(&a[i], &alone, "beside others");
            carat_prompt_free(prompts[i]);
        }
        carat_prompt_free(p);
    }
    carat_engine_close(small), carat_engine_close(large);
    unit_guard(0);
}

/* What is scored after pictures: the figures that a generation of the same tokens reports, also while others wait for the
 * tower, and where a continuation is so long that the prompt is read again. */
static void continuations_after_pictures(void **state)
{
    (void)state;
    enum { ROOM = 256, TOKENS = 160, CONTINUATIONS = 3 };
    unit_guard(SECONDS);
    const carat_options o = { .struct_size = sizeof o,
                              .n_threads = 1,
                              .chunk = 16,
                              .n_ctx = ROOM,
                              .n_sessions = 3,
                              .image_cache = 4,
                              .omits_prefix_cache = true };
    carat_engine *e = ask_open(SIGHT, &o);
    for (unsigned round = 0; round < 4; round++) {
        static answer a;
        int32_t other[TOKENS];
        const unsigned shown[2][IMAGES] = { { round, 1, 2, 3 }, { 50, 51 + round, 52, 53 } };
        carat_prompt *p = show(e, shown[0]), *beside = show(e, shown[1]);
        carat_request_options ro = { .struct_size = sizeof ro, .prompt = p, .generation = ASK_GREEDY(TOKENS) };
        ask_whole(e, &ro, &a);
        ask_ids(round, other, TOKENS);
        const carat_continuation c[CONTINUATIONS] = {
            { .struct_size = sizeof *c, .ids = other, .n_ids = TOKENS },
            { .struct_size = sizeof *c, .ids = a.ids, .n_ids = TOKENS },
            { .struct_size = sizeof *c, .ids = a.ids, .n_ids = 5 },
        };
        ro = (carat_request_options){ .struct_size = sizeof ro, .continuations = c, .n_continuations = CONTINUATIONS };
        carat_request *r[3];
        for (size_t i = 0; i < 3; i++) {
            ro.prompt = i == 1 ? beside : p;
            r[i] = ask(e, &ro);
        }
        for (size_t i = 0; i < 3; i++) {
            const carat_event *ev = carat_request_next(r[i], -1);
            assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
            assert_int_equal(ev->n_scores, CONTINUATIONS);
            for (size_t k = 1; k < CONTINUATIONS && i != 1; k++)
                assert_memory_equal(ev->scores[k].logprobs, a.logprobs, c[k].n_ids * sizeof(float));
            assert_true(i != 1 || memcmp(ev->scores[1].logprobs, a.logprobs, TOKENS * sizeof(float)) != 0);
        }
        for (size_t i = 0; i < 3; i++)
            carat_request_free(r[i]);
        carat_prompt_free(p), carat_prompt_free(beside);
    }
    carat_engine_close(e);
    unit_guard(0);
}

/* Two images behind a word, and another word. */
static carat_prompt *show_two(carat_engine *e, int32_t word)
{
    enum { N = 2 + 2 * SOFT + 1 };
    int32_t ids[N] = { 2, word, [N - 1] = 30 };
    carat_picture *pictures[] = { draw(1), draw(2) };
    const carat_pan_scan whole = { .struct_size = sizeof whole, .mode = CARAT_PAN_SCAN_OFF };
    const carat_prompt_options o = { .struct_size = sizeof o, .pan_scan = &whole };
    carat_prompt *p;
    carat_err err;
    for (size_t i = 2; i < N - 1; i++)
        ids[i] = SLOT;
    ask_must(carat_prompt_ids(e, ids, N, (const carat_picture *const *)pictures, 2, &o, &p, &err), &err);
    carat_picture_free(pictures[0]), carat_picture_free(pictures[1]);
    return p;
}

typedef struct beside {
    carat_engine *engine;
    carat_queue *queue;
    carat_request *talker, *viewer; /* one answers, the other's images are read meanwhile */
    answer said, seen;
    uint64_t n_before, n_between; /* decoded tokens: when the viewer was asked, from then to its first */
} beside;

/* Events until the viewer has ended, or the talker has said `most` more tokens or has ended. */
static void listen(beside *b, size_t most)
{
    for (const size_t until = b->said.n + most; !b->seen.has_ended && !b->said.has_ended && b->said.n < until;) {
        const carat_event *ev = carat_queue_next(b->queue, -1);
        if (ev->request == b->talker) {
            ask_take(ev, &b->said);
        } else if (ev->request == b->viewer) {
            if (b->seen.n == 0)
                b->n_between = ask_stats(b->engine).generated_tokens - b->n_before;
            ask_take(ev, &b->seen);
        }
    }
}

/* Asked when all that the talker has said so far is taken, so that its ring has room. */
static void ask_viewer(beside *b, int32_t word)
{
    ask_held held;
    carat_prompt *p = show_two(b->engine, word);
    ask_hold(b->engine, &held);
    for (const carat_event *ev; (ev = carat_queue_next(b->queue, 0))->kind != CARAT_EVENT_NONE;)
        if (ev->request == b->talker)
            ask_take(ev, &b->said);
    b->seen = (answer){ 0 };
    b->n_before = ask_stats(b->engine).generated_tokens;
    b->viewer = ask(b->engine, &(carat_request_options){ .struct_size = sizeof(carat_request_options),
                                                         .prompt = p,
                                                         .generation = ASK_GREEDY(5),
                                                         .queue = b->queue });
    ask_release(&held);
    carat_prompt_free(p);
}

/* What it says alone, in an engine where an image goes into a step. */
static void expect_seen(const beside *b, carat_engine *usual, int32_t word)
{
    static answer alone;
    carat_prompt *p = show_two(usual, word);
    ask_whole(usual,
              &(carat_request_options){
                  .struct_size = sizeof(carat_request_options), .prompt = p, .generation = ASK_GREEDY(5) },
              &alone);
    ask_same(&b->seen, &alone, "the images");
    carat_prompt_free(p);
}

/* Two images are read while another answers: all of it, or given up after so many of its tokens; 0: the former. */
static void read_beside(beside *b, carat_engine *usual, const carat_prompt *text, const answer *talk, int32_t word,
                        size_t give_up_after)
{
    const carat_request_options ro = {
        .struct_size = sizeof ro, .prompt = text, .generation = ASK_GREEDY(talk->n), .queue = b->queue
    };
    b->said = b->seen = (answer){ 0 };
    b->viewer = NULL;
    b->talker = ask(b->engine, &ro);
    listen(b, 3);
    ask_viewer(b, word);
    listen(b, give_up_after ? give_up_after : talk->n);
    if (!give_up_after) {
        assert_in_range(b->n_between, 2 * 6 /* layers */, 2 * talk->n);
        expect_seen(b, usual, word);
    }
    carat_request_free(b->viewer);
    b->viewer = NULL, b->seen = (answer){ 0 };
    listen(b, talk->n);
    ask_same(&b->said, talk, "the text");
    carat_request_free(b->talker);
}

/* A step that may take no time reads one layer of an image: whoever answers meanwhile gets a token for each of them, and both
 * say what they say alone. One that is cancelled in the middle leaves nothing behind. */
static void layer_by_layer_beside_answers(void **state)
{
    (void)state;
    alarm(SECONDS);
    carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 256, .n_sessions = 4 };
    carat_engine *usual = ask_open(SIGHT, &o);
    o.step_seconds = 1e-9, o.lookup = CARAT_LOOKUP_OFF;
    for (o.n_threads = 1; o.n_threads <= 3; o.n_threads++) {
        static answer talk;
        static beside b;
        carat_err err;
        o.chunk = o.n_threads == 2 ? SOFT / 2 : LEN;
        b = (beside){ .engine = ask_open(SIGHT, &o) };
        carat_prompt *text = ask_random(usual, 7, 20);
        ask_whole(usual,
                  &(carat_request_options){
                      .struct_size = sizeof(carat_request_options), .prompt = text, .generation = ASK_GREEDY(100) },
                  &talk);
        ask_must(carat_queue_open(&b.queue, &err), &err);
        for (int32_t round = 0; round < 10; round++) /* the images are encoded in the first */
            read_beside(&b, usual, text, &talk, 100 + round, round ? 2 * (size_t)round - 1 : 40);
        read_beside(&b, usual, text, &talk, 200, 0);
        carat_queue_close(b.queue);
        carat_prompt_free(text);
        carat_engine_close(b.engine);
    }
    carat_engine_close(usual);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(waiting_for_the_tower_takes_no_place),
                                        cmocka_unit_test(continuations_after_pictures),
                                        cmocka_unit_test(layer_by_layer_beside_answers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
