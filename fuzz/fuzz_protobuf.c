/* fuzz_protobuf.c - a tokenizer.model: opens it, and uses what opened.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/vocab.h"
#include "tokenizer_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    carat_tokenizer *t;
    carat_err err = { 0 };
    if (ct_tokenizer_from_model_bytes(data, size, &t, &err))
        fuzz_use_tokenizer(t);
    else
        FUZZ_MUST(!t && err.code != CARAT_OK && err.msg[0]);
    carat_tokenizer_close(t);
    return 0;
}
