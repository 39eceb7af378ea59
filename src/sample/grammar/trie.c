/* The vocabulary as a tree of bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/trie.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    const char *s;
    size_t len;
    int32_t id;
} entry;

static int by_bytes(const void *x, const void *y)
{
    const entry *a = x, *b = y;
    const int order = memcmp(a->s, b->s, a->len < b->len ? a->len : b->len);
    return order ? order : a->len != b->len ? (a->len > b->len) - (a->len < b->len) : (a->id > b->id) - (a->id < b->id);
}

static size_t collect(const carat_tokenizer *tok, size_t n, entry *out, size_t *bytes)
{
    size_t kept = 0;
    *bytes = 0;
    for (size_t id = 0; id < n; id++) {
        entry e = { .id = (int32_t)id };
        e.s = ct_tok_bytes(tok, e.id, &e.len);
        if (!ct_tok_is_samplable(tok, e.id) || ct_tok_is_control(tok, e.id) || e.len == 0 || e.len > UINT8_MAX)
            continue;
        out[kept++] = e;
        *bytes += e.len;
    }
    return kept;
}

static size_t common(const entry *a, const entry *b)
{
    size_t n = 0;
    while (n < a->len && n < b->len && a->s[n] == b->s[n])
        n++;
    return n;
}

static bool is_free_control(const carat_tokenizer *tok, int32_t id)
{
    return ct_tok_is_samplable(tok, id) && ct_tok_is_control(tok, id);
}

static bool is_placeholder(const carat_tokenizer *tok, int32_t id)
{
    return ct_tok_is_samplable(tok, id) && !ct_tok_is_control(tok, id) && ct_tok_is_placeholder(tok, id);
}

/* The ids that are such. */
static bool list(const ct_trie *t, bool (*is_such)(const carat_tokenizer *tok, int32_t id), int32_t **out,
                 size_t *n_out)
{
    size_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        n = 0;
        for (int32_t id = 0; (size_t)id < t->n_tokens; id++)
            if (is_such(t->tok, id)) {
                if (pass)
                    (*out)[n] = id;
                n++;
            }
        if (!pass && !(*out = malloc((n + 1) * sizeof **out)))
            return false;
    }
    *n_out = n;
    return true;
}

/* entries are sorted: each shares with the one before it a path from the root, and adds nodes for the rest. */
static void build(ct_trie *t, const entry *v, size_t n)
{
    uint32_t path[UINT8_MAX] = { 0 }; /* the nodes of the latest entry */
    size_t depth = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t shared = i ? common(&v[i - 1], &v[i]) : 0;
        while (depth > shared)
            t->nodes[path[--depth]].end = t->n_nodes;
        for (; depth < v[i].len; depth++) {
            path[depth] = t->n_nodes;
            t->nodes[t->n_nodes++] = (ct_trie_node){ 0, -1, (uint8_t)v[i].s[depth], (uint8_t)(depth + 1) };
        }
        if (depth > t->depth)
            t->depth = (unsigned)depth;
        ct_trie_node *last = &t->nodes[path[depth - 1]];
        t->twins[v[i].id] = last->token;
        last->token = v[i].id;
    }
    while (depth)
        t->nodes[path[--depth]].end = t->n_nodes;
}

bool ct_trie_open(const carat_tokenizer *tok, size_t n_ids, ct_trie *t, carat_err *err)
{
    const size_t n_pieces = ct_tok_facts(tok)->n_pieces, n = n_ids < n_pieces ? n_ids : n_pieces;
    size_t bytes = 0, kept = 0;
    *t = (ct_trie){ .tok = tok, .n_tokens = n };
    entry *v = malloc((n + 1) * sizeof *v);
    t->twins = malloc((n + 1) * sizeof *t->twins);
    bool ok = v && t->twins && list(t, is_free_control, &t->controls, &t->n_controls) &&
              list(t, is_placeholder, &t->placeholders, &t->n_placeholders);
    if (ok) {
        kept = collect(tok, n, v, &bytes);
        memset(t->twins, 0xFF, n * sizeof *t->twins);
        qsort(v, kept, sizeof *v, by_bytes);
        t->nodes = malloc((bytes + 1) * sizeof *t->nodes);
        ok = t->nodes != NULL;
    }
    if (ok) {
        build(t, v, kept);
        ct_trie_node *fit = realloc(t->nodes, (t->n_nodes + 1) * sizeof *fit);
        t->nodes = fit ? fit : t->nodes;
    }
    free(v);
    if (!ok)
        ct_trie_close(t);
    return ok || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a tree of %zu tokens", n);
}

size_t ct_trie_bytes(const ct_trie *t)
{
    return t->n_nodes * sizeof *t->nodes + t->n_tokens * sizeof *t->twins + t->n_controls * sizeof *t->controls +
           t->n_placeholders * sizeof *t->placeholders;
}

void ct_trie_close(ct_trie *t)
{
    free(t->nodes);
    free(t->twins);
    free(t->controls);
    free(t->placeholders);
    *t = (ct_trie){ 0 };
}
