/* test_sight.c - the trained tiny model looks at pictures, through the public interface, and says what the reference
 * says: the same ids for all sixty questions, in order where there are several pictures.
 *
 *     test_sight --level LEVEL
 *     test_sight --level LEVEL --all       every question in every mode, not each question in one of the modes
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "golden_file.h"
#include "subject.h"
#include "unit.h"

#define MODEL TEST_DATA "/models/tiny-sight"
#define MARK  "<image>"

static const char *level;
static bool takes_all;

typedef struct question {
    carat_picture *pictures[8];
    size_t n_pictures;
    char *text; /* cut at the marks */
    carat_content content[17];
    size_t n_content;
} question;

static void read_question(const json_t *j, question *q)
{
    carat_err err;
    size_t i;
    json_t *file;
    *q = (question){ .text = strdup(json_string_value(json_object_get(j, "text"))) };
    json_array_foreach(json_object_get(j, "images"), i, file) {
        char path[512];
        snprintf(path, sizeof path, MODEL "/%s", json_string_value(file));
        if (!carat_picture_load(path, &q->pictures[q->n_pictures++], &err))
            fail_msg("%s", err.msg);
    }
    char *at = q->text;
    for (i = 0; i < q->n_pictures; i++) {
        char *mark = strstr(at, MARK);
        assert_non_null(mark);
        if (mark > at) {
            *mark = '\0';
            q->content[q->n_content++] = (carat_content){ .struct_size = sizeof(carat_content), .text = at };
        }
        q->content[q->n_content++] = (carat_content){ .struct_size = sizeof(carat_content), .picture = q->pictures[i] };
        at = mark + strlen(MARK);
    }
    if (*at)
        q->content[q->n_content++] = (carat_content){ .struct_size = sizeof(carat_content), .text = at };
}

static void free_question(question *q)
{
    for (size_t i = 0; i < q->n_pictures; i++)
        carat_picture_free(q->pictures[i]);
    free(q->text);
}

typedef struct heard {
    int32_t ids[64];
    size_t n;
    char text[512];
} heard;

static bool on_token(void *arg, const carat_token *t)
{
    heard *h = arg;
    if (t->id >= 0 && h->n < 64)
        h->ids[h->n++] = t->id;
    strncat(h->text, t->text, sizeof h->text - strlen(h->text) - 1);
    return true;
}

static void ask(carat_engine *e, carat_session *s, const question *q, heard *h)
{
    carat_err err;
    carat_prompt *p;
    size_t cached;
    carat_result r = { .struct_size = sizeof r };
    const carat_message m = {
        .struct_size = sizeof m, .role = "user", .content = q->content, .n_content = q->n_content, .is_inline = true
    };
    const carat_pan_scan whole = { .struct_size = sizeof whole, .mode = CARAT_PAN_SCAN_OFF };
    const carat_prompt_options o = { .struct_size = sizeof o, .pan_scan = &whole };
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    carat_generation g = {
        .struct_size = sizeof g, .sampling = &sampling, .max_tokens = 60, .on_token = on_token, .arg = h
    };
    sampling.temperature = 0;
    *h = (heard){ 0 };
    if (!carat_prompt_chat(e, &m, 1, &o, &p, &err) || !carat_session_prompt(s, p, &cached, &err) ||
        !carat_session_generate(s, &g, &r, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(carat_prompt_n_views(p), q->n_pictures);
    if (r.stop_id >= 0)
        h->ids[h->n++] = r.stop_id;
    carat_prompt_free(p);
}

enum { N_MODES = 3 };

/* mode < N_MODES: which third of the questions is asked. */
static void all_questions(size_t mode, size_t chunk, bool exact)
{
    carat_err err;
    carat_engine *e;
    carat_session *s;
    char *text;
    size_t len, n_read = 0;
    const carat_options o = { .struct_size = sizeof o,
                              .n_threads = 1,
                              .cpu = level,
                              .chunk = chunk,
                              .is_exact = exact,
                              .vision = CARAT_VISION_REQUIRED };
    if (!carat_engine_open(MODEL, &o, &e, &err) || !carat_session_open(e, 512, &s, &err) ||
        !ct_read_file(MODEL "/test.jsonl", 1 << 20, &text, &len, &err))
        fail_msg("%s", err.msg);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) && *line; n_read++) {
        if (!takes_all && n_read % N_MODES != mode)
            continue;
        json_t *j = json_loads(line, 0, NULL);
        assert_non_null(j);
        question q;
        heard h;
        read_question(j, &q);
        ask(e, s, &q, &h);
        const json_t *ids = json_object_get(j, "ids");
        if (strcmp(h.text, json_string_value(json_object_get(j, "answer"))) != 0)
            fail_msg("question %zu (%s): '%s', the reference says '%s'", n_read,
                     json_string_value(json_object_get(j, "text")), h.text,
                     json_string_value(json_object_get(j, "answer")));
        assert_int_equal(h.n, json_array_size(ids));
        for (size_t i = 0; i < h.n; i++)
            assert_int_equal(h.ids[i], json_integer_value(json_array_get(ids, i)));
        free_question(&q);
        json_decref(j);
    }
    assert_int_equal(n_read, 60);
    free(text);
    carat_session_close(s);
    carat_engine_close(e);
}

static void says_what_the_reference_says(void **state)
{
    (void)state;
    all_questions(0, 0, false);
}

static void whatever_the_chunk(void **state)
{
    (void)state;
    all_questions(1, 5, false); /* every image is longer: steps grow */
}

static void exact_mode_too(void **state)
{
    (void)state;
    all_questions(2, 0, true);
}

int main(int argc, char **argv)
{
    level = subject_level(argc, argv);
    takes_all = subject_takes_all(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_the_reference_says),
        cmocka_unit_test(whatever_the_chunk),
        cmocka_unit_test(exact_mode_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
