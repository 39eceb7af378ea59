/* The output file. It is only ever appended to, a whole line with one write, and is its own journal: after a kill it
 * holds whole lines and perhaps the beginning of one more, which the next run cuts off. Killing loses nothing that was
 * written; against a power cut the file is brought to the disk once a second.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "batch.h"

#define FLUSH_SECONDS 1.0
#define OUR_BEGINNING "{\"id\":\"batch_req_"

static bool not_ours(const batch_out *out, const batch_lines *l, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, l->end,
                   "%s: line %llu is not a line of batch output; the file is left unchanged, choose another", out->path,
                   (unsigned long long)l->number);
}

/* A line of an earlier run: its id is done. */
static bool note(const batch_out *out, const batch_lines *l, batch_ids *ids, carat_err *err)
{
    json_t *o = NULL;
    const char *id = NULL;
    bool ok = !l->is_long && ct_json_parse(out->path, l->line.data, l->line.len, &o, err) && json_is_object(o) &&
              json_object_get(o, "response") && (id = json_string_value(json_object_get(o, "custom_id"))) && *id;
    struct batch_id *entry = ok ? batch_ids_at(ids, id) : NULL;
    if (entry) {
        json_t *status = json_object_get(json_object_get(o, "response"), "status_code");
        entry->flags = json_integer_value(status) == 200 ? BATCH_ID_DONE : BATCH_ID_DONE | BATCH_ID_FAILED;
    }
    json_decref(o);
    return entry || (ok ? ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the ids of %s", out->path)
                        : not_ours(out, l, err));
}

/* Reads what is there and cuts off a line without an end, if its beginning is one of ours. */
static bool read_back(batch_out *out, batch_ids *ids, carat_err *err)
{
    batch_lines l = { .fd = out->fd, .name = out->path, .max = (size_t)1 << 30 };
    bool ok = true, is_torn = false;
    while (ok && batch_lines_next(&l, err)) {
        size_t n = strlen(OUR_BEGINNING);
        is_torn = !l.has_newline;
        if (is_torn)
            ok = memcmp(l.line.data, OUR_BEGINNING, l.line.len < n ? l.line.len : n) == 0 || not_ours(out, &l, err);
        else if (!batch_line_is_blank(&l))
            ok = note(out, &l, ids, err);
    }
    ok = ok && err->code == CARAT_OK;
    out->end = l.end;
    batch_lines_deinit(&l);
    if (ok && is_torn && ftruncate(out->fd, (off_t)out->end) != 0)
        return ct_fail(err, CARAT_EIO, out->end, "%s: cannot cut off its unfinished last line: %s", out->path,
                       strerror(errno));
    return ok;
}

bool batch_out_open(const char *path, batch_ids *ids, batch_out *out, carat_err *err)
{
    struct stat st;
    *out = (batch_out){ .path = path };
    /* A pipe cannot be read back, nor need it be. */
    bool exists = stat(path, &st) == 0;
    out->is_file = !exists || S_ISREG(st.st_mode);
    out->fd = open(path, (out->is_file ? O_RDWR | O_CREAT : O_WRONLY) | O_APPEND | O_CLOEXEC, 0666);
    if (out->fd < 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be opened for writing: %s", path, strerror(errno));
    bool ok = !out->is_file || flock(out->fd, LOCK_EX | LOCK_NB) == 0 ||
              ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be locked: %s", path,
                      errno == EWOULDBLOCK ? "another batch is writing it" : strerror(errno));
    ok = ok && (!out->is_file || read_back(out, ids, err));
    if (!ok)
        close(out->fd);
    return ok;
}

bool batch_out_add(batch_out *out, const char *line, carat_err *err)
{
    size_t len = strlen(line), done = 0;
    while (done < len) {
        ssize_t n = write(out->fd, line + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            ct_fail(err, CARAT_EIO, out->end, "%s: cannot be written: %s", out->path, strerror(errno));
            if (out->is_file && done && ftruncate(out->fd, (off_t)out->end) != 0)
                return false; /* the next run will cut it */
            return false;
        }
        done += (size_t)n;
    }
    out->end += len;
    if (out->is_file && ct_now() - out->flushed > FLUSH_SECONDS) {
        fdatasync(out->fd);
        out->flushed = ct_now();
    }
    return true;
}

bool batch_out_close(batch_out *out, carat_err *err)
{
    bool ok = !out->is_file || fdatasync(out->fd) == 0;
    ok = close(out->fd) == 0 && ok;
    return ok ||
           ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be flushed to disk: %s", out->path, strerror(errno));
}
