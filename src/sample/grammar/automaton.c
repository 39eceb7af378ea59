/* Runs a program deterministically, state by state as they are met.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/automaton.h"

#include <stdlib.h>
#include <string.h>

#define UNKNOWN    UINT32_MAX /* a step that nobody has asked for yet */
#define NO_FRAME   0u
#define MOST_HEADS 4096u /* pairs in one state: beyond that a grammar is too ambiguous */

typedef struct frame {
    uint32_t parent, node, count; /* node: where a call returns to, or a LOOP with its rounds so far */
} frame;

/* What the machine is at: a node that reads a byte, with the stack under it. */
typedef struct head {
    uint32_t node, frame;
} head;

typedef struct state {
    uint32_t first, n; /* in heads */
    uint32_t *steps;   /* [n_classes], or NULL before the first */
    bool may_end;
} state;

/* Open addressing; 0 is free, else number + 1. */
typedef struct table {
    uint32_t *slots;
    uint32_t size, used;
} table;

struct ct_automaton {
    const ct_program *p;
    size_t max_bytes, bytes;
    frame *frames; /* [0] is the empty stack */
    head *heads;
    state *states; /* [0] is CT_DEAD */
    uint32_t n_frames, cap_frames, n_heads, cap_heads, n_states, cap_states, start;
    table frame_table, state_table;
    carat_code failure;
    /* The state being made: pairs to follow, those met already, and the heads found. */
    head *todo, *found;
    uint32_t n_todo, cap_todo, n_found, cap_found;
    bool found_end;
    head *committed; /* behind commits of this rank, the highest met */
    uint32_t n_committed, cap_committed, rank;
    bool is_committed; /* the others are given up */
    uint64_t *met;     /* open addressing over (node, frame) + 1; 0 is free */
    uint32_t met_size, n_met;
};

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static void fail(ct_automaton *a, carat_code code)
{
    if (a->failure == CARAT_OK)
        a->failure = code;
}

static bool grow(ct_automaton *a, void **v, uint32_t n, uint32_t more, uint32_t *cap, size_t size)
{
    if (n + more <= *cap)
        return true;
    uint32_t wanted = *cap ? *cap : 64;
    while (wanted < n + more)
        wanted *= 2;
    if (a->bytes + (wanted - *cap) * size > a->max_bytes) {
        fail(a, CARAT_ELIMIT);
        return false;
    }
    void *larger = realloc(*v, wanted * size);
    if (!larger) {
        fail(a, CARAT_ENOMEM);
        return false;
    }
    a->bytes += (wanted - *cap) * size;
    *v = larger;
    *cap = wanted;
    return true;
}

/* ---- one of each ---- */

static uint64_t hash_frame(const frame *f)
{
    return mix((uint64_t)f->parent << 32 | f->node) ^ mix(f->count);
}

static uint64_t hash_heads(const head *h, uint32_t n, bool may_end)
{
    uint64_t sum = may_end;
    for (uint32_t i = 0; i < n; i++)
        sum = mix(sum ^ ((uint64_t)h[i].node << 32 | h[i].frame));
    return sum;
}

static uint64_t hash_of(const ct_automaton *a, const table *t, uint32_t i)
{
    const state *s = &a->states[i];
    return t == &a->frame_table ? hash_frame(&a->frames[i]) : hash_heads(a->heads + s->first, s->n, s->may_end);
}

static bool enlarge(ct_automaton *a, table *t)
{
    const uint32_t size = t->size ? t->size * 2 : 256;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (!slots) {
        fail(a, CARAT_ENOMEM);
        return false;
    }
    for (uint32_t i = 0; i < t->size; i++) {
        if (!t->slots[i])
            continue;
        uint64_t at = hash_of(a, t, t->slots[i] - 1);
        while (slots[at & (size - 1)])
            at++;
        slots[at & (size - 1)] = t->slots[i];
    }
    free(t->slots);
    a->bytes += (size - t->size) * sizeof *slots;
    t->slots = slots;
    t->size = size;
    return true;
}

