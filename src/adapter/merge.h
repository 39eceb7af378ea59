/* merge.h - a LoRA adapter added to the weights of a model, as a new file.
 *
 *   W' = W + scale * alpha / rank * B A        A: [rank, in], B: [out, rank]; W: [out, in]
 *
 * Both files are GGUF. An adapter's tensors are named after the matrix they belong to: blk.0.attn_q.weight.lora_a and
 * .lora_b; in GGUF's order of dimensions A is {in, rank}, B is {rank, out}. Matrices without a pair are copied, and so are the
 * model's keys; the chat template is the one that is given, or the adapter's, or the model's.
 *
 * Sources: arXiv:2106.09685 (LoRA); the layout that llama.cpp's convert_lora_to_gguf.py writes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ADAPTER_MERGE_H
#define CT_ADAPTER_MERGE_H

#include "carat.h"

/* Of options of this library's size. Errors: as carat_merge. */
bool ct_merge(const carat_merge_options *o, const char *path, carat_merge_result *result, carat_err *err);

#endif
