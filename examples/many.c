/* many.c - fifty requests driven by one thread, which waits in poll(2): for events of the engine, and for its own timer.
 *
 *     many MODEL "Once upon a time"
 *
 * Every fifth request is cancelled when five tokens of it have come.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <carat.h>
#include <poll.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { N = 50, EVERY = 5, ENOUGH = 5 };

static double begun, longest; /* seconds: when a call of the library began; what the longest took */
static const char *where = "";

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool timed(const char *name, bool result)
{
    double t = now() - begun;
    if (t > longest)
        longest = t, where = name;
    return result;
}
#define TIMED(name, call) (begun = now(), timed(name, call))

int main(int argc, char **argv)
{
    const carat_options o = { .struct_size = sizeof o, .n_ctx = 256, .n_sessions = 8 };
    const carat_content content = { .struct_size = sizeof content, .text = argc == 3 ? argv[2] : "" };
    const struct itimerspec often = { .it_interval.tv_nsec = 100000000, .it_value.tv_nsec = 100000000 };
    struct pollfd fds[2] = { { .events = POLLIN }, { .fd = timerfd_create(CLOCK_MONOTONIC, 0), .events = POLLIN } };
    size_t n_tokens[N] = { 0 }, n_open = 0, n_whole = 0, n_cancelled = 0;
    carat_engine *engine = NULL;
    carat_queue *queue = NULL;
    carat_prompt *prompt = NULL;
    carat_request *r; /* comes with each of its events, the last of which is its end */
    carat_err err = { .msg = "usage: many MODEL TEXT" };
    bool ok = argc == 3 && carat_engine_open(argv[1], &o, &engine, &err) && carat_queue_open(&queue, &err) &&
              TIMED("prompt_text", carat_prompt_text(engine, &content, 1, NULL, &prompt, &err));
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    carat_generation g = { .struct_size = sizeof g, .sampling = &sampling, .max_tokens = 32, .ignores_eos = true };
    carat_request_options ask = { .struct_size = sizeof ask, .prompt = prompt, .generation = &g, .queue = queue };
    for (; ok && n_open < N; n_open += ok) {
        sampling.seed = n_open;
        ask.user = &n_tokens[n_open];
        ok = TIMED("request_submit", carat_request_submit(engine, &ask, &r, &err));
    }
    carat_prompt_free(prompt);
    timerfd_settime(fds[1].fd, 0, &often, NULL);
    fds[0].fd = ok ? carat_queue_fd(queue) : -1;
    for (uint64_t ticks; ok && n_open && poll(fds, 2, -1) > 0;) {
        if (fds[1].revents && read(fds[1].fd, &ticks, sizeof ticks) > 0)
            printf("%zu open, %zu answered, %zu cancelled\n", n_open, n_whole, n_cancelled);
        for (const carat_event *ev; TIMED("queue_next", (ev = carat_queue_next(queue, 0))->kind != CARAT_EVENT_NONE);) {
            size_t *n = ev->user, i = (size_t)(n - n_tokens);
            if (ev->kind == CARAT_EVENT_TOKEN && ++*n == ENOUGH && i % EVERY == 0)
                TIMED("request_cancel", (carat_request_cancel(ev->request), true));
            if (ev->kind == CARAT_EVENT_ANSWER)
                *(ev->result->finish == CARAT_FINISH_CANCELLED ? &n_cancelled : &n_whole) += 1;
            if (ev->kind == CARAT_EVENT_END)
                n_open -= TIMED("request_free", (carat_request_free(ev->request), true));
        }
    }
    ok ? printf("%zu answered, %zu cancelled; the longest call took %.2f ms (%s)\n", n_whole, n_cancelled,
                longest * 1e3, where)
       : fprintf(stderr, "%s\n", err.msg);
    carat_queue_close(queue), carat_engine_close(engine), close(fds[1].fd);
    return ok && n_whole + n_cancelled == N ? 0 : 1;
}
