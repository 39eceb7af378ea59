/* Expressions -> program: back to front, each part knowing where it goes on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/program.h"

#include <stdlib.h>
#include <string.h>

#include "sample/grammar/rules_check.h"

#define MOST_EMPTY_ROUNDS 64
#define MOST_PIECES       2048 /* of a class: a state of the automaton has room for twice as many */

/* Nodes that read a byte are made once for each (set, next), sets once for each content: characters that end alike share
 * their ends. Open addressing; 0 is free, else index + 1. */
typedef struct table {
    uint32_t *slots;
    uint32_t size, used; /* size: a power of two */
} table;

typedef struct build {
    ct_program *p;
    const char *what;
    const ct_rules *rules;
    ct_rule_facts facts;
    table nodes, sets;
    uint32_t cap_nodes, cap_sets, cap_targets, cap_loops;
    carat_err *err;
    bool failed;
} build;

#define NOWHERE UINT32_MAX /* what a failed part returns */

static uint32_t fail(build *b, carat_code code, const char *why)
{
    if (!b->failed)
        ct_fail(b->err, code, CARAT_NOWHERE, "%s: %s", b->what, why);
    b->failed = true;
    return NOWHERE;
}

/* Room for `more` elements behind n in *v. */
static bool grow(build *b, void **v, uint32_t n, uint32_t more, uint32_t *cap, size_t size)
{
    if (b->failed)
        return false;
    if (more > CT_MAX_NODES || n > CT_MAX_NODES - more) {
        fail(b, CARAT_EARG, "it is too large: more than 262,144 states");
        return false;
    }
    if (n + more <= *cap)
        return true;
    uint32_t wanted = *cap ? *cap : 64;
    while (wanted < n + more)
        wanted *= 2;
    void *larger = realloc(*v, wanted * size);
    if (!larger) {
        fail(b, CARAT_ENOMEM, "no memory for its states");
        return false;
    }
    *v = larger;
    *cap = wanted;
    return true;
}

static uint32_t add_node(build *b, ct_op op, uint32_t a, uint32_t next)
{
    ct_program *p = b->p;
    if (!grow(b, (void **)&p->nodes, p->n_nodes, 1, &b->cap_nodes, sizeof *p->nodes))
        return NOWHERE;
    p->nodes[p->n_nodes] = (ct_node){ (uint8_t)op, a, next };
    return p->n_nodes++;
}

/* ---- one of each ---- */

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static uint64_t hash_set(const ct_byteset *s)
{
    return mix(s->bits[0] ^ mix(s->bits[1] ^ mix(s->bits[2] ^ mix(s->bits[3]))));
}

static uint64_t hash_node(uint32_t set, uint32_t next)
{
    return mix((uint64_t)set << 32 | next);
}

static uint64_t hash_of(const build *b, const table *t, uint32_t i)
{
    return t == &b->sets ? hash_set(&b->p->sets[i]) : hash_node(b->p->nodes[i].a, b->p->nodes[i].next);
}

static bool enlarge(build *b, table *t)
{
    const uint32_t size = t->size ? t->size * 2 : 256;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (!slots) {
        fail(b, CARAT_ENOMEM, "no memory for its states");
        return false;
    }
    for (uint32_t i = 0; i < t->size; i++) {
        if (!t->slots[i])
            continue;
        uint64_t at = hash_of(b, t, t->slots[i] - 1);
        while (slots[at & (size - 1)])
            at++;
        slots[at & (size - 1)] = t->slots[i];
    }
    free(t->slots);
    t->slots = slots;
    t->size = size;
    return true;
}

/* The slot of what `is_it` recognises, or the free one where it goes; NULL: no memory. */
static uint32_t *slot_of(build *b, table *t, uint64_t hash, bool (*is_it)(const build *b, uint32_t i, const void *key),
                         const void *key)
{
    if (t->used * 2 >= t->size && !enlarge(b, t))
        return NULL;
    for (uint64_t at = hash;; at++) {
        uint32_t *slot = &t->slots[at & (t->size - 1)];
        if (!*slot || is_it(b, *slot - 1, key))
            return slot;
    }
}

static bool is_set(const build *b, uint32_t i, const void *key)
{
    return memcmp(&b->p->sets[i], key, sizeof(ct_byteset)) == 0;
}

static bool is_node(const build *b, uint32_t i, const void *key)
{
    const ct_node *n = &b->p->nodes[i], *want = key;
    return n->a == want->a && n->next == want->next;
}

