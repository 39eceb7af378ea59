/* Grammars against a plain matcher that tries everything: programs, automata, the two notations, masks over a real
 * vocabulary's pieces.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "sample/grammar/automaton.h"
#include "sample/grammar/gbnf.h"
#include "sample/grammar/grammar.h"
#include "sample/grammar/regex.h"

#define TINY TEST_DATA "/models/tiny-tokenizer/"

/* ---- the plain matcher: the set of places where a match may end ---- */

#define LONGEST 24

typedef struct places {
    bool at[LONGEST + 1];
} places;

static places match(const ct_rules *r, const ct_expr *e, const char *s, size_t len, places from, unsigned depth);

static places none(void)
{
    return (places){ { false } };
}

static bool add(places *x, places y)
{
    bool changed = false;
    for (int i = 0; i <= LONGEST; i++) {
        changed = changed || (y.at[i] && !x->at[i]);
        x->at[i] = x->at[i] || y.at[i];
    }
    return changed;
}

static places match_repeat(const ct_rules *r, const ct_expr *e, const char *s, size_t len, places from, unsigned depth)
{
    places sum = none(), now = from;
    for (uint32_t i = 0; i < e->repeat.min && i < 200; i++)
        now = match(r, e->repeat.body, s, len, now, depth);
    add(&sum, now);
    const uint32_t more = e->repeat.max == CT_REPEAT_FOREVER ? 200 : e->repeat.max - e->repeat.min;
    for (uint32_t i = 0; i < more; i++) {
        now = match(r, e->repeat.body, s, len, now, depth);
        if (!add(&sum, now))
            break;
    }
    return sum;
}

static places match(const ct_rules *r, const ct_expr *e, const char *s, size_t len, places from, unsigned depth)
{
    places to = none();
    switch (e->kind) {
    case CT_EXPR_NOTHING:
        return to;
    case CT_EXPR_EMPTY:
    case CT_EXPR_COMMIT: /* no text notation has it */
        return from;
    case CT_EXPR_BYTES:
        for (size_t i = 0; i + e->bytes.len <= len; i++)
            if (from.at[i] && memcmp(s + i, e->bytes.s, e->bytes.len) == 0)
                to.at[i + e->bytes.len] = true;
        return to;
    case CT_EXPR_BYTE:
        for (size_t i = 0; i < len; i++)
            to.at[i + 1] = to.at[i + 1] || (from.at[i] && ct_byteset_has(e->byte, (uint8_t)s[i]));
        return to;
    case CT_EXPR_SET:
        for (size_t i = 0; i < len; i++) {
            uint32_t cp;
            const size_t n = ct_utf8_next(s + i, len - i, &cp);
            if (from.at[i] && cp != CT_UTF8_BAD && ct_charset_has(e->set, cp))
                to.at[i + n] = true;
        }
        return to;
    case CT_EXPR_SEQ:
        for (size_t i = 0; i < e->list.n; i++)
            from = match(r, e->list.v[i], s, len, from, depth);
        return from;
    case CT_EXPR_ALT:
        for (size_t i = 0; i < e->list.n; i++)
            add(&to, match(r, e->list.v[i], s, len, from, depth));
        return to;
    case CT_EXPR_REPEAT:
        return match_repeat(r, e, s, len, from, depth);
    case CT_EXPR_RULE:
        return depth > 40 ? to : match(r, r->v[e->rule].expr, s, len, from, depth + 1);
    }
    return to;
}

static bool plain_match(const ct_rules *r, uint32_t root, const char *s, size_t len)
{
    places from = none();
    from.at[0] = true;
    return match(r, r->v[root].expr, s, len, from, 0).at[len];
}

static bool automaton_match(ct_automaton *a, const char *s, size_t len)
{
    uint32_t state = ct_automaton_start(a);
    for (size_t i = 0; i < len; i++)
        state = ct_automaton_step(a, state, (uint8_t)s[i]);
    carat_err err;
    if (ct_automaton_failed(a, &err))
        fail_msg("%s", err.msg);
    return ct_automaton_may_end(a, state);
}

/* ---- made-up texts ---- */

static size_t make_text(uint64_t *rng, char out[LONGEST + 1])
{
    static const char *const parts[] = { "a", "b", "c", "\xc3\xa9", "\xe2\x82\xac", "1", "\n" };
    size_t n = 0;
    for (size_t k = ct_rng_next(rng) % 7; k-- > 0;) {
        const char *p = parts[ct_rng_next(rng) % (sizeof parts / sizeof *parts)];
        memcpy(out + n, p, strlen(p));
        n += strlen(p);
    }
    out[n] = '\0';
    return n;
}

