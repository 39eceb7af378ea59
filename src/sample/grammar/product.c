/* Texts that several conditions hold for at once: the machines' common states, found breadth first.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/product.h"

#include <stdlib.h>
#include <string.h>

#include "sample/grammar/automaton.h"

#define MOST_MACHINES 64
#define MOST_BYTES    ((size_t)4 << 20) /* of a machine's states: there may be 32 at once */
#define DEAD          UINT32_MAX

/* ---- a machine for an expression ---- */

typedef struct expr_machine {
    ct_program program;
    ct_automaton *automaton;
} expr_machine;

static uint32_t expr_start(void *self)
{
    return ct_automaton_start(((expr_machine *)self)->automaton);
}

static uint32_t expr_step(void *self, uint32_t state, uint8_t byte)
{
    return ct_automaton_step(((expr_machine *)self)->automaton, state, byte);
}

static bool expr_accepts(void *self, uint32_t state)
{
    return ct_automaton_may_end(((expr_machine *)self)->automaton, state);
}

static bool expr_failed(void *self, carat_err *err)
{
    return ct_automaton_failed(((expr_machine *)self)->automaton, err);
}

static void expr_close(void *self)
{
    expr_machine *m = self;
    ct_automaton_close(m->automaton);
    ct_program_free(&m->program);
    free(m);
}

bool ct_machine_of_expr(const char *what, const ct_expr *e, ct_heap *h, ct_machine *out, carat_err *err)
{
    ct_rules rules = { .heap = h };
    const uint32_t root = ct_rules_add(&rules, what);
    expr_machine *m = calloc(1, sizeof *m);
    if (root != CT_NO_RULE)
        rules.v[root].expr = e;
    bool ok = (m && e && root != CT_NO_RULE) || ct_heap_fail(h, what, err);
    ok = ok && ct_program_build(what, &rules, root, &m->program, err) &&
         ct_automaton_open(&m->program, MOST_BYTES, &m->automaton, err);
    *out = (ct_machine){
        m, expr_start, expr_step, expr_accepts, expr_failed, expr_close, m ? m->program.class_of : NULL, false
    };
    if (!ok && m)
        expr_close(m);
    return ok;
}

/* ---- their common states ---- */

typedef struct product {
    const char *what;
    const ct_machine *m;
    size_t n;
    uint32_t *tuples; /* [n_states, n] */
    uint32_t *to;     /* [n_states, 256]; DEAD */
    bool *accepts, *lives;
    uint8_t like[256]; /* the first byte that no machine tells from this one */
    uint32_t n_states, cap;
    uint32_t slots[4 * 8192]; /* open addressing; 0 is free, else state + 1 */
} product;

_Static_assert(CT_MAX_PRODUCT * 4 <= 4 * 8192, "the table of states may become full");

static uint64_t hash(const uint32_t *v, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ v[i]) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    return h;
}

static bool grow(product *p, carat_err *err)
{
    if (p->n_states < p->cap)
        return true;
    if (p->n_states == CT_MAX_PRODUCT)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: too complex together: more than %u situations", p->what,
                       CT_MAX_PRODUCT);
    const uint32_t cap = p->cap ? (p->cap * 2 < CT_MAX_PRODUCT ? p->cap * 2 : CT_MAX_PRODUCT) : 64;
    uint32_t *tuples = realloc(p->tuples, cap * p->n * sizeof *tuples);
    p->tuples = tuples ? tuples : p->tuples;
    uint32_t *to = realloc(p->to, cap * 256 * sizeof *to);
    p->to = to ? to : p->to;
    bool *accepts = realloc(p->accepts, cap);
    p->accepts = accepts ? accepts : p->accepts;
    bool *lives = realloc(p->lives, cap);
    p->lives = lives ? lives : p->lives;
    if (!tuples || !to || !accepts || !lives)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for it", p->what);
    p->cap = cap;
    return true;
}

/* The number of the common state; DEAD where a condition can no longer hold. */
static bool state_of(product *p, const uint32_t *tuple, uint32_t *out, carat_err *err)
{
    bool accepts = true;
    *out = DEAD;
    for (size_t i = 0; i < p->n; i++) {
        if (!p->m[i].is_negated && tuple[i] == 0)
            return true;
        accepts = accepts && p->m[i].accepts(p->m[i].self, tuple[i]) != p->m[i].is_negated;
    }
    const size_t size = sizeof p->slots / sizeof *p->slots;
    uint64_t at = hash(tuple, p->n);
    for (; p->slots[at % size]; at++) {
        *out = p->slots[at % size] - 1;
        if (memcmp(p->tuples + *out * p->n, tuple, p->n * sizeof *tuple) == 0)
            return true;
    }
    if (!grow(p, err))
        return false;
    *out = p->n_states++;
    p->slots[at % size] = *out + 1;
    memcpy(p->tuples + *out * p->n, tuple, p->n * sizeof *tuple);
    p->accepts[*out] = p->lives[*out] = accepts;
    return true;
}

