/* Official layouts by small files of our own: what is asked, what is right, how folders become groups.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "eval/task.h"

static void is_target(const ct_eval_item *i, const char *text)
{
    assert_int_equal(json_array_size(i->targets), 1);
    assert_string_equal(json_string_value(json_array_get(i->targets, 0)), text);
}

static void test_gsm8k(void **state)
{
    (void)state;
    ct_eval_task t;
    const ct_eval_item *i =
        only(&t, "gsm8k", "g.jsonl", "{\"question\": \"How many?\", \"answer\": \"2+2=<<2+2=4>>4\\n#### 1,004\"}\n");
    assert_string_equal(i->contexts[0], "Question: How many?\nAnswer:");
    assert_string_equal(i->chat, "How many?\nThink step by step, and end with the number alone behind \"#### \".");
    assert_string_equal(i->solution, " 2+2=<<2+2=4>>4\n#### 1,004");
    is_target(i, "1,004");
    ct_eval_task_close(&t);
    i = only(&t, "gsm8k", "l.jsonl",
             "{\"id\": \"x\", \"prompt\": \"How many?\", \"expected\": \"18\", \"upstream_answer\": \"#### 18\"}\n");
    assert_string_equal(i->chat, "How many?");
    is_target(i, "18");
    ct_eval_task_close(&t);
    const ct_eval_source s = { .data = files_path("l.jsonl"), .shots = files_path("g.jsonl"), .n_shots = 1 };
    open_task(&t, "gsm8k", &s);
    assert_string_equal(t.groups[0].head, "Question: How many?\nAnswer: 2+2=<<2+2=4>>4\n#### 1,004\n\n");
    ct_eval_task_close(&t);
    carat_err err;
    const ct_eval_source bad = { .data = put("b.jsonl", "{\"question\": \"q\", \"answer\": \"five\"}\n") };
    assert_false(ct_eval_task_open(&t, "gsm8k", &bad, &err));
    assert_non_null(strstr(err.msg, "b.jsonl:1: 'answer' has no '#### ' in it"));
}

static void test_humaneval(void **state)
{
    (void)state;
    ct_eval_task t;
    const ct_eval_item *i =
        only(&t, "humaneval", "h.jsonl",
             "{\"task_id\": \"HumanEval/0\", \"prompt\": \"def f():\\n    \\\"\\\"\\\"One.\\\"\\\"\\\"\\n\", "
             "\"entry_point\": \"f\", \"canonical_solution\": \"    return 1\\n\", \"test\": \"def check(c):\\n    "
             "assert c() == 1\\n\"}\n");
    assert_string_equal(i->contexts[0], "def f():\n    \"\"\"One.\"\"\"\n");
    assert_string_equal(
        i->program, "def f():\n    \"\"\"One.\"\"\"\n{answer}\n\ndef check(c):\n    assert c() == 1\n\n\ncheck(f)\n");
    assert_non_null(strstr(i->chat, "```python\ndef f():"));
    assert_non_null(strstr(i->chat_program, "    pass\n\n{answer}\n"));
    assert_string_equal(i->id, "HumanEval/0");
    ct_eval_task_close(&t);
}

static void test_mmlu_pro(void **state)
{
    (void)state;
    ct_eval_task t;
    const char *row =
        "{\"question_id\": %d, \"question\": \"%s?\", \"options\": [\"one\", \"two\", \"three\"], \"answer\": \"B\", "
        "\"answer_index\": 1, \"cot_content\": \"%s\", \"category\": \"%s\", \"src\": \"x\"}\n";
    char text[1024], shots[1024];
    int n = snprintf(text, sizeof text, row, 1, "Law", "", "law");
    snprintf(text + n, sizeof text - (size_t)n, row, 2, "Sum", "", "math");
    n = snprintf(shots, sizeof shots, row, 8, "Add", "A: Let's think step by step. It is. The answer is (B).", "math");
    snprintf(shots + n, sizeof shots - (size_t)n, row, 9, "Sue", "A: Let's think step by step. No. The answer is (B).",
             "law");
    const ct_eval_source s = { .data = put("p.jsonl", text), .shots = put("v.jsonl", shots), .n_shots = 1 };
    open_task(&t, "mmlu-pro", &s);
    assert_true(t.n == 2 && t.n_groups == 2);
    assert_string_equal(t.groups[t.items[1].group].name, "math");
    assert_string_equal(t.groups[t.items[1].group].head,
                        "The following are multiple choice questions (with answers) about math. Think step by step and "
                        "then finish your "
                        "answer with \"the answer is (X)\" where X is the correct letter choice.\n\n"
                        "Question:\nAdd?\nOptions:\nA. one\nB. two\nC. three\nAnswer: Let's think step by step. It is. "
                        "The answer is (B).\n\n");
    assert_non_null(strstr(t.groups[t.items[0].group].head, "Sue?"));
    assert_string_equal(t.items[1].contexts[0],
                        "Question:\nSum?\nOptions:\nA. one\nB. two\nC. three\nAnswer: Let's think step by step.");
    is_target(&t.items[1], "B");
    ct_eval_task_close(&t);
    carat_err err;
    const ct_eval_source many = { .data = files_path("p.jsonl"), .shots = files_path("v.jsonl"), .n_shots = 2 };
    assert_false(ct_eval_task_open(&t, "mmlu-pro", &many, &err));
    assert_non_null(strstr(err.msg, "has 1 items of law, expected 2 shots"));
}

static void test_gpqa_is_shuffled_by_the_seed(void **state)
{
    (void)state;
    ct_eval_task t;
    ct_eval_source s = {
        .data = put("gpqa.csv",
                    "Pre,Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3,Record ID\n"
                    "x,\"Which, then?\n\",right,w1,w2,w3,rec1\n")
    };
    unsigned places = 0;
    for (s.seed = 0; s.seed < 24; s.seed++) {
        open_task(&t, "gpqa", &s);
        const ct_eval_item *i = t.items;
        char line[64];
        snprintf(line, sizeof line, "(%c) right\n", json_string_value(json_array_get(i->targets, 0))[0]);
        assert_non_null(strstr(i->chat, line));
        assert_non_null(strstr(i->chat, "What is the correct answer to this question: Which, then?\n\nChoices:\n(A) "));
        assert_string_equal(i->id, "rec1");
        places |= 1u << i->answer;
        ct_eval_task_close(&t);
    }
    assert_int_equal(places, 15);
}

static void test_truthfulqa(void **state)
{
    (void)state;
    ct_eval_task t;
    const char *json = "[{\"question\": \"Why?\", \"mc1_targets\": {\"So.\": 1, \"No.\": 0}, "
                       "\"mc2_targets\": {\"So.\": 1, \"Thus.\": 1, \"No.\": 0}}]";
    const ct_eval_item *i = only(&t, "truthfulqa", "mc_task.json", json);
    assert_string_equal(i->contexts[0], "Q: Why?\nA:");
    assert_true(i->n == 2 && i->answer == 0 && i->right[0] && !i->right[1]);
    ct_eval_task_close(&t);
    i = only(&t, "truthfulqa-mc2", "mc_task.json", json);
    assert_true(i->n == 3 && i->right[0] && i->right[1] && !i->right[2] && strcmp(t.figure, "mass") == 0);
    ct_eval_task_close(&t);
    const char *csv = "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n"
                      "a,b,Why?,So,So; Thus,No; Never ;Nowhere,http\n";
    i = only(&t, "truthfulqa", "TruthfulQA.csv", csv);
    assert_true(i->n == 4 && i->right[0] && !i->right[1] && !i->right[3]);
    assert_string_equal(i->choices[2], "Never");
    ct_eval_task_close(&t);
    i = only(&t, "truthfulqa-mc2", "TruthfulQA.csv", csv);
    assert_true(i->n == 5 && i->right[1] && !i->right[2]);
    ct_eval_task_close(&t);
}

static void test_big_bench(void **state)
{
    (void)state;
    ct_eval_task t;
    put("bb/dates/task.json",
        "{\"name\": \"d\", \"append_choices_to_input\": false, \"examples\": [{\"input\": \"When?\", "
        "\"target_scores\": {\"now\": 0, \"then\": 1}}]}");
    put("bb/listed/task.json",
        "{\"task_prefix\": \"Do it.\\n\", \"example_input_prefix\": \"In: \", \"example_output_prefix\": \"\\nOut:\", "
        "\"examples\": [{\"input\": \"a\", \"target_scores\": {\"x\": 1, \"y\": 0}}]}");
    put("bb/words/task.json", "{\"examples\": [{\"input\": \"b a\", \"target\": [\"a b\", \"a, b\"]}, {\"input\": "
                              "\"d\", \"target\": \"e\"}]}");
    const ct_eval_source s = { .data = files_path("bb") };
    open_task(&t, "bigbench", &s);
    assert_true(t.n == 2 && t.n_groups == 2);
    assert_string_equal(t.groups[0].name, "dates");
    assert_string_equal(t.items[0].contexts[0], "\nQ: When?\nA:");
    assert_true(t.items[0].answer == 1);
    assert_string_equal(t.items[1].contexts[0], "Do it.\nIn: a\n  choice: x\n  choice: y\nOut:");
    ct_eval_task_close(&t);
    open_task(&t, "bigbench-text", &s);
    assert_true(t.n == 2 && t.n_groups == 1);
    assert_int_equal(json_array_size(t.items[0].targets), 2);
    is_target(&t.items[1], "e");
    ct_eval_task_close(&t);
}

static void test_bbh(void **state)
{
    (void)state;
    ct_eval_task t;
    put("bbh/navigate.json", "{\"canary\": \"c\", \"examples\": [{\"input\": \"Turn.\", \"target\": \"No\"}]}");
    put("bbh/snarks.json", "{\"canary\": \"c\", \"examples\": [{\"input\": \"Ha.\", \"target\": \"(A)\"}]}");
    put("cot/navigate.txt", "canary\n-----\nGo.\n\nQ: x\nA: Let's think step by step.\nSo the answer is No.\n");
    put("cot/snarks.txt", "Sarcasm.\n");
    ct_eval_source s = { .data = files_path("bbh") };
    open_task(&t, "bbh", &s);
    assert_true(t.n == 2 && t.n_groups == 2);
    assert_string_equal(t.items[0].contexts[0], "Q: Turn.\nA:");
    assert_string_equal(t.groups[0].head, "");
    is_target(&t.items[1], "(A)");
    ct_eval_task_close(&t);
    s.shots = files_path("cot");
    s.n_shots = 3;
    open_task(&t, "bbh", &s);
    assert_string_equal(t.groups[0].head, "Go.\n\nQ: x\nA: Let's think step by step.\nSo the answer is No.\n\n");
    assert_string_equal(t.groups[1].head, "Sarcasm.\n\n");
    assert_string_equal(t.items[0].contexts[0], "Q: Turn.\nA: Let's think step by step.");
    ct_eval_task_close(&t);
}

static void test_mmlu_by_subjects(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_task t;
    put("mmlu/test/world_religions_test.csv", "q1,a,b,c,d,A\nq2,a,b,c,d,B\n");
    put("mmlu/test/anatomy_test.csv", "q3,a,b,c,d,C\n");
    put("mmlu/test/notes.txt", "none of it");
    put("mmlu/dev/world_religions_dev.csv", "s1,a,b,c,d,D\n");
    put("mmlu/dev/anatomy_dev.csv", "s2,a,b,c,d,D\n");
    ct_eval_source s = { .data = files_path("mmlu/test"), .shots = files_path("mmlu/dev"), .n_shots = 1 };
    open_task(&t, "mmlu", &s);
    assert_true(t.n == 3 && t.n_groups == 2);
    assert_string_equal(
        t.groups[0].head,
        "The following are multiple choice questions (with answers) about anatomy.\n\ns2\nA. a\nB. b\nC. c\nD. "
        "d\nAnswer: D\n\n");
    assert_non_null(strstr(t.groups[1].head, "about world religions.\n\ns1\n"));
    assert_true(t.items[0].group == 0 && t.items[2].group == 1);
    ct_eval_task_close(&t);
    unlink(files_path("mmlu/dev/anatomy_dev.csv"));
    assert_false(ct_eval_task_open(&t, "mmlu", &s, &err));
    assert_non_null(strstr(err.msg, "has no shots for 'anatomy'"));
    s = (ct_eval_source){ .data = files_path("mmlu/dev") };
    assert_false(ct_eval_task_open(&t, "mmlu", &s, &err));
    assert_non_null(strstr(err.msg, "no file in this folder belongs to the task"));
}

static void test_bfcl(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_task t;
    put("bfcl/BFCL_v4_multiple.json", "{\"id\": \"multiple_0\", \"question\": [[{\"role\": \"system\", \"content\": "
                                      "\"S.\"}, {\"role\": \"user\", \"content\": \"Area?\"}]], "
                                      "\"function\": [{\"name\": \"math.area\", \"description\": \"d\", "
                                      "\"parameters\": {\"type\": \"dict\", \"properties\": "
                                      "{\"r\": {\"type\": \"float\", \"optional\": true}, \"p\": {\"type\": \"array\", "
                                      "\"items\": {\"type\": \"dict\"}}}, \"required\": [\"r\"]}}]}\n");
    put("bfcl/possible_answer/BFCL_v4_multiple.json",
        "{\"id\": \"multiple_0\", \"ground_truth\": [{\"math.area\": {\"r\": [2, \"\"]}}]}\n");
    put("bfcl/BFCL_v4_irrelevance.json",
        "{\"id\": \"i_0\", \"question\": [[{\"role\": \"user\", \"content\": \"Hm?\"}]], \"function\": "
        "[{\"name\": \"f\", \"parameters\": {\"type\": \"dict\", \"properties\": {}}}]}\n"
        "{\"id\": \"i_1\", \"question\": [[{\"role\": \"user\", \"content\": \"Hm?\"}]], \"function\": []}\n");
    put("bfcl/BFCL_v4_live_irrelevance.json",
        "{\"id\": \"l_0\", \"question\": [[{\"role\": \"user\", \"content\": \"A\"}, {\"role\": \"assistant\", "
        "\"content\": "
        "\"B\"}, {\"role\": \"user\", \"content\": \"C\"}]], \"function\": []}\n");
    put("bfcl/BFCL_v4_live_relevance.json",
        "{\"id\": \"r_0\", \"question\": [[{\"role\": \"user\", \"content\": \"Hm?\"}]], \"function\": "
        "[{\"name\": \"f\", \"parameters\": {\"type\": \"dict\", \"properties\": {}}}]}\n");
    put("bfcl/BFCL_v4_simple_java.json", "{}\n");
    ct_eval_source s = { .data = files_path("bfcl") };
    open_task(&t, "bfcl", &s);
    assert_true(t.n == 5 && t.n_groups == 4);
    assert_true(json_is_array(t.items[1].functions) && json_array_size(t.items[1].functions) == 0);
    assert_string_equal(t.items[2].contexts[0], "A\n\nB\n\nC"); /* a conversation */
    assert_int_equal(json_array_size(t.items[2].messages), 3);
    assert_true(!t.items[0].messages && json_is_true(t.items[3].calls) && !json_array_size(t.items[2].calls));
    const ct_eval_item *i = &t.items[4];
    assert_string_equal(i->contexts[0], "S.\n\nArea?");
    char *tools = ct_json_dump(i->functions, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(
        tools,
        "[{\"function\":{\"description\":\"d\",\"name\":\"math_area\",\"parameters\":{\"properties\":{\"p\":{\"items\":"
        "{\"type\":\"object\"},\"type\":\"array\"},\"r\":{\"type\":\"number\"}},\"required\":[\"r\"],\"type\":"
        "\"object\"}},"
        "\"type\":\"function\"}]");
    free(tools);
    assert_non_null(json_object_get(json_array_get(i->calls, 0), "math_area"));
    assert_int_equal(json_array_size(t.items[0].calls), 0);
    ct_eval_task_close(&t);
    put("no/BFCL_v4_multiple.json", "{\"id\": \"multiple_0\", \"question\": [[{\"role\": \"user\", \"content\": "
                                    "\"Hm?\"}]], \"function\": []}\n");
    put("no/possible_answer/BFCL_v4_multiple.json", "{\"id\": \"multiple_0\", \"ground_truth\": [{\"f\": {}}]}\n");
    s.data = files_path("no");
    assert_false(ct_eval_task_open(&t, "bfcl", &s, &err));
    assert_non_null(strstr(err.msg, "no functions"));
    s.data = files_path("bfcl/BFCL_v4_simple_java.json");
    assert_false(ct_eval_task_open(&t, "bfcl", &s, &err));
    assert_non_null(strstr(err.msg, "'simple_java' is none of BFCL's categories"));
}

static void test_the_hash_tells_how_answers_are_judged(void **state)
{
    (void)state;
    ct_eval_task a, b;
    only(&a, "gsm8k", "1.jsonl", "{\"question\": \"q\", \"answer\": \"#### 1\"}\n");
    only(&b, "gsm8k", "2.jsonl", "{\"question\": \"q\", \"answer\": \"#### 2\"}\n");
    assert_true(a.hash != b.hash);
    ct_eval_task_close(&a);
    ct_eval_task_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gsm8k),      cmocka_unit_test(test_humaneval),
        cmocka_unit_test(test_mmlu_pro),   cmocka_unit_test(test_gpqa_is_shuffled_by_the_seed),
        cmocka_unit_test(test_truthfulqa), cmocka_unit_test(test_big_bench),
        cmocka_unit_test(test_bbh),        cmocka_unit_test(test_mmlu_by_subjects),
        cmocka_unit_test(test_bfcl),       cmocka_unit_test(test_the_hash_tells_how_answers_are_judged),
    };
    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
