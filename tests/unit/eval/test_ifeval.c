/* IFEval: the official layout, each kind of instruction on answers of our own with the verdicts of the authors' program, what is not judged.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "eval/ifeval.h"

static void test_official_layout(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_task t;
    const ct_eval_source s = { .data = files_path("input_data.jsonl") };
    put("input_data.jsonl",
        "{\"key\": 1000, \"prompt\": \"Write.\", \"instruction_id_list\": [\"punctuation:no_comma\", "
        "\"length_constraints:number_words\"], \"kwargs\": [{}, {\"relation\": \"at least\", \"num_words\": 300}]}\n"
        "{\"key\": 1001, \"prompt\": \"Now.\", \"instruction_id_list\": [\"detectable_format:title\"], \"kwargs\": "
        "[{\"num_words\": null, \"relation\": null}]}\n");
    assert_true(ct_eval_task_open(&t, "ifeval", &s, &err));
    assert_int_equal(t.n, 2);
    assert_string_equal(t.items[0].id, "1000");
    assert_string_equal(t.items[0].contexts[0], "Write.");
    assert_int_equal(json_array_size(t.items[0].rules), 2);
    ct_eval_task_close(&t);
    static const struct {
        const char *ids, *kwargs, *says;
    } bad[] = {
        { "[]", "[]", "has 0 instructions" },
        { "[\"punctuation:no_comma\"]", "[]", "1 instructions and 'kwargs' 0" },
        { "[\"punctuation:no_commas\"]", "[{}]", "instruction 1, 'punctuation:no_commas', is none of IFEval's" },
        { "[3]", "[{}]", "instruction 1 is no text" },
        { "[\"punctuation:no_comma\"]", "[3]", "its 'kwargs' no object" },
        { "[\"length_constraints:number_words\"]", "[{\"num_words\": 3}]", "'relation' is missing" },
        { "[\"length_constraints:number_words\"]", "[{\"num_words\": \"3\", \"relation\": \"at least\"}]",
          "'num_words' is missing, or of" },
        { "[\"length_constraints:number_words\"]", "[{\"num_words\": 1e300, \"relation\": \"at least\"}]",
          "'num_words'" },
        { "[\"length_constraints:number_words\"]", "[{\"num_words\": 3, \"relation\": \"about\"}]", "'relation'" },
        { "[\"keywords:existence\"]", "[{\"keywords\": [\"a\", 3]}]", "'keywords'" },
        { "[\"keywords:existence\"]", "[{\"keywords\": [\"a\\u0000b\"]}]", "'keywords'" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512];
        snprintf(text, sizeof text, "{\"key\": 1, \"prompt\": \"p\", \"instruction_id_list\": %s, \"kwargs\": %s}\n",
                 bad[i].ids, bad[i].kwargs);
        put("input_data.jsonl", text);
        assert_false(ct_eval_task_open(&t, "ifeval", &s, &err));
        if (!strstr(err.msg, bad[i].says) || !strstr(err.msg, ":1"))
            fail_msg("'%s' does not say '%s'", err.msg, bad[i].says);
    }
}

#define NO   CT_EVAL_NOT_FOLLOWED
#define YES  CT_EVAL_FOLLOWED
#define OPEN CT_EVAL_NOT_JUDGED

static void test_every_kind(void **state)
{
    (void)state;
    static const struct {
        const char *id, *args, *text;
        ct_eval_verdict verdict;
    } rows[] = {
        { "keywords:existence", "{\"keywords\": [\"Fox\", \"dog\"]}", "FOXES and dogs", YES },
        { "keywords:existence", "{\"keywords\": [\"Fox\", \"dog\"]}", "foxes", NO },
        { "keywords:existence", "{\"keywords\": [\"f.x\"]}", "fox", OPEN },
        { "keywords:frequency", "{\"keyword\": \" fox\", \"frequency\": 2, \"relation\": \"at least\"}", "fox Foxes",
          YES },
        { "keywords:frequency", "{\"keyword\": \"fox\", \"frequency\": 2, \"relation\": \"less than\"}", "fox Foxes",
          NO },
        { "keywords:forbidden_words", "{\"forbidden_words\": [\"fox\"]}", "foxes, a firefox", YES },
        { "keywords:forbidden_words", "{\"forbidden_words\": [\"fox\"]}", "a Fox.", NO },
        { "keywords:forbidden_words", "{\"forbidden_words\": [\"caf\u00e9\"]}", "caf\u00e9s", YES },
        { "keywords:letter_frequency", "{\"letter\": \"E\", \"let_frequency\": 3, \"let_relation\": \"at least\"}",
          "eEe", YES },
        { "keywords:letter_frequency", "{\"letter\": \"e\", \"let_frequency\": 3, \"let_relation\": \"less than\"}",
          "eEe", NO },
        { "keywords:letter_frequency", "{\"letter\": \"#\", \"let_frequency\": 3, \"let_relation\": \"at least\"}",
          "###", OPEN },
        { "language:response_language", "{\"language\": \"ko\"}", "\uc548\ub155\ud558\uc138\uc694", YES },
        { "language:response_language", "{\"language\": \"ko\"}", "Hello there", NO },
        { "language:response_language", "{\"language\": \"hi\"}", "\u0928\u092e\u0938\u094d\u0924\u0947", OPEN },
        { "language:response_language", "{\"language\": \"hi\"}", "\u0bb5\u0ba3\u0b95\u0bcd\u0b95\u0bae\u0bcd", NO },
        { "language:response_language", "{\"language\": \"de\"}", "Das ist ein Satz.", OPEN },
        { "language:response_language", "{\"language\": \"de\"}",
          "This is what you have asked of us, and it is all that we can do.", NO },
        { "language:response_language", "{\"language\": \"de\"}", "1 2 3", YES },
        { "length_constraints:number_sentences", "{\"num_sentences\": 3, \"relation\": \"at least\"}",
          "It is. They are! Are we?", YES },
        { "length_constraints:number_sentences", "{\"num_sentences\": 3, \"relation\": \"at least\"}",
          "It is. They are.", NO },
        { "length_constraints:number_sentences", "{\"num_sentences\": 2, \"relation\": \"at least\"}", "He is Dr. Who",
          OPEN },
        { "length_constraints:number_sentences", "{\"num_sentences\": 5, \"relation\": \"less than\"}", "He is Dr. Who",
          YES },
        { "length_constraints:number_paragraphs", "{\"num_paragraphs\": 2}", "***\na\n***\nb\n***", YES },
        { "length_constraints:number_paragraphs", "{\"num_paragraphs\": 2}", "a\n***\n***\nb", NO },
        { "length_constraints:number_words", "{\"num_words\": 4, \"relation\": \"at least\"}", "it's a caf\u00e9",
          YES },
        { "length_constraints:number_words", "{\"num_words\": 4, \"relation\": \"less than\"}", "it's a caf\u00e9",
          NO },
        { "length_constraints:nth_paragraph_first_word",
          "{\"num_paragraphs\": 2, \"nth_paragraph\": 2, \"first_word\": \"Firmly\"}", "a\n\n\"firmly, yes", YES },
        { "length_constraints:nth_paragraph_first_word",
          "{\"num_paragraphs\": 2, \"nth_paragraph\": 2, \"first_word\": \"Firmly\"}", "a\n\nfirm", NO },
        { "length_constraints:nth_paragraph_first_word",
          "{\"num_paragraphs\": 1, \"nth_paragraph\": 2, \"first_word\": \"a\"}", "a\n\na", OPEN },
        { "detectable_content:number_placeholders", "{\"num_placeholders\": 2}", "[a] [b\n] []", YES },
        { "detectable_content:number_placeholders", "{\"num_placeholders\": 2}", "[a] [b\n]", NO },
        { "detectable_content:postscript", "{\"postscript_marker\": \"P.S.\"}", "x\np. s. y", YES },
        { "detectable_content:postscript", "{\"postscript_marker\": \"P.S.\"}", "PS: y", NO },
        { "detectable_content:postscript", "{\"postscript_marker\": \"P.P.S\"}", "x P. P.S y", YES },
        { "detectable_content:postscript", "{\"postscript_marker\": \"P.P.S\"}", "P.S.", NO },
        { "detectable_format:number_bullet_lists", "{\"num_bullets\": 3}", "* a\n\n  - b\n* c\n** d", YES },
        { "detectable_format:number_bullet_lists", "{\"num_bullets\": 2}", "*\n- x", YES },
        { "detectable_format:number_bullet_lists", "{\"num_bullets\": 3}", "1. a\n* b", NO },
        { "detectable_format:constrained_response", "{}", "Well. My answer is maybe. Yes.", YES },
        { "detectable_format:constrained_response", "{}", "my answer is no", NO },
        { "detectable_format:number_highlighted_sections", "{\"num_highlights\": 2}", "*a* and **b**", YES },
        { "detectable_format:number_highlighted_sections", "{\"num_highlights\": 2}", "*a* and ** **", NO },
        { "detectable_format:multiple_sections", "{\"section_spliter\": \"Day\", \"num_sections\": 2}",
          "Day 1 x Day2 y", YES },
        { "detectable_format:multiple_sections", "{\"section_spliter\": \"Day\", \"num_sections\": 2}",
          "Day 1 x day 2 y", NO },
        { "detectable_format:json_format", "{}", "```json\n{\"a\": [1, 2.5e3, NaN, \"\\u00e9\\\\x\"], \"a\": 1}\n```",
          YES },
        { "detectable_format:json_format", "{}", "{\"a\": 1,}", NO },
        { "detectable_format:json_format", "{}", "{\"a\": 01}", NO },
        { "detectable_format:json_format", "{}", "{\"a\\x\": 1}", NO },
        { "detectable_format:json_format", "{}", "Here: {}", NO },
        { "detectable_format:title", "{}", "<<poem of joy>>\nx", YES },
        { "detectable_format:title", "{}", "<< >> <x> <<a\n>>", NO },
        { "combination:two_responses", "{}", "a\n******\nb", YES },
        { "combination:two_responses", "{}", "a ****** a", NO },
        { "combination:two_responses", "{}", "a ****** b ****** c", NO },
        { "combination:repeat_prompt", "{\"prompt_to_repeat\": \"Write it.\"}", " write IT. So:", YES },
        { "combination:repeat_prompt", "{\"prompt_to_repeat\": \"Write it.\"}", "So: write it.", NO },
        { "startend:end_checker", "{\"end_phrase\": \"The End. \"}", "x the end.\"\n", YES },
        { "startend:end_checker", "{\"end_phrase\": \"The End.\"}", "the end. x", NO },
        { "startend:quotation", "{}", " \"x\" ", YES },
        { "startend:quotation", "{}", "\"", NO },
        { "change_case:english_capital", "{}", "THIS IS WHAT YOU HAVE ASKED OF US, AND IT IS ALL THAT WE CAN DO.",
          YES },
        { "change_case:english_capital", "{}", "THIS IS What", NO },
        { "change_case:english_capital", "{}", "DIES IST EIN SATZ", OPEN },
        { "change_case:english_lowercase", "{}", "this is what you have asked of us, and it is all that we can do.",
          YES },
        { "change_case:english_lowercase", "{}", "this is What", NO },
        { "change_case:capital_word_frequency", "{\"capital_frequency\": 3, \"capital_relation\": \"at least\"}",
          "NASA DON'T", YES },
        { "change_case:capital_word_frequency", "{\"capital_frequency\": 2, \"capital_relation\": \"less than\"}",
          "R&D, say", NO },
        { "punctuation:no_comma", "{}", "a; b", YES },
        { "punctuation:no_comma", "{}", "a, b", NO },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        carat_err err;
        json_t *args;
        assert_true(ct_json_parse("args", rows[i].args, strlen(rows[i].args), &args, &err));
        assert_null(ct_eval_ifeval_lacks(rows[i].id, args));
        const ct_eval_verdict v = ct_eval_ifeval_check(rows[i].id, args, rows[i].text);
        if (v != rows[i].verdict)
            fail_msg("%s %s on '%s': %d", rows[i].id, rows[i].args, rows[i].text, (int)v);
        json_decref(args);
    }
}

static json_t *rules_of(const char *text)
{
    carat_err err;
    json_t *rules;
    assert_true(ct_json_parse("rules", text, strlen(text), &rules, &err));
    return rules;
}

static void test_loosely(void **state)
{
    (void)state;
    const ct_eval_item item = { .rules = rules_of("[{\"id\": \"startend:quotation\", \"args\": {}}, {\"id\": "
                                                  "\"punctuation:no_comma\", \"args\": {}}]") };
    json_t *r = ct_eval_ifeval_judge(&item, "Sure, here:\n*\"x\"*\nBye, now");
    assert_true(json_is_false(json_object_get(json_array_get(r, 0), "strict")));
    assert_true(json_is_true(json_object_get(json_array_get(r, 0), "loose")));
    assert_true(json_is_false(json_object_get(json_array_get(r, 1), "strict")));
    assert_true(json_is_true(json_object_get(json_array_get(r, 1), "loose")));
    assert_int_equal(ct_eval_ifeval_whole(r, "strict"), CT_EVAL_NOT_FOLLOWED);
    assert_int_equal(ct_eval_ifeval_whole(r, "loose"), CT_EVAL_FOLLOWED);
    json_decref(r);
    r = ct_eval_ifeval_judge(&item, " \n"); /* nothing follows nothing */
    assert_int_equal(ct_eval_ifeval_whole(r, "loose"), CT_EVAL_NOT_FOLLOWED);
    json_decref(r);
    json_decref(item.rules);
}

