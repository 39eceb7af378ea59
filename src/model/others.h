/* others.h - what people call models that are none of ours, by the names that files give them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_OTHERS_H
#define CT_MODEL_OTHERS_H

/* name: of an architecture or a model, in any spelling: "t5gemma2", "T5Gemma2ForConditionalGeneration",
 * "google/t5gemma-2-4b". Returns "T5Gemma 2", or NULL: unknown. Whether it is one that Carat runs is for the caller. */
const char *ct_other_model(const char *name);

#endif
