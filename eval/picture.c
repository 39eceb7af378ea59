/* Names and data of pictures to bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/picture.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/map.h"
#include "base/utf8.h"

#define MOST_BYTES ((size_t)64 << 20)

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a picture");
}

const char *ct_eval_picture_type(const void *bytes, size_t len)
{
    static const struct {
        const char *begins;
        size_t n;
        const char *type;
    } rows[] = {
        { "\xff\xd8\xff", 3, "image/jpeg" },
        { "\x89PNG\r\n\x1a\n", 8, "image/png" },
        { "GIF8", 4, "image/gif" },
        { "BM", 2, "image/bmp" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (len >= rows[i].n && memcmp(bytes, rows[i].begins, rows[i].n) == 0)
            return rows[i].type;
    const char *s = bytes;
    return len >= 12 && memcmp(s, "RIFF", 4) == 0 && memcmp(s + 8, "WEBP", 4) == 0 ? "image/webp" : NULL;
}

/* ---- what a row has ---- */

/* Why a name is not opened; NULL: it may be. */
static const char *wrong_name(const char *name)
{
    uint32_t c;
    if (!*name)
        return "the name is empty";
    if (*name == '/')
        return "the name is that of another folder";
    for (const char *part = name;; part++) {
        const size_t n = strcspn(part, "/");
        if (n == 2 && memcmp(part, "..", 2) == 0)
            return "the name leads out of the folder";
        part += n;
        if (!*part)
            break;
    }
    for (const char *at = name, *end = name + strlen(name); at < end;) {
        at += ct_utf8_next(at, (size_t)(end - at), &c);
        if (c == CT_UTF8_BAD || ct_utf8_is_control(c))
            return "the name has control characters";
    }
    return NULL;
}

bool ct_eval_picture_named(const char *name, ct_eval_picture *out, carat_err *err)
{
    char shown[80];
    const char *wrong = wrong_name(name);
    *out = (ct_eval_picture){ 0 };
    if (wrong) {
        snprintf(shown, sizeof shown, "%.60s", name);
        ct_utf8_tidy(shown);
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "picture '%s': %s", shown, wrong);
    }
    out->name = strdup(name);
    return out->name || no_memory(err);
}

/* Base64 as it stands in the row; it is decoded when it is shown; its alphabet is checked here. */
static bool with_data(const char *text, ct_eval_picture *out, carat_err *err)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=";
    const size_t n = strlen(text);
    if (!n || strspn(text, alphabet) != n)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "a picture's data are not base64");
    if (n > ct_base64_length(MOST_BYTES))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "a picture has more than 64 MiB");
    out->data = strdup(text);
    return out->data || no_memory(err);
}

/* A text without a NUL character. */
static const char *text_of(const json_t *v)
{
    const char *s = json_string_value(v);
    return s && strlen(s) == json_string_length(v) ? s : NULL;
}

bool ct_eval_picture_of(const json_t *value, ct_eval_picture *out, carat_err *err)
{
    const char *bytes = text_of(json_object_get(value, "bytes")),
               *name = text_of(json_is_object(value) ? json_object_get(value, "path") : value);
    *out = (ct_eval_picture){ 0 };
    if (bytes)
        return with_data(bytes, out, err);
    if (!name)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "a picture is %s, expected a name or data in base64",
                       value ? ct_json_kind(value) : "missing");
    if (strncasecmp(name, "data:", 5) != 0)
        return ct_eval_picture_named(name, out, err);
    const char *comma = strchr(name, ',');
    if (!comma || comma - name < 7 || strncasecmp(comma - 7, ";base64", 7) != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "a data: URL without ;base64, in it");
    return with_data(comma + 1, out, err);
}

void ct_eval_picture_free(ct_eval_picture *p)
{
    free(p->name);
    free(p->data);
    *p = (ct_eval_picture){ 0 };
}

/* ---- files ---- */

static char *join(const char *folder, const char *name)
{
    ct_buf b;
    ct_buf_init(&b, 1 << 16);
    ct_buf_fmt(&b, "%s/%s", folder, name);
    char *s = ct_buf_take(&b);
    ct_buf_deinit(&b);
    return s;
}

static bool is_file(const char *folder, const char *name)
{
    struct stat st;
    char *path = join(folder, name);
    const bool is = path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
    free(path);
    return is;
}

bool ct_eval_picture_find(ct_eval_picture *p, const char *folder, carat_err *err)
{
    if (p->data || is_file(folder, p->name))
        return true;
    const char *slash = strrchr(p->name, '/');
    char *last = slash && slash[1] ? strdup(slash + 1) : NULL;
    if (last && is_file(folder, last)) {
        free(p->name);
        p->name = last;
        return true;
    }
    free(last);
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: has no picture '%s' (--images FOLDER says where they are)",
                   folder, p->name);
}

static bool read_file(const char *folder, const char *name, ct_eval_shown *out, carat_err *err)
{
    ct_map m;
    char *path = join(folder, name);
    bool ok = path || no_memory(err);
    if (ok && (ok = ct_map_read(&m, path, MOST_BYTES, err))) {
        out->bytes = malloc(m.size);
        out->len = m.size;
        if (out->bytes)
            memcpy(out->bytes, m.data, m.size);
        ct_map_close(&m);
        ok = out->bytes || no_memory(err);
    }
    free(path);
    return ok;
}

static bool read_data(const char *text, ct_eval_shown *out, carat_err *err)
{
    const size_t n = strlen(text);
    out->bytes = malloc(ct_base64_room(n));
    return (out->bytes || no_memory(err)) &&
           (ct_base64_decode(text, n, out->bytes, &out->len, err) || ct_fail_in(err, "a picture's data"));
}

bool ct_eval_picture_read(const ct_eval_picture *p, const char *folder, ct_eval_shown *out, carat_err *err)
{
    *out = (ct_eval_shown){ .at = p->at };
    bool ok = p->data ? read_data(p->data, out, err) : read_file(folder, p->name, out, err);
    if (ok && !ct_eval_picture_type(out->bytes, out->len))
        ok = ct_fail(err, CARAT_EFORMAT, 0, "%s: is no JPEG, PNG, WebP, GIF or BMP file",
                     p->name ? p->name : "a picture's data");
    if (!ok) {
        free(out->bytes);
        *out = (ct_eval_shown){ 0 };
    }
    return ok;
}