static void put(char *out, const char *s)
{
    memcpy(out + strlen(out), s, strlen(s) + 1);
}

/* A regular expression of about `size` parts. */
static void make_regex(uint64_t *rng, int size, char *out)
{
    static const char *const atoms[] = { "a",   "b",  "c", "\xc3\xa9", ".", "[ab]", "[^a]", "[b-\xe2\x82\xac]",
                                         "\\d", "\\W" };
    static const char *const counts[] = { "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "{0,2}" };
    if (size <= 1) {
        put(out, atoms[ct_rng_next(rng) % (sizeof atoms / sizeof *atoms)]);
        return;
    }
    const int left = 1 + (int)(ct_rng_next(rng) % (unsigned)(size - 1));
    const bool is_alt = ct_rng_next(rng) % 3 == 0, is_group = ct_rng_next(rng) % 2;
    if (is_group)
        put(out, "(");
    make_regex(rng, left, out);
    put(out, is_alt ? "|" : "");
    make_regex(rng, size - left, out);
    if (is_group) {
        put(out, ")");
        if (ct_rng_next(rng) % 2)
            put(out, counts[ct_rng_next(rng) % (sizeof counts / sizeof *counts)]);
    }
}

static void random_regular_expressions(void **state)
{
    (void)state;
    uint64_t rng = 11;
    size_t matched = 0, tried = 0;
    for (int round = 0; round < 1500; round++) {
        char pattern[1024] = "", text[LONGEST + 1];
        make_regex(&rng, 1 + (int)(ct_rng_next(&rng) % 8), pattern);
        ct_heap heap;
        ct_heap_init(&heap, (size_t)1 << 22);
        ct_rules rules = { .heap = &heap };
        const uint32_t root = ct_rules_add(&rules, "root");
        carat_err err;
        ct_program p;
        ct_automaton *a;
        const ct_regex_extent extent = round % 2 ? CT_REGEX_WHOLE : CT_REGEX_PART;
        if (!ct_regex_parse("the pattern", pattern, strlen(pattern), extent, &heap, &rules.v[root].expr, &err) ||
            !ct_program_build("the pattern", &rules, root, &p, &err) ||
            !ct_automaton_open(&p, (size_t)1 << 26, &a, &err))
            fail_msg("%s: %s", pattern, err.msg);
        for (int k = 0; k < 60; k++, tried++) {
            const size_t n = make_text(&rng, text);
            const bool want = plain_match(&rules, root, text, n);
            if (automaton_match(a, text, n) != want)
                fail_msg("'%s' and '%s': %s expected", pattern, text, want ? "a match" : "no match");
            matched += want;
        }
        ct_automaton_close(a);
        ct_program_free(&p);
        ct_heap_deinit(&heap);
    }
    assert_true(matched > tried / 20 && matched < tried - tried / 20); /* it tells something */
}

/* ---- regular expressions by hand ---- */

static bool regex_matches(const char *pattern, ct_regex_extent extent, const char *text)
{
    ct_heap heap;
    ct_heap_init(&heap, (size_t)1 << 22);
    ct_rules rules = { .heap = &heap };
    const uint32_t root = ct_rules_add(&rules, "root");
    carat_err err;
    ct_program p;
    ct_automaton *a;
    if (!ct_regex_parse("the pattern", pattern, strlen(pattern), extent, &heap, &rules.v[root].expr, &err) ||
        !ct_program_build("the pattern", &rules, root, &p, &err) || !ct_automaton_open(&p, (size_t)1 << 26, &a, &err))
        fail_msg("%s: %s", pattern, err.msg);
    const bool yes = automaton_match(a, text, strlen(text));
    ct_automaton_close(a);
    ct_program_free(&p);
    ct_heap_deinit(&heap);
    return yes;
}

static void regular_expressions_mean_what_ecma_says(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool whole, part;
    } cases[] = {
        { "abc", "abc", true, true },
        { "abc", "xabcx", false, true },
        { "^abc", "abcx", false, true },
        { "^abc", "xabc", false, false },
        { "abc$", "xabc", false, true },
        { "^a|b$", "axx", false, true },
        { "^a|b$", "xxb", false, true },
        { "^a|b$", "xax", false, false },
        { "(^|,)a(,|$)", "b,a", false, true },
        { "(^|,)a(,|$)", "ba", false, false },
        { "a{2,3}", "aa", true, true },
        { "a{2,3}", "aaaa", false, true },
        { "^a{2,3}$", "aaaa", false, false },
        { "a{,3}", "a{,3}", true, true },
        { "x{y}", "x{y}", true, true },
        { "[\\]\\-a]+", "-]a", true, true },
        { "[a-]", "-", true, true },
        { "[^\\d\\s]", "\xc3\xa9", true, true },
        { "[^\\d\\s]", "7", false, false },
        { ".", "\n", false, false },
        { "\\u00e9", "\xc3\xa9", true, true },
        { "\\u{1F600}", "\xf0\x9f\x98\x80", true, true },
        { "\\ud83d\\ude00", "\xf0\x9f\x98\x80", true, true },
        { "(?<year>\\d{4})-(?:0[1-9]|1[0-2])", "2025-12", true, true },
        { "(?<year>\\d{4})-(?:0[1-9]|1[0-2])", "2025-13", false, false },
        { "a*?b", "aab", true, true },
        { "", "", true, true },
        { "", "x", false, true },
        { "\\/\\.\\$", "/.$", true, true },
        { "(a*)*b", "aaaab", true, true },
        { "(a?){3}", "", true, true },
        { "a{1000}", "a", false, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (regex_matches(cases[i].pattern, CT_REGEX_WHOLE, cases[i].text) != cases[i].whole)
            fail_msg("'%s' and all of '%s'", cases[i].pattern, cases[i].text);
        if (regex_matches(cases[i].pattern, CT_REGEX_PART, cases[i].text) != cases[i].part)
            fail_msg("'%s' in '%s'", cases[i].pattern, cases[i].text);
    }
}

static void what_is_not_regular_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "a(?=b)", "look-around" },    { "(?<!a)b", "look-around" },   { "(a)\\1", "back-references" },
        { "\\bword\\b", "boundaries" }, { "\\p{L}", "properties" },     { "a^b", "'^' after" },
        { "a$b", "'$' where" },         { "(^a)*", "repeated" },        { "(", "no end" },
        { "a)", "without its" },        { "[a", "too early" },          { "*a", "nothing to repeat" },
        { "a**", "nothing to repeat" }, { "[b-a]", "wrong order" },     { "a{3,2}", "wrong order" },
        { "\\q", "does not exist" },    { "\\ud800", "surrogate" },     { "(?i)a", "flags" },
        { "\\u{110000}", "no such" },   { "a{2000000000}", "billion" }, { "\xff", "UTF-8" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ct_heap heap;
        ct_heap_init(&heap, (size_t)1 << 20);
        carat_err err;
        const ct_expr *e;
        assert_false(ct_regex_parse("the pattern", cases[i][0], strlen(cases[i][0]), CT_REGEX_PART, &heap, &e, &err));
        assert_int_equal(err.code, CARAT_EARG);
        if (!strstr(err.msg, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], err.msg);
        ct_heap_deinit(&heap);
    }
}

