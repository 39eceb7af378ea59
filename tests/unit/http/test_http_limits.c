/* Limits of time and size, with clocks that are short: the server's own take minutes. The client is a socket of this process, moved
 * by hand between runs of the loop.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/http.h"

#define LONG ((size_t)16 << 20) /* more than sockets hold */

typedef struct fixture {
    ct_http *h;
    struct sockaddr_in at;
    ct_http_exchange *x; /* whole, without a reply yet */
    int n_requests, n_gone, n_refused;
    ct_http_refusal why;
} fixture;

static void on_head(void *arg, ct_http_exchange *x)
{
    (void)arg, (void)x;
}

static void on_request(void *arg, ct_http_exchange *x)
{
    fixture *f = arg;
    f->n_requests++;
    f->x = x;
}

static void on_refused(void *arg, ct_http_exchange *x, ct_http_refusal why)
{
    fixture *f = arg;
    f->n_refused++;
    f->why = why;
    ct_http_reply(x, 400, "text/plain", "no", 2);
}

static void on_gone(void *arg, ct_http_exchange *x)
{
    fixture *f = arg;
    f->n_gone++;
    f->x = f->x == x ? NULL : f->x;
}

static const ct_http_handler handler = { on_head, on_request, on_refused, on_gone };

static void open_server(fixture *f, double head, double body, double idle)
{
    *f = (fixture){ .at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } } };
    socklen_t len = sizeof f->at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&f->at, sizeof f->at), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&f->at, &len), 0);
    const ct_http_options o = { .handler = &handler,
                                .arg = f,
                                .max_connections = 8,
                                .max_body = (size_t)1 << 20,
                                .max_bodies = (size_t)1 << 20,
                                .head_seconds = head,
                                .body_seconds = body,
                                .idle_seconds = idle };
    carat_err err;
    if (!ct_http_open(&o, &f->h, &err) || !ct_http_listen(f->h, fd, 0, &err))
        fail_msg("%s", err.msg);
}

static int client(const fixture *f, const char *head)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), few = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
    assert_int_equal(connect(fd, (const struct sockaddr *)&f->at, sizeof f->at), 0);
    assert_int_equal(send(fd, head, strlen(head), 0), (ssize_t)strlen(head));
    return fd;
}

/* Runs the loop for so long, or until something of the fixture is no longer 0. */
static void run(fixture *f, double seconds, const int *until)
{
    const double end = ct_now() + seconds;
    for (double left = seconds; left > 0 && !(until && *until); left = end - ct_now()) {
        double wait = ct_http_timeout(f->h);
        struct pollfd p = { .fd = ct_http_fd(f->h), .events = POLLIN };
        poll(&p, 1, (int)((wait < left ? wait : left) * 1000) + 1);
        ct_http_run(f->h);
    }
}

static bool is_closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "

static void a_body_that_stalls_is_given_up(void **state)
{
    fixture f;
    (void)state;
    open_server(&f, 5, 0.4, 60);
    int fd = client(&f, POST "100000\r\n\r\nthe beginning");
    const double start = ct_now();
    run(&f, 10, &f.n_gone);
    assert_int_equal(f.n_gone, 1);
    assert_int_equal(f.n_requests, 0);
    assert_true(ct_now() - start > 0.3);
    run(&f, 0.1, NULL);
    assert_true(is_closed(fd));
    close(fd);
    ct_http_close(f.h);
}

static void a_body_that_comes_at_a_fair_rate_may_take_longer(void **state)
{
    static const char piece[32 << 10] = { 'a' };
    fixture f;
    (void)state;
    open_server(&f, 5, 0.4, 60);
    int fd = client(&f, POST "327680\r\n\r\n");
    for (int i = 0; i < 10; i++) { /* 32 KiB in 0.2 s: ten times the rate that is asked for */
        assert_int_equal(send(fd, piece, sizeof piece, 0), (ssize_t)sizeof piece);
        run(&f, 0.2, &f.n_requests);
    }
    run(&f, 10, &f.n_requests);
    assert_int_equal(f.n_requests, 1);
    close(fd);
    ct_http_close(f.h);
}

static void headers_that_stall_are_given_up(void **state)
{
    fixture f;
    (void)state;
    open_server(&f, 0.4, 60, 60);
    int fd = client(&f, "GET / HTTP/1.1\r\nHost:");
    run(&f, 0.1, NULL);
    assert_false(is_closed(fd));
    for (int i = 0; i < 100 && !is_closed(fd); i++)
        run(&f, 0.1, NULL);
    assert_true(is_closed(fd));
    close(fd);
    ct_http_close(f.h);
}

static void a_reply_that_is_not_taken_is_given_up(void **state)
{
    char *text = calloc(1, LONG);
    (void)state;
    for (int streams = 0; streams < 2; streams++) {
        fixture f;
        open_server(&f, 5, 5, 1);
        int fd = client(&f, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        run(&f, 10, &f.n_requests);
        assert_non_null(f.x);
        if (streams) {
            ct_http_stream(f.x, 200, "text/plain");
            for (int i = 0; i < 7 && f.x; i++) { /* what the sockets take, and then what waits */
                assert_true(ct_http_write(f.x, text, (size_t)1 << 19) || f.n_gone);
                run(&f, 0.02, NULL);
            }
        } else {
            ct_http_reply(f.x, 200, "text/plain", text, LONG);
        }
        run(&f, 20, &f.n_gone);
        assert_int_equal(f.n_gone, 1);
        close(fd);
        ct_http_close(f.h);
    }
    free(text);
}

static void of_a_stream_four_mebibytes_wait(void **state)
{
    static char text[1 << 20];
    fixture f;
    (void)state;
    open_server(&f, 5, 5, 60);
    int fd = client(&f, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    run(&f, 10, &f.n_requests);
    assert_non_null(f.x);
    ct_http_stream(f.x, 200, "text/plain");
    for (int i = 0; i < 4; i++) /* the loop does not run: nothing is taken */
        assert_true(ct_http_write(f.x, text, sizeof text));
    assert_false(ct_http_write(f.x, text, 1));
    ct_http_cut(f.x);
    run(&f, 10, &f.n_gone);
    assert_int_equal(f.n_gone, 1);
    close(fd);
    ct_http_close(f.h);
}

static void what_is_too_long_is_refused(void **state)
{
    fixture f;
    (void)state;
    open_server(&f, 5, 5, 60);
    int fd = client(&f, POST "1048577\r\n\r\n");
    run(&f, 10, &f.n_refused);
    assert_int_equal(f.why, CT_HTTP_TOO_LONG);
    close(fd);
    fd = client(&f, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    f.n_refused = 0;
    run(&f, 10, &f.n_refused);
    assert_int_equal(f.why, CT_HTTP_AMBIGUOUS);
    close(fd);
    assert_int_equal(f.n_requests, 0);
    ct_http_close(f.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_that_stalls_is_given_up),
        cmocka_unit_test(a_body_that_comes_at_a_fair_rate_may_take_longer),
        cmocka_unit_test(headers_that_stall_are_given_up),
        cmocka_unit_test(a_reply_that_is_not_taken_is_given_up),
        cmocka_unit_test(of_a_stream_four_mebibytes_wait),
        cmocka_unit_test(what_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
