/* Answers at a terminal: lines of whole words, Markdown, and nothing lost however the text comes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/columns.h"
#include "cli/view.h"
#include "unit.h"

/* The text as it is shown, given in pieces of `piece` bytes. The caller frees it. */
static char *shown(const char *text, size_t piece, int width, view_looks looks)
{
    char *out = NULL;
    size_t len, n = strlen(text);
    FILE *f = open_memstream(&out, &len);
    view v;
    assert_non_null(f);
    view_begin(&v, f, looks);
    v.fixed_width = width;
    for (size_t at = 0; at < n; at += piece)
        assert_true(view_add(&v, text + at, n - at < piece ? n - at : piece));
    assert_true(view_end(&v));
    fclose(f);
    return out;
}

static void expect(const char *text, int width, view_looks looks, const char *want)
{
    for (size_t piece = 1; piece <= strlen(text) + 1; piece = piece < 9 ? piece + 1 : piece * 2) {
        char *got = shown(text, piece, width, looks);
        if (strcmp(got, want) != 0)
            fail_msg("'%s' in pieces of %zu: '%s', expected '%s'", text, piece, got, want);
        free(got);
    }
}

#define B "\x1b[0;1m"
#define I "\x1b[0;3m"
#define C "\x1b[0;36m"
#define D "\x1b[0;2m"
#define O "\x1b[0m"

static void lines_end_between_words(void **state)
{
    (void)state;
    expect("one two three four", 9, VIEW_LINES, "one two\nthree\nfour");
    expect("one two three four", 0, VIEW_PLAIN, "one two three four");
    expect("12345678 1", 10, VIEW_LINES, "12345678 1"); /* a line may be full */
    expect("123456789 1", 10, VIEW_LINES, "123456789\n1");
    expect("a\n\n  b  c\n", 10, VIEW_LINES, "a\n\n  b  c\n");
    expect("a https://example.org/long b", 10, VIEW_LINES, "a\nhttps://example.org/long b"); /* whole, to be copied */
    expect("- one two three\nfour", 10, VIEW_MARKDOWN, "- one two\n  three\nfour");
    expect("12. one two three", 12, VIEW_MARKDOWN, "12. one two\n    three");
}

static void columns_are_counted(void **state)
{
    (void)state;
    assert_int_equal(char_columns('a'), 1);
    assert_int_equal(char_columns(0x6f22), 2);
    assert_int_equal(char_columns(0x301), 0);
    assert_int_equal(char_columns(0x200d), 0);
    assert_int_equal(char_columns(0x1f600), 2);
    assert_int_equal(char_columns(0x5d0), 1);
    expect("\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57", 8, VIEW_LINES, "\u6f22\u5b57\u6f22\u5b57\n\u6f22\u5b57");
    expect("\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57", 7, VIEW_LINES, "\u6f22\u5b57\u6f22\n\u5b57\u6f22\u5b57");
    expect("\u6f22\u5b57\u6f22\u5b57\u3002\u5b57", 8, VIEW_LINES,
           "\u6f22\u5b57\u6f22\n\u5b57\u3002\u5b57"); /* no line begins with a stop */
    expect("\u300c\u6f22\u300d \ud55c\uad6d\uc5b4 \ub9d0", 10, VIEW_LINES,
           "\u300c\u6f22\u300d\n\ud55c\uad6d\uc5b4 \ub9d0");
    expect("e\u0301e\u0301e\u0301 e\u0301e\u0301", 6, VIEW_LINES,
           "e\u0301e\u0301e\u0301 e\u0301e\u0301"); /* 6 columns, 16 bytes */
    expect("x\U0001f469\u200d\U0001f467 y", 3, VIEW_LINES, "x\n\U0001f469\u200d\U0001f467 y");
}

static void markdown_is_light(void **state)
{
    (void)state;
    expect("a **bold** b", 80, VIEW_MARKDOWN, "a " B "bold " O "b");
    expect("*it* `x = 1`.", 80, VIEW_MARKDOWN, I "it " C "x = 1" O ".");
    expect("***both*** **a *b* c**", 80, VIEW_MARKDOWN, "\x1b[0;1;3mboth " B "a \x1b[0;1;3mb " B "c" O);
    expect("**a `**` b** ``a`b``", 80, VIEW_MARKDOWN, B "a \x1b[0;1;36m** " B "b " C "a`b" O);
    expect("## Title *x*\ntext", 80, VIEW_MARKDOWN, D "## " B "Title \x1b[0;1;3mx\n" O "text");
    expect("* item **b**", 80, VIEW_MARKDOWN, "* item " B "b" O);
    expect("```c\nint *a, *b;  // **x**\n```\n*z*", 80, VIEW_MARKDOWN,
           D "```c\n" C "int *a, *b;  // **x**\n" D "```\n" I "z" O);
    expect("```\na long line of code that is not wrapped\n  ```` \nb", 12, VIEW_MARKDOWN,
           D "```\n" C "a long line of code that is not wrapped\n  " D "```` \n" O "b");
    expect("| a | *b* |", 5, VIEW_MARKDOWN, "| a | *b* |");
    expect("\u3053\u308c**\u91cd\u8981**\u3067", 80, VIEW_MARKDOWN, "\u3053\u308c" B "\u91cd\u8981" O "\u3067");
    expect("(*a*), \"*b*\": **c (d)**, *e*.", 80, VIEW_MARKDOWN,
           "(" I "a" O "), \"" I "b" O "\": " B "c (d)" O ", " I "e" O ".");
    expect("**one two three**", 8, VIEW_MARKDOWN, B "one two\nthree" O);
}