/* ---- GBNF ---- */

typedef struct built {
    ct_heap heap;
    ct_rules rules;
    uint32_t root;
} built;

static bool parse_gbnf(const char *text, built *b, carat_err *err)
{
    *b = (built){ 0 };
    ct_heap_init(&b->heap, (size_t)1 << 22);
    b->rules.heap = &b->heap;
    return ct_gbnf_parse(text, strlen(text), &b->rules, &b->root, err);
}

static const char *const json_grammar =
    "# values\n"
    "root ::= value\n"
    "value ::= object | array | string | number | (\"true\" | \"false\" |\n  \"null\")\n"
    "object ::= \"{\" ( pair (\",\" pair)* )? \"}\"\n"
    "pair ::= string \":\" value # a comment\n"
    "array ::= \"[\" ( value (\",\" value)* )? \"]\"\n"
    "string ::= \"\\\"\" ( [^\"\\\\\\x00-\\x1f] | \"\\\\\" [\"\\\\/bfnrt] )* \"\\\"\"\n"
    "number ::= \"-\"? ( [0-9] | [1-9] [0-9]{1,15} ) ( \".\" [0-9]+ )?\n";

static void gbnf_grammars(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool matches;
    } cases[] = {
        { "{}", true },
        { "[[],[[]],{\"a\":[1,2]}]", true },
        { "{\"a\":1,\"\xc3\xa9\":\"x\\n\"}", true },
        { "[1,]", false },
        { "[01]", false },
        { "-1.50", true },
        { "\"\n\"", false },
        { "nul", false },
        { "[[[[[[[[[[[[]]]]]]]]]]]]", true },
        { "[[[[[[[[[[[[]]]]]]]]]]]", false },
    };
    built b;
    carat_err err;
    ct_program p;
    ct_automaton *a;
    if (!parse_gbnf(json_grammar, &b, &err) || !ct_program_build("the grammar", &b.rules, b.root, &p, &err) ||
        !ct_automaton_open(&p, (size_t)1 << 26, &a, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (automaton_match(a, cases[i].text, strlen(cases[i].text)) != cases[i].matches)
            fail_msg("%s", cases[i].text);
    /* Brackets 20,000 deep, with states forgotten in the middle. */
    uint32_t at = ct_automaton_start(a);
    for (int i = 0; i < 20000; i++)
        at = ct_automaton_step(a, at, '[');
    const size_t before = ct_automaton_bytes(a);
    assert_true(ct_automaton_compact(a, &at, 1));
    assert_true(ct_automaton_bytes(a) < before);
    for (int i = 0; i < 20000; i++) {
        assert_false(ct_automaton_may_end(a, at));
        at = ct_automaton_step(a, at, ']');
    }
    assert_true(ct_automaton_may_end(a, at));
    ct_automaton_close(a);
    ct_program_free(&p);
    ct_heap_deinit(&b.heap);
}

static void gbnf_mistakes_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "a ::= \"x\"", "no rule 'root'" },
        { "root ::= b", "'b' is not defined" },
        { "root ::= \"x", "no end" },
        { "root ::= [x", "no end" },
        { "root ::= (\"x\"", "no end" },
        { "root ::= \"x\")", "without its" },
        { "root ::= \"x\"\nroot ::= \"y\"", "line 2: a rule is defined twice" },
        { "root = \"x\"", "'::='" },
        { "root ::= <think>", "tokens" },
        { "root ::= root \"x\" | \"y\"", "begin with itself" },
        { "root ::= a? root | \"y\"\na ::= \"x\"", "begin with itself" },
        { "root ::= a \"x\"\na ::= b\nb ::= a | \"z\"", "begin with itself" },
        { "root ::= \"x\" root", "no text can match" },
        { "root ::= [^\\x00-\\U0010FFFF]", "no text can match" },
        { "root ::= \"a\"{3,2}", "wrong order" },
        { "root ::= (\"a\"?){1,1000}", "64 times" },
        { "root ::= \"\\q\"", "escape" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        built b;
        carat_err err;
        ct_program p;
        const bool ok =
            parse_gbnf(cases[i][0], &b, &err) && ct_program_build("the grammar", &b.rules, b.root, &p, &err);
        if (ok || err.code != CARAT_EARG || !strstr(err.msg, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], ok ? "accepted" : err.msg);
        ct_heap_deinit(&b.heap);
    }
}

