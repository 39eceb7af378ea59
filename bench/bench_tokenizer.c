/* bench_tokenizer.c - how long the tokenizer takes to open and to encode: bench_tokenizer
 *
 * Prints, for a text of each kind and size, the best time of several runs, and MB/s.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../tests/unit/tokenizer/vocab_file.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Repeats unit up to len bytes. */
static char *repeat(const char *unit, size_t len)
{
    size_t n = strlen(unit);
    char *s = malloc(len + 1);
    for (size_t i = 0; s && i < len; i++)
        s[i] = unit[i % n];
    return s;
}

/* Words of letters, lengths and frequencies roughly those of English; deterministic. */
static char *words(size_t len)
{
    static const char letters[] = "etaoinshrdlucmfwypvbgkjqxz";
    char *s = malloc(len + 1);
    uint64_t r = 88172645463325252ull;
    for (size_t i = 0, word = 0; s && i < len; i++) {
        r ^= r << 13, r ^= r >> 7, r ^= r << 17;
        word = word > 2 && r % 4 == 0 ? 0 : word + 1;
        s[i] = word ? letters[(r >> 20) % 26 * ((r >> 30) % 26) / 26] : ' ';
    }
    return s;
}

static void bench(const carat_tokenizer *t, const char *name, char *text, size_t len)
{
    double best = 1e9;
    size_t n_ids = 0;
    for (int run = 0; text && run < 5; run++) {
        ct_ids ids = { 0 };
        double start = now();
        if (!ct_tok_encode(t, text, len, 0, &ids, NULL))
            break;
        double took = now() - start;
        best = took < best ? took : best;
        n_ids = ids.n;
        ct_ids_deinit(&ids);
    }
    printf("%-28s %9zu bytes %9zu tokens %8.1f ms %7.1f MB/s\n", name, len, n_ids, best * 1e3,
           (double)len / best * 1e-6);
    free(text);
}

static void bench_encode(const carat_tokenizer *t, const char *prose, size_t prose_len)
{
    static const struct {
        const char *name, *unit;
    } runs[] = {
        { "one letter", "x" },
        { "spaces", " " },
        { "newlines", "\n" },
        { "two letters in turn", "ab" },
        { "equals signs", "=" },
        { "U+2581", "\xe2\x96\x81" },
        { "<unused", "<unused" },
        { "emoji", "\xf0\x9f\x98\x80" },
        { "CJK", "\xe6\xbc\xa2\xe5\xad\x97\xe3\x81\x8b" },
        { "bytes without pieces", "\xf4\x8f\xbf\xbd" },
        { "invalid", "\xff\xc3" },
    };
    for (size_t size = 1 << 16; size <= 1 << 20; size *= 16) {
        char *text = malloc(size);
        for (size_t i = 0; text && prose_len && i < size; i++)
            text[i] = prose[i % prose_len];
        if (prose_len)
            bench(t, "prose", text, size);
        bench(t, "made-up words", words(size), size);
        for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
            bench(t, runs[i].name, repeat(runs[i].unit, size), size);
    }
}

static char *read_all(const char *path, size_t *len)
{
    *len = 0;
    FILE *f = fopen(path, "rb");
    char *s = f ? malloc(1 << 20) : NULL;
    if (s)
        *len = fread(s, 1, 1 << 20, f);
    if (f)
        fclose(f);
    return s;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : TEST_ROOT "/tests/golden/data/tokenizer/vocab.bin";
    vocab_file v;
    carat_err err = { 0 };
    carat_tokenizer *t = NULL;
    if (!vocab_file_open(&v, path))
        return 1;
    for (int i = 0; i < 5; i++) {
        carat_tokenizer_close(t);
        double start = now();
        if (!ct_tokenizer_from_pieces(v.pieces, v.n, &t, &err)) {
            fprintf(stderr, "%s\n", err.msg);
            return 1;
        }
        printf("open, from pieces: %.1f ms\n", (now() - start) * 1e3);
    }
    vocab_file_close(&v);
    size_t prose_len;
    char *prose = read_all(TEST_ROOT "/LICENSE", &prose_len);
    bench_encode(t, prose, prose_len);
    free(prose);
    carat_tokenizer_close(t);
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("peak of memory: %.1f MB\n", (double)use.ru_maxrss / 1024);
    return 0;
}