static void what_is_no_mark_stays(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "2 * 3 * 4",
        "2*3*4",
        "2**3**4",
        "a ** b",
        "f(*args, **kwargs)",
        "SELECT COUNT(*), SUM(*) FROM t",
        "SELECT count(*) FROM t; SELECT t.*, u.* FROM t, u",
        "f(*a)(*b), f(*a)*(*b)",
        "(*p).x = (*q).y; [*a]*[*b]; {*a}*{*b}",
        "def f(a, *, b, **c) and g(*, x=*y)",
        "src/**/*.c, lib/**/*.h, *.c,*.h",
        "**/a.c, **/b.c",
        "/*a*/ b /*c*/",
        "x = *p*y, z=*q*-1",
        "*a) b*",
        "**(a** b)",
        "a|*|b|*|c",
        "char **a, **b; *a=*b",
        "$*, $*; %*d, %*d",
        "**open",
        "*open",
        "`open",
        "``a`",
        "** a **",
        "*a *",
        "snake_case_name __init__ _x_",
        "\\*a\\* \\`b\\`",
        "####### seven",
        "#hash",
        "-5",
        "- ",
        "1.5",
        "1234567890. x",
        "***",
        "---",
        "***\n",
        "a\n*b\nc* d",
        "~~a~~",
        "``",
        "*",
        "**",
        "```",
        "`a\nb`",
        "+1",
        "1)",
        "\\",
        "a\\",
        "    indented",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *got = shown(texts[i], 1, 80, VIEW_MARKDOWN), *to = got;
        for (const char *s = got; *s;) /* only styles may have come */
            if (*s == '\x1b')
                s += strcspn(s, "m") + 1;
            else
                *to++ = *s++;
        *to = '\0';
        assert_string_equal(got, texts[i]);
        free(got);
    }
    setenv("NO_COLOR", "1", 1); /* bold stays, colour does not: then backticks are what shows code */
    expect("**b** `c`", 80, VIEW_MARKDOWN, B "b " O "`c`");
    unsetenv("NO_COLOR");
}

static void a_terminal_gets_no_commands(void **state)
{
    (void)state;
    expect("a\x1b[31mb\x07\x7f"
           "c",
           80, VIEW_PLAIN, "a\u241b[31mb\u2407\u2421c");
    expect("a\xc2\x9b"
           "31mb",
           80, VIEW_MARKDOWN, "a\ufffd31mb");
    expect("a\r\nb\rc\r", 80, VIEW_LINES, "a\nb\u240dc\u240d");
    expect("a\xff\xe6\xbc", 80, VIEW_LINES, "a\ufffd\ufffd");
    char *raw = shown("a\x1b[31m**b**\xff\r", 3, 4, VIEW_RAW);
    assert_string_equal(raw, "a\x1b[31m**b**\xff\r");
    free(raw);
}

/* Text without styles, white space and marks. */
static void bare(char *s, const char *marks)
{
    char *to = s;
    while (*s)
        if (*s == '\x1b')
            s += strcspn(s, "m") + 1;
        else if (strchr(" \n\t", *s) || strchr(marks, *s))
            s++;
        else
            *to++ = *s++;
    *to = '\0';
}

static void no_character_is_lost(void **state)
{
    (void)state;
    static const char *const parts[] = { "*",
                                         "**",
                                         "`",
                                         "```",
                                         "\n",
                                         "\n\n",
                                         " ",
                                         "  ",
                                         "a",
                                         "word",
                                         "#",
                                         "- ",
                                         "1. ",
                                         "|",
                                         "\\",
                                         "\u6f22",
                                         "e\u0301",
                                         ".",
                                         "(",
                                         ")",
                                         "\t",
                                         "~~~",
                                         "long-long-long-word",
                                         "2" };
    enum { N_PARTS = sizeof parts / sizeof *parts };
    srand(1);
    for (int round = 0; round < 3000; round++) {
        char text[2048] = "", all[sizeof text];
        size_t len = 0;
        for (int i = rand() % 60; i > 0; i--)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s", parts[(size_t)rand() % N_PARTS]);
        const int width = 5 + rand() % 30;
        char *whole = shown(text, sizeof text, width, VIEW_MARKDOWN), *bytes = shown(text, 1, width, VIEW_MARKDOWN);
        char *lines = shown(text, 3, width, VIEW_LINES);
        assert_string_equal(whole, bytes); /* however it is cut */
        memcpy(all, text, sizeof all);
        bare(all, ""), bare(lines, "");
        assert_string_equal(lines, all);
        bare(all, "*`"), bare(whole, "*`");
        assert_string_equal(whole, all);
        free(whole), free(bytes), free(lines);
    }
}

static void a_mark_is_not_waited_for_forever(void **state)
{
    (void)state;
    char *out = NULL;
    size_t len;
    FILE *f = open_memstream(&out, &len);
    view v;
    view_begin(&v, f, VIEW_MARKDOWN);
    v.fixed_width = 80;
    assert_true(view_add(&v, "a b ", 4));
    assert_string_equal(out, "a b"); /* a word comes with its end */
    assert_true(view_add(&v, "**", 2));
    for (int i = 0; i < 200; i++)
        assert_true(view_add(&v, "word ", 5));
    assert_true(len > 500);
    assert_true(view_end(&v));
    fclose(f);
    assert_non_null(strstr(out, "**word"));
    free(out);
}

int main(void)
{
    setlocale(LC_ALL, "C"); /* columns do not depend on it */
    unsetenv("NO_COLOR");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_between_words),
        cmocka_unit_test(columns_are_counted),
        cmocka_unit_test(markdown_is_light),
        cmocka_unit_test(what_is_no_mark_stays),
        cmocka_unit_test(a_terminal_gets_no_commands),
        cmocka_unit_test(no_character_is_lost),
        cmocka_unit_test(a_mark_is_not_waited_for_forever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
