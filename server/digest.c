/* What identifies a model's files without reading them whole.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/digest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"

#define END ((size_t)1 << 20) /* bytes at either end of a file */

static void add_end(struct sha256_ctx *h, int fd, off_t from, uint8_t *buf)
{
    ssize_t n = pread(fd, buf, END, from);
    if (n > 0)
        sha256_update(h, (size_t)n, buf);
}

static bool add_file(struct sha256_ctx *h, const char *path)
{
    struct stat st;
    uint8_t *buf = malloc(END);
    int fd = buf ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    bool ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (ok) {
        char size[32];
        int n = snprintf(size, sizeof size, "%jd ", (intmax_t)st.st_size);
        sha256_update(h, (size_t)n, (const uint8_t *)size);
        add_end(h, fd, 0, buf);
        if (st.st_size > (off_t)END)
            add_end(h, fd, st.st_size - (off_t)END, buf);
    }
    if (fd >= 0)
        close(fd);
    free(buf);
    return ok;
}

/* A folder is known by its largest parts. */
static bool add_folder(struct sha256_ctx *h, const char *folder)
{
    static const char *const names[] = { "config.json", "model.safetensors", "model.safetensors.index.json" };
    bool any = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s", folder, names[i]) > 0)
            any = add_file(h, path) || any;
        free(path);
    }
    return any;
}

void ct_digest_of(const char *path, char to[CT_DIGEST])
{
    struct sha256_ctx h;
    uint8_t hash[SHA256_DIGEST_SIZE];
    to[0] = '\0';
    sha256_init(&h);
    if (!add_file(&h, path) && !add_folder(&h, path))
        return;
    sha256_digest(&h, sizeof hash, hash);
    ct_hex_write(hash, sizeof hash, to);
}