static uint32_t set_of(build *b, const ct_byteset *s)
{
    ct_program *p = b->p;
    uint32_t *slot = b->failed ? NULL : slot_of(b, &b->sets, hash_set(s), is_set, s);
    if (!slot || *slot)
        return slot ? *slot - 1 : NOWHERE;
    if (!grow(b, (void **)&p->sets, p->n_sets, 1, &b->cap_sets, sizeof *p->sets))
        return NOWHERE;
    p->sets[p->n_sets++] = *s;
    b->sets.used++;
    return (*slot = p->n_sets) - 1;
}

static uint32_t read_one(build *b, const ct_byteset *s, uint32_t next)
{
    const ct_node want = { CT_OP_BYTE, set_of(b, s), next };
    uint32_t *slot = b->failed ? NULL : slot_of(b, &b->nodes, hash_node(want.a, next), is_node, &want);
    if (!slot || *slot)
        return slot ? *slot - 1 : NOWHERE;
    const uint32_t node = add_node(b, CT_OP_BYTE, want.a, next);
    if (node != NOWHERE) {
        b->nodes.used++;
        *slot = node + 1;
    }
    return node;
}

static void add_bytes(ct_byteset *s, uint8_t lo, uint8_t hi)
{
    for (unsigned byte = lo; byte <= hi; byte++)
        ct_byteset_add(s, (uint8_t)byte);
}

/* ---- alternatives ---- */

/* A split whose n targets are filled in by the caller. */
static uint32_t add_split(build *b, uint32_t n)
{
    ct_program *p = b->p;
    if (!grow(b, (void **)&p->targets, p->n_targets, n, &b->cap_targets, sizeof *p->targets))
        return NOWHERE;
    const uint32_t node = add_node(b, CT_OP_SPLIT, n, p->n_targets);
    p->n_targets += n;
    return node;
}

static void set_target(build *b, uint32_t split, uint32_t i, uint32_t to)
{
    if (!b->failed)
        b->p->targets[b->p->nodes[split].next + i] = to;
}

/* ---- characters as UTF-8 ---- */

/* The sequences of bytes of a set of characters, collected before it is known how many there are. */
typedef struct utf8 {
    build *b;
    uint32_t next;
    ct_byteset ascii; /* all single bytes in one */
    uint32_t *heads;
    uint32_t n, cap;
} utf8;

static void add_head(utf8 *u, uint32_t node)
{
    for (uint32_t i = 0; i < u->n; i++)
        if (u->heads[i] == node)
            return;
    if (u->n == MOST_PIECES)
        fail(u->b, CARAT_EARG, "a class of characters is too large: more than 2,048 ranges");
    if (grow(u->b, (void **)&u->heads, u->n, 1, &u->cap, sizeof *u->heads))
        u->heads[u->n++] = node;
}

static size_t encode(uint32_t cp, uint8_t out[4])
{
    static const uint8_t lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    const size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; cp >>= 6)
        out[i] = (uint8_t)(0x80 | (cp & 0x3F));
    out[0] = n == 1 ? (uint8_t)cp : (uint8_t)(lead[n] | cp);
    return n;
}

/* lo and hi have encodings of one length, and between them every combination of bytes is a character. */
static void add_block(utf8 *u, uint32_t lo, uint32_t hi)
{
    uint8_t first[4], last[4];
    const size_t n = encode(lo, first);
    encode(hi, last);
    if (n == 1) {
        add_bytes(&u->ascii, first[0], last[0]);
        return;
    }
    uint32_t next = u->next;
    for (size_t i = n; i-- > 0;) {
        ct_byteset s = { { 0 } };
        add_bytes(&s, first[i], last[i]);
        next = read_one(u->b, &s, next);
    }
    add_head(u, next);
}

/* Cuts a range until each piece is a block (after R. Cox, "Regular Expression Matching in the Wild", 2010). */
static void add_range(utf8 *u, uint32_t lo, uint32_t hi)
{
    static const uint32_t lasts[] = { 0x7F, 0x7FF, 0xFFFF };
    for (size_t i = 0; i < 3; i++)
        if (lo <= lasts[i] && lasts[i] < hi) {
            add_range(u, lo, lasts[i]);
            lo = lasts[i] + 1;
        }
    for (unsigned bits = 6; hi > 0x7F && bits <= 18; bits += 6) {
        const uint32_t low = (1u << bits) - 1;
        if ((lo & ~low) == (hi & ~low))
            break;
        if (lo & low) {
            add_range(u, lo, lo | low);
            lo = (lo | low) + 1;
        }
        if ((lo & ~low) != (hi & ~low) && (hi & low) != low) {
            add_range(u, lo, (hi & ~low) - 1);
            lo = hi & ~low;
        }
    }
    add_block(u, lo, hi);
}

