/* bench_grammar.c - what a response format costs beside the model, with Gemma's vocabulary: bench_grammar
 *
 * Prints, for each form, how long it takes to compile, and for the tokens of a text of it: to ask about a token that was
 * drawn and accept it, to make the set of allowed tokens where nobody was before, and where some answer was. Medians and
 * the largest, in microseconds of processor time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../tests/unit/tokenizer/vocab_file.h"
#include "sample/grammar/compile.h"
#include "sample/grammar/grammar.h"

#define MOST 4096 /* tokens of a text */

static const struct {
    const char *name;
    carat_format_kind kind;
    const char *form, *text;
} forms[] = {
    { "any JSON object", CARAT_FORMAT_JSON_OBJECT, NULL,
      "{\"title\":\"The tall ships of "
      "Brest\",\"year\":1998,\"tags\":[\"sea\",\"wood\",\"wind\"],\"depth\":{\"mean\":12.75,"
      "\"max\":null},\"text\":\"They came from everywhere, eighty of them, and nobody had counted the small ones. In "
      "the evening "
      "the harbour was full of light.\"}" },
    { "a JSON schema", CARAT_FORMAT_JSON_SCHEMA,
      "{\"type\":\"object\",\"properties\":{\"customer\":{\"type\":\"string\",\"maxLength\":60},\"items\":{\"type\":"
      "\"array\",\"items\":"
      "{\"type\":\"object\",\"properties\":{\"product\":{\"type\":\"string\"},\"quantity\":{\"type\":\"integer\","
      "\"minimum\":1,"
      "\"maximum\":999},\"unit\":{\"enum\":[\"piece\",\"kg\",\"box\"]}},\"required\":[\"product\",\"quantity\","
      "\"unit\"],"
      "\"additionalProperties\":false}},\"due\":{\"type\":\"string\",\"format\":\"date\"}},\"required\":[\"customer\","
      "\"items\"],"
      "\"additionalProperties\":false}",
      "{\"customer\":\"Harbour Supplies of Brest\",\"items\":[{\"product\":\"hemp rope, twelve "
      "millimetres\",\"quantity\":40,"
      "\"unit\":\"piece\"},{\"product\":\"pine tar\",\"quantity\":12,\"unit\":\"kg\"},{\"product\":\"copper "
      "nails\",\"quantity\":3,"
      "\"unit\":\"box\"}],\"due\":\"2026-03-14\"}" },
    { "a regular expression", CARAT_FORMAT_REGEX, "[A-Z][a-z]+( [A-Z]?[a-z]+){2,12}: \\d{1,4}(\\.\\d{2})? (EUR|USD)",
      "Twelve pieces of hemp rope for the tall ship: 1480.50 EUR" },
    { "four choices", CARAT_FORMAT_CHOICE, NULL, "rather likely" },
};
static const char *const choices[] = { "certain", "rather likely", "rather unlikely", "impossible" };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* one thread, which others may interrupt */
    return ((double)t.tv_sec + 1e-9 * (double)t.tv_nsec) * 1e6;
}

static int by_size(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static void print(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_size);
    printf(" %8.1f %8.1f", n ? v[n / 2] : 0, n ? v[n - 1] : 0);
}

/* The next token of the text: what is forced, else the longest that the tokenizer would take and the mask allows. */
static int32_t next_token(const ct_mask *m, const carat_tokenizer *tok, const char *text, size_t left)
{
    int32_t id = -1;
    ct_ids ids = { 0 };
    if (m->forced(m->self, &id, 1))
        return id;
    for (size_t n = left; n > 0 && id < 0; n--) {
        ids.n = 0;
        if (ct_tok_encode(tok, text, n, 0, &ids, NULL) && ids.n && m->allows(m->self, ids.v[0]))
            id = ids.v[0];
    }
    ct_ids_deinit(&ids);
    return id;
}

typedef struct times {
    double ask[MOST], fill[MOST];
    size_t n, n_fills, n_forced;
} times;

