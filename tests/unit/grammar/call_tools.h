/* call_tools.h - twenty functions, and what a call of one of them must be, judged without the library's automata.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_CALL_TOOLS_H
#define CT_TESTS_CALL_TOOLS_H

#include "sample/grammar/calls.h"

#define N_CALL_TOOLS 20

extern const char *const call_tool_names[N_CALL_TOOLS];
extern const char *const call_tool_schemas[4]; /* of function i: the i % 4th; NULL: it takes no arguments */

void call_tools_make(ct_call_form v[N_CALL_TOOLS]);
/* Fails the test unless this is a call, or a list of 1 to 16, with arguments that are valid. met: which are called, besides
 * those that were. Returns how many calls. */
size_t call_tools_check(const char *s, size_t len, bool met[N_CALL_TOOLS]);

#endif
