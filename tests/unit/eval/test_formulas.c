/* MATH: official layouts, Minerva's wording, what an answer says, both published normalisations.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "eval/formulas.h"

#define PROBLEM(type, boxed)                                                                                           \
    "{\n  \"problem\": \"What is $1+1$?\",\n  \"level\": \"Level 1\",\n  \"type\": \"" type                            \
    "\",\n  \"solution\": \"It is $\\\\boxed{" boxed "}$.\"\n}\n"

static void test_the_authors_folders(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_task t;
    put("test/algebra/10.json", PROBLEM("Algebra", "10"));
    put("test/algebra/9.json", PROBLEM("Algebra", "9"));
    put("test/geometry/1.json", PROBLEM("Geometry", "\\\\frac{1}{2}"));
    char path[160];
    snprintf(path, sizeof path, "%s/test", files_folder());
    const ct_eval_source s = { .data = path };
    if (!ct_eval_task_open(&t, "math", &s, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(t.n, 3);
    assert_int_equal(t.n_groups, 2);
    assert_string_equal(t.groups[0].name, "Algebra");
    assert_string_equal(json_string_value(json_array_get(t.items[0].targets, 0)), "9");
    assert_string_equal(json_string_value(json_array_get(t.items[1].targets, 0)), "10");
    assert_string_equal(json_string_value(json_array_get(t.items[2].targets, 0)), "\\frac{1}{2}");
    assert_string_equal(t.items[0].contexts[0], "Problem:\nWhat is $1+1$?\n\nSolution:");
    assert_string_equal(t.items[0].chat,
                        "What is $1+1$?\nThink step by step, and put the final answer within \\boxed{}.");
    ct_eval_task_close(&t);
    const ct_eval_source one = { .data = put("one.json", PROBLEM("Algebra", "2")) };
    assert_true(ct_eval_task_open(&t, "math", &one, &err));
    assert_int_equal(t.n, 1);
    ct_eval_task_close(&t);
    put("test/geometry/2.json", "{\"problem\": \"p\", \"solution\": \"none\"}");
    assert_false(ct_eval_task_open(&t, "math", &s, &err));
    assert_non_null(strstr(err.msg, "2.json:1: 'solution' has no \\boxed{answer}"));
    put("test/geometry/2.json", "[1]");
    assert_false(ct_eval_task_open(&t, "math", &s, &err));
    assert_non_null(strstr(err.msg, "2.json: is an array"));
    put("test/geometry/2.json", "{");
    assert_false(ct_eval_task_open(&t, "math", &s, &err));
}

static void test_lines_and_minervas_examples(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_task t;
    const char *data = put(
        "math500.jsonl", "{\"problem\": \"P?\", \"solution\": \"So $\\\\boxed{7}$.\", \"answer\": \"7\", \"subject\": "
                         "\"Precalculus\", \"level\": 2, \"unique_id\": \"test/precalculus/807.json\"}\n");
    const char *shots =
        put("shots.jsonl",
            "{\"problem\": \"A?\", \"solution\": \"So $\\\\boxed{3}$.\"}\n"
            "{\"problem\": \"B?\", \"solution\": \"$\\\\boxed{4}$.\\nFinal Answer: The final answer is $4$. I "
            "hope it is correct.\"}\n");
    const ct_eval_source s = { .data = data, .shots = shots, .n_shots = 2 };
    if (!ct_eval_task_open(&t, "math", &s, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(t.items[0].id, "test/precalculus/807.json");
    assert_string_equal(t.groups[t.items[0].group].name, "Precalculus");
    assert_string_equal(
        t.groups[t.items[0].group].head,
        "Problem:\nA?\n\nSolution: So $\\boxed{3}$.\nFinal Answer: The final answer is $3$. I hope it is correct.\n\n"
        "Problem:\nB?\n\nSolution: $\\boxed{4}$.\nFinal Answer: The final answer is $4$. I hope it is correct.\n\n");
    ct_eval_task_close(&t);
}

static void test_what_an_answer_says(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *said;
    } rows[] = {
        { "So\nFinal Answer: The final answer is $[2,5)$. I hope it is correct.", "$[2,5)$" },
        { "Final Answer: The final answer is $5$.\n\nMore", "$5$" },
        { "It is \\boxed{1} or rather $\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}" },
        { "$\\boxed 7$ apples", "7" },
        { "\\fbox{x}", "x" },
        { "\\boxed{never closed", NULL },
        { "42", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *s = ct_eval_math_said(rows[i].answer);
        if (rows[i].said)
            assert_string_equal(s, rows[i].said);
        else
            assert_null(s);
        free(s);
    }
}

/* As lm-eval's minerva_math and hendrycks_math have them. */
static void test_normalisations(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *minerva, *hendrycks;
    } rows[] = {
        { "\\frac12", "\\frac{1}{2}", "\\frac{1}{2}" },
        { "x = 3", "3", "3" },
        { "foo = 3", "3", "foo=3" },
        { "x=3", "3", "3" },
        { "1,000,000", "1000000", "1,000,000" },
        { "0,1", "0,1", "0,1" },
        { "5 \\text{ cm}", "5", "5" },
        { "\\dfrac{1}{2}", "\\dfrac{1}{2}", "\\frac{1}{2}" },
        { "90^\\circ", "90", "90" },
        { "\\left(1,2\\right)", "\\left(1,2\\right)", "(1,2)" },
        { "3/4", "3/4", "\\frac{3}{4}" },
        { ".5", ".5", "\\frac{1}{2}" },
        { "\\sqrt2", "\\sqrt{2}", "\\sqrt{2}" },
        { "\\text{Monday}", "Monday", "\\text{Monday}" },
        { "$\\$12$", "12", "$12$" },
        { "12 dollars", "12", "12dollars" },
        { "2\\pi cm", "2\\pi", "2\\picm" },
        { "\\frac1\\frac12", "\\frac{1}{\\}frac{1}{2}", "\\frac1\\frac12" },
        { "", "", "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *m = ct_eval_math_minerva(rows[i].raw), *h = ct_eval_math_hendrycks(rows[i].raw);
        if (strcmp(m, rows[i].minerva) != 0 || strcmp(h, rows[i].hendrycks) != 0)
            fail_msg("'%s': '%s' and '%s'", rows[i].raw, m, h);
        free(m);
        free(h);
    }
    json_t *targets = json_pack("[s]", "\\frac{1}{2}");
    assert_true(ct_eval_math_same("\\dfrac12", targets) == 1);
    assert_true(ct_eval_math_same("0.5", targets) == 1);
    assert_true(ct_eval_math_same("2", targets) == 0);
    json_decref(targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_authors_folders),
        cmocka_unit_test(test_lines_and_minervas_examples),
        cmocka_unit_test(test_what_an_answer_says),
        cmocka_unit_test(test_normalisations),
    };
    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
