/* Tasks with pictures: official layouts by small files of our own, what is asked, where pictures stand, hostile names, how answers are
 * judged.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "eval/answer.h"
#include "eval/mmmu.h"
#include "eval/task.h"
#include "eval/text.h"
#include "eval/vqa.h"

static const char png[] = "\x89PNG\r\n\x1a\n and so on";

static void has_picture(const ct_eval_item *i, size_t k, const char *name, size_t at)
{
    assert_true(k < i->n_pictures);
    assert_string_equal(i->pictures[k].name, name);
    assert_int_equal(i->pictures[k].at, at);
}

static void test_docvqa(void **state)
{
    (void)state;
    ct_eval_task t;
    put("documents/ffbf0023_4.png", png);
    const ct_eval_item *i = only(
        &t, "docvqa", "val_v1.0_withQT.json",
        "{\"dataset_name\": \"SP-DocVQA\", \"dataset_version\": \"1.0\", \"dataset_split\": \"val\", \"data\": "
        "[{\"questionId\": "
        "49153, \"question\": \"What is the name?\", \"question_types\": [\"form\"], \"image\": "
        "\"documents/ffbf0023_4.png\", \"docId\": 14465, \"ucsf_document_id\": \"pybv0228\", \"answers\": [\"ITC\", "
        "\"itc limited\"], \"data_split\": \"val\"}]}");
    assert_string_equal(i->contexts[0], "What is the name?\nAnswer the question using a single word or phrase.");
    assert_string_equal(i->id, "49153");
    assert_int_equal(json_array_size(i->targets), 2);
    has_picture(i, 0, "documents/ffbf0023_4.png", 0);
    assert_string_equal(t.folder, files_folder());
    ct_eval_shown shown;
    carat_err err;
    assert_true(ct_eval_picture_read(&i->pictures[0], t.folder, &shown, &err));
    assert_memory_equal(shown.bytes, png, sizeof png - 1);
    free(shown.bytes);
    ct_eval_task_close(&t);
    /* the newer archive has them in a folder of another name: --images, and the name's last part */
    put("spdocvqa_images/x_1.png", png);
    char images[160];
    snprintf(images, sizeof images, "%s/spdocvqa_images", files_folder());
    const ct_eval_source s = { .data = put("d.json", "{\"data\": [{\"questionId\": 1, \"question\": \"q\", \"image\": "
                                                     "\"documents/x_1.png\", \"answers\": [\"a\"]}]}"),
                               .images = images };
    assert_true(ct_eval_task_open(&t, "docvqa", &s, &err));
    has_picture(t.items, 0, "x_1.png", 0);
    ct_eval_task_close(&t);
    refuses("docvqa", "e.json",
            "{\"data\": [{\"questionId\": 1, \"question\": \"q\", \"image\": \"documents/none.png\", "
            "\"answers\": [\"a\"]}]}",
            "has no picture 'documents/none.png'");
    refuses("docvqa", "t.json",
            "{\"data\": [{\"questionId\": 1, \"question\": \"q\", \"image\": \"documents/x_1.png\"}]}",
            "t.json:1: 'answers' is missing");
}

static void test_chartqa(void **state)
{
    (void)state;
    ct_eval_task t;
    put("png/166.png", png);
    const ct_eval_item *i = only(&t, "chartqa", "test_human.json",
                                 "[{\"imgname\": \"166.png\", \"query\": \"How many bars?\", \"label\": \"3\"}]");
    assert_string_equal(i->contexts[0], "How many bars?\nAnswer the question with a single word.");
    has_picture(i, 0, "png/166.png", 0);
    ct_eval_task_close(&t);
    /* as the authors have it: the folder, with its two files as groups */
    put("charts/png/166.png", png);
    put("charts/test_human.json", "[{\"imgname\": \"166.png\", \"query\": \"q\", \"label\": \"3\"}]");
    put("charts/test_augmented.json", "[{\"imgname\": \"166.png\", \"query\": \"q\", \"label\": \"Yes\"}]");
    char path[160];
    carat_err err;
    snprintf(path, sizeof path, "%s/charts", files_folder());
    const ct_eval_source s = { .data = path };
    assert_true(ct_eval_task_open(&t, "chartqa", &s, &err));
    assert_int_equal(t.n_groups, 2);
    assert_string_equal(t.groups[0].name, "test_augmented");
    ct_eval_task_close(&t);
}

