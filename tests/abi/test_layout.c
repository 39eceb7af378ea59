/* Everything that a frozen header declares stands where it stood: fields, values, functions and their types.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "carat.h"
#include "carat_weigh.h"
#include "facts.h"

/* A frozen signature is declared once more: an incompatible one does not compile. */
#include ABI_SIGNATURES

#define FIELD(type, field)
#define STRUCT(type)
#define FIXED(type)
#define VALUE(name)
#define FUNCTION(name) { #name, (void (*)(void))name },

/* Linked with the shared library, so each is still exported. */
static const struct {
    const char *name;
    void (*f)(void);
} functions[] = {
#include ABI_LAYOUT
};

static void compare(const abi_fact *was, const abi_fact *now)
{
    for (; was->name; was++, now++) {
        assert_string_equal(was->name, now->name);
        if (was->at != now->at)
            fail_msg("%s was %zu, is %zu", was->name, was->at, now->at);
        if (was->kind == ABI_STRUCT ? now->size < was->size : now->size != was->size)
            fail_msg("%s had %zu bytes, has %zu", was->name, was->size, now->size);
    }
    assert_null(now->name);
}

static void fields_and_values_stand_where_they_stood(void **state)
{
    (void)state;
    compare(abi_frozen, abi_today);
}

#ifdef ABI_HAS_CPP
static void in_cpp_too(void **state)
{
    (void)state;
    compare(abi_frozen, abi_today_cpp);
}
#endif

static void functions_are_exported(void **state)
{
    (void)state;
    assert_true(sizeof functions / sizeof *functions > 70);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (!functions[i].f)
            fail_msg("%s", functions[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_and_values_stand_where_they_stood),
#ifdef ABI_HAS_CPP
        cmocka_unit_test(in_cpp_too),
#endif
        cmocka_unit_test(functions_are_exported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