static void test_what_is_not_judged_is_left_out_and_counted(void **state)
{
    (void)state;
    ct_eval_ifeval sum = { .not_judged = json_object() };
    static const char *const lines[] = {
        "[{\"id\": \"a\", \"strict\": true, \"loose\": true}, {\"id\": \"b\", \"strict\": true, \"loose\": true}]",
        "[{\"id\": \"a\", \"strict\": false, \"loose\": true}]",
        "[{\"id\": \"a\", \"strict\": true, \"loose\": true}, {\"id\": \"c\", \"strict\": null, \"loose\": true}]",
        "[{\"id\": \"a\", \"strict\": false, \"loose\": false}, {\"id\": \"c\", \"strict\": null, \"loose\": null}]",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        json_t *rules = rules_of(lines[i]);
        assert_true(ct_eval_ifeval_add(&sum, rules));
        json_decref(rules);
    }
    const ct_eval_followed *p = &sum.prompts[0], *n = &sum.instructions[0];
    assert_true(p->n == 4 && p->n_judged == 2 && p->right == 1 && p->sure == 2);
    assert_true(n->n == 7 && n->n_judged == 5 && n->right == 3 && n->sure == 2);
    assert_true(sum.prompts[1].n_judged == 3 && sum.prompts[1].right == 3);
    assert_int_equal(json_integer_value(json_object_get(sum.not_judged, "c")), 2);
    json_t *none = json_array();
    assert_false(ct_eval_ifeval_add(&sum, none));
    json_decref(none);
    json_decref(sum.not_judged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_official_layout),
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_loosely),
        cmocka_unit_test(test_what_is_not_judged_is_left_out_and_counted),
    };
    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
