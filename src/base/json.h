/* json.h - JSON through jansson, with our errors and limits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_JSON_H
#define CT_BASE_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

/* Parses text (need not be NUL-terminated); the caller decrefs *out. `what` names the source in messages.
 * RFC 8259; duplicate keys, NUL characters in keys, integers beyond 64 bits and nesting deeper than 2048 are refused. Half
 * of a surrogate pair, which texts cut at so many UTF-16 units end with, is U+FFFD.
 * Errors: CARAT_EFORMAT with the byte position, CARAT_ENOMEM. */
bool ct_json_parse(const char *what, const char *text, size_t len, json_t **out, carat_err *err);

/* Reads and parses a file of at most max bytes. */
bool ct_json_load(const char *path, size_t max, json_t **out, carat_err *err);

/* Field readers: true with *out set (or left as it was when the key is absent or null); false with CARAT_EFORMAT
 * "<what>: '<key>' is a string, expected an integer" when the type is wrong or the number is out of [min, max]. */
bool ct_json_int(const json_t *obj, const char *what, const char *key, int64_t min, int64_t max, int64_t *out,
                 carat_err *err);
bool ct_json_num(const json_t *obj, const char *what, const char *key, double *out, carat_err *err);
bool ct_json_bool(const json_t *obj, const char *what, const char *key, bool *out, carat_err *err);
/* Borrowed from obj; one with a NUL character is refused. */
bool ct_json_text(const json_t *obj, const char *what, const char *key, const char **out, carat_err *err);

/* A string of any bytes, U+FFFD for what is no whole character: names of files, parts of characters. NULL: no memory. */
json_t *ct_json_from_bytes(const char *text, size_t len);
json_t *ct_json_from_str(const char *text);

/* v as text with jansson's flags for dumping; the caller frees it. NULL: v is NULL, or no memory. (jansson's own
 * json_dumps loses a quote or a key where memory runs out in the middle of an object, and succeeds.) */
char *ct_json_dump(const json_t *v, size_t flags);

/* Appends v as compact JSON that says the same to whoever reads it as decimals: reals with the fewest digits that give the
 * double ("0.1"), strings and members as they are. Deep recursion: for trees of ct_json_parse. False: out has failed. */
bool ct_json_write(const json_t *v, ct_buf *out);

/* The name of a JSON type, with its article: "a string", "an object". */
const char *ct_json_kind(const json_t *v);

#endif