static void test_textvqa(void **state)
{
    (void)state;
    ct_eval_task t;
    put("train_images/003a8ae2ef43b901.jpg", "\xff\xd8\xff");
    const ct_eval_item *i =
        only(&t, "textvqa", "TextVQA_0.5.1_val.json",
             "{\"dataset_type\": \"val\", \"dataset_name\": \"textvqa\", \"dataset_version\": \"0.5.1\", \"data\": "
             "[{\"question\": "
             "\"what BRAND is it?\", \"image_id\": \"003a8ae2ef43b901\", \"image_classes\": [\"Camera\"], \"answers\": "
             "[\"dakota\", \"dakota\", \"dakota digital\"], \"question_id\": 34602, \"set_name\": \"val\"}]}");
    assert_string_equal(i->contexts[0], "What brand is it?\nAnswer the question using a single word or phrase.");
    assert_string_equal(i->id, "34602");
    assert_int_equal(json_array_size(i->targets), 3);
    has_picture(i, 0, "train_images/003a8ae2ef43b901.jpg", 0);
    ct_eval_task_close(&t);
    refuses("textvqa", "h.json",
            "{\"data\": [{\"question\": \"q\", \"image_id\": \"../../etc/passwd\", \"answers\": [\"a\"]}]}",
            "leads out of the folder");
}

static void test_ai2d(void **state)
{
    (void)state;
    ct_eval_task t;
    put("a/0.png", png);
    const ct_eval_item *i =
        only(&t, "ai2d", "ai2d.jsonl",
             "{\"question\": \"Which is it?\", \"options\": [\"egg\", \"larva\", \"pupa\", \"moth\"], "
             "\"answer\": \"2\", \"image\": {\"bytes\": null, \"path\": \"a/0.png\"}}\n");
    assert_string_equal(i->contexts[0],
                        "Which is it?\nA. egg\nB. larva\nC. pupa\nD. moth\nAnswer with the option's letter from "
                        "the given choices directly.");
    assert_string_equal(json_string_value(json_array_get(i->targets, 0)), "C");
    const json_t *ways = json_object_get(t.about, "extract");
    const struct {
        const char *answer, *said;
    } rows[] = { { "C", "C" },
                 { "C. pupa", "C" },
                 { "(C)", "C" },
                 { "**C**", "C" },
                 { "The answer is (B).", "B" },
                 { "Cats are", NULL },
                 { "C pupa", "C" },
                 { "I see one. The answer is B", "B" },
                 { "A moth, so the answer is D.", "D" } };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        char *said;
        carat_err err;
        assert_true(ct_eval_extract(ways, rows[k].answer, &said, &err));
        if (rows[k].said)
            assert_string_equal(said, rows[k].said);
        else
            assert_null(said);
        free(said);
    }
    ct_eval_task_close(&t);
    i = only(&t, "ai2d", "data.jsonl",
             "{\"question\": \"q\", \"options\": [\"a\", \"b\"], \"answer\": \"0\", \"image\": {\"bytes\": "
             "\"iVBORw0KGgo=\", "
             "\"path\": null}}\n");
    ct_eval_shown shown;
    carat_err err;
    assert_true(ct_eval_picture_read(&i->pictures[0], t.folder, &shown, &err));
    assert_memory_equal(shown.bytes, png, 8);
    assert_int_equal(shown.len, 8);
    free(shown.bytes);
    ct_eval_task_close(&t);
}

#define MMMU(id, question, options, answer, kind, more)                                                                \
    "{\"id\": \"" id "\", \"question\": \"" question "\", \"options\": " options ", \"answer\": \"" answer             \
    "\", \"question_type\": \"" kind "\"" more "}\n"