/* The frame's number; UNKNOWN: no memory. */
static uint32_t frame_of(ct_automaton *a, frame f)
{
    table *t = &a->frame_table;
    if (t->used * 2 >= t->size && !enlarge(a, t))
        return UNKNOWN;
    uint64_t at = hash_frame(&f);
    for (uint32_t slot; (slot = t->slots[at & (t->size - 1)]); at++) {
        const frame *g = &a->frames[slot - 1];
        if (g->parent == f.parent && g->node == f.node && g->count == f.count)
            return slot - 1;
    }
    if (!grow(a, (void **)&a->frames, a->n_frames, 1, &a->cap_frames, sizeof f))
        return UNKNOWN;
    a->frames[a->n_frames] = f;
    t->used++;
    t->slots[at & (t->size - 1)] = ++a->n_frames;
    return a->n_frames - 1;
}

/* The number of the state that has been found, which is sorted; CT_DEAD: no memory. */
static uint32_t state_of_found(ct_automaton *a)
{
    table *t = &a->state_table;
    if (t->used * 2 >= t->size && !enlarge(a, t))
        return CT_DEAD;
    uint64_t at = hash_heads(a->found, a->n_found, a->found_end);
    for (uint32_t slot; (slot = t->slots[at & (t->size - 1)]); at++) {
        const state *s = &a->states[slot - 1];
        if (s->n == a->n_found && s->may_end == a->found_end &&
            (s->n == 0 || memcmp(a->heads + s->first, a->found, s->n * sizeof(head)) == 0))
            return slot - 1;
    }
    if (!grow(a, (void **)&a->states, a->n_states, 1, &a->cap_states, sizeof(state)) ||
        !grow(a, (void **)&a->heads, a->n_heads, a->n_found, &a->cap_heads, sizeof(head)))
        return CT_DEAD;
    a->states[a->n_states] = (state){ a->n_heads, a->n_found, NULL, a->found_end };
    if (a->n_found)
        memcpy(a->heads + a->n_heads, a->found, a->n_found * sizeof(head));
    a->n_heads += a->n_found;
    t->used++;
    t->slots[at & (t->size - 1)] = ++a->n_states;
    return a->n_states - 1;
}

/* ---- following what takes no input ---- */

/* False: it was met before, or there is no memory. */
static bool meet(ct_automaton *a, head h)
{
    if (a->n_met * 2 >= a->met_size) {
        const uint32_t size = a->met_size ? a->met_size * 2 : 64;
        uint64_t *met = calloc(size, sizeof *met);
        if (!met) {
            fail(a, CARAT_ENOMEM);
            return false;
        }
        for (uint32_t i = 0; i < a->met_size; i++) {
            if (!a->met[i])
                continue;
            uint64_t at = mix(a->met[i]);
            while (met[at & (size - 1)])
                at++;
            met[at & (size - 1)] = a->met[i];
        }
        free(a->met);
        a->met = met;
        a->met_size = size;
    }
    const uint64_t key = ((uint64_t)h.node << 32 | h.frame) + 1;
    uint64_t at = mix(key);
    for (; a->met[at & (a->met_size - 1)]; at++)
        if (a->met[at & (a->met_size - 1)] == key)
            return false;
    a->met[at & (a->met_size - 1)] = key;
    if (++a->n_met > MOST_HEADS) {
        fail(a, CARAT_ELIMIT);
        return false;
    }
    return true;
}

static void follow(ct_automaton *a, uint32_t node, uint32_t stack)
{
    if (a->failure == CARAT_OK && stack != UNKNOWN && meet(a, (head){ node, stack }) &&
        grow(a, (void **)&a->todo, a->n_todo, 1, &a->cap_todo, sizeof(head)))
        a->todo[a->n_todo++] = (head){ node, stack };
}