/* ---- masks ---- */

typedef struct world {
    carat_tokenizer *tok;
    ct_trie trie;
} world;

static int open_world(void **state)
{
    static world w;
    carat_err err;
    if (!ct_tokenizer_from_folder(TINY, &w.tok, &err) || !ct_trie_open(w.tok, SIZE_MAX, &w.trie, &err))
        fail_msg("%s", err.msg);
    *state = &w;
    return 0;
}

static int close_world(void **state)
{
    world *w = *state;
    ct_trie_close(&w->trie);
    ct_tokenizer_close(w->tok);
    return 0;
}

static ct_grammar *open_gbnf(const world *w, const char *text)
{
    built b;
    carat_err err;
    ct_grammar *g;
    if (!parse_gbnf(text, &b, &err) || !ct_grammar_open("the grammar", &b.rules, b.root, &w->trie, &g, &err))
        fail_msg("%s", err.msg);
    ct_heap_deinit(&b.heap);
    return g;
}

/* A random answer under the mask: fill says of every token what allows says, and the whole is a text of the grammar. */
static void wander(ct_grammar *g, const world *w, uint64_t *rng, size_t steps, bool use_forced)
{
    const size_t n = w->trie.n_tokens;
    uint32_t *bits = malloc((n + 31) / 32 * sizeof *bits);
    ct_buf text;
    ct_buf_init(&text, (size_t)1 << 20);
    ct_mask m;
    carat_err err;
    if (!ct_grammar_mask(g, n, &m, &err))
        fail_msg("%s", err.msg);
    for (size_t k = 0;; k++) {
        int32_t ids[64], id = -1;
        size_t len;
        if (m.may_end(m.self) && (k >= steps || ct_rng_next(rng) % 8 == 0))
            break;
        if (k > steps + 4000)
            break; /* a grammar that leads ever deeper need not end */
        if (!m.fill(m.self, bits, &err))
            fail_msg("%s", err.msg);
        size_t allowed = 0, pick;
        for (size_t i = 0; i < n; i++) {
            const bool is_set = bits[i / 32] >> (i % 32) & 1;
            if (m.allows(m.self, (int32_t)i) != is_set)
                fail_msg("token %zu behind '%s': fill says %d", i, text.data ? text.data : "", is_set);
            allowed += is_set;
        }
        if (allowed == 0) {
            assert_true(m.may_end(m.self));
            break;
        }
        pick = ct_rng_next(rng) % allowed;
        for (size_t i = 0; i < n && id < 0; i++)
            if ((bits[i / 32] >> (i % 32) & 1) && pick-- == 0)
                id = (int32_t)i;
        const size_t n_forced = m.forced(m.self, ids, 64);
        assert_true(n_forced == 0 || (allowed == 1 && ids[0] == id));
        for (size_t i = 0; i < (use_forced && n_forced ? n_forced : 1); i++) {
            const int32_t next = use_forced && n_forced ? ids[i] : id;
            const char *s = ct_tok_bytes(w->tok, next, &len);
            ct_buf_add(&text, s, len);
            m.accept(m.self, next);
        }
    }
    bool matches;
    if (!ct_grammar_matches(g, text.data ? text.data : "", text.len, &matches, &err))
        fail_msg("%s", err.msg);
    if (m.may_end(m.self) != matches)
        fail_msg("'%s'", text.data);
    m.close(m.self);
    ct_buf_deinit(&text);
    free(bits);
}

