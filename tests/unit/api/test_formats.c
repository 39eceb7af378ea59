/* Response formats: whatever a model of random weights would say, its answers have the form, alone and beside others.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <string.h>

#include "base/json.h"
#include "forms.h"

static carat_engine *other; /* of the same model */

static int setup(void **state)
{
    (void)state;
    carat_err e;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_sessions = 8, .n_ctx = 1024 };
    asked_open("An answer, please.");
    must(carat_engine_open(TINY, &o, &other, &e), &e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    asked_close();
    carat_engine_close(other);
    return 0;
}

static void answers_have_their_form(void **state)
{
    (void)state;
    static answer a[ANSWERS];
    for (size_t i = 0; i < N_FORMS; i++) {
        carat_format *f = open_form(&forms[i]);
        size_t n_ended = 0;
        bool differ = false;
        for (uint64_t seed = 0; seed < 4; seed++) {
            carat_sampling s = wild;
            s.seed = 100 * seed;
            s.temperature = seed % 2 ? 1.5f : 8;
            const carat_generation g = with(f, &s);
            answer_all(&g, ANSWERS, a);
            for (size_t k = 0; k < ANSWERS; k++) {
                check_form(&forms[i], &a[k]);
                n_ended += a[k].result.finish == CARAT_FINISH_STOP;
                differ = differ || strcmp(a[k].text, a[0].text) != 0;
            }
        }
        assert_true(n_ended > 12 && differ);
        carat_format_close(f);
    }
}

static void any_object_is_json(void **state)
{
    (void)state;
    static answer a[ANSWERS];
    const carat_format_options o = { .struct_size = sizeof o };
    carat_format *f = open_form(&o);
    /* A model of random weights seldom ends a string: quotes and braces are made likelier. */
    carat_bias bias[512];
    size_t n = 0;
    for (int32_t id = 0; id < 512; id++) {
        size_t len;
        const char *s = carat_tokenizer_piece(carat_engine_tokenizer(engine), id, &len);
        if (s && len == 1 && strchr("\"}]", *s))
            bias[n++] = (carat_bias){ id, 8 };
    }
    carat_sampling s = wild;
    s.bias = bias;
    s.n_bias = n;
    const carat_generation g = with(f, &s);
    answer_all(&g, ANSWERS, a);
    size_t n_ended = 0;
    for (size_t i = 0; i < ANSWERS; i++) {
        json_t *v;
        carat_err e;
        assert_false(a[i].has_failed);
        if (a[i].result.finish != CARAT_FINISH_STOP)
            continue;
        n_ended++;
        if (!ct_json_parse("the answer", a[i].text, a[i].len, &v, &e) && !strstr(e.msg, "duplicate"))
            fail_msg("'%s': %s", a[i].text, e.msg);
        json_decref(v);
    }
    assert_true(n_ended > 2);
    carat_format_close(f);
}

/* Several forms in the batch at once, each answer as it is alone; a form may be closed when its request is submitted. */
static void beside_others_they_are_the_same(void **state)
{
    (void)state;
    static answer alone[N_FORMS][2], together[N_FORMS][2];
    carat_request *r[N_FORMS];
    memset(together, 0, sizeof together);
    for (size_t i = 0; i < N_FORMS; i++) {
        carat_format *f = open_form(&forms[i]);
        const carat_generation g = with(f, &wild);
        answer_all(&g, 2, alone[i]);
        carat_format_close(f);
    }
    for (size_t i = 0; i < N_FORMS; i++) {
        carat_format *f = open_form(&forms[i]);
        const carat_generation g = with(f, &wild);
        r[i] = ask(&g, 2);
        carat_format_close(f);
    }
    for (size_t i = 0; i < N_FORMS; i++)
        take(r[i], together[i]);
    for (size_t i = 0; i < N_FORMS; i++)
        for (size_t k = 0; k < 2; k++) {
            assert_string_equal(alone[i][k].text, together[i][k].text);
            assert_int_equal(alone[i][k].n, together[i][k].n);
        }
}

