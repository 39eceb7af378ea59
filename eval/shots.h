/* shots.h - what stands in front of every question of a group: the description and solved examples.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_SHOTS_H
#define CT_EVAL_SHOTS_H

#include "eval/task.h"

/* Rows of a file to items. limit 0: all. nth: of the first of them. *items [*n] are to be freed one by one, also after an error. */
bool ct_eval_items_read(ct_eval_task *t, const char *file, size_t limit, size_t nth, ct_eval_item **items, size_t *n,
                        carat_err *err);
/* Makes the heads of all groups. */
bool ct_eval_heads_make(ct_eval_task *t, const ct_eval_source *s, carat_err *err);

#endif
