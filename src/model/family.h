/* family.h - which of Gemma 3's siblings a checkpoint is: its shape does not tell, its chat template or its name does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_FAMILY_H
#define CT_MODEL_FAMILY_H

#include "base/buf.h"
#include "model/model.h"

/* "FunctionGemma, by its chat template", "MedGemma, by its name", "quantisation-aware trained, by its name"; several on lines of
 * their own; nothing where nothing says so. */
void ct_family_of(const ct_model *m, ct_buf *out);

#endif
