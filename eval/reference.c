/* The file of a reference: its head, its blocks, and what was torn at its end. The places are in places.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/le.h"

#define MOST_HEAD  ((size_t)1 << 20)
#define MOST_BLOCK ((size_t)4 << 30)
#define MOST_IDS   ((size_t)1 << 28)
#define START      12 /* magic and the head's length */
#define PROLOGUE   16 /* of a block */
static const char magic[] = "CARATKL1";

/* ---- bytes ---- */

static bool read_at(const ct_eval_reference *r, void *to, size_t n, uint64_t at, carat_err *err)
{
    for (size_t done = 0; done < n;) {
        const ssize_t k = pread(r->fd, (char *)to + done, n - done, (off_t)(at + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return ct_fail(err, CARAT_EIO, at + done, "%s: cannot be read: %s", r->path, strerror(errno));
        if (k == 0)
            return ct_fail(err, CARAT_EFORMAT, at + done, "%s: ends at byte %llu, in the middle of something", r->path,
                           (unsigned long long)(at + done));
        done += (size_t)k;
    }
    return true;
}

/* At the end; half of it is taken away again. */
static bool append(ct_eval_reference *r, const void *from, size_t n, carat_err *err)
{
    for (size_t done = 0; done < n;) {
        const ssize_t k = pwrite(r->fd, (const char *)from + done, n - done, (off_t)(r->end + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0) {
            const int why = errno;
            const bool is_cut = ftruncate(r->fd, (off_t)r->end) == 0;
            return ct_fail(err, CARAT_EIO, r->end, "%s: cannot be written: %s; %s", r->path, strerror(why),
                           is_cut ? "what is in it stays" : "its end is unfinished, which the next run mends");
        }
        done += (size_t)k;
    }
    r->end += n;
    return true;
}

static bool damaged(const ct_eval_reference *r, uint64_t at, const char *what, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, at, "%s: damaged: %s (byte %llu)", r->path, what, (unsigned long long)at);
}

/* ---- the head ---- */

static bool read_head(ct_eval_reference *r, carat_err *err)
{
    uint8_t start[START];
    struct stat st;
    if (fstat(r->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: expected a regular file", r->path);
    if (st.st_size < START || !read_at(r, start, sizeof start, 0, NULL) || memcmp(start, magic, 8) != 0)
        return ct_fail(err, CARAT_EFORMAT, 0, "%s: is no reference of carat eval kl; it is left as it is", r->path);
    const size_t len = ct_le32(start + 8);
    if (len > MOST_HEAD)
        return damaged(r, 8, "a head of more than 1 MiB", err);
    char *text = malloc(len + 1);
    bool ok = text || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its head", r->path);
    ok = ok && read_at(r, text, len, START, err) && ct_json_parse(r->path, text, len, &r->head, err);
    free(text);
    r->end = START + len;
    return ok && (json_is_object(r->head) || damaged(r, START, "its head is no object", err));
}

static bool read_ids(ct_eval_reference *r, size_t n, int32_t **out, carat_err *err)
{
    uint8_t *bytes = malloc(4 * n);
    int32_t *ids = malloc(n * sizeof *ids);
    bool ok = (bytes && ids) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for %zu tokens", r->path, n);
    ok = ok && read_at(r, bytes, 4 * n, r->end, err);
    for (size_t i = 0; ok && i < n; i++) {
        ids[i] = (int32_t)ct_le32(bytes + 4 * i);
        if ((uint32_t)ids[i] >= r->n_vocab)
            ok = damaged(r, r->end + 4 * i, "a token that the vocabulary does not have", err);
    }
    free(bytes);
    if (ok) {
        r->end += 4 * n;
        *out = ids;
    } else {
        free(ids);
    }
    return ok;
}

/* The windows that the head speaks of. */
static bool read_windows(ct_eval_reference *r, carat_err *err)
{
    const char *protocol = NULL, *hash = NULL;
    int64_t window = 0, stride = 0, tokens = 0, vocab = 0;
    int32_t *ids = NULL;
    const char *what = r->path;
    if (!ct_json_text(r->head, what, "protocol", &protocol, err) ||
        !ct_json_int(r->head, what, "window", 8, 1 << 20, &window, err) ||
        !ct_json_int(r->head, what, "stride", 1, 1 << 20, &stride, err) ||
        !ct_json_int(r->head, what, "text_tokens", 1, MOST_IDS, &tokens, err) ||
        !ct_json_int(r->head, what, "n_vocab", 2, 1 << 24, &vocab, err) ||
        !ct_json_text(r->head, what, "text", &hash, err))
        return false;
    const bool is_llama = protocol && strcmp(protocol, ct_eval_protocol_name(CT_EVAL_LLAMA_CPP)) == 0;
    if (!window || !stride || !tokens || !vocab || !hash || !protocol ||
        (!is_llama && strcmp(protocol, ct_eval_protocol_name(CT_EVAL_SLIDING)) != 0))
        return damaged(r, START, "its head lacks something, or names an unknown protocol", err);
    r->n_vocab = (size_t)vocab;
    if (!read_ids(r, (size_t)tokens + 1, &ids, err))
        return false;
    if (!ct_eval_windows_of_ids(&r->windows, is_llama ? CT_EVAL_LLAMA_CPP : CT_EVAL_SLIDING, (size_t)window,
                                is_llama ? 0 : (size_t)stride, ids, (size_t)tokens + 1, err))
        return ct_fail_in(err, "%s", r->path);
    char own[17];
    ct_eval_windows_hash(&r->windows, own);
    return strcmp(own, hash) == 0 || damaged(r, r->end, "its text is not the one that its head names", err);
}

/* Finds the blocks. What is torn at the end is not one. */
static bool find_blocks(ct_eval_reference *r, carat_err *err)
{
    struct stat st;
    if (fstat(r->fd, &st) != 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", r->path, strerror(errno));
    const uint64_t size = (uint64_t)st.st_size;
    r->at = calloc(r->windows.n, sizeof *r->at);
    if (!r->at)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for %zu windows", r->path, r->windows.n);
    while (r->n < r->windows.n && size - r->end >= PROLOGUE) {
        uint8_t p[PROLOGUE];
        if (!read_at(r, p, sizeof p, r->end, err))
            return false;
        const uint64_t bytes = ct_le64(p + 8);
        if (ct_le32(p) != r->n || bytes > MOST_BLOCK)
            return damaged(r, r->end, "a block that is no window's", err);
        if (bytes > size - r->end - PROLOGUE)
            return true;
        r->at[r->n++] = r->end;
        r->end += PROLOGUE + bytes;
    }
    return r->n < r->windows.n || r->end == size || damaged(r, r->end, "something behind its last window", err);
}

static bool open_it(ct_eval_reference *r, const char *path, int flags, carat_err *err)
{
    *r = (ct_eval_reference){ .path = path, .fd = open(path, flags | O_CLOEXEC, 0666) };
    ct_buf_init(&r->block, MOST_BLOCK);
    return r->fd >= 0 || ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be opened: %s", path, strerror(errno));
}

bool ct_eval_reference_open(ct_eval_reference *r, const char *path, carat_err *err)
{
    bool ok = open_it(r, path, O_RDONLY, err) && read_head(r, err) && read_windows(r, err) && find_blocks(r, err);
    ok = ok && (r->n || ct_fail(err, CARAT_EFORMAT, r->end, "%s: has no whole window", path));
    if (!ok)
        ct_eval_reference_close(r);
    return ok;
}

/* ---- writing ---- */

static bool write_start(ct_eval_reference *r, const json_t *head, const ct_eval_windows *w, carat_err *err)
{
    char *text = ct_json_dump(head, JSON_COMPACT);
    ct_buf b;
    uint8_t n[4];
    ct_buf_init(&b, MOST_BLOCK);
    ct_buf_str(&b, magic);
    ct_put_le32(n, text ? (uint32_t)strlen(text) : 0);
    ct_buf_add(&b, n, sizeof n);
    ct_buf_str(&b, text ? text : "");
    for (size_t i = 0; i <= w->n_tokens; i++) {
        ct_put_le32(n, (uint32_t)(i ? w->ids[i] : w->bos));
        ct_buf_add(&b, n, sizeof n);
    }
    const bool ok = (text && !b.failed)
                        ? append(r, b.data, b.len, err)
                        : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its head", r->path);
    free(text);
    ct_buf_deinit(&b);
    return ok;
}

static bool compare_heads(const ct_eval_reference *r, const json_t *want, carat_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)want, key, value) {
        if (strcmp(key, "model") != 0 && !json_equal(value, json_object_get(r->head, key)))
            return ct_fail(err, CARAT_EFORMAT, START, "%s: a reference of another run: '%s' differs; name another file",
                           r->path, key);
    }
    return true;
}

bool ct_eval_reference_create(ct_eval_reference *r, const char *path, json_t *head, const ct_eval_windows *w,
                              size_t n_vocab, carat_err *err)
{
    struct stat st;
    bool ok = open_it(r, path, O_RDWR | O_CREAT, err);
    ok = ok && ((fstat(r->fd, &st) == 0 && S_ISREG(st.st_mode)) ||
                ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: expected a regular file", path));
    ok = ok && (flock(r->fd, LOCK_EX | LOCK_NB) == 0 ||
                ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be locked: %s", path,
                        errno == EWOULDBLOCK ? "another run is writing it" : strerror(errno)));
    if (ok && st.st_size == 0)
        ok = write_start(r, head, w, err);
    r->end = 0;
    ok = ok && read_head(r, err) && compare_heads(r, head, err) && read_windows(r, err) && find_blocks(r, err);
    ok = ok && (r->n_vocab == n_vocab || damaged(r, START, "another vocabulary", err));
    ok = ok && (ftruncate(r->fd, (off_t)r->end) == 0 ||
                ct_fail(err, CARAT_EIO, r->end, "%s: cannot cut off its unfinished end: %s", path, strerror(errno)));
    json_decref(head);
    if (!ok)
        ct_eval_reference_close(r);
    return ok;
}

void ct_eval_reference_close(ct_eval_reference *r)
{
    if (r->path && r->fd >= 0)
        close(r->fd);
    json_decref(r->head);
    free(r->at);
    ct_eval_windows_close(&r->windows);
    ct_buf_deinit(&r->block);
    *r = (ct_eval_reference){ .fd = -1 };
}

void ct_eval_reference_begin(ct_eval_reference *r)
{
    const uint8_t nothing[PROLOGUE] = { 0 };
    ct_buf_clear(&r->block);
    ct_buf_add(&r->block, nothing, sizeof nothing);
    r->n_place = 0;
}

bool ct_eval_reference_end(ct_eval_reference *r, carat_err *err)
{
    if (r->block.failed)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for a window", r->path);
    uint8_t *p = (uint8_t *)r->block.data;
    ct_put_le32(p, (uint32_t)r->n);
    ct_put_le32(p + 4, (uint32_t)r->n_place);
    ct_put_le64(p + 8, r->block.len - PROLOGUE);
    const uint64_t begin = r->end;
    if (!append(r, p, r->block.len, err))
        return false;
    r->at[r->n++] = begin;
    return true;
}

bool ct_eval_reference_read(ct_eval_reference *r, size_t i, carat_err *err)
{
    uint8_t p[PROLOGUE];
    if (!read_at(r, p, sizeof p, r->at[i], err))
        return false;
    const uint64_t bytes = ct_le64(p + 8);
    free(r->block.data);
    ct_buf_init(&r->block, MOST_BLOCK);
    r->block.data = malloc(bytes + 1);
    if (!r->block.data)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for a window", r->path);
    r->block.cap = bytes + 1;
    r->block.len = bytes;
    r->n_place = ct_le32(p + 4);
    r->cursor = 0;
    return read_at(r, r->block.data, bytes, r->at[i] + PROLOGUE, err);
}
