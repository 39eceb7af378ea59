/* Which rules of a grammar can match, match the empty text, or begin with themselves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/rules_check.h"

bool ct_expr_matches(const ct_rule_facts *f, const ct_expr *e)
{
    switch (e->kind) {
    case CT_EXPR_NOTHING:
        return false;
    case CT_EXPR_RULE:
        return f->matches[e->rule];
    case CT_EXPR_REPEAT:
        return e->repeat.min == 0 || ct_expr_matches(f, e->repeat.body);
    case CT_EXPR_SEQ:
    case CT_EXPR_ALT:
        for (size_t i = 0; i < e->list.n; i++)
            if (ct_expr_matches(f, e->list.v[i]) != (e->kind == CT_EXPR_SEQ))
                return e->kind == CT_EXPR_ALT;
        return e->kind == CT_EXPR_SEQ;
    default:
        return true;
    }
}

bool ct_expr_is_nullable(const ct_rule_facts *f, const ct_expr *e)
{
    switch (e->kind) {
    case CT_EXPR_RULE:
        return f->is_nullable[e->rule];
    case CT_EXPR_REPEAT:
        return e->repeat.min == 0 || ct_expr_is_nullable(f, e->repeat.body);
    case CT_EXPR_SEQ:
    case CT_EXPR_ALT:
        for (size_t i = 0; i < e->list.n; i++)
            if (ct_expr_is_nullable(f, e->list.v[i]) != (e->kind == CT_EXPR_SEQ))
                return e->kind == CT_EXPR_ALT;
        return e->kind == CT_EXPR_SEQ;
    default:
        return e->is_nullable;
    }
}

/* Can e read something, or end, without calling a rule that has not been shown to? */
static bool begins_soundly(const ct_rule_facts *f, const bool *is_sound, const ct_expr *e)
{
    switch (e->kind) {
    case CT_EXPR_RULE:
        return is_sound[e->rule];
    case CT_EXPR_REPEAT:
        return begins_soundly(f, is_sound, e->repeat.body);
    case CT_EXPR_SEQ:
    case CT_EXPR_ALT:
        for (size_t i = 0; i < e->list.n; i++) {
            if (!begins_soundly(f, is_sound, e->list.v[i]))
                return false;
            if (e->kind == CT_EXPR_SEQ && !ct_expr_is_nullable(f, e->list.v[i]))
                break;
        }
        return true;
    default:
        return true;
    }
}

enum fact { MATCHES, NULLABLE, SOUND };

static bool holds(const ct_rule_facts *f, const bool *is_sound, enum fact fact, const ct_expr *e)
{
    return fact == MATCHES    ? ct_expr_matches(f, e)
           : fact == NULLABLE ? ct_expr_is_nullable(f, e)
                              : begins_soundly(f, is_sound, e);
}

/* A fact about one rule may bring another about: goes over all of them, up and down, until nothing changes. The heap
 * fails where that takes too long. */
static void settle(const ct_rules *rules, const ct_rule_facts *f, bool *is_sound, enum fact fact, bool *out)
{
    bool changed = true;
    for (bool up = true; changed; up = !up) {
        changed = false;
        for (uint32_t k = 0; k < rules->n; k++) {
            const uint32_t i = up ? k : rules->n - 1 - k;
            if (!out[i] && ct_heap_work(rules->heap, rules->v[i].expr->size) &&
                holds(f, is_sound, fact, rules->v[i].expr))
                out[i] = changed = true;
        }
    }
}

bool ct_rules_check(const char *what, const ct_rules *rules, ct_rule_facts *f, carat_err *err)
{
    f->matches = ct_heap_new(rules->heap, rules->n, sizeof *f->matches);
    f->is_nullable = ct_heap_new(rules->heap, rules->n, sizeof *f->is_nullable);
    bool *is_sound = ct_heap_new(rules->heap, rules->n, sizeof *is_sound);
    if (rules->heap->failed)
        return ct_heap_fail(rules->heap, what, err);
    settle(rules, f, is_sound, MATCHES, f->matches);
    settle(rules, f, is_sound, NULLABLE, f->is_nullable);
    settle(rules, f, is_sound, SOUND, is_sound);
    if (rules->heap->failed)
        return ct_heap_fail(rules->heap, what, err);
    for (uint32_t i = 0; i < rules->n; i++)
        if (!is_sound[i])
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                           "%s: rule '%.60s' can begin with itself, or with a rule that does (left recursion)", what,
                           rules->v[i].name);
    return true;
}
