/* Files of items: rows, templates, layouts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "eval/fill.h"
#include "eval/rows.h"
#include "eval/task.h"

static char path[] = "/tmp/carat-task-XXXXXX", more[] = "/tmp/carat-shots-XXXXXX";

static void put(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static bool parse(const char *name, const char *text, size_t len, bool is_csv, const json_t *columns, size_t limit,
                  json_t **rows, carat_err *err)
{
    const ct_eval_form form = { .is_csv = is_csv, .columns = columns };
    return ct_eval_rows_parse(name, text, len, &form, limit, rows, err);
}

static const char *field(const json_t *rows, size_t i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(rows, i), key));
}

static void test_csv(void **state)
{
    (void)state;
    carat_err err;
    json_t *rows, *columns = json_pack("[s, s]", "a", "b");
    const char good[] = "\xef\xbb\xbfone,\"two, \"\"quoted\"\"\nlines\"\r\n\r\n,\"\"\nlast,row";
    assert_true(parse("x.csv", good, sizeof good - 1, true, columns, 0, &rows, &err));
    assert_int_equal(json_array_size(rows), 3);
    assert_string_equal(field(rows, 0, "a"), "one");
    assert_string_equal(field(rows, 0, "b"), "two, \"quoted\"\nlines");
    assert_string_equal(field(rows, 1, "a"), "");
    assert_string_equal(field(rows, 2, "b"), "row");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 2), CT_EVAL_LINE)), 5);
    json_decref(rows);
    assert_true(parse("x.csv", good, sizeof good - 1, true, columns, 1, &rows, &err));
    assert_int_equal(json_array_size(rows), 1);
    json_decref(rows);
    const struct {
        const char *text, *says;
    } bad[] = {
        { "a,b\na\n", "x.csv:2: has 1 fields, expected 2" },
        { "a,b,c\n", "has 3 fields" },
        { "a,\"b", "x.csv:1: a quote is not closed" },
        { "a,\"b\"c\n", "text behind a closing quote" },
        { "a,\xff\n", "field 2 is not UTF-8" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(parse("x.csv", bad[i].text, strlen(bad[i].text), true, columns, 0, &rows, &err));
        if (!strstr(err.msg, bad[i].says))
            fail_msg("'%s' does not say '%s'", err.msg, bad[i].says);
    }
    json_decref(columns);
}

static void test_a_header_names_the_columns(void **state)
{
    (void)state;
    carat_err err;
    json_t *rows;
    const char good[] = "a,\"b c\"\r\n1,\"x\ny\"\n3,4\n";
    assert_true(parse("x.csv", good, sizeof good - 1, true, NULL, 0, &rows, &err));
    assert_int_equal(json_array_size(rows), 2);
    assert_string_equal(field(rows, 0, "b c"), "x\ny");
    assert_string_equal(field(rows, 1, "a"), "3");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 1), CT_EVAL_LINE)), 4);
    json_decref(rows);
    assert_false(parse("x.csv", "", 0, true, NULL, 0, &rows, &err));
    assert_non_null(strstr(err.msg, "x.csv:1: no header"));
    assert_false(parse("x.csv", "a,b\n1\n", 6, true, NULL, 0, &rows, &err));
    assert_non_null(strstr(err.msg, "x.csv:2: has 1 fields, expected 2"));
}

static void test_a_document_has_rows(void **state)
{
    (void)state;
    carat_err err;
    json_t *rows;
    const ct_eval_form form = { .rows = "examples" };
    const char good[] = "{\"task_prefix\": \"p\", \"examples\": [{\"input\": \"a\"}, {\"input\": \"b\"}]}";
    assert_true(ct_eval_rows_parse("x", good, sizeof good - 1, &form, 0, &rows, &err));
    assert_int_equal(json_array_size(rows), 2);
    assert_string_equal(field(rows, 1, "input"), "b");
    assert_string_equal(json_string_value(ct_eval_at(json_array_get(rows, 0), "file.task_prefix")), "p");
    assert_null(ct_eval_at(json_array_get(rows, 0), "file.examples"));
    json_decref(rows);
    assert_true(ct_eval_rows_parse("x", "[{}, {}, {}]", 12, &form, 2, &rows, &err));
    assert_int_equal(json_array_size(rows), 2);
    json_decref(rows);
    const struct {
        const char *text, *says;
    } bad[] = {
        { "{\"examples\": 3}", "'examples' is an integer, expected an array" },
        { "{}", "'examples' is missing" },
        { "[{}, 1]", "item 2 is an integer, expected an object" },
        { "3", "expected an array" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(ct_eval_rows_parse("x", bad[i].text, strlen(bad[i].text), &form, 0, &rows, &err));
        if (!strstr(err.msg, bad[i].says))
            fail_msg("'%s' does not say '%s'", err.msg, bad[i].says);
    }
}

static void test_json_lines(void **state)
{
    (void)state;
    carat_err err;
    json_t *rows;
    const char good[] = "{\"a\": \"x\"}\n \r\n{\"a\": \"y\"}";
    assert_true(parse("x", good, sizeof good - 1, false, NULL, 0, &rows, &err));
    assert_int_equal(json_array_size(rows), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 1), CT_EVAL_LINE)), 3);
    json_decref(rows);
    assert_false(parse("x", "{}\n{\"a\":", 8, false, NULL, 0, &rows, &err));
    assert_non_null(strstr(err.msg, "x:2"));
    assert_false(parse("x", "[1]", 3, false, NULL, 0, &rows, &err));
    assert_non_null(strstr(err.msg, "x:1: is an array, expected an object"));
}

static void test_templates(void **state)
{
    (void)state;
    carat_err err;
    ct_buf b;
    ct_buf_init(&b, 1 << 12);
    json_t *row = json_pack("{s:{s:s}, s:s, s:i}", "q", "stem", "Why?", "c", " aBC dE ", "n", 7);
    assert_true(ct_eval_fill("Q: {q.stem} {c|strip} {n}", row, &b, &err));
    assert_string_equal(b.data, "Q: Why? aBC dE 7");
    ct_buf_clear(&b);
    json_object_set_new(row, "c", json_string("the BOY")); /* as Python's capitalize */
    assert_true(ct_eval_fill("{c|capitalize}", row, &b, &err));
    assert_string_equal(b.data, "The boy");
    assert_false(ct_eval_fill("{q.none}", row, &b, &err));
    assert_non_null(strstr(err.msg, "'q.none' is missing"));
    assert_false(ct_eval_fill("{q}", row, &b, &err));
    assert_non_null(strstr(err.msg, "'q' is an object"));
    ct_buf_clear(&b);
    json_object_set_new(row, "c", json_string("A: think. So. "));
    assert_true(ct_eval_fill("<{c|without:A: think.|strip}><{none|or:\nQ: }><{c|without:B}>", row, &b, &err));
    assert_string_equal(b.data, "<So.><\nQ: ><A: think. So. >");
    json_object_set_new(row, "c", json_stringn("a\0b", 3));
    assert_false(ct_eval_fill("{c}", row, &b, &err));
    assert_non_null(strstr(err.msg, "'c' has a NUL character"));
    ct_buf_deinit(&b);
    json_decref(row);
}

