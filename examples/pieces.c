/* pieces.c - tokens of a text, without loading any weights.
 *
 *     pieces MODEL "Hello world"
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <carat.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL TEXT\n", argv[0]);
        return 2;
    }
    carat_err err;
    carat_tokenizer *t = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    bool ok = carat_tokenizer_open(argv[1], &t, &err) &&
              carat_tokenizer_encode(t, argv[2], strlen(argv[2]), CARAT_TOK_BOS, &ids, &n, &err);
    for (size_t i = 0; ok && i < n; i++) {
        char *text;
        size_t len;
        ok = carat_tokenizer_decode(t, &ids[i], 1, true, &text, &len, &err);
        if (ok)
            printf("%7d '%s'\n", ids[i], text);
        carat_free(ok ? text : NULL);
    }
    if (!ok)
        fprintf(stderr, "%s\n", err.msg);
    carat_free(ids);
    carat_tokenizer_close(t);
    return ok ? 0 : 1;
}