static void call(ct_automaton *a, const ct_node *n, uint32_t stack)
{
    const ct_program *p = a->p;
    if (p->nodes[n->next].op == CT_OP_RETURN) /* nothing is left to do after it: recursion at the end needs no stack */
        follow(a, p->starts[n->a], stack);
    else
        follow(a, p->starts[n->a], frame_of(a, (frame){ stack, n->next, 0 }));
}

static void enter_loop(ct_automaton *a, uint32_t node, uint32_t stack)
{
    const ct_loop *l = &a->p->loops[a->p->nodes[node].a];
    if (l->min == 0)
        follow(a, a->p->nodes[node].next, stack);
    follow(a, l->body, frame_of(a, (frame){ stack, node, 0 }));
}

static void go_round(ct_automaton *a, uint32_t stack)
{
    const frame f = a->frames[stack];
    const ct_node *n = &a->p->nodes[f.node];
    const ct_loop *l = &a->p->loops[n->a];
    uint32_t count = f.count + 1;
    if (l->max == CT_REPEAT_FOREVER && count > l->min)
        count = l->min;
    if (count >= l->min)
        follow(a, n->next, f.parent);
    if (count < l->max)
        follow(a, l->body, frame_of(a, (frame){ f.parent, f.node, count }));
}

static void return_to(ct_automaton *a, uint32_t stack)
{
    if (stack == NO_FRAME)
        a->found_end = true;
    else
        follow(a, a->frames[stack].node, a->frames[stack].parent);
}

static void commit(ct_automaton *a, const ct_node *n, uint32_t stack)
{
    if (a->is_committed) {
        follow(a, n->next, stack);
        return;
    }
    if (a->n_committed && n->a < a->rank)
        return;
    if (n->a > a->rank)
        a->n_committed = 0;
    a->rank = n->a;
    if (grow(a, (void **)&a->committed, a->n_committed, 1, &a->cap_committed, sizeof(head)))
        a->committed[a->n_committed++] = (head){ n->next, stack };
}

static void follow_one(ct_automaton *a, head h)
{
    const ct_program *p = a->p;
    const ct_node *n = &p->nodes[h.node];
    switch ((ct_op)n->op) {
    case CT_OP_BYTE:
        if (grow(a, (void **)&a->found, a->n_found, 1, &a->cap_found, sizeof h))
            a->found[a->n_found++] = h;
        break;
    case CT_OP_SPLIT:
        for (uint32_t i = 0; i < n->a; i++)
            follow(a, p->targets[n->next + i], h.frame);
        break;
    case CT_OP_CALL:
        call(a, n, h.frame);
        break;
    case CT_OP_RETURN:
        return_to(a, h.frame);
        break;
    case CT_OP_LOOP:
        enter_loop(a, h.node, h.frame);
        break;
    case CT_OP_AGAIN:
        go_round(a, h.frame);
        break;
    case CT_OP_COMMIT:
        commit(a, n, h.frame);
        break;
    }
}

static int by_place(const void *x, const void *y)
{
    const head *a = x, *b = y;
    return a->node != b->node ? (a->node > b->node) - (a->node < b->node)
                              : (a->frame > b->frame) - (a->frame < b->frame);
}

static void forget_found(ct_automaton *a)
{
    a->n_todo = a->n_found = 0;
    a->found_end = false;
    if (a->met_size > 256) { /* one large state must not make every later one slow */
        free(a->met);
        a->met = NULL;
        a->met_size = 0;
    } else if (a->met) {
        memset(a->met, 0, a->met_size * sizeof *a->met);
    }
    a->n_met = 0;
}

static void begin_state(ct_automaton *a)
{
    forget_found(a);
    a->n_committed = a->rank = 0;
    a->is_committed = false;
}

static void follow_all(ct_automaton *a)
{
    while (a->n_todo && a->failure == CARAT_OK)
        follow_one(a, a->todo[--a->n_todo]);
}