static void test_cleaning_is_lm_evals(void **state)
{
    (void)state;
    const struct {
        const char *raw, *clean;
    } texts[] = {
        { " How to dye [title] Wash it. [step] Use  soap.\n", "How to dye. Wash it. Use soap." },
        { "a   b", "a  b" }, /* every two spaces, once */
        { "[header] x", " x" },
        { "open [ only", "open [ only" },
        { "a [b] [c] d", "a  d" },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *s = ct_eval_clean(texts[i].raw);
        assert_string_equal(s, texts[i].clean);
        free(s);
    }
}

static const ct_eval_item *only(ct_eval_task *t, const char *name, const char *text)
{
    carat_err err;
    put(path, text);
    const ct_eval_source s = { .data = path };
    if (!ct_eval_task_open(t, name, &s, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(t->n, 1);
    return t->items;
}

static void test_official_layouts(void **state)
{
    (void)state;
    ct_eval_task t;
    const ct_eval_item *i =
        only(&t, "hellaswag",
             "{\"ind\": 24, \"activity_label\": \"Roof\", \"ctx_a\": \"A man sits.\", \"ctx_b\": \"he\", "
             "\"ctx\": \"A man sits. he\", \"label\": 3, \"endings\": [\"a [step] b\", \"c\", \"d\", \"e.\"]}\n");
    assert_string_equal(i->contexts[0], "Roof: A man sits. He");
    assert_string_equal(i->choices[0], "a b");
    assert_string_equal(i->id, "24");
    assert_true(i->n == 4 && i->answer == 3 && i->right[3] && strcmp(t.figure, "normalised") == 0);
    ct_eval_task_close(&t);
    i = only(&t, "arc",
             "{\"id\": \"M_1\", \"question\": {\"stem\": \"Why?\", \"choices\": [{\"text\": \"so\", \"label\": \"1\"}, "
             "{\"text\": \"no\", \"label\": \"2\"}]}, \"answerKey\": \"2\"}\n");
    assert_string_equal(i->contexts[0], "Question: Why?\nAnswer:");
    assert_string_equal(i->choices[1], "no");
    assert_int_equal(i->answer, 1);
    ct_eval_task_close(&t);
    i = only(&t, "winogrande",
             "{\"qID\": \"q-1\", \"sentence\": \"Sarah beat Maria as _ was fast.\", \"option1\": \"Sarah\", "
             "\"option2\": \"Maria\", \"answer\": \"1\"}\n");
    assert_string_equal(i->contexts[0], "Sarah beat Maria as Sarah");
    assert_string_equal(i->contexts[1], "Sarah beat Maria as Maria");
    assert_string_equal(i->choices[0], "was fast.");
    assert_true(i->n_contexts == 2 && i->answer == 0);
    ct_eval_task_close(&t);
    i = only(&t, "mmlu", "\"What, then?\",w,x,y,z,C\n");
    assert_string_equal(i->contexts[0], "What, then?\nA. w\nB. x\nC. y\nD. z\nAnswer:");
    assert_string_equal(i->choices[2], "C");
    assert_int_equal(i->answer, 2);
    ct_eval_task_close(&t);
}

static void test_shots(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_task t;
    put(path, "q,w,x,y,z,C\n");
    put(more, "s1,a,b,c,d,A\ns2,a,b,c,d,B\ns3,a,b,c,d,D\n");
    ct_eval_source s = { .data = path, .shots = more, .n_shots = 2 };
    assert_true(ct_eval_task_open(&t, "mmlu", &s, &err));
    assert_non_null(
        strstr(t.groups[0].head, "The following are multiple choice questions (with answers) about carat-task-"));
    assert_non_null(strstr(t.groups[0].head,
                           ".\n\ns1\nA. a\nB. b\nC. c\nD. d\nAnswer: A\n\ns2\nA. a\nB. b\nC. c\nD. d\nAnswer: B\n\n"));
    const uint64_t first = t.hash;
    ct_eval_task_close(&t);
    bool differs = false; /* a seed draws others, the same each time */
    for (s.seed = 1; s.seed < 9; s.seed++) {
        uint64_t hash[2];
        for (int k = 0; k < 2; k++) {
            assert_true(ct_eval_task_open(&t, "mmlu", &s, &err));
            hash[k] = t.hash;
            ct_eval_task_close(&t);
        }
        assert_true(hash[0] == hash[1]);
        differs = differs || hash[0] != first;
    }
    assert_true(differs);
    s.n_shots = 4;
    assert_false(ct_eval_task_open(&t, "mmlu", &s, &err));
    assert_non_null(strstr(err.msg, "has 3 items, expected 4 shots"));
    s = (ct_eval_source){ .data = path, .shots = path, .n_shots = 1 };
    assert_false(ct_eval_task_open(&t, "mmlu", &s, &err)); /* a question would stand behind its own answer */
    assert_non_null(strstr(err.msg, "holds the questions that are asked"));
}

/* Else a run that goes on with a data file that was put right would keep what was wrong. */
static void test_the_hash_tells_what_is_right(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_task t;
    uint64_t hash[2];
    const ct_eval_source s = { .data = path };
    for (int k = 0; k < 2; k++) {
        put(path, k ? "q,w,x,y,z,C\n" : "q,w,x,y,z,B\n");
        assert_true(ct_eval_task_open(&t, "mmlu", &s, &err));
        hash[k] = t.hash;
        ct_eval_task_close(&t);
    }
    assert_true(hash[0] != hash[1]);
}

static void test_malformed_files_are_named_by_line(void **state)
{
    (void)state;
    const struct {
        const char *task, *text, *says;
    } bad[] = {
        { "arc", "", "no items in it" },
        { "arc", "{\"x\": 1}\n", "no layout of ARC that is known: 'answerKey' is missing" },
        { "arc",
          "{\"question\": {\"stem\": \"a\", \"choices\": [{\"text\": \"b\", \"label\": \"A\"}]}, \"answerKey\": "
          "\"A\"}\n",
          ":1: 'question.choices' has 1 answers" },
        { "arc",
          "{\"question\": {\"stem\": 1.5, \"choices\": [{\"text\": \"b\", \"label\": \"A\"}, {\"text\": \"c\", "
          "\"label\": \"B\"}]}, \"answerKey\": \"A\"}\n",
          ":1: 'question.stem' is a number" },
        { "mmlu", "q,a,b,c,d,A\nq,a,b,c,d,E\n", ":2: 'answer' names none of the 4 answers: E" },
        { "hellaswag",
          "{\"ctx_a\": \"a\", \"ctx_b\": \"\", \"activity_label\": \"x\", \"endings\": [\"a\", 2], \"label\": 0}\n",
          ":1: answer 1 is an integer" },
        { "hellaswag",
          "{\"ctx_a\": \"a\", \"ctx_b\": \"\", \"activity_label\": \"x\", \"endings\": [\"a\", \"b\"], \"label\": 2}\n",
          "'label' names none of the 2 answers" },
        { "winogrande", "{\"sentence\": \"no gap\", \"option1\": \"a\", \"option2\": \"b\", \"answer\": \"1\"}\n",
          "has no gap" },
        { "winogrande", "{\"sentence\": \"a _\", \"option1\": \"a\", \"option2\": \"b\", \"answer\": \"\"}\n",
          "names none" },
        { "winogrande",
          "{\"sentence\": \"a _\", \"option1\": \"a\", \"option2\": \"b\", \"answer\": -9223372036854775808}\n",
          ":1: 'answer' names none of the 2 answers: a number out of range" },
        { "chess", "", "no task 'chess'" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        carat_err err;
        ct_eval_task t;
        put(path, bad[i].text);
        const ct_eval_source s = { .data = path };
        assert_false(ct_eval_task_open(&t, bad[i].task, &s, &err));
        if (!strstr(err.msg, bad[i].says))
            fail_msg("'%s' does not say '%s'", err.msg, bad[i].says);
    }
}

static int setup(void **state)
{
    (void)state;
    close(mkstemp(path));
    close(mkstemp(more));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(more);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_a_header_names_the_columns),
        cmocka_unit_test(test_a_document_has_rows),
        cmocka_unit_test(test_json_lines),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_cleaning_is_lm_evals),
        cmocka_unit_test(test_official_layouts),
        cmocka_unit_test(test_shots),
        cmocka_unit_test(test_the_hash_tells_what_is_right),
        cmocka_unit_test(test_malformed_files_are_named_by_line),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