static void what_cannot_be_enforced_is_refused(void **state)
{
    (void)state;
    const carat_format_kind json = CARAT_FORMAT_JSON_SCHEMA, regex = CARAT_FORMAT_REGEX, choice = CARAT_FORMAT_CHOICE;
    const char *const bad[] = { "fine", "\xff" }, *const null[] = { NULL };
    refuse((carat_format_options){ .kind = json, .text = "{\"properties\":{\"a\":{\"unevaluatedItems\":{}}}}" },
           CARAT_EARG, "the JSON schema: '/properties/a/unevaluatedItems'");
    refuse((carat_format_options){ .kind = json, .text = "{\"typ\":1}" }, CARAT_EARG, "'/typ': no keyword");
    refuse((carat_format_options){ .kind = json, .text = "{\"type\":" }, CARAT_EFORMAT, "the JSON schema");
    refuse((carat_format_options){ .kind = json, .text = "false" }, CARAT_EARG, "no text can match");
    refuse((carat_format_options){ .kind = json, .text = "{\"type\":\"string\"}", .text_len = 9 }, CARAT_EFORMAT, "");
    refuse((carat_format_options){ .kind = regex, .text = "a(?=b)" }, CARAT_EARG,
           "look-around is not supported, at byte 2");
    refuse((carat_format_options){ .kind = regex }, CARAT_EARG, "no text was given");
    refuse((carat_format_options){ .kind = regex, .text = "a", .has_spaces = true }, CARAT_EARG, "has_spaces");
    refuse((carat_format_options){ .kind = regex, .text = "a", .n_choices = 1 }, CARAT_EARG, "no choices");
    refuse((carat_format_options){ .kind = regex, .text = "a", .text_len = (size_t)1 << 40 }, CARAT_ELIMIT,
           "expected at most");
    refuse((carat_format_options){ .kind = CARAT_FORMAT_JSON_OBJECT, .text = "{}" }, CARAT_EARG, "takes no text");
    refuse((carat_format_options){ .kind = CARAT_FORMAT_GBNF, .text = "root ::= x" }, CARAT_EARG, "'x' is not defined");
    refuse((carat_format_options){ .kind = choice }, CARAT_EARG, "without any choices");
    refuse((carat_format_options){ .kind = choice, .choices = bad, .n_choices = 2 }, CARAT_EARG,
           "choice 1 is not valid UTF-8");
    refuse((carat_format_options){ .kind = choice, .choices = null, .n_choices = 1 }, CARAT_EARG, "choice 0 is NULL");
    refuse((carat_format_options){ .kind = (carat_format_kind)77, .text = "x" }, CARAT_EARG, "77 is unknown");

    carat_format *f = open_form(&forms[FORM_REGEX]);
    carat_err e;
    const carat_generation g = with(f, &wild);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = prompt, .generation = &g };
    carat_request *r;
    assert_false(carat_request_submit(other, &o, &r, &e));
    assert_int_equal(e.code, CARAT_EARG);
    assert_non_null(strstr(e.msg, "another engine"));
    carat_format_close(f);
}

static void *open_and_answer(void *arg)
{
    answer *a = arg;
    carat_format *f = open_form(&forms[FORM_SCHEMA]);
    const carat_generation g = with(f, &wild);
    answer_all(&g, 1, a);
    carat_format_close(f);
    return NULL;
}

static void threads_may_open_them_at_once(void **state)
{
    (void)state;
    static answer a[4];
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, open_and_answer, &a[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < 4; i++) {
        check_form(&forms[FORM_SCHEMA], &a[i]);
        assert_string_equal(a[i].text, a[0].text);
    }
}

/* One form, many answers at a time from several requests: what one makes it find out is right for all. */
static void one_form_serves_many(void **state)
{
    (void)state;
    static answer a[8][ANSWERS];
    carat_request *r[8];
    carat_format *f = open_form(&forms[FORM_SPACED]);
    memset(a, 0, sizeof a);
    for (int i = 0; i < 8; i++) {
        carat_sampling s = wild;
        s.seed = 1000 + (uint64_t)i * 50;
        const carat_generation g = with(f, &s);
        r[i] = ask(&g, ANSWERS);
    }
    carat_format_close(f);
    carat_request_cancel(r[3]);
    for (int i = 0; i < 8; i++)
        take(r[i], a[i]);
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < ANSWERS; k++)
            if (i != 3)
                check_form(&forms[FORM_SPACED], &a[i][k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_may_open_them_at_once),
        cmocka_unit_test(answers_have_their_form),
        cmocka_unit_test(any_object_is_json),
        cmocka_unit_test(beside_others_they_are_the_same),
        cmocka_unit_test(what_cannot_be_enforced_is_refused),
        cmocka_unit_test(one_form_serves_many),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