static bool are_alike(const product *p, unsigned x, unsigned y)
{
    for (size_t i = 0; i < p->n; i++)
        if (!p->m[i].class_of || p->m[i].class_of[x] != p->m[i].class_of[y])
            return false;
    return true;
}

static void find_alike(product *p)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned first = 0;
        while (first < byte && !are_alike(p, first, byte))
            first++;
        p->like[byte] = (uint8_t)first;
    }
}

static bool explore(product *p, ct_heap *h, carat_err *err)
{
    uint32_t tuple[MOST_MACHINES], first;
    find_alike(p);
    for (size_t i = 0; i < p->n; i++)
        tuple[i] = p->m[i].start(p->m[i].self);
    if (!state_of(p, tuple, &first, err))
        return false;
    for (uint32_t s = 0; s < p->n_states; s++)
        for (unsigned byte = 0; byte < 256; byte++) {
            uint32_t to;
            if (p->like[byte] != byte) {
                p->to[s * 256 + byte] = p->to[s * 256 + p->like[byte]];
                continue;
            }
            if (!ct_heap_work(h, 4 * p->n + 8))
                return ct_heap_fail(h, p->what, err);
            for (size_t i = 0; i < p->n; i++) {
                const uint32_t at = p->tuples[s * p->n + i];
                tuple[i] = at ? p->m[i].step(p->m[i].self, at, (uint8_t)byte) : 0;
            }
            if (!state_of(p, tuple, &to, err))
                return false;
            p->to[s * 256 + byte] = to;
        }
    for (size_t i = 0; i < p->n; i++)
        if (p->m[i].failed && p->m[i].failed(p->m[i].self, err))
            return ct_fail_in(err, "%s", p->what);
    return true;
}

/* Which states lead to an accepting one. */
static void find_living(product *p, ct_heap *h)
{
    for (bool changed = true; changed && ct_heap_work(h, 16 * (size_t)p->n_states);) {
        changed = false;
        for (uint32_t s = p->n_states; s-- > 0;)
            for (unsigned byte = 0; byte < 256 && !p->lives[s]; byte++) {
                const uint32_t to = p->to[s * 256 + byte];
                p->lives[s] = to != DEAD && p->lives[to];
                changed = changed || p->lives[s];
            }
    }
}

/* ---- as rules ---- */

/* The bytes that lead from s to one state together, those that are written in another way one by one. */
static const ct_expr *expr_of(const product *p, uint32_t s, ct_written_fn *written, uint32_t first_rule, ct_heap *h)
{
    ct_exprs ways = { .heap = h };
    bool done[256] = { false };
    if (p->accepts[s])
        ct_exprs_add(&ways, ct_expr_empty(h));
    for (unsigned byte = 0; byte < 256; byte++) {
        const uint32_t to = p->to[s * 256 + byte];
        if (to == DEAD || !p->lives[to] || done[byte])
            continue;
        ct_byteset plain = { { 0 } };
        ct_exprs here = { .heap = h };
        for (unsigned other = byte; other < 256; other++) {
            if (p->to[s * 256 + other] != to)
                continue;
            const ct_expr *e = written ? written(h, (uint8_t)other) : NULL;
            done[other] = true;
            if (e)
                ct_exprs_add(&here, e);
            else
                ct_byteset_add(&plain, (uint8_t)other);
        }
        ct_exprs_add(&here, ct_expr_byte(h, &plain));
        ct_exprs_add(&ways, ct_expr_then(h, ct_expr_alt(h, here.v, here.n), ct_expr_rule(h, first_rule + to)));
    }
    return ct_expr_alt(h, ways.v, ways.n);
}

static bool add_rules(const product *p, ct_written_fn *written, ct_rules *rules, const ct_expr **out, carat_err *err)
{
    ct_heap *h = rules->heap;
    if (p->n_states == 0 || !p->lives[0]) {
        *out = ct_expr_nothing(h);
        return true;
    }
    const uint32_t first = rules->n;
    for (uint32_t s = 0; s < p->n_states; s++)
        if (ct_rules_add(rules, p->what) == CT_NO_RULE)
            return h->failed ? ct_heap_fail(h, p->what, err)
                             : ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: more rules than are supported", p->what);
    for (uint32_t s = 0; s < p->n_states; s++)
        rules->v[first + s].expr = p->lives[s] ? expr_of(p, s, written, first, h) : ct_expr_nothing(h);
    *out = ct_expr_rule(h, first);
    return true;
}

bool ct_product(const char *what, const ct_machine *m, size_t n, ct_written_fn *written, ct_rules *rules,
                const ct_expr **out, carat_err *err)
{
    product *p = n <= MOST_MACHINES ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return n > MOST_MACHINES
                   ? ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: more than 64 conditions on one text", what)
                   : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for it", what);
    p->what = what;
    p->m = m;
    p->n = n;
    bool ok = explore(p, rules->heap, err);
    if (ok) {
        find_living(p, rules->heap);
        ok = add_rules(p, written, rules, out, err);
    }
    free(p->tuples);
    free(p->to);
    free(p->accepts);
    free(p->lives);
    free(p);
    return ok;
}
