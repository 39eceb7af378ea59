/* The table of a shape's sizes: applied, refused above its limits, and matched by the program's options.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/shape_fields.h"

#include <string.h>

#include "shape.h"
#include "unit.h"

static size_t *stated(carat_shape *s, const ct_shape_field *f)
{
    return (size_t *)(void *)((char *)s + f->in_shape);
}

static void zeros_keep(void **state)
{
    (void)state;
    ct_config c, was;
    bool differs = false;
    ct_config_of(ct_published_by_name("4b"), &c);
    was = c;
    assert_true(ct_shape_apply(&(carat_shape){ 0 }, &c, &differs, NULL));
    assert_memory_equal(&c, &was, sizeof c);
    assert_false(differs);
    /* What is stated and the same is no difference. */
    assert_true(ct_shape_apply(&(carat_shape){ .n_layer = 34, .window = 1024, .pattern = 6 }, &c, &differs, NULL));
    assert_memory_equal(&c, &was, sizeof c);
    assert_false(differs);
}

static void each_field_arrives(void **state)
{
    (void)state;
    for (size_t i = 0; i < CT_N_SHAPE_FIELDS; i++) {
        const ct_shape_field *f = &ct_shape_fields[i];
        ct_config c, was;
        carat_shape s = { 0 };
        carat_err err;
        bool differs = false;
        ct_config_of(ct_published_by_name("4b"), &c);
        was = c;
        *stated(&s, f) = f->max;
        assert_true(ct_shape_apply(&s, &c, &differs, &err));
        assert_int_equal(ct_shape_field_of(&c, f), f->max);
        assert_true(differs);
        for (size_t j = 0; j < CT_N_SHAPE_FIELDS; j++)
            assert_true(j == i ||
                        ct_shape_field_of(&c, &ct_shape_fields[j]) == ct_shape_field_of(&was, &ct_shape_fields[j]));
        *stated(&s, f) = (size_t)f->max + 1;
        assert_false(ct_shape_apply(&s, &c, &differs, &err));
        assert_int_equal(err.code, CARAT_EARG);
        assert_non_null(strstr(err.msg, f->name));
        *stated(&s, f) = SIZE_MAX;
        assert_false(ct_shape_apply(&s, &c, &differs, &err));
    }
}

static void a_pattern_arrives(void **state)
{
    (void)state;
    ct_config c;
    carat_err err;
    bool differs = false;
    ct_config_of(ct_published_by_name("4b"), &c);
    assert_true(ct_shape_apply(&(carat_shape){ .pattern = 2 }, &c, &differs, &err));
    assert_true(differs);
    for (size_t i = 0; i < c.n_layer; i++)
        assert_int_equal(c.is_global[i], i % 2);
    assert_false(ct_shape_apply(&(carat_shape){ .pattern = CT_MAX_LAYERS + 1 }, &c, &differs, &err));
    assert_non_null(strstr(err.msg, "pattern"));
}

/* cli/shape.c: the same fields in the same order under the same limits, then the pattern. */
static void options_match(void **state)
{
    (void)state;
    const cli_table *t = &cli_shape_table;
    carat_shape s = { 0 };
    assert_false(cli_shape(&s));
    assert_int_equal(t->n, CT_N_SHAPE_FIELDS + 1);
    for (size_t i = 0; i < t->n; i++) {
        assert_int_equal(t->options[i].kind, CLI_INT);
        assert_true(t->options[i].min == 1);
        assert_true(t->options[i].max == (i < CT_N_SHAPE_FIELDS ? ct_shape_fields[i].max : CT_MAX_LAYERS));
        *(int64_t *)t->options[i].to = (int64_t)(100 + i);
    }
    assert_true(cli_shape(&s));
    for (size_t i = 0; i < CT_N_SHAPE_FIELDS; i++)
        assert_int_equal(*stated(&s, &ct_shape_fields[i]), 100 + i);
    assert_int_equal(s.pattern, 100 + CT_N_SHAPE_FIELDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_keep),
        cmocka_unit_test(each_field_arrives),
        cmocka_unit_test(a_pattern_arrives),
        cmocka_unit_test(options_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
