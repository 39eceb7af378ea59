/* product.h - texts that several conditions hold for at once, as rules.
 *
 * Each condition is a machine that reads bytes. All run side by side; what they can be in together becomes a rule each,
 * without those that no accepted text comes through. Conditions may be negated, which expressions cannot.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_PRODUCT_H
#define CT_SAMPLE_GRAMMAR_PRODUCT_H

#include "sample/grammar/expr.h"

/* A machine's states are numbers that it makes itself; 0 is the one that nothing leads out of and that accepts
 * nothing. */
typedef struct ct_machine {
    void *self;
    uint32_t (*start)(void *self);
    uint32_t (*step)(void *self, uint32_t state, uint8_t byte);
    bool (*accepts)(void *self, uint32_t state);
    bool (*failed)(void *self, carat_err *err); /* a start or step went to 0 for want of memory; NULL: never */
    void (*close)(void *self);                  /* NULL: nothing to do */
    const uint8_t *class_of;                    /* [256]: bytes of one class lead to the same; NULL: each is its own */
    bool is_negated;                            /* the text is one that it does not accept */
} ct_machine;

/* A machine for an expression without rules. Errors: those of ct_program_build. */
bool ct_machine_of_expr(const char *what, const ct_expr *e, ct_heap *h, ct_machine *out, carat_err *err);

/* How a byte of the text is written: NULL as itself; else by the expression, which is NULL for a byte written as
 * itself. A JSON string's escapes are this. */
typedef const ct_expr *ct_written_fn(ct_heap *h, uint8_t byte);

/* Adds the rules and returns a call of the first of them, CT_EXPR_NOTHING if no text will do. Errors: CARAT_EARG (more
 * than CT_MAX_PRODUCT situations, named as `what`), CARAT_ENOMEM, those of the machines. */
#define CT_MAX_PRODUCT 6000u
bool ct_product(const char *what, const ct_machine *m, size_t n, ct_written_fn *written, ct_rules *rules,
                const ct_expr **out, carat_err *err);

#endif
