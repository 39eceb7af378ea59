/* ranks.c - the order of merges; see the top of vocab.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/vocab.h"

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "vocabulary: no memory for its merges");
}

uint32_t ct_vocab_rank(const carat_tokenizer *t, int32_t id, uint32_t left_bytes)
{
    uint32_t base = t->rank[id];
    if (base == CT_TOK_NO_RANK)
        return base;
    const ct_merge *first = t->merges + t->first_merge[id], *m = t->merges + t->first_merge[id + 1];
    if (m == first)
        return base + (uint32_t)ct_vocab_len(t, id) - left_bytes;
    while (m-- > first) /* of a merge listed twice, the last place counts */
        if (m->left == left_bytes)
            return m->rank;
    return CT_TOK_NO_RANK;
}

static bool make_tables(carat_tokenizer *t, carat_err *err)
{
    t->rank = malloc(t->n * sizeof *t->rank);
    t->first_merge = calloc(t->n + 2, sizeof *t->first_merge);
    if (!t->rank || !t->first_merge)
        return no_memory(err);
    memset(t->rank, 0xFF, t->n * sizeof *t->rank);
    return true;
}

/* A merge with the piece it makes, in rank order while the tables are filled. */
typedef struct listed {
    int32_t made;
    uint32_t left, rank;
} listed;

/* Sorts merges by piece, keeping their order (a counting sort), and gives every piece its span. */
static bool fill_merges(carat_tokenizer *t, const listed *list, size_t n, carat_err *err)
{
    t->merges = malloc((n + 1) * sizeof *t->merges);
    if (!t->merges)
        return no_memory(err);
    uint32_t *first = t->first_merge; /* first[id + 2] counts, then first[id + 1] is where the next merge of id goes */
    for (size_t i = 0; i < n; i++) {
        first[list[i].made + 2]++;
        t->rank[list[i].made] = list[i].rank; /* any value but NO_RANK: the span decides */
    }
    for (size_t id = 0; id < t->n; id++)
        first[id + 2] += first[id + 1];
    for (size_t i = 0; i < n; i++)
        t->merges[first[list[i].made + 1]++] = (ct_merge){ list[i].left, list[i].rank };
    for (int32_t id = 0; id < (int32_t)t->n; id++)
        if (t->rank[id] != CT_TOK_NO_RANK && ct_vocab_len(t, id) > t->max_bytes)
            t->max_bytes = (uint32_t)ct_vocab_len(t, id);
    return true;
}

bool ct_vocab_rank_by_list(carat_tokenizer *t, const ct_vocab_merge *merges, size_t n, carat_err *err)
{
    listed *list = malloc((n + 1) * sizeof *list);
    bool ok = list ? make_tables(t, err) : no_memory(err);
    for (size_t i = 0; ok && i < n; i++)
        list[i] = (listed){ merges[i].made, merges[i].left, (uint32_t)i };
    ok = ok && fill_merges(t, list, n, err);
    free(list);
    return ok;
}

/* ---- from scores ---- */

typedef struct scored {
    float score;
    int32_t id;
    bool is_user; /* user-defined: before all others, and in one group whatever their scores (GGUF writes -1000) */
} scored;