static void masks_agree_with_the_grammar(void **state)
{
    const world *w = *state;
    static const char *const grammars[] = {
        "root ::= \"yes\" | \"no\" | \"maybe \" [0-9]{1,3}",
        "root ::= \"{\\\"answer to the question\\\": \\\"\" [a-z\\U000000C0-\\U000020FF ]{0,20} \"\\\"}\"",
        "root ::= \"(\" root? \")\" | [a-c]",
        "root ::= (\"a\" | \"ab\" | \"abc\"){2,5}",
    };
    uint64_t rng = 5;
    for (size_t i = 0; i <= sizeof grammars / sizeof *grammars; i++) {
        ct_grammar *g = open_gbnf(w, i ? grammars[i - 1] : json_grammar);
        for (int k = 0; k < 6; k++)
            wander(g, w, &rng, 30, k % 2);
        ct_grammar_release(g);
    }
}

static void the_trie_holds_every_token_of_text(void **state)
{
    const world *w = *state;
    size_t want = 0, found = 0;
    for (size_t id = 0; id < w->trie.n_tokens; id++) {
        size_t len;
        ct_tok_bytes(w->tok, (int32_t)id, &len);
        want += ct_tok_is_samplable(w->tok, (int32_t)id) && !ct_tok_is_control(w->tok, (int32_t)id) && len;
    }
    char path[256];
    for (uint32_t i = 0; i < w->trie.n_nodes; i++) {
        const ct_trie_node *n = &w->trie.nodes[i];
        path[n->depth - 1] = (char)n->byte;
        assert_true(n->end > i && n->end <= w->trie.n_nodes);
        for (int32_t id = n->token; id >= 0; id = w->trie.twins[id], found++) {
            size_t len;
            const char *s = ct_tok_bytes(w->tok, id, &len);
            assert_int_equal(len, n->depth);
            assert_memory_equal(s, path, len);
        }
    }
    assert_int_equal(found, want);
    assert_true(want > 100);
}

