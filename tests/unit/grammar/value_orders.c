/* A search for an order of the members that an automaton accepts: what is still to be written is a list, and an object in it
 * is replaced by one of its members and the object without it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "value_orders.h"

#include <string.h>

#define MOST_STEPS   1000000u
#define MOST_MEMBERS 64
#define MOST_FAILED  4096

/* A state in front of an object's remaining members from which nothing was found. */
typedef struct failure {
    uint32_t state;
    uint64_t used;
} failure;

typedef struct place {
    const json_t *object;
    failure failed[MOST_FAILED];
    size_t n_failed;
} place;

typedef struct todo {
    const char *literal; /* or */
    const json_t *value; /* or */
    place *object;       /* whose members in `used` are written */
    uint64_t used;
    const struct todo *next;
} todo;

typedef struct search {
    ct_automaton *a;
    const ct_json_style *style;
    ct_buf *text;
    size_t steps;
    bool gave_up;
} search;

static bool go(search *s, uint32_t at, const todo *t);

static bool write_then(search *s, uint32_t at, const char *text, size_t len, const todo *next)
{
    const size_t before = s->text->len;
    s->steps += len;
    s->gave_up = s->gave_up || s->steps > MOST_STEPS || !ct_buf_add(s->text, text, len);
    if (s->gave_up)
        return false;
    for (size_t i = 0; i < len && at != CT_DEAD; i++)
        at = ct_automaton_step(s->a, at, (uint8_t)text[i]);
    if (at != CT_DEAD && go(s, at, next))
        return true;
    s->text->len = before;
    return false;
}

static bool go_scalar(search *s, uint32_t at, const json_t *v, const todo *next)
{
    ct_buf own;
    ct_buf_init(&own, (size_t)1 << 20);
    const bool yes = ct_json_canonical(v, s->style, &own) && write_then(s, at, own.data, own.len, next);
    ct_buf_deinit(&own);
    return yes;
}

static bool go_items(search *s, uint32_t at, const json_t *list, const todo *next)
{
    const size_t n = json_array_size(list);
    todo *v = calloc(2 * n + 2, sizeof *v);
    if (!v)
        abort();
    size_t k = 0;
    v[k++] = (todo){ .literal = "[" };
    for (size_t i = 0; i < n; i++) {
        v[k++] = (todo){ .value = json_array_get(list, i) };
        if (i + 1 < n)
            v[k++] = (todo){ .literal = s->style->comma };
    }
    v[k++] = (todo){ .literal = "]" };
    for (size_t j = 0; j < k; j++)
        v[j].next = j + 1 < k ? &v[j + 1] : next;
    const bool yes = go(s, at, v);
    free(v);
    return yes;
}

static bool go_members(search *s, uint32_t at, const todo *t)
{
    place *p = t->object;
    const char *name;
    json_t *value;
    size_t i = 0;
    for (size_t k = 0; k < p->n_failed; k++)
        if (p->failed[k].state == at && p->failed[k].used == t->used)
            return false;
    json_object_foreach((json_t *)(uintptr_t)p->object, name, value) {
        const uint64_t bit = (uint64_t)1 << i++;
        if (t->used & bit)
            continue;
        json_t *key = json_string(name);
        const todo rest = { .object = p, .used = t->used | bit, .next = t->next };
        const todo then = { .value = value, .next = &rest }, colon = { .literal = s->style->colon, .next = &then };
        const todo called = { .value = key, .next = &colon };
        const todo comma = { .literal = s->style->comma, .next = &called };
        const bool yes = go(s, at, t->used ? &comma : &called);
        json_decref(key);
        if (yes)
            return true;
    }
    const bool is_all = t->used == (i == MOST_MEMBERS ? UINT64_MAX : ((uint64_t)1 << i) - 1);
    if (is_all && write_then(s, at, "}", 1, t->next))
        return true;
    if (p->n_failed < MOST_FAILED && !s->gave_up)
        p->failed[p->n_failed++] = (failure){ at, t->used };
    return false;
}

static bool go_object(search *s, uint32_t at, const json_t *v, const todo *next)
{
    place *p = malloc(sizeof *p);
    if (!p)
        abort();
    p->object = v;
    p->n_failed = 0;
    const todo members = { .object = p, .next = next };
    s->gave_up = s->gave_up || json_object_size(v) > MOST_MEMBERS;
    const bool yes = !s->gave_up && write_then(s, at, "{", 1, &members);
    free(p);
    return yes;
}

static bool go(search *s, uint32_t at, const todo *t)
{
    if (!t)
        return ct_automaton_may_end(s->a, at);
    if (t->literal)
        return write_then(s, at, t->literal, strlen(t->literal), t->next);
    if (t->object)
        return go_members(s, at, t);
    if (json_is_array(t->value))
        return go_items(s, at, t->value, t->next);
    return json_is_object(t->value) ? go_object(s, at, t->value, t->next) : go_scalar(s, at, t->value, t->next);
}

order_verdict any_order_matches(ct_automaton *a, const json_t *v, const ct_json_style *style, ct_buf *text)
{
    search s = { .a = a, .style = style, .text = text };
    const todo all = { .value = v };
    ct_buf_clear(text);
    return go(&s, ct_automaton_start(a), &all) ? ORDER_FOUND : s.gave_up ? ORDER_TOO_MANY : ORDER_NONE;
}
