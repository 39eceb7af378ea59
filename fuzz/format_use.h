/* format_use.h - for the targets of response formats: one form compiled under small and large ceilings, and a text run through it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FUZZ_FORMAT_USE_H
#define CT_FUZZ_FORMAT_USE_H

#include <string.h>

#include "fuzz.h"
#include "sample/grammar/automaton.h"
#include "sample/grammar/compile.h"
#include "sample/grammar/program.h"

/* Goes where the automaton lets it, steered by the input's bytes, behind a beginning that it lets come. Every state that is
 * reached can reach the end. */
static void fuzz_walk(ct_automaton *a, const char *begin, const uint8_t *data, size_t size)
{
    carat_err err;
    uint32_t at = ct_automaton_start(a);
    for (; *begin && !ct_automaton_failed(a, &err); begin++)
        at = ct_automaton_step(a, at, (uint8_t)*begin);
    for (size_t i = 0; i < 2000 && !ct_automaton_failed(a, &err); i++) {
        const uint8_t want = size ? data[i % size] : 0;
        const int only = ct_automaton_only_byte(a, at);
        uint32_t next = CT_DEAD;
        FUZZ_MUST(at != CT_DEAD);
        for (unsigned k = 0; k < 256 && next == CT_DEAD && !ct_automaton_failed(a, &err); k++) {
            const uint8_t byte = (uint8_t)(want + 37 * k);
            next = ct_automaton_step(a, at, byte);
            FUZZ_MUST(next == CT_DEAD || only < 0 || only == byte);
        }
        if (next == CT_DEAD) {
            FUZZ_MUST(ct_automaton_failed(a, &err) || ct_automaton_may_end(a, at));
            break;
        }
        at = next;
        if (i % 64 == 63)
            FUZZ_MUST(ct_automaton_compact(a, &at, 1));
    }
    if (ct_automaton_failed(a, &err))
        FUZZ_MUST(err.code == CARAT_ELIMIT && err.msg[0]);
}

/* The size decides about memory, too: what ends in the middle must end cleanly. */
static void fuzz_heap_init(ct_heap *heap, size_t size)
{
    ct_heap_init(heap, size % 3 ? (size_t)8 << 20 : (size_t)2000 + size * 20);
}

/* Rules that were made, or not (err), to their end. */
static void fuzz_rules(bool ok, ct_rules *rules, uint32_t root, carat_err *err, const char *begin, const uint8_t *data,
                       size_t size)
{
    ct_program p = { 0 };
    ct_automaton *a = NULL;
    ok = ok && ct_program_build("it", rules, root, &p, err) && ct_automaton_open(&p, (size_t)4 << 20, &a, err);
    FUZZ_MUST(ok || (err->code != CARAT_OK && err->code != CARAT_ENOMEM && err->msg[0]));
    ct_heap_deinit(rules->heap);
    if (ok && ct_automaton_start(a) != CT_DEAD)
        fuzz_walk(a, begin, data, size);
    ct_automaton_close(a);
    ct_program_free(&p);
}

static inline void fuzz_form(carat_format_kind kind, const uint8_t *data, size_t size)
{
    const carat_format_options o = { .struct_size = sizeof o,
                                     .kind = kind,
                                     .text = size ? (const char *)data : "",
                                     .text_len = size,
                                     .has_spaces = kind == CARAT_FORMAT_JSON_SCHEMA && size % 2 };
    ct_heap heap;
    fuzz_heap_init(&heap, size);
    ct_rules rules = { .heap = &heap };
    carat_err err = { .code = CARAT_OK };
    uint32_t root = 0;
    const bool ok = ct_format_rules(&o, NULL, 0, &rules, &root, &err);
    fuzz_rules(ok, &rules, root, &err, "", data, size);
}

#endif
