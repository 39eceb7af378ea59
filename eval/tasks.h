/* tasks.h - the descriptions that the program has (tasks/NAME.json).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_TASKS_H
#define CT_EVAL_TASKS_H

#include <stddef.h>

typedef struct ct_eval_description {
    const char *name, *text;
    const size_t *len;
} ct_eval_description;

extern const ct_eval_description ct_eval_descriptions[];
extern const size_t ct_eval_n_descriptions;

#endif
