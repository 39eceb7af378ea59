/* Addresses: texts of the operator to sockets that listen.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/inside.h"

#define BACKLOG         512
#define LISTENER_OLLAMA 1 /* the number of the address where clients expect Ollama; all others are 0 */
#define OLLAMA_ADDRESS  "127.0.0.1:11434"

static bool add_url(ct_server *s, const char *host, const char *port)
{
    const char *scheme = s->o.cert ? "https" : "http", *open = strchr(host, ':') ? "[" : "", *end = *open ? "]" : "";
    char *url = NULL;
    if (s->n_urls == CT_HTTP_MAX_LISTEN || asprintf(&url, "%s://%s%s%s:%s", scheme, open, host, end, port) < 0)
        return true; /* it listens all the same */
    s->urls[s->n_urls++] = url;
    return true;
}

static bool give(ct_server *s, int fd, int number, carat_err *err)
{
    if (ct_http_listen(s->http, fd, number, err))
        return true;
    close(fd);
    return false;
}

/* One of the addresses that a name has. */
static int open_socket(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, why;
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    why = errno;
    close(fd);
    errno = why;
    return -1;
}

static bool say_port(int fd, char *to, size_t size)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    return getsockname(fd, (struct sockaddr *)&a, &len) == 0 &&
           getnameinfo((struct sockaddr *)&a, len, NULL, 0, to, (socklen_t)size, NI_NUMERICSERV) == 0;
}

static bool listen_on(ct_server *s, const char *text, const char *host, const char *port, int number, carat_err *err)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV },
                    *all;
    bool is_any = strcmp(host, "*") == 0;
    char actual[32];
    int why = getaddrinfo(is_any ? NULL : host, port, &hints, &all);
    if (why)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%.80s' is no address to listen on: %s", text,
                       gai_strerror(why));
    int fd = -1;
    for (const struct addrinfo *a = all; a && fd < 0; a = a->ai_next)
        fd = open_socket(a);
    freeaddrinfo(all);
    if (fd < 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "cannot listen on %.80s: %s%s", text, strerror(errno),
                       errno == EADDRINUSE ? " (--port chooses another)" : "");
    return give(s, fd, number, err) &&
           add_url(s, is_any ? "localhost" : host, say_port(fd, actual, sizeof actual) ? actual : port);
}

/* The socket of a server that was killed: nobody listens there. */
static bool is_left_over(int fd, const struct sockaddr_un *a)
{
    struct stat st;
    return lstat(a->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
           connect(fd, (const struct sockaddr *)a, sizeof *a) != 0 && errno == ECONNREFUSED;
}

static bool listen_on_path(ct_server *s, const char *path, carat_err *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof a.sun_path)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%.60s...': a socket's path has at most %zu bytes", path,
                       sizeof a.sun_path - 1);
    memcpy(a.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && is_left_over(fd, &a))
        unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, BACKLOG)) {
        ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "cannot listen on %.80s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    return give(s, fd, 0, err);
}

static bool is_port(const char *text)
{
    const size_t n = strlen(text);
    return n > 0 && n < 6 && strspn(text, "0123456789") == n && strtol(text, NULL, 10) <= 65535;
}

/* "127.0.0.1:8080", "[::1]:8080", "::1", "*", "unix:/run/carat.sock"; without a port at the server's own. */
static bool listen_to(ct_server *s, const char *text, carat_err *err)
{
    char host[256], own_port[16];
    const char *end = *text == '[' ? strchr(text, ']') : NULL, *port = strrchr(end ? end : text, ':');
    if (strncmp(text, "unix:", 5) == 0)
        return listen_on_path(s, text + 5, err);
    if (!end && port && strchr(text, ':') != port)
        port = NULL; /* an IPv6 address alone */
    size_t n = end ? (size_t)(end - text) - 1 : port ? (size_t)(port - text) : strlen(text);
    if (n == 0 || n >= sizeof host || (port && !is_port(port + 1)))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%.80s' is no address, expected HOST:PORT", text);
    snprintf(host, sizeof host, "%.*s", (int)n, text + (end != NULL));
    snprintf(own_port, sizeof own_port, "%u", s->o.port);
    return listen_on(s, text, host, port ? port + 1 : own_port, 0, err);
}

/* One that is there already. systemd makes it blocking (NonBlocking= in systemd.exec(5)), and the loop would wait in accept. */
static bool take_socket(ct_server *s, int fd, carat_err *err)
{
    int listens = 0, flags = fcntl(fd, F_GETFL);
    socklen_t len = sizeof listens;
    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 || !listens)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "descriptor %d (LISTEN_FDS) is no socket that listens: Accept=no, ListenStream=", fd);
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "descriptor %d (LISTEN_FDS): %s", fd, strerror(errno));
    return ct_http_listen(s->http, fd, 0, err);
}

bool ct_server_listen(ct_server *s, carat_err *err)
{
    for (size_t i = 0; i < s->o.n_sockets; i++)
        if (!take_socket(s, s->o.sockets[i], err))
            return false;
    for (size_t i = 0; i < s->o.n_addresses; i++)
        if (!listen_to(s, s->o.addresses[i], err))
            return false;
    s->ollama_listener = s->o.is_ollama ? LISTENER_OLLAMA : -1;
    return !s->o.is_ollama || listen_on(s, OLLAMA_ADDRESS, "127.0.0.1", "11434", LISTENER_OLLAMA, err);
}