/* Nothing is left but what has come through a commit. */
static void follow_committed(ct_automaton *a)
{
    forget_found(a);
    a->is_committed = true;
    for (uint32_t i = 0; i < a->n_committed && a->rank != CT_COMMIT_TO_NOTHING; i++)
        follow(a, a->committed[i].node, a->committed[i].frame);
    follow_all(a);
}

static uint32_t finish_state(ct_automaton *a)
{
    follow_all(a);
    if (a->n_committed && a->failure == CARAT_OK)
        follow_committed(a);
    if (a->failure != CARAT_OK || (a->n_found == 0 && !a->found_end))
        return CT_DEAD;
    if (a->n_found > 1)
        qsort(a->found, a->n_found, sizeof *a->found, by_place);
    return state_of_found(a);
}

/* ---- from outside ---- */

bool ct_automaton_open(const ct_program *p, size_t max_bytes, ct_automaton **out, carat_err *err)
{
    *out = NULL;
    ct_automaton *a = calloc(1, sizeof *a);
    if (!a)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an automaton");
    a->p = p;
    a->max_bytes = max_bytes;
    bool ok = grow(a, (void **)&a->frames, 0, 1, &a->cap_frames, sizeof(frame)) &&
              grow(a, (void **)&a->states, 0, 1, &a->cap_states, sizeof(state));
    if (!ok) {
        ct_automaton_close(a);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an automaton");
    }
    a->frames[0] = (frame){ 0 };
    a->states[0] = (state){ 0 };
    a->n_frames = a->n_states = 1;
    *out = a;
    return true;
}

static void free_steps(state *states, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        free(states[i].steps);
}

void ct_automaton_close(ct_automaton *a)
{
    if (!a)
        return;
    free_steps(a->states, a->n_states);
    free(a->states);
    free(a->frames);
    free(a->heads);
    free(a->frame_table.slots);
    free(a->state_table.slots);
    free(a->todo);
    free(a->found);
    free(a->committed);
    free(a->met);
    free(a);
}

uint32_t ct_automaton_start(ct_automaton *a)
{
    if (a->start == CT_DEAD) {
        begin_state(a);
        follow(a, a->p->root, NO_FRAME);
        a->start = finish_state(a);
    }
    return a->start;
}

static uint32_t compute_step(ct_automaton *a, uint32_t from, uint8_t byte)
{
    const ct_program *p = a->p;
    begin_state(a);
    for (uint32_t i = 0; i < a->states[from].n; i++) {
        const head h = a->heads[a->states[from].first + i];
        if (ct_byteset_has(&p->sets[p->nodes[h.node].a], byte))
            follow(a, p->nodes[h.node].next, h.frame);
    }
    return finish_state(a);
}

uint32_t ct_automaton_step(ct_automaton *a, uint32_t from, uint8_t byte)
{
    const uint32_t class = a->p->class_of[byte];
    if (from == CT_DEAD)
        return CT_DEAD;
    if (a->states[from].steps && a->states[from].steps[class] != UNKNOWN)
        return a->states[from].steps[class];
    if (!a->states[from].steps) {
        const size_t bytes = a->p->n_classes * sizeof(uint32_t);
        uint32_t *steps = a->bytes + bytes <= a->max_bytes ? malloc(bytes) : NULL;
        if (!steps) {
            fail(a, a->bytes + bytes <= a->max_bytes ? CARAT_ENOMEM : CARAT_ELIMIT);
            return CT_DEAD;
        }
        memset(steps, 0xFF, bytes);
        a->bytes += bytes;
        a->states[from].steps = steps;
    }
    const uint32_t to = compute_step(a, from, byte);
    if (a->failure == CARAT_OK)
        a->states[from].steps[class] = to;
    return to;
}

bool ct_automaton_may_end(const ct_automaton *a, uint32_t at)
{
    return a->states[at].may_end;
}