static uint32_t read_set(build *b, ct_charset set, uint32_t next)
{
    utf8 u = { .b = b, .next = next };
    for (size_t i = 0; i < set.n && !b->failed; i++)
        add_range(&u, set.v[i].lo, set.v[i].hi);
    if (u.ascii.bits[0] | u.ascii.bits[1])
        add_head(&u, read_one(b, &u.ascii, next));
    uint32_t node = b->failed ? NOWHERE : u.heads[0];
    if (!b->failed && u.n > 1) {
        node = add_split(b, u.n);
        for (uint32_t i = 0; i < u.n; i++)
            set_target(b, node, i, u.heads[i]);
    }
    free(u.heads);
    return node;
}

static uint32_t read_bytes(build *b, const char *s, size_t len, uint32_t next)
{
    for (size_t i = len; i-- > 0 && !b->failed;) {
        ct_byteset one = { { 0 } };
        add_bytes(&one, (uint8_t)s[i], (uint8_t)s[i]);
        next = read_one(b, &one, next);
    }
    return next;
}

/* ---- expressions ---- */

static uint32_t compile(build *b, const ct_expr *e, uint32_t next);

static uint32_t compile_alt(build *b, const ct_expr *e, uint32_t next)
{
    uint32_t n = 0, i = 0;
    if (!ct_heap_work(b->rules->heap, 2 * (size_t)e->size)) {
        ct_heap_fail(b->rules->heap, b->what, b->err);
        b->failed = true;
        return NOWHERE;
    }
    for (size_t k = 0; k < e->list.n; k++)
        n += ct_expr_matches(&b->facts, e->list.v[k]);
    const uint32_t split = add_split(b, n);
    for (size_t k = 0; k < e->list.n && !b->failed; k++)
        if (ct_expr_matches(&b->facts, e->list.v[k]))
            set_target(b, split, i++, compile(b, e->list.v[k], next));
    return b->failed ? NOWHERE : split;
}

/* body*, and body+ where that is entered at the body. */
static uint32_t compile_star(build *b, const ct_expr *body, bool is_plus, uint32_t next)
{
    const uint32_t split = add_split(b, 2);
    const uint32_t begin = b->failed ? NOWHERE : compile(b, body, split);
    set_target(b, split, 0, begin);
    set_target(b, split, 1, next);
    return is_plus ? begin : split;
}

static uint32_t compile_loop(build *b, const ct_expr *e, uint32_t next)
{
    ct_program *p = b->p;
    const bool is_nullable = ct_expr_is_nullable(&b->facts, e->repeat.body);
    const uint32_t max = e->repeat.max;
    if (is_nullable && max != CT_REPEAT_FOREVER && max > MOST_EMPTY_ROUNDS)
        return fail(b, CARAT_EARG, "something that may be empty is repeated up to more than 64 times");
    if (!grow(b, (void **)&p->loops, p->n_loops, 1, &b->cap_loops, sizeof *p->loops))
        return NOWHERE;
    const uint32_t loop = p->n_loops++, node = add_node(b, CT_OP_LOOP, loop, next);
    const uint32_t again = add_node(b, CT_OP_AGAIN, loop, node);
    p->loops[loop] = (ct_loop){ is_nullable ? 0 : e->repeat.min, max, 0 };
    const uint32_t body = b->failed ? NOWHERE : compile(b, e->repeat.body, again);
    p->loops[loop].body = body;
    return b->failed ? NOWHERE : node;
}

static uint32_t compile_repeat(build *b, const ct_expr *e, uint32_t next)
{
    const ct_expr *body = e->repeat.body;
    if (!ct_expr_matches(&b->facts, body)) /* then min is 0 */
        return next;
    if (e->repeat.max == CT_REPEAT_FOREVER && e->repeat.min <= 1)
        return compile_star(b, body, e->repeat.min == 1, next);
    if (e->repeat.min > 0 || e->repeat.max > 1)
        return compile_loop(b, e, next);
    const uint32_t split = add_split(b, 2), begin = b->failed ? NOWHERE : compile(b, body, next);
    set_target(b, split, 0, begin);
    set_target(b, split, 1, next);
    return split;
}

