/* expr.h - what a grammar's texts look like: expressions over characters, and rules that may call each other.
 *
 * The common form behind every way to write a grammar down (regular expressions, GBNF, JSON Schema). Built bottom up in
 * a heap; never changed once built, so one expression may stand in several places. The builders simplify: what cannot
 * match vanishes with everything that needs it, and what matches only the empty text leaves no trace.
 *
 * Builders return NULL only if the heap has failed, and take NULL as an operand then: whoever builds looks at
 * heap.failed once, at the end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_EXPR_H
#define CT_SAMPLE_GRAMMAR_EXPR_H

#include "base/err.h"
#include "sample/grammar/charset.h"

typedef enum ct_expr_kind {
    CT_EXPR_NOTHING, /* no text at all */
    CT_EXPR_EMPTY,   /* the empty text */
    CT_EXPR_BYTES,   /* these bytes, at least one */
    CT_EXPR_BYTE,    /* one byte of a set, which is not empty */
    CT_EXPR_SET,     /* one character of a set, which is not empty, as UTF-8 */
    CT_EXPR_SEQ,     /* one after the other, at least two */
    CT_EXPR_ALT,     /* any one of them, at least two */
    CT_EXPR_REPEAT,  /* body, at least min and at most max times */
    CT_EXPR_RULE,    /* what the rule matches */
    CT_EXPR_COMMIT,  /* the empty text, and a decision: see ct_expr_commit */
} ct_expr_kind;

#define CT_REPEAT_FOREVER UINT32_MAX
#define CT_MAX_EXPR_SIZE  (1u << 21)
#define CT_MAX_EXPR_DEPTH 2500 /* a deeper one fails the heap */

typedef struct ct_byteset {
    uint64_t bits[4];
} ct_byteset;

/* A byte that no text has (UTF-8): where it may come, so may what is no text. */
#define CT_NO_TEXT 0xFF

static inline bool ct_byteset_has(const ct_byteset *s, uint8_t byte)
{
    return s->bits[byte >> 6] >> (byte & 63) & 1;
}

static inline void ct_byteset_add(ct_byteset *s, uint8_t byte)
{
    s->bits[byte >> 6] |= (uint64_t)1 << (byte & 63);
}

typedef struct ct_expr ct_expr;
struct ct_expr {
    ct_expr_kind kind;
    bool is_nullable; /* may match the empty text; of a rule's call: unknown yet, false */
    uint32_t size;    /* expressions in it, counted as often as they stand there: at most CT_MAX_EXPR_SIZE */
    uint16_t depth; /* of what is built into it, 1 for a leaf: at most CT_MAX_EXPR_DEPTH, for walks go down by calls */
    union {
        struct {
            const char *s;
            size_t len;
        } bytes;
        const ct_byteset *byte;
        ct_charset set;
        struct {
            const ct_expr *const *v;
            size_t n;
        } list; /* SEQ, ALT */
        struct {
            const ct_expr *body;
            uint32_t min, max;
        } repeat;
        uint32_t rule;
        uint32_t rank; /* COMMIT */
    };
};

const ct_expr *ct_expr_nothing(ct_heap *a);
const ct_expr *ct_expr_empty(ct_heap *a);
const ct_expr *ct_expr_bytes(ct_heap *a, const char *s, size_t len); /* copies s */
const ct_expr *ct_expr_text(ct_heap *a, const char *s);
const ct_expr *ct_expr_byte(ct_heap *a, const ct_byteset *set); /* copies set */
const ct_expr *ct_expr_set(ct_heap *a, ct_charset set);
const ct_expr *ct_expr_seq(ct_heap *a, const ct_expr *const *v, size_t n); /* copies v */
const ct_expr *ct_expr_alt(ct_heap *a, const ct_expr *const *v, size_t n);
const ct_expr *ct_expr_then(ct_heap *a, const ct_expr *x, const ct_expr *y);
const ct_expr *ct_expr_or(ct_heap *a, const ct_expr *x, const ct_expr *y);
const ct_expr *ct_expr_repeat(ct_heap *a, const ct_expr *body, uint32_t min, uint32_t max);
const ct_expr *ct_expr_optional(ct_heap *a, const ct_expr *body);
const ct_expr *ct_expr_rule(ct_heap *a, uint32_t rule);
/* Where a text may be read in several ways, those that come through a commit behind the same byte are the only ones from
 * there on, and of several commits those of the highest rank; behind CT_COMMIT_TO_NOTHING no text goes on. So a grammar may
 * say "anything, but what begins like this must go on like that" without saying what does not begin like this. The
 * texts of a grammar with commits are those that its automaton accepts. */
#define CT_COMMIT_TO_NOTHING UINT32_MAX
const ct_expr *ct_expr_commit(ct_heap *a, uint32_t rank);

/* One of n words, each with what follows it, in which beginnings that several share stand once: it may be one of thousands.
 * Copies them. */
typedef struct ct_word {
    const char *s;
    size_t len;
    const ct_expr *tail; /* NULL: nothing */
} ct_word;
const ct_expr *ct_expr_words(ct_heap *a, ct_word *v, size_t n); /* v is sorted in place */

/* A list that grows, for builders. */
typedef struct ct_exprs {
    ct_heap *heap;
    const ct_expr **v;
    size_t n, cap;
} ct_exprs;

void ct_exprs_add(ct_exprs *l, const ct_expr *e);

/* Rules by number. A rule is declared before what it matches is known, so that rules can call each other. */
typedef struct ct_rules {
    ct_heap *heap;
    struct ct_rule {
        const char *name;    /* for messages; lives as long as the heap */
        const ct_expr *expr; /* NULL: not defined yet */
    } * v;
    uint32_t n, cap;
} ct_rules;

/* Returns the rule's number; CT_NO_RULE if the heap has failed or there are CT_MAX_RULES. */
#define CT_MAX_RULES 50000u
#define CT_NO_RULE   UINT32_MAX
uint32_t ct_rules_add(ct_rules *r, const char *name);

#endif
