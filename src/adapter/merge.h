/* merge.h - a LoRA adapter added to the weights of a model, as a new file.
 *
 *   W' = W + scale * alpha / rank * B A        A: [rank, in], B: [out, rank]; W: [out, in]
 *
 * The model is a GGUF file, the adapter anything that lora.h reads. Matrices without a pair are copied, and so are the
 * model's keys; the chat template is the one that is given, or the adapter's, or the model's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ADAPTER_MERGE_H
#define CT_ADAPTER_MERGE_H

#include "carat.h"

/* Of options of this library's size. Errors: as carat_merge. */
bool ct_merge(const carat_merge_options *o, const char *path, carat_merge_result *result, carat_err *err);

#endif
