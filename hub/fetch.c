/* Brings one file of a repository.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/json.h"
#include "base/map.h"
#include "base/new_file.h"
#include "hub/digest.h"
#include "hub/place.h"
#include "hub/url.h"

#define CHUNK    ((size_t)1 << 20)
#define RESERVED ((uint64_t)16 << 20) /* stays free: a disk that is full to the last byte is no help to anyone */
#define MAX_NOTE 4096                 /* bytes of a .part.json */

typedef struct work {
    const ct_fetch *f;
    char *part, *note; /* paths */
    int fd;
    char of[65];    /* the hash that is expected: SHA-256, or git's; "": none is stated */
    char etag[320]; /* of what had answered with the bytes in the part */
    uint64_t total; /* HUB_UNKNOWN until it is stated */
    uint64_t done;
    ct_digest digest; /* of `done` bytes, once the total is known */
    bool has_moved;   /* something came since it was last asked for */
} work;

/* ---- room ---- */

bool ct_hub_has_room(const char *folder, uint64_t bytes, carat_err *err)
{
    struct statvfs s;
    if (statvfs(folder, &s) != 0)
        return true; /* writing will tell */
    uint64_t free_bytes = (uint64_t)s.f_bavail * s.f_frsize;
    if (bytes == 0 || bytes + RESERVED <= free_bytes)
        return true;
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%.120s: %.2f GB are to come and %.2f GB are free on this disk",
                   folder, (double)bytes / 1e9, (double)free_bytes / 1e9);
}

/* ---- what was left of an earlier pull ---- */

static bool write_note(const work *w, carat_err *err)
{
    json_t *o = json_pack("{s:s, s:s}", "of", w->of, "etag", w->etag);
    char *text = ct_json_dump(o, JSON_COMPACT);
    json_decref(o);
    bool ok = text ? ct_write_file(w->note, text, strlen(text), err)
                   : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %s", w->note);
    free(text);
    return ok;
}

/* Is the part a beginning of what is wanted? */
static bool note_agrees(work *w)
{
    json_t *o = NULL;
    const char *of = NULL, *etag = NULL;
    char *text;
    size_t len;
    if (!ct_read_file(w->note, MAX_NOTE, &text, &len, NULL))
        return false;
    bool ok = ct_json_parse("note", text, len, &o, NULL) && ct_json_text(o, "note", "of", &of, NULL) &&
              ct_json_text(o, "note", "etag", &etag, NULL) && of && etag && strlen(etag) < sizeof w->etag;
    if (ok)
        snprintf(w->etag, sizeof w->etag, "%s", etag);
    /* Without a hash the entity tag alone can say so: If-Range, http.h. */
    ok = ok && strcmp(of, w->of) == 0 && (*w->of || *etag == '"');
    json_decref(o);
    free(text);
    return ok;
}

static bool cancelled(carat_err *err)
{
    return ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
}

static bool io(const char *what, const char *path, carat_err *err)
{
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot %s: %s", path, what, strerror(errno));
}

/* Hashes the first `bytes` of fd. */
static bool hash_file(const ct_fetch *f, int fd, const char *path, uint64_t bytes, ct_digest *d, carat_err *err)
{
    char *chunk = malloc(CHUNK);
    bool ok = chunk || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to read %s", path);
    for (uint64_t at = 0; ok && at < bytes;) {
        size_t want = bytes - at < CHUNK ? (size_t)(bytes - at) : CHUNK;
        ssize_t n = pread(fd, chunk, want, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : EIO;
            ok = io("read", path, err);
            break;
        }
        ct_digest_add(d, chunk, (size_t)n);
        at += (uint64_t)n;
        if (f->at && !f->at(f->arg, true, at, bytes))
            ok = cancelled(err);
    }
    free(chunk);
    return ok;
}

static bool begin_again(work *w, carat_err *err)
{
    w->done = 0;
    *w->etag = '\0';
    if (w->total != HUB_UNKNOWN)
        ct_digest_init(&w->digest, w->total);
    return ftruncate(w->fd, 0) == 0 || io("empty", w->part, err);
}

static bool open_part(work *w, carat_err *err)
{
    struct stat st;
    w->fd = open(w->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0666);
    if (w->fd < 0 || fstat(w->fd, &st) != 0)
        return io("open", w->part, err);
    if (!S_ISREG(st.st_mode))
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: not a file", w->part);
    uint64_t there = (uint64_t)st.st_size;
    if (there == 0 || w->total == HUB_UNKNOWN || there > w->total || !note_agrees(w))
        return begin_again(w, err);
    ct_digest_init(&w->digest, w->total);
    w->done = there;
    return hash_file(w->f, w->fd, w->part, there, &w->digest, err);
}

/* ---- what arrives ---- */

