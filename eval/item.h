/* item.h - an item out of a row of a file, by a layout of the task's description.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_ITEM_H
#define CT_EVAL_ITEM_H

#include "eval/task.h"

/* The layout of a row; NULL with CARAT_EFORMAT. */
const json_t *ct_eval_layout(const ct_eval_task *t, const json_t *row, carat_err *err);
/* nth: of all items, for what is drawn. The row gains fields. *item is to be freed, also after an error. */
bool ct_eval_item_read(ct_eval_task *t, const json_t *layout, json_t *row, size_t nth, ct_eval_item *item,
                       carat_err *err);
void ct_eval_item_free(ct_eval_item *item);

#endif
