/* Merges the characters of a stretch of text into pieces, the lowest rank first, from a heap of candidates.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/bpe.h"

#include <stdlib.h>
#include <string.h>

void ct_bpe_deinit(ct_bpe *b)
{
    free(b->text);
    free(b->symbols);
    free(b->heap);
    *b = (ct_bpe){ 0 };
}

/* Every symbol has at least one byte, so one capacity serves both; doubling stops at what can ever be needed. */
static bool grow(ct_bpe *b, size_t need, size_t most)
{
    size_t cap = b->cap < 128 ? 256 : b->cap * 2;
    if (cap > most)
        cap = most;
    if (cap < need)
        cap = need;
    char *text = realloc(b->text, cap);
    if (text)
        b->text = text;
    ct_symbol *symbols = realloc(b->symbols, cap * sizeof *symbols);
    if (symbols)
        b->symbols = symbols;
    if (!text || !symbols)
        return false;
    b->cap = cap;
    return true;
}

bool ct_bpe_add(ct_bpe *b, int32_t id, const char *s, size_t len, size_t most)
{
    if (b->n_text + len > b->cap && !grow(b, b->n_text + len, most))
        return false;
    uint32_t i = (uint32_t)b->n_symbols++;
    b->symbols[i] = (ct_symbol){ .at = (uint32_t)b->n_text, .prev = i - 1, .next = i + 1, .id = id };
    memcpy(b->text + b->n_text, s, len);
    b->n_text += len;
    return true;
}

/* ---- a heap of candidate merges, the lowest (rank, place) first ---- */

static void sift_down(uint64_t *heap, size_t n, size_t i)
{
    uint64_t v = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (v <= heap[child])
            break;
        heap[i] = heap[child];
    }
    heap[i] = v;
}

static void push(uint64_t *heap, size_t *n, uint64_t v)
{
    size_t i = (*n)++;
    for (; i && heap[(i - 1) / 2] > v; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = v;
}

static uint64_t pop(uint64_t *heap, size_t *n)
{
    uint64_t top = heap[0];
    heap[0] = heap[--*n];
    if (*n)
        sift_down(heap, *n, 0);
    return top;
}

/* ---- merging ---- */

static uint32_t end_of(const ct_bpe *b, const ct_symbol *s)
{
    return s->next == CT_BPE_END ? (uint32_t)b->n_text : b->symbols[s->next].at;
}

/* Looks up the piece that symbol i and the next would make. */
static void rate(ct_bpe *b, const carat_tokenizer *t, uint32_t i)
{
    ct_symbol *s = &b->symbols[i];
    s->rank = CT_TOK_NO_RANK;
    if (s->next == CT_BPE_END)
        return;
    uint32_t middle = b->symbols[s->next].at, len = end_of(b, &b->symbols[s->next]) - s->at;
    if (len > t->max_bytes)
        return;
    s->made = ct_vocab_lookup(t, b->text + s->at, len);
    if (s->made >= 0)
        s->rank = ct_vocab_rank(t, s->made, middle - s->at);
}

/* Candidates never pile up beyond twice the symbols: there are n - 1 at first, and a merge takes one and brings two. */
static bool start_heap(ct_bpe *b, const carat_tokenizer *t, size_t *n)
{
    size_t need = 2 * b->n_symbols;
    if (b->heap_cap < need) {
        size_t cap = need > 512 ? need : 512;
        free(b->heap);
        b->heap_cap = 0;
        b->heap = malloc(cap * sizeof *b->heap);
        if (!b->heap)
            return false;
        b->heap_cap = cap;
    }
    *n = 0;
    for (uint32_t i = 0; i < b->n_symbols; i++) {
        rate(b, t, i);
        if (b->symbols[i].rank != CT_TOK_NO_RANK)
            b->heap[(*n)++] = (uint64_t)b->symbols[i].rank << 32 | i;
    }
    for (size_t i = *n / 2; i-- > 0;)
        sift_down(b->heap, *n, i);
    return true;
}

static void merge_all(ct_bpe *b, const carat_tokenizer *t, size_t n_heap)
{
    while (n_heap) {
        uint64_t top = pop(b->heap, &n_heap);
        uint32_t i = (uint32_t)top;
        ct_symbol *s = &b->symbols[i];
        if (s->rank != (uint32_t)(top >> 32))
            continue; /* one of the two has been merged differently since this candidate was noted */
        ct_symbol *gone = &b->symbols[s->next];
        gone->rank = CT_TOK_NO_RANK;
        s->id = s->made;
        s->next = gone->next;
        if (s->next != CT_BPE_END)
            b->symbols[s->next].prev = i;
        rate(b, t, i);
        if (s->rank != CT_TOK_NO_RANK)
            push(b->heap, &n_heap, (uint64_t)s->rank << 32 | i);
        uint32_t p = s->prev;
        if (p == CT_BPE_END)
            continue;
        rate(b, t, p);
        if (b->symbols[p].rank != CT_TOK_NO_RANK)
            push(b->heap, &n_heap, (uint64_t)b->symbols[p].rank << 32 | p);
    }
}

bool ct_bpe_flush(ct_bpe *b, const carat_tokenizer *t, ct_ids *out)
{
    size_t n = b->n_symbols;
    if (!n)
        return true;
    b->symbols[n - 1].next = CT_BPE_END; /* the first one's prev is 0 - 1, which is END already */
    if (n > 1) {
        size_t n_heap;
        if (!start_heap(b, t, &n_heap))
            return false;
        merge_all(b, t, n_heap);
    }
    for (uint32_t i = 0; i != CT_BPE_END; i = b->symbols[i].next)
        if (!ct_ids_push(out, b->symbols[i].id))
            return false;
    b->n_text = b->n_symbols = 0;
    return true;
}