/* Two answers of one grammar; what is forced is what the tokenizer makes of the text, its last token left free. */
static void forced_text_is_spelled_as_the_tokenizer_does(void **state)
{
    const world *w = *state;
    static const char text[] = "the red star and the blue star";
    ct_grammar *g = open_gbnf(w, "root ::= \"the red star and the blue star\"");
    ct_ids want = { 0 };
    ct_mask m;
    carat_err err;
    int32_t ids[64];
    assert_true(ct_tok_encode(w->tok, text, strlen(text), 0, &want, &err));
    assert_true(ct_grammar_mask(g, w->trie.n_tokens, &m, &err));
    const size_t n = m.forced(m.self, ids, 64);
    assert_int_equal(n, want.n - 1);
    assert_memory_equal(ids, want.v, n * sizeof *ids);
    assert_int_equal(m.forced(m.self, ids, 2), 2);
    for (size_t i = 0; i < want.n; i++) {
        assert_true(m.allows(m.self, want.v[i]));
        assert_false(m.may_end(m.self));
        m.accept(m.self, want.v[i]);
    }
    assert_true(m.may_end(m.self));
    m.close(m.self);
    ct_grammar_release(g);
    ct_ids_deinit(&want);
}

static bool allowed(const world *w, const char *grammar, const char *begun, int32_t id)
{
    ct_grammar *g = open_gbnf(w, grammar);
    ct_mask m;
    carat_err err;
    uint32_t *bits = calloc(w->trie.n_tokens / 32 + 1, sizeof *bits);
    assert_true(bits && ct_grammar_mask(g, w->trie.n_tokens, &m, &err));
    for (size_t at = 0, len; begun[at]; at += len) { /* a character at a time, where nothing is forced */
        int32_t next = ct_tok_find(w->tok, begun + at, 1);
        m.forced(m.self, &next, 1);
        assert_true(next >= 0 && m.allows(m.self, next));
        m.accept(m.self, next);
        ct_tok_bytes(w->tok, next, &len);
    }
    const bool is = m.allows(m.self, id);
    assert_true(m.fill(m.self, bits, &err));
    assert_int_equal(bits[id / 32] >> (id % 32) & 1, is);
    m.close(m.self);
    ct_grammar_release(g);
    free(bits);
    return is;
}

/* A 270M wrote "ls<unused816>" as a command. */
static void names_of_the_vocabulary_are_no_text_of_a_form(void **state)
{
    const world *w = *state;
    static const char *const names[] = { "<unused0>", "<unused3>", "<mask>", "[multimodal]" };
    static const char choice[] = "root ::= \"<unused0>\" | \"<unused3>\" | \"<mask>\" | \"[multimodal]\" | \"no\"";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int32_t id = ct_tok_find(w->tok, names[i], strlen(names[i]));
        assert_true(id >= 0 && ct_tok_is_placeholder(w->tok, id));
        assert_false(allowed(w, "root ::= \"{\\\"\" [^\"]* \"\\\"}\"", "{\"ls", id));
        assert_false(allowed(w, "root ::= [ -~]+", "", id));
        assert_false(allowed(w, json_grammar, "{\"a\":\"b", id));
        assert_true(allowed(w, choice, "", id)); /* it is the form's own */
    }
    const int32_t lines = ct_tok_find(w->tok, "\n\n", 2); /* an added token, too */
    assert_true(lines >= 0 && !ct_tok_is_placeholder(w->tok, lines));
}

static void ambiguity_beyond_the_limit_is_an_error(void **state)
{
    const world *w = *state;
    ct_grammar *g = open_gbnf(w, "root ::= (\"a\"{1,90} \"a\"{1,90}){1,90} \"b\"");
    char text[4000];
    bool matches;
    carat_err err;
    memset(text, 'a', sizeof text);
    assert_false(ct_grammar_matches(g, text, sizeof text, &matches, &err));
    assert_int_equal(err.code, CARAT_ELIMIT);
    assert_non_null(strstr(err.msg, "too ambiguous"));
    assert_true(ct_grammar_matches(g, "aab", 3, &matches, &err) && matches); /* and serves on */
    ct_grammar_release(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_regular_expressions),
        cmocka_unit_test(regular_expressions_mean_what_ecma_says),
        cmocka_unit_test(what_is_not_regular_is_refused_by_name),
        cmocka_unit_test(gbnf_grammars),
        cmocka_unit_test(gbnf_mistakes_are_named),
        cmocka_unit_test(the_trie_holds_every_token_of_text),
        cmocka_unit_test(masks_agree_with_the_grammar),
        cmocka_unit_test(forced_text_is_spelled_as_the_tokenizer_does),
        cmocka_unit_test(names_of_the_vocabulary_are_no_text_of_a_form),
        cmocka_unit_test(ambiguity_beyond_the_limit_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