int ct_automaton_only_byte(const ct_automaton *a, uint32_t at)
{
    const state *s = &a->states[at];
    int only = -1;
    if (s->may_end)
        return -1;
    for (uint32_t i = 0; i < s->n; i++) {
        const ct_byteset *set = &a->p->sets[a->p->nodes[a->heads[s->first + i].node].a];
        int n = 0, byte = -1;
        for (int w = 0; w < 4; w++) {
            n += __builtin_popcountll(set->bits[w]);
            if (set->bits[w])
                byte = 64 * w + __builtin_ctzll(set->bits[w]);
        }
        if (n != 1 || (only >= 0 && byte != only))
            return -1;
        only = byte;
    }
    return only;
}

bool ct_automaton_failed(const ct_automaton *a, carat_err *err)
{
    if (a->failure == CARAT_ENOMEM)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to follow the grammar");
    else if (a->failure != CARAT_OK)
        ct_fail(err, a->failure, CARAT_NOWHERE,
                "the grammar is too ambiguous to follow: too many ways to read the text");
    return a->failure != CARAT_OK;
}

size_t ct_automaton_bytes(const ct_automaton *a)
{
    return a->bytes;
}

/* ---- forgetting ---- */

/* Moves the frames under the states to `to`, moved [n_frames] becoming their numbers there. A parent is older than its
 * children, so one pass down finds what is needed and one up moves it. */
static bool move_frames(const ct_automaton *from, const uint32_t *states, size_t n, ct_automaton *to, uint32_t *moved)
{
    memset(moved, 0, from->n_frames * sizeof *moved);
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < from->states[states[i]].n; k++)
            moved[from->heads[from->states[states[i]].first + k].frame] = UNKNOWN;
    for (uint32_t f = from->n_frames; f-- > 1;)
        if (moved[f])
            moved[from->frames[f].parent] = UNKNOWN;
    moved[NO_FRAME] = NO_FRAME;
    for (uint32_t f = 1; f < from->n_frames; f++) {
        if (!moved[f])
            continue;
        frame copy = from->frames[f];
        copy.parent = moved[copy.parent];
        moved[f] = frame_of(to, copy);
        if (moved[f] == UNKNOWN)
            return false;
    }
    return true;
}

static uint32_t move_state(const ct_automaton *from, ct_automaton *to, uint32_t s, const uint32_t *moved)
{
    const state *was = &from->states[s];
    begin_state(to);
    to->found_end = was->may_end;
    for (uint32_t i = 0; i < was->n; i++) {
        const head h = from->heads[was->first + i];
        if (!grow(to, (void **)&to->found, to->n_found, 1, &to->cap_found, sizeof h))
            return CT_DEAD;
        to->found[to->n_found++] = (head){ h.node, moved[h.frame] };
    }
    if (to->n_found > 1)
        qsort(to->found, to->n_found, sizeof *to->found, by_place);
    return state_of_found(to);
}

bool ct_automaton_compact(ct_automaton *a, uint32_t *states, size_t n)
{
    ct_automaton *fresh = NULL;
    uint32_t *moved = malloc(a->n_frames * sizeof *moved), *numbers = malloc((n + 1) * sizeof *numbers);
    bool ok = moved && numbers && ct_automaton_open(a->p, a->max_bytes, &fresh, NULL) &&
              move_frames(a, states, n, fresh, moved);
    for (size_t i = 0; ok && i < n; i++) {
        numbers[i] = states[i] == CT_DEAD ? CT_DEAD : move_state(a, fresh, states[i], moved);
        ok = fresh->failure == CARAT_OK;
    }
    if (ok) {
        const ct_automaton old = *a;
        if (n)
            memcpy(states, numbers, n * sizeof *states);
        *a = *fresh;
        *fresh = old;
    }
    ct_automaton_close(fresh);
    free(moved);
    free(numbers);
    return ok;
}
