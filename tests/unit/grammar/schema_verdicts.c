/* What the compiler of JSON Schema says of schemas and values, for scripts/peer_schemas.py to compare with others.
 *
 * Reads lines {"schema": ..., "values": [...], "draw": n, "seed": n}; writes for each one line: {"refused": "why"}, or
 * {"accepts": [the accepted text, or null; false: too many orders of members], "drawn": [n random texts of the form]}. {"nothing": true}: no value satisfies it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "sample/grammar/schema.h"
#include "value_orders.h"

#define MOST_DRAWN 4000 /* bytes of a text, from which on it is closed where it may be */
#define MOST_BYTES 20000

static const ct_json_style style = { ",", ":" };

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* The bytes that may come; those that close something count more, so that texts end. */
static uint8_t draw_byte(ct_automaton *a, uint32_t at, bool closes, uint64_t *seed, uint32_t *next)
{
    uint8_t bytes[256];
    uint32_t to[256];
    size_t n = 0, n_ascii = 0;
    for (unsigned b = 0; b < 256; b++) {
        const uint32_t t = ct_automaton_step(a, at, (uint8_t)b);
        if (t == CT_DEAD)
            continue;
        bytes[n] = (uint8_t)b, to[n++] = t;
        n_ascii += b < 128;
    }
    size_t pick = 0;
    if (n > 0)
        pick = next_random(seed) % (n_ascii > 0 && next_random(seed) % 16 ? n_ascii : n);
    for (size_t i = 0; i < n; i++)
        if (strchr("]}\"", bytes[i]) && bytes[i] && (closes || next_random(seed) % 8 == 0))
            pick = i;
    *next = n > 0 ? to[pick] : CT_DEAD;
    return n > 0 ? bytes[pick] : 0;
}

/* A random text; false: none came to its end. */
static bool draw(ct_automaton *a, size_t most, uint64_t *seed, ct_buf *text)
{
    uint32_t at = ct_automaton_start(a);
    ct_buf_clear(text);
    while (at != CT_DEAD && text->len < MOST_BYTES) {
        uint32_t next;
        const bool may_end = ct_automaton_may_end(a, at);
        const uint8_t byte = draw_byte(a, at, text->len > most, seed, &next);
        if (may_end && (next == CT_DEAD || text->len > most || next_random(seed) % 4 == 0))
            return true;
        if (next == CT_DEAD || !ct_buf_add(text, &byte, 1))
            return false;
        at = next;
    }
    return false;
}

static json_t *verdicts(ct_automaton *a, const json_t *line)
{
    json_t *accepts = json_array(), *drawn = json_array();
    const json_t *values = json_object_get(line, "values");
    const size_t n = (size_t)json_integer_value(json_object_get(line, "draw"));
    uint64_t seed = (uint64_t)json_integer_value(json_object_get(line, "seed"));
    ct_buf text;
    ct_buf_init(&text, (size_t)1 << 24);
    for (size_t i = 0; i < json_array_size(values); i++) {
        const order_verdict v = any_order_matches(a, json_array_get(values, i), &style, &text);
        json_array_append_new(accepts, v == ORDER_FOUND      ? json_stringn(text.data, text.len)
                                       : v == ORDER_TOO_MANY ? json_false()
                                                             : json_null());
    }
    for (size_t i = 0; i < n; i++) {
        static const size_t most[] = { 0, 20, 100, 400, MOST_DRAWN };
        if (draw(a, most[i % (sizeof most / sizeof *most)], &seed, &text))
            json_array_append_new(drawn, json_stringn(text.data, text.len));
    }
    ct_buf_deinit(&text);
    return json_pack("{soso}", "accepts", accepts, "drawn", drawn);
}

static json_t *answer(const json_t *line)
{
    ct_heap heap;
    uint32_t root;
    carat_err err;
    ct_program p = { 0 };
    ct_automaton *a = NULL;
    ct_heap_init(&heap, (size_t)64 << 20);
    ct_rules rules = { .heap = &heap };
    json_t *out;
    if (!ct_schema_compile("the schema", json_object_get(line, "schema"), false, &style, &rules, &root, &err) ||
        !ct_program_build("the schema", &rules, root, &p, &err))
        out = p.matches_nothing ? json_pack("{sb}", "nothing", 1) : json_pack("{ss}", "refused", err.msg);
    else if (!ct_automaton_open(&p, (size_t)1 << 27, &a, &err))
        abort();
    else
        out = verdicts(a, line);
    if (a && ct_automaton_failed(a, &err)) /* what it did not find it might have */
        json_object_set_new(out, "failed", json_string(err.msg));
    ct_automaton_close(a);
    ct_program_free(&p);
    ct_heap_deinit(&heap);
    return out;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    carat_err err;
    while ((len = getline(&line, &cap, stdin)) > 0) {
        json_t *v, *out;
        out = ct_json_parse("a line", line, (size_t)len, &v, &err) ? answer(v) : json_pack("{ss}", "unread", err.msg);
        json_decref(v);
        if (json_dumpf(out, stdout, JSON_COMPACT) != 0)
            return 1;
        putchar('\n');
        fflush(stdout);
        json_decref(out);
    }
    free(line);
    return 0;
}
