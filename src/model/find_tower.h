/* find_tower.h - which of the mmproj files beside a model is its own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_FIND_TOWER_H
#define CT_MODEL_FIND_TOWER_H

#include "model/model.h"

/* Looks for *mmproj*.gguf in the model's folder. out: its path, "" if there is none, or if none fits a published model
 * that reads text only. Of several, those that do not fit the model's width are out; then the one whose name agrees
 * with the model's in most words stays, and of one projector in several precisions BF16, else F16, F32, Q8_0. Errors:
 * CARAT_EARG (several could be meant, with their names; none fits, with the first one's reason), CARAT_ENOMEM. */
bool ct_find_tower(const ct_model *m, char out[4096], carat_err *err);

#endif
