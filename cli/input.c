/* Texts from files and pipes, token ids from texts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"

#define MAX_TEXT ((size_t)256 << 20)

bool cli_read_text(const char *path, char **text, size_t *len, carat_err *err)
{
    /* Not "/dev/stdin": that cannot be opened where stdin is a socket, as Node.js gives it to its children. */
    return strcmp(path, "-") == 0 ? ct_read_fd(0, "stdin", MAX_TEXT, text, len, err)
                                  : ct_read_file(path, MAX_TEXT, text, len, err);
}

bool cli_parse_ids(const char *text, size_t len, int32_t **ids, size_t *n, carat_err *err)
{
    size_t cap = len / 2 + 1;
    *n = 0;
    *ids = malloc(cap * sizeof **ids);
    if (!*ids)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the token ids");
    for (const char *p = text; p < text + len;) {
        if (isspace((unsigned char)*p) || *p == ',' || *p == '[' || *p == ']') {
            p++;
            continue;
        }
        char *end;
        errno = 0;
        long v = strtol(p, &end, 10);
        if (end == p || errno || v < 0 || v > INT32_MAX) {
            free(*ids);
            *ids = NULL;
            return ct_fail(err, CARAT_EARG, (uint64_t)(p - text), "token ids: '%.20s' at byte %td is not an id", p,
                           p - text);
        }
        (*ids)[(*n)++] = (int32_t)v;
        p = end;
    }
    return true;
}
