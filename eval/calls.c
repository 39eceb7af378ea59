/* BFCL's check of calls, by values.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/calls.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CALLS 64

static bool value_is(const json_t *want, const json_t *have);

/* Without what does not count; both at once. */
static bool same_text(const char *a, const char *b)
{
    static const char left_out[] = " ,./-_*^";
    for (;;) {
        a += strspn(a, left_out);
        b += strspn(b, left_out);
        const char x = *a == '\'' ? '"' : (char)tolower((unsigned char)*a);
        const char y = *b == '\'' ? '"' : (char)tolower((unsigned char)*b);
        if (x != y)
            return false;
        if (!x)
            return true;
        a++, b++;
    }
}

/* One of the values given for it. */
static bool is_among(const json_t *values, const json_t *have)
{
    size_t i;
    json_t *value;
    json_array_foreach(values, i, value) {
        if (value_is(value, have))
            return true;
    }
    return false;
}

static bool may_be_missing(const json_t *values)
{
    size_t i;
    json_t *value;
    json_array_foreach(values, i, value) {
        if (json_is_string(value) && !json_string_length(value))
            return true;
    }
    return false;
}

/* want: names with lists of values. */
static bool members_are(const json_t *want, const json_t *have)
{
    const char *key;
    json_t *values, *value;
    if (!json_is_object(have))
        return false;
    json_object_foreach((json_t *)(uintptr_t)have, key, value) {
        const json_t *right = json_object_get(want, key);
        if (!right || !is_among(right, value))
            return false;
    }
    json_object_foreach((json_t *)(uintptr_t)want, key, values) {
        if (!json_object_get(have, key) && !may_be_missing(values))
            return false;
    }
    return true;
}

static bool value_is(const json_t *want, const json_t *have)
{
    size_t i;
    json_t *element;
    if (json_is_string(want))
        return json_is_string(have) && json_string_length(want) &&
               same_text(json_string_value(want), json_string_value(have));
    if (json_is_integer(want))
        return json_is_number(have) && json_number_value(want) == json_number_value(have);
    if (json_is_real(want))
        return json_is_number(have) && json_number_value(want) == json_number_value(have);
    if (json_is_object(want))
        return members_are(want, have);
    if (!json_is_array(want))
        return json_equal(want, have); /* true, false, null */
    if (!json_is_array(have) || json_array_size(want) != json_array_size(have))
        return false;
    json_array_foreach(want, i, element) {
        if (!value_is(element, json_array_get(have, i)))
            return false;
    }
    return true;
}

static bool call_is(const json_t *expected, const json_t *call)
{
    const char *name;
    json_t *parameters;
    json_object_foreach((json_t *)(uintptr_t)expected, name, parameters) {
        const char *own = json_string_value(json_object_get(call, "name"));
        return own && strcmp(own, name) == 0 && members_are(parameters, json_object_get(call, "arguments"));
    }
    return false;
}

/* Are there calls, and all of them to be read? As the authors decode them: one whose arguments are no JSON makes all of them text. */
static bool are_calls(const json_t *calls)
{
    size_t i;
    json_t *call;
    json_array_foreach(calls, i, call) {
        const json_t *arguments = json_object_get(call, "arguments");
        if (!arguments || json_is_null(arguments))
            return false;
    }
    return json_array_size(calls);
}

double ct_eval_calls_right(const json_t *expected, const json_t *calls, const char **how)
{
    if (json_is_true(expected) || !json_array_size(expected)) {
        const bool are = are_calls(calls), is_right = are == json_is_true(expected);
        *how = is_right ? "right" : are ? "a call" : "no call";
        return is_right;
    }
    const size_t n = json_array_size(expected);
    bool used[MOST_CALLS] = { false };
    *how = json_array_size(calls) == n ? "another call"
           : json_array_size(calls)    ? "another number of calls"
                                       : "no call";
    if (json_array_size(calls) != n || n > MOST_CALLS)
        return 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n && (used[k] || !call_is(json_array_get(expected, i), json_array_get(calls, k))))
            k++;
        if (k == n)
            return 0;
        used[k] = true;
    }
    *how = "right";
    return 1;
}
