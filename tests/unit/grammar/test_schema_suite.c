/* The JSON-Schema-Test-Suite: each valid instance is a text of the grammar, each invalid one is not, or the schema is
 * refused by name. Prints what is wrong, and sums; with an argument, the refusals too.
 *
 * An instance is written canonically with its members in any order that the grammar accepts, up to 720 orders.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "sample/grammar/automaton.h"
#include "sample/grammar/schema.h"

#define SUITE       TEST_DATA "/json-schema/suite.jsonl"
#define MOST_ORDERS 720
/* As docs/GRAMMAR.md has them: more refusals than before are a loss too. */
#define N_SCHEMAS 616
#define N_REFUSED 256

static const ct_json_style style = { ",", ":" };

typedef struct tally {
    size_t schemas, refused, accepted, rejected, wrong;
} tally;

static bool text_matches(ct_automaton *a, const json_t *v)
{
    ct_buf text;
    ct_buf_init(&text, (size_t)1 << 20);
    bool yes = ct_json_canonical(v, &style, &text);
    uint32_t at = ct_automaton_start(a);
    for (size_t i = 0; yes && i < text.len; i++)
        at = ct_automaton_step(a, at, (uint8_t)text.data[i]);
    yes = yes && ct_automaton_may_end(a, at);
    ct_buf_deinit(&text);
    return yes;
}

/* The object's members in order number `order`; objects inside it likewise. Counts the orders there are. */
static json_t *in_order(const json_t *v, size_t order, size_t *n_orders)
{
    if (json_is_array(v)) {
        json_t *out = json_array();
        for (size_t i = 0; i < json_array_size(v); i++)
            json_array_append_new(out, in_order(json_array_get(v, i), order, n_orders));
        return out;
    }
    if (!json_is_object(v))
        return json_incref((json_t *)(uintptr_t)v);
    const char *keys[64], *key;
    json_t *member, *out = json_object();
    size_t n = 0, orders = 1;
    json_object_foreach((json_t *)(uintptr_t)v, key, member)
        if (n < 64)
            keys[n++] = key;
    for (size_t i = 2; i <= n && orders < MOST_ORDERS; i++)
        orders *= i;
    if (orders > *n_orders)
        *n_orders = orders;
    for (size_t left = n, o = order; left > 0; left--) {
        const size_t at = o % left;
        o /= left;
        json_object_set_new(out, keys[at], in_order(json_object_get(v, keys[at]), order, n_orders));
        memmove(keys + at, keys + at + 1, (left - 1 - at) * sizeof *keys);
    }
    return out;
}

static bool matches(ct_automaton *a, const json_t *v)
{
    size_t n = 1;
    bool yes = false;
    for (size_t order = 0; order < n && order < MOST_ORDERS && !yes; order++) {
        json_t *w = in_order(v, order, &n);
        yes = text_matches(a, w);
        json_decref(w);
    }
    return yes;
}

static void try_case(const json_t *c, tally *t, bool tells)
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
    if (!ct_schema_compile("the schema", json_object_get(c, "schema"), false, &style, &rules, &root, &err) ||
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
        const bool valid = json_is_true(ours ? ours : json_object_get(test, "valid"));
        const bool yes = a && matches(a, json_object_get(test, "data"));
        t->accepted += yes && valid;
        t->rejected += !yes && !valid;
        t->wrong += yes != valid;
        if (yes != valid)
            printf("WRONG    %s: %s: %s: is %s\n", from, description,
                   json_string_value(json_object_get(test, "description")), valid ? "valid" : "invalid");
    }
    ct_automaton_close(a);
    ct_program_free(&p);
    ct_heap_deinit(&heap);
}

int main(int argc, char **argv)
{
    tally t = { 0 };
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
        try_case(c, &t, argc > 1);
        json_decref(c);
    }
    free(text);
    printf("%zu schemas, %zu refused by name; of the others' instances %zu valid ones accepted, %zu invalid ones "
           "rejected, "
           "%zu wrong\n",
           t.schemas, t.refused, t.accepted, t.rejected, t.wrong);
    return t.wrong > 0 || t.schemas != N_SCHEMAS || t.refused != N_REFUSED;
}
