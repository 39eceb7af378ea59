/* Recognises files that are often opened by mistake: what a download, a clone or a packer leaves in a model's place.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/looks_like.h"

#include <string.h>
#include <strings.h>

#define MOST_BYTES ((uint64_t)1 << 43) /* 8 TiB: no model has a part of that size */

typedef struct known {
    const char *bytes;
    size_t n; /* 0: all of the text */
    const char *what;
} known;

static const known binary[] = {
    { "FUGG", 0, "a big-endian GGUF" },
    { "lmgg", 0, "an old GGML file" },
    { "fmgg", 0, "an old GGMF file" },
    { "tjgg", 0, "an old GGJT file" },
    { "GGUF", 0, "a GGUF file" },
    { "CARATPCK", 0, "a model packed by carat pack" },
    { "PK\3\4", 0, "a zip or PyTorch archive" },
    { "\x80\x02", 0, "a Python pickle" },
    { "\x89HDF", 0, "an HDF5 file" },
    { "\x1f\x8b", 0, "gzip-compressed" },
    { "\x28\xb5\x2f\xfd", 0, "zstd-compressed" },
    { "\xfd"
      "7zXZ",
      0, "xz-compressed" },
    { "BZh", 0, "bzip2-compressed" },
    { "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, "a file whose beginning was never downloaded: it starts with zeros" },
};

/* Letters of either case, after white space. A hub refuses with a line of text where a file is expected. */
static const known text[] = {
    { "version https://git-lfs", 0, "a Git LFS pointer, not the file itself: git lfs pull fetches it" },
    { "<!", 0, "a web page" },
    { "<html", 0, "a web page" },
    { "<head", 0, "a web page" },
    { "{\"error\"", 0, "the answer of a server that refused the download" },
    { "entry not found", 0, "the answer of a server that refused the download" },
    { "repository not found", 0, "the answer of a server that refused the download" },
    { "access to model", 0, "the answer of a server that refused the download" },
    { "invalid username", 0, "the answer of a server that refused the download" },
    { "invalid credentials", 0, "the answer of a server that refused the download" },
    { "unauthorized", 0, "the answer of a server that refused the download" },
};

static size_t skip_space(const char *s, size_t n)
{
    size_t i = n >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (i < n && memchr(" \t\r\n", s[i], 4))
        i++;
    return i;
}

const char *ct_looks_like(const void *data, size_t size)
{
    for (const known *k = binary; k < binary + sizeof binary / sizeof *binary; k++) {
        size_t n = k->n ? k->n : strlen(k->bytes);
        if (size >= n && memcmp(data, k->bytes, n) == 0)
            return k->what;
    }
    const char *s = data;
    size_t skipped = skip_space(s, size);
    for (const known *k = text; k < text + sizeof text / sizeof *text; k++) {
        size_t n = strlen(k->bytes);
        if (size - skipped >= n && strncasecmp(s + skipped, k->bytes, n) == 0)
            return k->what;
    }
    return NULL;
}

const char *ct_looks_cut(uint64_t bytes)
{
    return bytes < MOST_BYTES ? ": it looks like an incomplete download" : "";
}

bool ct_explain_text(const char *path, const char *s, size_t len, carat_err *err)
{
    const char *what = ct_looks_like(s, len);
    if (!err || err->code != CARAT_EFORMAT)
        return false;
    while (len && memchr(" \t\r\n", s[len - 1], 4))
        len--;
    if (what)
        return ct_fail(err, CARAT_EUNSUPPORTED, 0, "%s: it looks like %s", path, what);
    if (err->at >= len && err->at != CARAT_NOWHERE)
        return ct_fail(err, err->code, err->at, "%s%s", err->msg, ct_looks_cut(len));
    return false;
}