static bool expect(work *w, const ct_hub_http_reply *r, carat_err *err)
{
    const char *name = w->f->file->name;
    uint64_t total = r->status == 206 ? r->total : r->length;
    if (w->total == HUB_UNKNOWN) { /* the hub had not said it: what it says now counts */
        w->total = r->linked_size != HUB_UNKNOWN ? r->linked_size : total;
        if (w->total == HUB_UNKNOWN || w->total > (uint64_t)1 << 50)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%.120s: the hub does not say how long it is", name);
        size_t n = strlen(r->linked_etag);
        if (!*w->of && (n == 64 || n == 40) && strspn(r->linked_etag, "0123456789abcdef") == n)
            memcpy(w->of, r->linked_etag, n + 1);
        ct_digest_init(&w->digest, w->total);
        if (!ct_hub_has_room(w->part, w->total, err))
            return false;
    }
    if (total != HUB_UNKNOWN && total != w->total)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%.120s: %llu bytes were announced and %llu are sent", name,
                       (unsigned long long)w->total, (unsigned long long)total);
    return true;
}

/* A server that sends all of it although a part was asked for has no ranges, or has another version of it. */
static bool begin(void *arg, const ct_hub_http_reply *r, carat_err *err)
{
    work *w = arg;
    if (!expect(w, r, err))
        return false;
    if (r->status == 206 && r->from != w->done)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%.120s: the bytes from %llu on were asked for, another part was sent", w->f->file->name,
                       (unsigned long long)w->done);
    if (r->status == 200 && w->done) {
        char line[200];
        snprintf(line, sizeof line, "%.120s: the server does not continue; it begins again", w->f->file->name);
        if (w->f->tell)
            w->f->tell(w->f->arg, line);
        if (!begin_again(w, err))
            return false;
    }
    snprintf(w->etag, sizeof w->etag, "%s", r->etag);
    /* Where the file system can, so that no room is seen now and not at the end. */
    if (w->done == 0 && fallocate(w->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)w->total) != 0 && errno == ENOSPC)
        return io("reserve room for it", w->part, err);
    return write_note(w, err);
}

static bool data(void *arg, const void *bytes, size_t len, carat_err *err)
{
    work *w = arg;
    const char *s = bytes;
    if (len > w->total - w->done)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE,
                       "%.120s: more was sent than the %llu bytes that were announced", w->f->file->name,
                       (unsigned long long)w->total);
    for (size_t left = len; left;) {
        ssize_t n = pwrite(w->fd, s, left, (off_t)w->done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return io("write", w->part, err);
        ct_digest_add(&w->digest, s, (size_t)n);
        w->done += (uint64_t)n;
        s += n, left -= (size_t)n;
    }
    w->has_moved = true;
    return !w->f->at || w->f->at(w->f->arg, false, w->done, w->total) || cancelled(err);
}

/* ---- answers that are none ---- */

static bool refusal_of_access(const ct_hub_http *h, const char *repo, bool is_gated, const ct_hub_http_reply *r,
                              carat_err *err)
{
    const char *hub = ct_hub_http_endpoint(h);
    if (is_gated || strcasecmp(r->error, "GatedRepo") == 0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%.60s is gated: accept its terms at %.60s/%.60s, then %s", repo,
                       hub, repo,
                       ct_hub_http_has_token(h) ? "pull again (this token has no access yet)"
                                                : "give a token: $HF_TOKEN or --token-file");
    if (ct_hub_http_has_token(h))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "%.60s: %.60s answers %d: no such repository, or the token may not see it", repo, hub,
                       r->status);
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                   "%.60s: %.60s has no such repository, or it is private and needs a token: $HF_TOKEN or --token-file",
                   repo, hub);
}

bool ct_hub_refusal(const ct_hub_http *h, const char *repo, const char *revision, const char *file, bool is_gated,
                    const ct_hub_http_reply *r, carat_err *err)
{
    const char *hub = ct_hub_http_endpoint(h);
    if (r->status == 401 || r->status == 403)
        return refusal_of_access(h, repo, is_gated, r, err);
    if (r->status == 404 && strcasecmp(r->error, "RevisionNotFound") == 0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%.80s has no revision '%.60s'", repo, revision);
    if (r->status == 404 && file)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%.80s has no file '%.100s'", repo, file);
    if (r->status == 404)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%.80s has no repository %.80s", hub, repo);
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%.80s answers %d%s%.100s", hub, r->status, *r->why ? ": " : "",
                   r->why);
}

/* ---- the whole of it ---- */

static char *path_of(const ct_fetch *f)
{
    ct_buf b;
    ct_buf_init(&b, 4096);
    ct_buf_fmt(&b, "/%s/resolve/", f->repo);
    ct_hub_escape(&b, f->revision, "");
    ct_buf_char(&b, '/');
    ct_hub_escape(&b, f->file->name, "/");
    char *path = ct_buf_take(&b);
    ct_buf_deinit(&b);
    return path;
}