static void test_mmmu(void **state)
{
    (void)state;
    ct_eval_task t;
    put("m/1.png", png);
    put("m/2.png", png);
    const ct_eval_item *i = only(
        &t, "mmmu", "mmmu.jsonl",
        MMMU("validation_Art_Theory_3", "See <image 1> below: which?",
             "\"['$6', \\\"it's <image 2>\\\", 'both <image 1>']\"", "B", "multiple-choice",
             ", \"image_1\": \"m/1.png\", \"image_2\": {\"bytes\": null, \"path\": \"m/2.png\"}, \"image_3\": null"));
    assert_string_equal(i->contexts[0],
                        "See  below: which?\n\n(A) $6\n(B) it's \n(C) both <image 1>\n\n\nAnswer with the option's "
                        "letter from the given choices directly.");
    assert_int_equal(i->n_pictures, 2);
    has_picture(i, 0, "m/1.png", strlen("See "));
    has_picture(i, 1, "m/2.png", strlen("See  below: which?\n\n(A) $6\n(B) it's "));
    assert_string_equal(t.groups[i->group].name, "Art_Theory");
    assert_int_equal(i->answer, 1);
    ct_eval_task_close(&t);
    i = only(
        &t, "mmmu", "open.jsonl",
        MMMU("validation_Math_12", "How much?", "\"[]\"", "['24/7', '3.429']", "open", ", \"image_1\": \"m/1.png\""));
    assert_string_equal(i->contexts[0], "How much?\n\nAnswer the question using a single word or phrase.");
    assert_int_equal(json_array_size(i->targets), 2);
    has_picture(i, 0, "m/1.png", 0);
    ct_eval_task_close(&t);
    static const struct {
        const char *row, *says;
    } bad[] = {
        { MMMU("validation_Math_1", "q", "\"['a']\"", "A", "multiple-choice", ""),
          "b.jsonl:1: 'options' is no list of 2 to 26" },
        { MMMU("validation_Math_1", "q", "\"['a', 'b\"", "A", "multiple-choice", ""), "'options' is no list" },
        { MMMU("validation_Math_1", "q", "[\"a\", \"b\"]", "C", "multiple-choice", ""),
          "'answer' names none of the 2" },
        { MMMU("validation_Math_1", "q", "[]", "C", "essay", ""), "'question_type' is 'essay'" },
        { MMMU("Math", "q", "[]", "C", "open", ""), "'id' is no \"validation_SUBJECT_1\"" },
        { MMMU("validation_Math_1", "see <image 1>", "[]", "C", "open", ""), "'image_1': a picture is missing" },
        { MMMU("validation_Math_1", "see <image 1>", "[]", "C", "open", ", \"image_1\": \"/etc/passwd\""),
          "another folder" },
        { MMMU("validation_Math_1", "see <image 1>", "[]", "C", "open", ", \"image_1\": 7"),
          "a picture is an integer" },
        { "{\"id\": 7}\n", "'id' is an integer" },
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        refuses("mmmu", "b.jsonl", bad[k].row, bad[k].says);
}

static void test_lists_of_python(void **state)
{
    (void)state;
    json_t *l = ct_eval_python_list(" ['a\\'b', \"c\\\\d\", '\\n', '\\delta',] ");
    assert_int_equal(json_array_size(l), 4);
    assert_string_equal(json_string_value(json_array_get(l, 0)), "a'b");
    assert_string_equal(json_string_value(json_array_get(l, 1)), "c\\d");
    assert_string_equal(json_string_value(json_array_get(l, 2)), "\n");
    assert_string_equal(json_string_value(json_array_get(l, 3)), "\\delta");
    json_decref(l);
    l = ct_eval_python_list("[]");
    assert_int_equal(json_array_size(l), 0);
    assert_non_null(l);
    json_decref(l);
    static const char *const bad[] = { "", "a", "[", "[a]", "['a'", "['a' 'b']", "['a']x", "['a", "['a\\", "[,]" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(ct_eval_python_list(bad[i]));
}

static void test_hostile_names_and_data(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_picture p;
    static const char *const names[] = { "",     "/etc/passwd", "..",  "../x", "a/../../x",
                                         "a/..", "a\x1b[31m",   "a\n", "\xff", "a/\u202e" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_false(ct_eval_picture_named(names[i], &p, &err));
        assert_int_equal(err.code, CARAT_EFORMAT);
        assert_null(strchr(err.msg, '\x1b'));
    }
    static const char *const good[] = { "a..png", "..a/b.png", "\u00e9.jpg", "a/b/c" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(ct_eval_picture_named(good[i], &p, &err));
        ct_eval_picture_free(&p);
    }
    json_t *nul = json_stringn("a\0b", 3);
    assert_false(ct_eval_picture_of(nul, &p, &err));
    json_decref(nul);
    static const char *const data[] = { "data:image/png,abc", "data:image/png;base64,", "data:image/png;base64,a b",
                                        "data:" };
    for (size_t i = 0; i < sizeof data / sizeof *data; i++) {
        json_t *v = json_string(data[i]);
        assert_false(ct_eval_picture_of(v, &p, &err));
        json_decref(v);
    }
    /* what is no picture goes nowhere */
    ct_eval_shown shown;
    put("secret.png", "-----BEGIN PRIVATE KEY-----\n");
    assert_true(ct_eval_picture_named("secret.png", &p, &err));
    assert_false(ct_eval_picture_read(&p, files_folder(), &shown, &err));
    assert_non_null(strstr(err.msg, "secret.png: is no JPEG"));
    assert_null(shown.bytes);
    ct_eval_picture_free(&p);
}

static double judged(const char *how, const char *said, const char *targets)
{
    carat_err err;
    json_t *list;
    assert_true(ct_json_parse("targets", targets, strlen(targets), &list, &err));
    const double x = ct_eval_compare(how, said, list);
    json_decref(list);
    return x;
}

static void near(double a, double b)
{
    assert_true(fabs(a - b) < 1e-9);
}

/* Values of the authors' own programs. */
static void test_anls(void **state)
{
    (void)state;
    near(judged("anls", "ITC  Limited\n", "[\"x\", \"itc limited\"]"), 1);
    near(judged("anls", "itc", "[\"itb\"]"), 1 - 1.0 / 3);
    near(judged("anls", "ab", "[\"ac\"]"), 0.5);
    near(judged("anls", "abc", "[\"ade\"]"), 0); /* under 0.5 */
    near(judged("anls", "\u00c9t\u00e9", "[\"\u00e9te\"]"), 1 - 1.0 / 3);
    near(judged("anls", "", "[\"a\"]"), 0);
    near(judged("anls", "3 . ", "[\"3\"]"), 0.5); /* by the length as it stands */
}

static void test_relaxed(void **state)
{
    (void)state;
    near(judged("relaxed", "105", "[\"100\"]"), 1);
    near(judged("relaxed", "105.1", "[\"100\"]"), 0);
    near(judged("relaxed", "5.2%", "[\"0.05\"]"), 1);
    near(judged("relaxed", "0.05", "[\"5\"]"), 0);
    near(judged("relaxed", "Yes", "[\"yes\"]"), 1);
    near(judged("relaxed", "0.001", "[\"0\"]"), 0);
    near(judged("relaxed", "0", "[\"0\"]"), 1);
    near(judged("relaxed", "1,234", "[\"1234\"]"), 0); /* no number there */
    near(judged("relaxed", "0x10", "[\"16\"]"), 0);
}

static void test_vqa(void **state)
{
    (void)state;
    near(judged("vqa", "Dakota.",
                "[\"dakota\", \"dakota\", \"dakota\", \"dakota\", \"a\", \"b\", \"c\", \"d\", \"e\", \"f\"]"),
         1);
    near(judged("vqa", "dakota",
                "[\"dakota\", \"dakota\", \"dakota\", \"x\", \"a\", \"b\", \"c\", \"d\", \"e\", \"f\"]"),
         0.9);
    near(judged("vqa", "dakota", "[\"dakota\", \"g\", \"h\", \"x\", \"a\", \"b\", \"c\", \"d\", \"e\", \"f\"]"), 0.3);
    near(judged("vqa", "none", "[\"0\", \"0\", \"0\", \"0\", \"0\", \"0\", \"0\", \"0\", \"0\", \"0\"]"), 1);
    const struct {
        const char *raw, *normal;
    } rows[] = {
        { "The  Two dogs, a cat!", "2 dogs cat" }, { "x/y z-", "x y z" },    { "didnt couldntve", "didn't couldntve" },
        { "couldn'tve", "couldn't've" },           { "3.5 a. b.", "3.5 b" }, { "it's 1,000", "it 's 1000" }
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *s = ct_eval_vqa_normal(rows[i].raw);
        assert_string_equal(s, rows[i].normal);
        free(s);
    }
}

static void judge_mmmu(const char *answer, size_t n, const char *targets, const char *said, double score)
{
    static char *choices[] = { (char *)"a red cat", (char *)"dog", (char *)"eel" };
    bool right[3] = { false };
    carat_err err;
    json_t *list;
    char *got = NULL;
    const char *how = NULL;
    double x;
    assert_true(ct_json_parse("targets", targets, strlen(targets), &list, &err));
    if (n)
        right[json_string_value(json_array_get(list, 0))[0] - 'A'] = true;
    const ct_eval_item item = { .choices = choices, .right = right, .n = n, .targets = list };
    assert_true(ct_eval_mmmu_judge(&item, answer, 0, 5, &got, &x, &how, &err));
    if (said) {
        assert_string_equal(got, said);
        near(x, score);
    } else {
        assert_null(got);
        assert_string_equal(how, "drawn");
    }
    free(got);
    json_decref(list);
}

static void test_mmmus_answers(void **state)
{
    (void)state;
    assert_string_equal(ct_eval_last("a bab", "b"), "b");
    assert_string_equal(ct_eval_last("ab", ""), ""); /* an option may be empty */
    assert_null(ct_eval_last("", "a"));
    judge_mmmu("B", 3, "[\"B\"]", "B", 1);
    judge_mmmu("B.", 3, "[\"B\"]", "B", 1);
    judge_mmmu("(A) or rather (C).", 3, "[\"A\"]", "C", 0);
    judge_mmmu("Not A but B is it", 3, "[\"B\"]", "B", 1);
    judge_mmmu("It must be the small dog there", 3, "[\"B\"]", "B", 1);
    judge_mmmu("the dog", 3, "[\"B\"]", NULL, 0); /* five words at most: drawn */
    judge_mmmu("It is 3.43 meters.", 0, "[\"24/7\", \"3.429\"]", "3.43 meters", 1);
    judge_mmmu("x = 24/7", 0, "[\"24/7\"]", "24/7", 1);
    judge_mmmu("So the answer is 1,234.5\nthus 7", 0, "[\"1234.5\"]", "1,234.5 | 7", 1);
    judge_mmmu("Paris", 0, "[\"paris\"]", "paris", 1);
    judge_mmmu("3.5e7", 0, "[\"35000000\"]", "3.5e7", 1);
    judge_mmmu("a", 0, "[\"b\"]", "a", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_docvqa),
        cmocka_unit_test(test_chartqa),
        cmocka_unit_test(test_textvqa),
        cmocka_unit_test(test_ai2d),
        cmocka_unit_test(test_mmmu),
        cmocka_unit_test(test_lists_of_python),
        cmocka_unit_test(test_hostile_names_and_data),
        cmocka_unit_test(test_anls),
        cmocka_unit_test(test_relaxed),
        cmocka_unit_test(test_vqa),
        cmocka_unit_test(test_mmmus_answers),
    };
    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
