/* Finds added tokens by binary search over their sorted bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/match.h"

#include <stdlib.h>
#include <string.h>

static int by_bytes(const void *va, const void *vb)
{
    const ct_pattern *a = va, *b = vb;
    size_t n = a->len < b->len ? a->len : b->len;
    int c = memcmp(a->text, b->text, n);
    if (c)
        return c;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* Copies the bytes of sorted patterns, drops duplicates, and notes where each first byte begins. */
static void settle(ct_matcher *m)
{
    size_t kept = 0, used = 0;
    for (size_t i = 0; i < m->n; i++) {
        ct_pattern p = m->sorted[i];
        if (kept && m->sorted[kept - 1].len == p.len && !memcmp(m->sorted[kept - 1].text, p.text, p.len))
            continue;
        memcpy(m->text + used, p.text, p.len);
        p.text = m->text + used;
        used += p.len;
        m->sorted[kept++] = p;
    }
    m->n = kept;
    size_t i = 0;
    for (unsigned b = 0; b < 257; b++) {
        while (i < kept && (uint8_t)m->sorted[i].text[0] < b)
            i++;
        m->first[b] = (uint32_t)i;
    }
}

bool ct_matcher_init(ct_matcher *m, const ct_pattern *patterns, size_t n)
{
    *m = (ct_matcher){ 0 };
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += patterns[i].len;
    m->sorted = malloc((n + 1) * sizeof *m->sorted);
    m->text = malloc(bytes + 1);
    if (!m->sorted || !m->text) {
        ct_matcher_deinit(m);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (patterns[i].len)
            m->sorted[m->n++] = patterns[i];
    qsort(m->sorted, m->n, sizeof *m->sorted, by_bytes);
    settle(m);
    return true;
}

void ct_matcher_deinit(ct_matcher *m)
{
    free(m->sorted);
    free(m->text);
    *m = (ct_matcher){ 0 };
}

/* First pattern in [lo, hi), which all share their first d bytes and are longer than d, whose byte d is >= b. */
static size_t lower(const ct_matcher *m, size_t lo, size_t hi, size_t d, unsigned b)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if ((uint8_t)m->sorted[mid].text[d] < b)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The longest pattern that s begins with: each further byte narrows the span of patterns that share it. */
static const ct_pattern *longest_at(const ct_matcher *m, const char *s, size_t len)
{
    const ct_pattern *best = NULL;
    size_t lo = m->first[(uint8_t)s[0]], hi = m->first[(uint8_t)s[0] + 1];
    for (size_t d = 1; lo < hi; d++) {
        if (m->sorted[lo].len == d)
            best = &m->sorted[lo++];
        if (d == len)
            break;
        unsigned b = (uint8_t)s[d];
        lo = lower(m, lo, hi, d, b);
        hi = lower(m, lo, hi, d, b + 1);
    }
    return best;
}

bool ct_matcher_next(const ct_matcher *m, const char *text, size_t len, size_t pos, size_t *at, size_t *match_len,
                     int32_t *id)
{
    for (; pos < len; pos++) {
        uint8_t b = (uint8_t)text[pos];
        if (m->first[b] == m->first[b + 1])
            continue;
        const ct_pattern *p = longest_at(m, text + pos, len - pos);
        if (p) {
            *at = pos, *match_len = p->len, *id = p->id;
            return true;
        }
    }
    return false;
}
