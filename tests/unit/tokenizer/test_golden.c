/* Every line of the reference tokenizer's answers, with the Gemma 3 vocabulary as a GGUF holds it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "golden.h"
#include "vocab_file.h"

#define DATA TEST_DATA "/tokenizer/"

static int open_gguf(void **state)
{
    vocab_file v;
    if (!vocab_file_open(&v, DATA "vocab.bin"))
        return -1;
    carat_tokenizer *t;
    carat_err err;
    bool ok = carat_tokenizer_from_pieces(v.pieces, v.n, &t, &err);
    if (!ok)
        fprintf(stderr, "%s\n", err.msg);
    vocab_file_close(&v);
    *state = t;
    return ok ? 0 : -1;
}

static int close_it(void **state)
{
    carat_tokenizer_close(*state);
    return 0;
}

static void every_text(void **state)
{
    int n;
    assert_int_equal(golden_texts(*state, DATA "tokenizer.jsonl", &n), 0);
    assert_int_equal(n, 3706);
}

static void every_byte_string(void **state)
{
    int n;
    assert_int_equal(golden_bytes(*state, DATA "tokenizer_bytes.jsonl", &n), 0);
    assert_int_equal(n, 355);
}

static void every_decoding(void **state)
{
    int n;
    assert_int_equal(golden_decode(*state, DATA "detokenizer.jsonl", &n), 0);
    assert_int_equal(n, 628);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text),
        cmocka_unit_test(every_byte_string),
        cmocka_unit_test(every_decoding),
    };
    return cmocka_run_group_tests(tests, open_gguf, close_it);
}
