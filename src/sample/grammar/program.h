/* program.h - a grammar as a machine that reads bytes and may call: what automaton.h runs.
 *
 * A machine state is a node and a stack of frames. Nodes:
 *
 *   BYTE   set  next    reads one byte of the set, goes to next
 *   SPLIT  n    first   goes to each of targets[first .. first + n) at once
 *   CALL   rule next    pushes next and goes to starts[rule]
 *   RETURN              pops where to go on; on an empty stack the text may end
 *   LOOP   loop next    pushes itself with a count of 0 and goes to the body; goes to next if none is needed
 *   AGAIN               the end of a body: counts, and goes round, or on, or both
 *   COMMIT rank next    goes to next, and gives up whatever has not come through a commit of this rank or above
 *
 * Nodes without BYTE take no input. Every state that can be reached can reach the end: what cannot is left out, but for
 * commits to nothing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_PROGRAM_H
#define CT_SAMPLE_GRAMMAR_PROGRAM_H

#include "sample/grammar/expr.h"

typedef enum ct_op { CT_OP_BYTE, CT_OP_SPLIT, CT_OP_CALL, CT_OP_RETURN, CT_OP_LOOP, CT_OP_AGAIN, CT_OP_COMMIT } ct_op;

typedef struct ct_node {
    uint8_t op;
    uint32_t a, next;
} ct_node;

typedef struct ct_loop {
    uint32_t min, max, body; /* max CT_REPEAT_FOREVER: counting stops at min */
} ct_loop;

typedef struct ct_program {
    ct_node *nodes;
    ct_byteset *sets;
    uint32_t *targets;
    ct_loop *loops;
    uint32_t *starts;
    uint32_t n_nodes, n_sets, n_targets, n_loops, n_rules;
    uint32_t root;        /* a node */
    bool matches_nothing; /* why ct_program_build has failed: no text can match */
    /* Bytes that no set tells apart are of one class. */
    uint8_t class_of[256], byte_of[256]; /* byte_of: one byte of the class */
    uint32_t n_classes;
} ct_program;

/* Compiles rule `root` of rules, all of which are defined. Takes time and memory linear in the expressions, of which
 * there may be CT_MAX_NODES nodes. `what` names the grammar in messages. Errors: CARAT_EARG (it matches no text; a rule
 * begins with itself; too large; a repeated body that may be empty more than 64 times), CARAT_ENOMEM. On failure *p is
 * empty, but for matches_nothing. */
#define CT_MAX_NODES (1u << 18)
bool ct_program_build(const char *what, const ct_rules *rules, uint32_t root, ct_program *p, carat_err *err);
void ct_program_free(ct_program *p);
size_t ct_program_bytes(const ct_program *p);

#endif
