/* automaton.h - runs a program deterministically: a state for everything that the machine can be in at once.
 *
 * A state is a set of (node, stack) pairs, where a stack is a frame with a parent. Frames and states are made once and
 * have numbers, so that equal situations are one state, and a step from a state by a byte is computed once and then
 * looked up. States are made as they are met: a grammar with recursion has infinitely many, a text meets few.
 *
 * Numbers stay valid until ct_automaton_compact. Not safe from two threads at once: mask.c holds a lock.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_AUTOMATON_H
#define CT_SAMPLE_GRAMMAR_AUTOMATON_H

#include "sample/grammar/program.h"

#define CT_DEAD 0u /* the state that no text leads out of */

typedef struct ct_automaton ct_automaton;

/* The program is borrowed. At most about max_bytes are used; beyond them steps fail. Errors: CARAT_ENOMEM. */
bool ct_automaton_open(const ct_program *p, size_t max_bytes, ct_automaton **out, carat_err *err);
void ct_automaton_close(ct_automaton *a); /* accepts NULL */

/* Before the first byte; CT_DEAD if there was no memory, which ct_automaton_failed tells. */
uint32_t ct_automaton_start(ct_automaton *a);
uint32_t ct_automaton_step(ct_automaton *a, uint32_t from, uint8_t byte);
bool ct_automaton_may_end(const ct_automaton *a, uint32_t at);
/* The only byte that may come next, where there is one and the text may not end instead; else -1. */
int ct_automaton_only_byte(const ct_automaton *a, uint32_t at);

/* A step has failed since ct_automaton_compact, for want of memory or because the grammar is too ambiguous: it went to
 * CT_DEAD. Errors: CARAT_ENOMEM, CARAT_ELIMIT. */
bool ct_automaton_failed(const ct_automaton *a, carat_err *err);

size_t ct_automaton_bytes(const ct_automaton *a);
/* Forgets every state but the n in states, which get new numbers in place. False: no memory; nothing changed. */
bool ct_automaton_compact(ct_automaton *a, uint32_t *states, size_t n);

#endif