/* Where e begins, if it goes on at next. e matches something. */
static uint32_t compile(build *b, const ct_expr *e, uint32_t next)
{
    if (b->failed)
        return NOWHERE;
    switch (e->kind) {
    case CT_EXPR_BYTES:
        return read_bytes(b, e->bytes.s, e->bytes.len, next);
    case CT_EXPR_BYTE:
        return read_one(b, e->byte, next);
    case CT_EXPR_SET:
        return read_set(b, e->set, next);
    case CT_EXPR_SEQ:
        for (size_t i = e->list.n; i-- > 0;)
            next = compile(b, e->list.v[i], next);
        return next;
    case CT_EXPR_ALT:
        return compile_alt(b, e, next);
    case CT_EXPR_REPEAT:
        return compile_repeat(b, e, next);
    case CT_EXPR_RULE:
        return add_node(b, CT_OP_CALL, e->rule, next);
    case CT_EXPR_COMMIT:
        return add_node(b, CT_OP_COMMIT, e->rank, next);
    default:
        return next;
    }
}

/* Splits the classes of bytes by every set. */
static void classify(ct_program *p)
{
    p->n_classes = 1;
    memset(p->class_of, 0, sizeof p->class_of);
    for (uint32_t i = 0; i < p->n_sets && p->n_classes < 256; i++) {
        int16_t inside[256]; /* of a class: the class of its bytes that are in the set; -1: none yet */
        bool has_outside[256] = { false };
        memset(inside, -1, sizeof inside);
        for (unsigned byte = 0; byte < 256; byte++)
            has_outside[p->class_of[byte]] |= !ct_byteset_has(&p->sets[i], (uint8_t)byte);
        for (unsigned byte = 0; byte < 256; byte++) {
            const uint8_t was = p->class_of[byte];
            if (!ct_byteset_has(&p->sets[i], (uint8_t)byte) || !has_outside[was])
                continue;
            if (inside[was] < 0)
                inside[was] = (int16_t)p->n_classes++;
            p->class_of[byte] = (uint8_t)inside[was];
        }
    }
    for (unsigned byte = 256; byte-- > 0;)
        p->byte_of[p->class_of[byte]] = (uint8_t)byte;
}

static void compile_rules(build *b, uint32_t root)
{
    ct_program *p = b->p;
    const uint32_t end = add_node(b, CT_OP_RETURN, 0, 0);
    p->starts = calloc(b->rules->n, sizeof *p->starts);
    if (!p->starts)
        fail(b, CARAT_ENOMEM, "no memory for its rules");
    p->n_rules = b->rules->n;
    for (uint32_t i = 0; i < b->rules->n && !b->failed; i++)
        if (b->facts.matches[i])
            p->starts[i] = compile(b, b->rules->v[i].expr, end);
    if (!b->failed)
        p->root = p->starts[root];
}

bool ct_program_build(const char *what, const ct_rules *rules, uint32_t root, ct_program *p, carat_err *err)
{
    *p = (ct_program){ 0 };
    build b = { .p = p, .what = what, .rules = rules, .err = err };
    if (rules->heap->failed || root == CT_NO_RULE)
        b.failed = !ct_heap_fail(rules->heap, what, err);
    else
        b.failed = !ct_rules_check(what, rules, &b.facts, err);
    p->matches_nothing = !b.failed && !b.facts.matches[root];
    if (p->matches_nothing)
        fail(&b, CARAT_EARG, "no text can match it");
    if (!b.failed)
        compile_rules(&b, root);
    free(b.nodes.slots);
    free(b.sets.slots);
    if (b.failed) {
        const bool matches_nothing = p->matches_nothing;
        ct_program_free(p);
        p->matches_nothing = matches_nothing;
        return false;
    }
    classify(p);
    return true;
}

void ct_program_free(ct_program *p)
{
    free(p->nodes);
    free(p->sets);
    free(p->targets);
    free(p->loops);
    free(p->starts);
    *p = (ct_program){ 0 };
}

size_t ct_program_bytes(const ct_program *p)
{
    return p->n_nodes * sizeof *p->nodes + p->n_sets * sizeof *p->sets + p->n_targets * sizeof *p->targets +
           p->n_loops * sizeof *p->loops + p->n_rules * sizeof *p->starts;
}