static int by_score(const void *va, const void *vb)
{
    const scored *a = va, *b = vb;
    if (a->is_user != b->is_user)
        return a->is_user ? -1 : 1;
    if (!a->is_user && a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

static bool is_same_score(const scored *a, const scored *b)
{
    return a->is_user == b->is_user && (a->is_user || a->score == b->score);
}

/* One way to split a piece of a group whose pieces share a score. */
typedef struct split {
    int32_t made;
    uint32_t left;            /* bytes */
    uint16_t n_left, n_right; /* characters */
} split;

static int by_split(const void *va, const void *vb)
{
    const split *a = va, *b = vb;
    if (a->n_left != b->n_left)
        return a->n_left > b->n_left ? -1 : 1;
    if (a->n_right != b->n_right)
        return a->n_right > b->n_right ? -1 : 1;
    return a->made < b->made ? -1 : 1;
}

static size_t count_chars(const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((uint8_t)s[i] & 0xC0) != 0x80;
    return n;
}

/* The splits of one piece into two pieces that text can become. */
static size_t split_piece(const carat_tokenizer *t, int32_t id, split *out)
{
    const char *s = t->text + t->start[id];
    size_t len = ct_vocab_len(t, id), n_chars = count_chars(s, len), n = 0, n_left = 0;
    for (size_t i = 1; i < len; i++) {
        if (((uint8_t)s[i] & 0xC0) == 0x80)
            continue;
        n_left++;
        int32_t l = ct_vocab_lookup(t, s, i), r = ct_vocab_lookup(t, s + i, len - i);
        if (l >= 0 && r >= 0 && ct_vocab_is_text(t, l) && ct_vocab_is_text(t, r))
            out[n++] = (split){ id, (uint32_t)i, (uint16_t)n_left, (uint16_t)(n_chars - n_left) };
    }
    return n;
}

/* The result of the groups. */
typedef struct ranking {
    carat_tokenizer *t;
    uint32_t next; /* rank */
    listed *list;  /* merges of groups of several pieces */
    size_t n, cap;
} ranking;

static bool reserve(ranking *r, size_t more)
{
    if (r->n + more <= r->cap)
        return true;
    size_t cap = r->cap * 2 > r->n + more ? r->cap * 2 : r->n + more;
    listed *list = realloc(r->list, cap * sizeof *list);
    if (!list)
        return false;
    r->list = list;
    r->cap = cap;
    return true;
}

static bool list_group(ranking *r, const scored *group, size_t n, carat_err *err)
{
    size_t bytes = 0, n_splits = 0;
    for (size_t i = 0; i < n; i++)
        bytes += ct_vocab_len(r->t, group[i].id);
    split *splits = malloc(bytes * sizeof *splits);
    if (!splits || !reserve(r, bytes)) {
        free(splits);
        return no_memory(err);
    }
    for (size_t i = 0; i < n; i++)
        n_splits += split_piece(r->t, group[i].id, splits + n_splits);
    qsort(splits, n_splits, sizeof *splits, by_split);
    for (size_t i = 0; i < n_splits; i++)
        r->list[r->n++] = (listed){ splits[i].made, splits[i].left, r->next++ };
    free(splits);
    return true;
}

/* A piece alone with its score needs no list: its ranks are a span as long as the piece. */
static void rank_alone(ranking *r, int32_t id)
{
    carat_tokenizer *t = r->t;
    uint32_t len = (uint32_t)ct_vocab_len(t, id);
    t->rank[id] = r->next;
    r->next += len;
    if (len > t->max_bytes)
        t->max_bytes = len;
}

static bool rank_groups(ranking *r, const scored *order, size_t n, carat_err *err)
{
    if (!make_tables(r->t, err))
        return false;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && is_same_score(&order[i], &order[end]);)
            end++;
        if (end - i == 1)
            rank_alone(r, order[i].id);
        else if (!list_group(r, order + i, end - i, err))
            return false;
    }
    return fill_merges(r->t, r->list, r->n, err);
}

/* Pieces that a merge could make, in the order their merges go. */
static size_t put_in_order(const carat_tokenizer *t, const float *scores, scored *order)
{
    size_t n = 0;
    bool is_sorted = true;
    for (int32_t id = 0; id < (int32_t)t->n; id++) {
        const char *s = t->text + t->start[id];
        size_t len = ct_vocab_len(t, id);
        if (len < 2 || !ct_vocab_is_text(t, id) || count_chars(s, len) < 2 || ct_vocab_lookup(t, s, len) != id)
            continue;
        order[n] = (scored){ scores[id], id, t->kind[id] == CT_PIECE_USER_DEFINED };
        is_sorted = is_sorted && (!n || by_score(&order[n - 1], &order[n]) < 0);
        n++;
    }
    if (!is_sorted)
        qsort(order, n, sizeof *order, by_score);
    return n;
}

bool ct_vocab_rank_by_score(carat_tokenizer *t, const float *scores, carat_err *err)
{
    ranking r = { .t = t };
    scored *order = malloc((t->n + 1) * sizeof *order);
    bool ok = order || no_memory(err);
    if (ok) {
        size_t n = put_in_order(t, scores, order);
        ok = rank_groups(&r, order, n, err);
    }
    free(order);
    free(r.list);
    return ok;
}
