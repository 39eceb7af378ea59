/* map.h - a regular file's bytes: copies of its head and of windows on the rest, or of all of it.
 *
 * Address space is limited too (ulimit -v): a loader that copies only the head and reads the rest through windows needs
 * no room for the whole file beside its result. Nothing is mapped from the file itself: a copy stays when the file is
 * cut, and reading past its new end is an error, where touching a mapping there would be the end of the program
 * (SIGBUS).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_MAP_H
#define CT_BASE_MAP_H

#include "base/err.h"

typedef struct ct_map {
    const uint8_t *data;
    size_t size;   /* of the file */
    size_t mapped; /* of them, at data: all, except after ct_map_open_head */
    char *path;    /* owned copy, for messages */
    int fd;        /* -1 when closed */
} ct_map;

/* Copies a whole regular file of at most `max` bytes. Errors: CARAT_EIO (cannot open or read, or the file became shorter;
 * the system's reason is in the message), CARAT_EFORMAT (a directory, FIFO, socket or device; an empty file), CARAT_ELIMIT
 * (it has more), CARAT_ENOMEM (no memory or address space). On failure *m is closed and safe to close again. */
bool ct_map_read(ct_map *m, const char *path, size_t max, carat_err *err);

/* The same, but a copy of only about the first `bytes` bytes. ct_map_grow extends it to at least `bytes` (at most the
 * file's size) and may move m->data. Errors: those of ct_map_read; messages of ct_map_grow do not name the file. */
bool ct_map_open_head(ct_map *m, const char *path, size_t bytes, carat_err *err);
bool ct_map_grow(ct_map *m, size_t bytes, carat_err *err);

/* Copies the bytes [off, off + len), which must lie inside the file, to the caller's memory: from `data` where they are
 * there, else from the file. Errors: CARAT_EIO; the message does not name the file. */
bool ct_map_copy(const ct_map *m, size_t off, size_t len, void *to, carat_err *err);

/* A piece of a file, copied into memory. */
typedef struct ct_window {
    const uint8_t *data;
    void *base;        /* NULL: nothing to give back */
    size_t bytes;      /* at base */
    const ct_map *map; /* borrowed */
    size_t off;        /* of data in the file */
} ct_window;

/* The bytes [off, off + len), which must lie inside the file. Errors: CARAT_ENOMEM, CARAT_EIO (the file has become shorter;
 * the system's reason). */
bool ct_window_open(ct_window *w, const ct_map *m, size_t off, size_t len, carat_err *err);
void ct_window_close(ct_window *w); /* accepts a zeroed one */

/* The same in two steps, so that many threads read: memory for the bytes, in which nothing is yet, then pieces of them,
 * [off, off + len) counted from the window's start. *w is zeroed or open: its memory is used again. On failure it is to
 * be closed. */
bool ct_window_prepare(ct_window *w, const ct_map *m, size_t off, size_t len, carat_err *err);
bool ct_window_read(const ct_window *w, size_t off, size_t len, carat_err *err);

/* The bytes will be read soon, in order. Advisory. */
void ct_map_expect(const ct_map *m, size_t off, size_t len);

void ct_map_close(ct_map *m); /* accepts a zeroed or half-open map */

/* Reads a whole small file (a JSON, a prompt) of at most max bytes into a malloc'd NUL-terminated buffer the caller
 * frees. Works on pipes too. Errors: CARAT_EIO, CARAT_ELIMIT (larger than max), CARAT_ENOMEM. */
bool ct_read_file(const char *path, size_t max, char **out, size_t *len, carat_err *err);
/* The same from an open file of any kind, from its current position; name is for messages. */
bool ct_read_fd(int fd, const char *name, size_t max, char **out, size_t *len, carat_err *err);

/* Does a regular file begin with these bytes, at most 16? False also where it cannot be read. Allocates nothing. */
bool ct_file_begins(const char *path, const void *bytes, size_t n);

/* Of a stat's st_mode that is no regular file's: "a directory", "a FIFO" ... */
const char *ct_file_kind(unsigned mode);

#endif
