/* The JSON-Schema-Test-Suite: each valid instance is a text of the grammar, each invalid one is not, or the schema is
 * refused by name. Prints what is wrong, and sums; with an argument, the refusals too.
 *
 * So is the suite below "not", where what was valid is invalid. An instance is written canonically with its members in any order that the grammar accepts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "sample/grammar/automaton.h"
#include "sample/grammar/schema.h"
#include "value_orders.h"

#define SUITE TEST_DATA "/json-schema/suite.jsonl"
/* As docs/GRAMMAR.md has them: more refusals than before are a loss too. */
#define N_SCHEMAS 616
#define N_REFUSED 164

static const ct_json_style style = { ",", ":" };

typedef struct tally {
    size_t schemas, refused, accepted, rejected, wrong;
} tally;

static bool matches(ct_automaton *a, const json_t *v)
{
    ct_buf text;
    ct_buf_init(&text, (size_t)1 << 20);
    const order_verdict verdict = any_order_matches(a, v, &style, &text);
    ct_buf_deinit(&text);
    if (verdict == ORDER_TOO_MANY)
        abort();
    return verdict == ORDER_FOUND;
}

/* is_negated: the schema is one of "not" around the case's. */
static void try_case(const json_t *c, const json_t *schema, bool is_negated, tally *t, bool tells)
{
    const char *from = json_string_value(json_object_get(c, "from"));
    const char *description = json_string_value(json_object_get(c, "description"));
    ct_heap heap;
    ct_heap_init(&heap, (size_t)64 << 20);
    ct_rules rules = { .heap = &heap };
    uint32_t root;
    carat_err err;
    ct_program p = { 0 };
    ct_automaton *a = NULL;
    t->schemas++;
    if (!ct_schema_compile("the schema", schema, false, &style, &rules, &root, &err) ||
        !ct_program_build("the schema", &rules, root, &p, &err)) {
        const bool matches_nothing = p.matches_nothing;
        t->refused += !matches_nothing;
        if (tells && !matches_nothing)
            printf("refused  %s: %s: %s\n", from, description, err.msg);
        if (!matches_nothing) {
            ct_heap_deinit(&heap);
            return;
        }
    } else if (!ct_automaton_open(&p, (size_t)1 << 26, &a, &err)) {
        abort();
    }
    const json_t *tests = json_object_get(c, "tests");
    for (size_t i = 0; i < json_array_size(tests); i++) {
        const json_t *test = json_array_get(tests, i);
        const json_t *ours = json_object_get(test, "ours");
        const bool valid = json_is_true(ours ? ours : json_object_get(test, "valid")) != is_negated;
        const bool yes = a && matches(a, json_object_get(test, "data"));
        t->accepted += yes && valid;
        t->rejected += !yes && !valid;
        t->wrong += yes != valid;
        if (yes != valid)
            printf("WRONG    %s: %s%s: %s: is %s\n", from, is_negated ? "not " : "", description,
                   json_string_value(json_object_get(test, "description")), valid ? "valid" : "invalid");
    }
    ct_automaton_close(a);
    ct_program_free(&p);
    ct_heap_deinit(&heap);
}

static bool refers(const json_t *v)
{
    const char *key;
    json_t *member;
    bool yes = false;
    for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
        yes = yes || refers(json_array_get(v, i));
    if (json_is_object(v))
        json_object_foreach((json_t *)(uintptr_t)v, key, member)
            yes = yes || strcmp(key, "$ref") == 0 || strcmp(key, "$id") == 0 || refers(member);
    return yes;
}

/* What the schema rejects, accepted, and the other way round. References would lead elsewhere from within "not". */
static void try_negated(const json_t *c, tally *t)
{
    json_t *schema = json_object_get(c, "schema"), *draft = json_object_get(schema, "$schema");
    if (refers(schema))
        return;
    json_t *negated = json_pack("{sOsO*}", "not", schema, "$schema", draft);
    try_case(c, negated, true, t, false);
    json_decref(negated);
}

static void report(const char *what, const tally *t)
{
    printf("%s: %zu schemas, %zu refused by name; of the others' instances %zu valid ones accepted, %zu invalid ones "
           "rejected, %zu wrong\n",
           what, t->schemas, t->refused, t->accepted, t->rejected, t->wrong);
}

int main(int argc, char **argv)
{
    tally t = { 0 }, negated = { 0 };
    carat_err err;
    char *text;
    size_t len;
    (void)argv;
    if (!ct_read_file(SUITE, (size_t)64 << 20, &text, &len, &err)) {
        printf("%s\n", err.msg);
        return 1;
    }
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        json_t *c;
        if (!ct_json_parse("a line", line, (size_t)(end - line), &c, &err)) {
            printf("%s\n", err.msg);
            return 1;
        }
        try_case(c, json_object_get(c, "schema"), false, &t, argc > 1);
        try_negated(c, &negated);
        json_decref(c);
    }
    free(text);
    report("the suite", &t);
    report("its opposite", &negated);
    return t.wrong > 0 || negated.wrong > 0 || t.schemas != N_SCHEMAS || t.refused != N_REFUSED;
}