/* Follows the text with a mask of its own. */
static bool follow(ct_grammar *g, const ct_trie *trie, const char *text, uint32_t *bits, times *t)
{
    ct_mask m;
    carat_err err;
    *t = (times){ .n = 0 };
    if (!ct_grammar_mask(g, trie->n_tokens, &m, &err))
        return false;
    for (size_t at = 0, len = strlen(text); at < len && t->n < MOST;) {
        int32_t only;
        size_t n;
        if (m.forced(m.self, &only, 1)) {
            t->n_forced++;
        } else {
            const double start = now();
            if (!m.fill(m.self, bits, &err))
                break;
            t->fill[t->n_fills++] = now() - start;
        }
        const int32_t id = next_token(&m, trie->tok, text + at, len - at);
        const double start = now();
        const bool ok = id >= 0 && m.allows(m.self, id);
        if (ok)
            m.accept(m.self, id);
        t->ask[t->n++] = now() - start;
        ct_tok_bytes(trie->tok, id, &n);
        at = ok ? at + n : len + 1;
        if (at > len)
            fprintf(stderr, "bench_grammar: the text is none of the form at byte %zu\n", at);
    }
    const bool ok = m.may_end(m.self);
    m.close(m.self);
    return ok;
}

static bool bench(size_t i, const ct_trie *trie, uint32_t *bits)
{
    static times first, again;
    const carat_format_options o = { .struct_size = sizeof o,
                                     .kind = forms[i].kind,
                                     .text = forms[i].form,
                                     .text_len = forms[i].form ? strlen(forms[i].form) : 0,
                                     .choices = forms[i].kind == CARAT_FORMAT_CHOICE ? choices : NULL,
                                     .n_choices = forms[i].kind == CARAT_FORMAT_CHOICE ? 4 : 0 };
    ct_heap heap;
    ct_rules rules = { .heap = &heap };
    uint32_t root;
    carat_err err = { .code = CARAT_OK };
    ct_grammar *g = NULL;
    const double start = now();
    ct_heap_init(&heap, CT_FORMAT_MOST_HEAP);
    bool ok = ct_format_rules(&o, NULL, 0, &rules, &root, &err) &&
              ct_grammar_open(ct_format_what(o.kind), &rules, root, trie, &g, &err);
    const double took = now() - start;
    ct_heap_deinit(&heap);
    ok = ok && follow(g, trie, forms[i].text, bits, &first) && follow(g, trie, forms[i].text, bits, &again);
    if (ok) {
        printf("%-22s %8.0f %5zu %6zu", forms[i].name, took, first.n, first.n_forced);
        print(again.ask, again.n);
        print(first.fill, first.n_fills);
        print(again.fill, again.n_fills);
        printf(" %7zu\n", ct_grammar_bytes(g) >> 10);
    } else {
        fprintf(stderr, "bench_grammar: %s: %s\n", forms[i].name, err.code ? err.msg : "the text was not followed");
    }
    ct_grammar_release(g);
    return ok;
}

int main(void)
{
    carat_err err;
    carat_tokenizer *tok;
    ct_trie trie;
    vocab_file v;
    if (!vocab_file_open(&v, TEST_ROOT "/tests/golden/data/tokenizer/vocab.bin"))
        return 1;
    if (!ct_tokenizer_from_pieces(v.pieces, v.n, &tok, &err)) {
        fprintf(stderr, "bench_grammar: %s\n", err.msg);
        return 1;
    }
    vocab_file_close(&v);
    const double start = now();
    if (!ct_trie_open(tok, SIZE_MAX, &trie, &err)) {
        fprintf(stderr, "bench_grammar: %s\n", err.msg);
        return 1;
    }
    printf("the tree of %zu tokens: %.0f ms, %u nodes, %.1f MiB\n\n", trie.n_tokens, (now() - start) * 1e-3,
           trie.n_nodes, (double)ct_trie_bytes(&trie) / (1 << 20));
    printf("microseconds           %8s %12s  %17s %17s %17s\n", "", "", "ask and accept", "set, first", "set, again");
    printf("%-22s %8s %5s %6s %8s %8s %8s %8s %8s %8s %7s\n", "form", "compile", "n", "forced", "median", "most",
           "median", "most", "median", "most", "KiB");
    uint32_t *bits = calloc(trie.n_tokens / 32 + 1, sizeof *bits);
    bool ok = bits != NULL;
    for (size_t i = 0; ok && i < sizeof forms / sizeof *forms; i++)
        ok = bench(i, &trie, bits);
    free(bits);
    ct_trie_close(&trie);
    ct_tokenizer_close(tok);
    return ok ? 0 : 1;
}