/* After 416 a part that cannot be continued is thrown away, once. */
static bool transfer(work *w, const char *path, carat_err *err)
{
    const ct_hub_http_sink sink = { .begin = begin, .data = data, .arg = w };
    const ct_fetch *f = w->f;
    ct_hub_http_reply r;
    bool was_refused = false;
    for (int tries = 1; w->total == HUB_UNKNOWN || w->done < w->total;) {
        w->has_moved = false;
        if (w->done && !*w->of && *w->etag != '"' &&
            !begin_again(w, err)) /* nothing would say that it is the same file */
            return false;
        ct_hub_end end = ct_hub_http_get(f->http, path, w->done, w->etag, &sink, &r, err);
        if (end == HUB_FAILED)
            return false;
        if (end == HUB_STATUS && r.status == 416 && w->done && !was_refused) {
            was_refused = true;
            if (!begin_again(w, err))
                return false;
            continue;
        }
        if (end == HUB_STATUS)
            return ct_hub_refusal(f->http, f->repo, f->revision, f->file->name, f->is_gated, &r, err);
        if (end == HUB_WHOLE && w->done == w->total)
            break;
        if (end == HUB_WHOLE) { /* it said that this was all */
            ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%.120s: the answer ends after %llu of %llu bytes", f->file->name,
                    (unsigned long long)w->done, (unsigned long long)w->total);
            end = HUB_CUT;
        }
        tries = w->has_moved ? 1 : tries + 1;
        if (!ct_hub_http_wait(f->http, tries, end, &r, err))
            return false;
    }
    return true;
}

static bool verify(work *w, ct_fetched *out, carat_err *err)
{
    char git[41];
    if (w->f->at && !w->f->at(w->f->arg, true, w->total, w->total))
        return cancelled(err);
    ct_digest_text(&w->digest, out->sha256, git);
    out->bytes = w->total;
    const char *found = strlen(w->of) == 40 ? git : out->sha256;
    if (!*w->of && w->f->tell) {
        char line[200];
        snprintf(line, sizeof line, "%.120s: the hub states no hash; nobody knows if this is what it was",
                 w->f->file->name);
        w->f->tell(w->f->arg, line);
    }
    if (!*w->of || strcmp(w->of, found) == 0)
        return true;
    unlink(w->part);
    unlink(w->note);
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                   "%.60s: its SHA-%s is %.12s..., the hub states %.12s...: thrown away", w->f->file->name,
                   strlen(w->of) == 40 ? "1" : "256", found, w->of);
}

/* Is what has this name already the file? Then nothing is fetched. */
static bool is_there(work *w, ct_fetched *out, bool *answer, carat_err *err)
{
    uint64_t bytes;
    char git[41];
    *answer = false;
    if (!*w->of || !ct_place_size(w->f->path, &bytes) || bytes != w->total)
        return true;
    int fd = open(w->f->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return true;
    ct_digest d;
    ct_digest_init(&d, bytes);
    bool ok = hash_file(w->f, fd, w->f->path, bytes, &d, err);
    close(fd);
    ct_digest_text(&d, out->sha256, git);
    out->bytes = bytes;
    *answer = ok && strcmp(w->of, strlen(w->of) == 40 ? git : out->sha256) == 0;
    return ok;
}

static bool give_name(work *w, carat_err *err)
{
    if (fsync(w->fd) != 0)
        return io("write", w->part, err);
    if (rename(w->part, w->f->path) != 0)
        return io("rename", w->part, err);
    unlink(w->note);
    return true;
}

static bool fetch(work *w, ct_fetched *out, carat_err *err)
{
    bool there;
    if (!is_there(w, out, &there, err) || there)
        return there;
    char *path = path_of(w->f);
    bool ok = path ? open_part(w, err) && transfer(w, path, err) && verify(w, out, err) && give_name(w, err)
                   : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    free(path);
    return ok;
}

bool ct_fetch_file(const ct_fetch *f, ct_fetched *out, carat_err *err)
{
    work w = { .f = f, .fd = -1, .total = f->file->bytes };
    const char *of = *f->file->sha256 ? f->file->sha256 : f->file->blob;
    snprintf(w.of, sizeof w.of, "%s", of);
    if (asprintf(&w.part, "%s.part", f->path) < 0)
        w.part = NULL;
    if (asprintf(&w.note, "%s.part.json", f->path) < 0)
        w.note = NULL;
    bool ok =
        w.part && w.note ? fetch(&w, out, err) : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a path");
    if (w.fd >= 0)
        close(w.fd);
    free(w.part);
    free(w.note);
    return ok;
}
