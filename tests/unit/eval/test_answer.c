/* What answers say and whether it is right: extraction, comparison, calls, programs in the sandbox; means over groups; needles.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "eval/answer.h"
#include "eval/calls.h"
#include "eval/groups.h"
#include "eval/needle.h"
#include "eval/sandbox.h"
#include "eval/tasks.h"

/* ---- extraction ---- */

static json_t *ways_of(const char *task, const char *key)
{
    for (size_t i = 0; i < ct_eval_n_descriptions; i++)
        if (strcmp(ct_eval_descriptions[i].name, task) == 0) {
            json_t *about;
            assert_true(ct_json_parse(task, ct_eval_descriptions[i].text, *ct_eval_descriptions[i].len, &about, NULL));
            json_t *ways = json_incref(json_object_get(about, key));
            json_decref(about);
            return ways;
        }
    return NULL;
}

static void test_what_answers_say(void **state)
{
    (void)state;
    static const struct {
        const char *task, *key, *answer, *says;
    } rows[] = {
        { "gsm8k", "extract", "2 + 2 = 4\n#### 1,234.5 and 7", "1,234.5" },
        { "gsm8k", "extract", "so there are 3 dogs and -12 cats.", "-12" },
        { "gsm8k", "extract", "####  $18\nQuestion", "18" },
        { "gsm8k", "extract", "none at all", NULL },
        { "mmlu-pro", "extract", "I think B. The answer is (J). And the answer is C", "C" },
        { "mmlu-pro", "extract", "**Answer:** D", "D" },
        { "mmlu-pro", "extract", "A or, rather, (E)", "E" },
        { "mmlu-pro", "extract", "AAA K 3", NULL },
        { "mmlu-pro", "extract", "A B", "B" }, /* one space for both */
        { "gpqa", "extract", "The correct answer is (B)", "B" },
        { "gpqa", "extract", "The answer is **C**.", "C" },
        { "gpqa", "extract", "not (A) but (D) then", "D" },
        { "gpqa", "extract", "The answer is Apple (B)", "B" },
        { "bbh", "extract", "First. So the answer is (A).", "(A)" },
        { "bbh", "extract", " No.\nQ: next", "No" },
        { "bbh", "extract", "So the answer is 2021-05-01.\n", "2021-05-01" },
        { "humaneval", "chat_extract", "Here:\n```python\ndef f():\n    pass\n```\nDone.", "def f():\n    pass\n" },
        { "humaneval", "chat_extract", "```\nx\n", "x\n" },
        { "humaneval", "chat_extract", "def f(): pass", "def f(): pass" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        carat_err err;
        char *said;
        json_t *ways = ways_of(rows[i].task, rows[i].key);
        assert_true(ct_eval_extract(ways, rows[i].answer, &said, &err));
        if (rows[i].says ? !said || strcmp(said, rows[i].says) != 0 : said != NULL)
            fail_msg("%s: '%s' says '%s', not '%s'", rows[i].task, rows[i].answer, said ? said : "(nothing)",
                     rows[i].says ? rows[i].says : "(nothing)");
        free(said);
        json_decref(ways);
    }
}

static void test_what_is_right(void **state)
{
    (void)state;
    static const struct {
        const char *how, *said, *targets;
        double score;
    } rows[] = {
        { "number", "1,234.50", "[\"1234.5\"]", 1 },
        { "number", "$18", "[\"18\"]", 1 },
        { "number", "18.", "[\"18\"]", 1 },
        { "number", "19", "[\"18\"]", 0 },
        { "number", "x", "[\"0\"]", 0 },
        { "number", "", "[\"0\"]", 0 },
        { "exact", " a b\n", "[\"x\", \"a b\"]", 1 },
        { "exact", "A", "[\"a\"]", 0 },
        { "exact", NULL, "[\"a\"]", 0 },
        { "all_of", "one TWO", "[\"two\", \"three\"]", 0.5 },
        { "all_of", "", "[\"two\"]", 0 },
        { "all_of", "x1234567", "[\"1234567\"]", 1 },
        { "exact", "a", "[]", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *targets;
        assert_true(ct_json_parse("targets", rows[i].targets, strlen(rows[i].targets), &targets, NULL));
        if (fabs(ct_eval_compare(rows[i].how, rows[i].said, targets) - rows[i].score) > 1e-9)
            fail_msg("%s: '%s' against %s", rows[i].how, rows[i].said ? rows[i].said : "", rows[i].targets);
        json_decref(targets);
    }
}

static void test_calls(void **state)
{
    (void)state;
    static const struct {
        const char *expected, *calls;
        int right;
    } rows[] = {
        { "[{'f': {'a': [10], 'u': ['units', '']}}]", "[{'name': 'f', 'arguments': {'a': 10}}]", 1 },
        { "[{'f': {'a': [10], 'u': ['units', '']}}]", "[{'name': 'f', 'arguments': {'a': 10, 'u': 'Units'}}]", 1 },
        { "[{'f': {'a': [10], 'u': ['units', '']}}]", "[{'name': 'f', 'arguments': {'a': 10, 'u': 'cm'}}]", 0 },
        { "[{'f': {'a': [10]}}]", "[{'name': 'f', 'arguments': {}}]", 0 },
        { "[{'f': {'a': [10]}}]", "[{'name': 'f', 'arguments': {'a': 10, 'b': 1}}]", 0 },
        { "[{'f': {'a': [10]}}]", "[{'name': 'f', 'arguments': {'a': '10'}}]", 0 },
        { "[{'f': {'a': [10]}}]", "[{'name': 'g', 'arguments': {'a': 10}}]", 0 },
        { "[{'f': {'a': [5.0]}}]", "[{'name': 'f', 'arguments': {'a': 5}}]", 1 },
        { "[{'f': {'a': [true]}}]", "[{'name': 'f', 'arguments': {'a': 1}}]", 0 },
        { "[{'f': {'a': [[1, 2], [2, 1]]}}]", "[{'name': 'f', 'arguments': {'a': [2, 1]}}]", 1 },
        { "[{'f': {'a': [{'k': ['New York, NY', 'NYC']}]}}]",
          "[{'name': 'f', 'arguments': {'a': {'k': 'new york ny'}}}]", 1 },
        { "[{'f': {'a': [1]}}, {'f': {'a': [2]}}]",
          "[{'name': 'f', 'arguments': {'a': 2}}, {'name': 'f', 'arguments': {'a': 1}}]", 1 },
        { "[{'f': {'a': [1]}}, {'f': {'a': [2]}}]",
          "[{'name': 'f', 'arguments': {'a': 1}}, {'name': 'f', 'arguments': {'a': 1}}]", 0 },
        { "[{'f': {'a': [1]}}, {'f': {'a': [2]}}]", "[{'name': 'f', 'arguments': {'a': 1}}]", 0 },
        { "[]", "[]", 1 },
        { "[]", "[{'name': 'f', 'arguments': {}}]", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[2][256];
        json_t *v[2];
        for (int k = 0; k < 2; k++) {
            snprintf(text[k], sizeof text[k], "%s", k ? rows[i].calls : rows[i].expected);
            for (char *c = text[k]; *c; c++)
                *c = *c == '\'' ? '"' : *c;
            assert_true(ct_json_parse("calls", text[k], strlen(text[k]), &v[k], NULL));
        }
        const char *how;
        if ((int)ct_eval_calls_right(v[0], v[1], &how) != rows[i].right)
            fail_msg("%s against %s: %s", rows[i].calls, rows[i].expected, how);
        json_decref(v[0]);
        json_decref(v[1]);
    }
}

/* ---- the sandbox ---- */

static void test_programs_run_in_a_sandbox_or_not_at_all(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_end end;
    if (!ct_eval_sandbox_check(&err)) {
        assert_int_equal(err.code, CARAT_EUNSUPPORTED);
        assert_non_null(strstr(err.msg, "bwrap"));
        skip();
    }
    static const struct {
        const char *program;
        ct_eval_end end;
    } rows[] = {
        { "assert 1 + 1 == 2\n", CT_EVAL_PASSED },
        { "assert 1 + 1 == 3\n", CT_EVAL_FAILED_TEST },
        { "def f(:\n", CT_EVAL_FAILED_TEST },
        { "import sys\nsys.exit(0)\n", CT_EVAL_FAILED_TEST },
        { "import os\nos._exit(0)\n", CT_EVAL_FAILED_TEST },
        { "print('noise')\n", CT_EVAL_PASSED },
        { "input()\n", CT_EVAL_FAILED_TEST },
        { "while True: pass\n", CT_EVAL_TOO_LONG },
        { "x = bytearray(8 << 30)\n", CT_EVAL_FAILED_TEST },
        { "open('/usr/x', 'w')\n", CT_EVAL_FAILED_TEST },
        { "open('/tmp/x', 'w').write('y')\n", CT_EVAL_PASSED },
        { "import os\nassert not os.path.exists('/tmp/x')\n", CT_EVAL_PASSED },
        { "import os\nassert 'HOME' not in os.environ\n", CT_EVAL_PASSED },
        { "import os\nos.kill(os.getppid(), 9)\n",
          CT_EVAL_PASSED }, /* the sandbox's own first process, which is deaf to it */
        { "import subprocess\nsubprocess.Popen(['sleep', '1000'])\n", CT_EVAL_PASSED },
        { "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1', timeout=1)\n", CT_EVAL_FAILED_TEST },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const bool loops = rows[i].end == CT_EVAL_TOO_LONG;
        assert_true(ct_eval_sandbox_run(rows[i].program, loops ? 1 : 30, &end, &err));
        if (end != rows[i].end)
            fail_msg("'%s' ends as %d", rows[i].program, (int)end);
    }
}

/* ---- means ---- */

static void test_means(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_item items[6] = { { .group = 0 }, { .group = 0 }, { .group = 0 },
                              { .group = 0 }, { .group = 2 }, { .group = 2 } };
    ct_eval_group groups[3] = { { 0 } };
    const ct_eval_task t = { .items = items, .n = 6, .groups = groups, .n_groups = 3 };
    ct_eval_mean m;
    const double whole[] = { 1, 1, 1, 0, 0, 0 }, parts[] = { 1, 0.5, 0.5, 0, 0, 0 };
    assert_true(ct_eval_mean_of(&t, whole, &m, &err));
    assert_true(m.is_whole && m.right == 3 && m.n_groups == 2);
    assert_true(fabs(m.share - 0.5) < 1e-12 && fabs(m.macro - 0.375) < 1e-12);
    assert_true(fabs(m.interval.low - ct_eval_share(3, 6).low) < 1e-12 && isnan(m.group_share[1]));
    assert_true(m.macro_interval.low < m.macro && m.macro_interval.high > m.macro);
    ct_eval_mean_free(&m);
    assert_true(ct_eval_mean_of(&t, parts, &m, &err));
    assert_true(!m.is_whole && m.right == 1 && fabs(m.share - 1.0 / 3) < 1e-12 && m.interval.low < m.share);
    ct_eval_mean_free(&m);
}

static void test_scores_that_are_alike_have_an_interval(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_item items[8] = { { .group = 0 }, { .group = 0 }, { .group = 0 }, { .group = 0 },
                              { .group = 1 }, { .group = 1 }, { .group = 1 }, { .group = 1 } };
    ct_eval_group groups[2] = { { 0 } };
    const ct_eval_task t = { .items = items, .n = 8, .groups = groups, .n_groups = 2 };
    ct_eval_mean m;
    const double apart[] = { 1, 1, 1, 1, 0, 0, 0, 0 }, half[] = { 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5 };
    assert_true(ct_eval_mean_of(&t, apart, &m, &err));
    const double width = 1.959964 * sqrt(2 * 0.75 * 0.25 / 8 / 4); /* both groups: 6 of 8, 2 of 8 */
    assert_true(fabs(m.macro - 0.5) < 1e-12 && fabs(m.macro_interval.high - 0.5 - width) < 1e-5);
    assert_true(fabs(0.5 - m.macro_interval.low - width) < 1e-5);
    ct_eval_mean_free(&m);
    assert_true(ct_eval_mean_of(&t, half, &m, &err));
    assert_true(m.interval.low < 0.4 && m.interval.high > 0.6);
    ct_eval_mean_free(&m);
}

/* ---- needles ---- */

static void test_needles_are_in_a_text_of_the_length(void **state)
{
    (void)state;
    carat_err err;
    carat_tokenizer *tokenizer;
    assert_true(carat_tokenizer_open(TEST_DATA "/models/tiny-text", &tokenizer, &err));
    ct_eval_task t, again;
    ct_eval_source s = { .length = 6000, .tokenizer = tokenizer, .limit = 16, .seed = 3 };
    if (!ct_eval_task_open(&t, "ruler", &s, &err))
        fail_msg("%s", err.msg);
    assert_true(t.n == 16 && t.n_groups == 8);
    const size_t answer = (size_t)json_integer_value(json_object_get(t.about, "chat_max_tokens"));
    assert_true(answer >= (size_t)json_integer_value(json_object_get(t.about, "max_tokens")));
    for (size_t i = 0; i < t.n; i++) {
        const ct_eval_item *item = &t.items[i];
        int32_t *ids;
        size_t n, k;
        json_t *target;
        assert_true(carat_tokenizer_encode(tokenizer, item->contexts[0], strlen(item->contexts[0]), 0, &ids, &n, &err));
        carat_free(ids);
        if (n + answer > s.length || n < (s.length - answer) * 15 / 16 - 128) /* less the kinds' coarsest steps */
            fail_msg("%s: %zu tokens of %zu", t.groups[item->group].name, n, s.length);
        assert_true(carat_tokenizer_encode(tokenizer, item->chat, strlen(item->chat), 0, &ids, &n, &err));
        carat_free(ids);
        if (n + answer > s.length)
            fail_msg("%s in a chat: %zu tokens of %zu", t.groups[item->group].name, n, s.length);
        assert_true(json_array_size(item->targets) > 0);
        json_array_foreach(item->targets, k, target) {
            if (!strstr(item->chat, json_string_value(target)) || !strstr(item->contexts[0], json_string_value(target)))
                fail_msg("%s: no '%s' in it", t.groups[item->group].name, json_string_value(target));
        }
    }
    assert_true(ct_eval_task_open(&again, "ruler", &s, &err));
    assert_true(t.hash == again.hash);
    assert_string_equal(t.items[15].contexts[0], again.items[15].contexts[0]);
    ct_eval_task_close(&again);
    s.limit = 11; /* raised later: the same questions */
    assert_true(ct_eval_task_open(&again, "ruler", &s, &err));
    assert_true(t.hash == again.hash && again.n == 11);
    assert_string_equal(t.items[10].contexts[0], again.items[10].contexts[0]);
    ct_eval_task_close(&again);
    s.seed = 4;
    assert_true(ct_eval_task_open(&again, "ruler", &s, &err));
    assert_true(t.hash != again.hash);
    ct_eval_task_close(&again);
    ct_eval_task_close(&t);
    s.length = 100;
    assert_false(ct_eval_task_open(&t, "ruler", &s, &err));
    assert_non_null(strstr(err.msg, "--length"));
    carat_tokenizer_close(tokenizer);
}

/* The most common words are those that are expected. */
static void test_counted_words_are_the_most_common(void **state)
{
    (void)state;
    carat_err err;
    carat_tokenizer *tokenizer;
    assert_true(carat_tokenizer_open(TEST_DATA "/models/tiny-text", &tokenizer, &err));
    ct_eval_task t;
    const ct_eval_source s = { .length = 8000, .tokenizer = tokenizer, .limit = 8, .seed = 5 };
    assert_true(ct_eval_task_open(&t, "ruler", &s, &err));
    for (size_t i = 6; i < 8; i++) { /* common_words, frequent_words */
        const ct_eval_item *item = &t.items[i];
        size_t k, least = SIZE_MAX;
        json_t *target;
        char word[64];
        json_array_foreach(item->targets, k, target) {
            size_t n = 0;
            snprintf(word, sizeof word, " %s ", json_string_value(target));
            for (const char *at = strstr(item->chat, word); at; at = strstr(at + 1, word))
                n++;
            least = n < least ? n : least;
        }
        assert_true(least >= 4);
        size_t seen = 0; /* another word is not as common */
        for (const char *at = strstr(item->chat, "\n\n"); at && seen < 200; seen++) {
            at = strchr(at + 1, ' ');
            const char *end = at ? strchr(at + 1, ' ') : NULL;
            if (!end || end - at > 40)
                break;
            snprintf(word, sizeof word, "%.*s", (int)(end - at) + 1, at);
            size_t n = 0;
            bool is_target = false;
            for (const char *p = strstr(item->chat, word); p; p = strstr(p + 1, word))
                n++;
            json_array_foreach(item->targets, k, target) {
                is_target |= strncmp(word + 1, json_string_value(target), strlen(json_string_value(target))) == 0;
            }
            if (!is_target && word[1] >= 'a' && !strchr(word, '.') && !strchr(word, '?') && n > least)
                fail_msg("'%s' comes %zu times", word, n);
        }
    }
    ct_eval_task_close(&t);
    carat_tokenizer_close(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_answers_say),
        cmocka_unit_test(test_what_is_right),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_programs_run_in_a_sandbox_or_not_at_all),
        cmocka_unit_test(test_scores_that_are_alike_have_an_interval),
        cmocka_unit_test(test_means),
        cmocka_unit_test(test_needles_are_in_a_text_of_the_length),
        cmocka_unit_test(test_counted_words_are_the_most_common),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
