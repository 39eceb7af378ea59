/* The 25 kinds of IFEval's instructions, each on one text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "eval/ifeval.h"
#include "eval/text.h"

#define YES(x) ((x) ? CT_EVAL_FOLLOWED : CT_EVAL_NOT_FOLLOWED)

/* ---- arguments ---- */

static const char *text_arg(const json_t *args, const char *key)
{
    return json_string_value(json_object_get(args, key));
}

/* A whole number, also as 300.0. */
static size_t number_arg(const json_t *args, const char *key)
{
    const double x = json_number_value(json_object_get(args, key));
    return x > 0 && x < 1e9 ? (size_t)x : 0;
}

/* "less than" or "at least". */
static ct_eval_verdict compared(const json_t *args, const char *relation, size_t have, size_t want)
{
    return YES(strcmp(text_arg(args, relation), "less than") == 0 ? have < want : have >= want);
}

/* ---- places in a text ---- */

static uint32_t char_at(const char *s)
{
    uint32_t c = 0;
    if (*s)
        ct_utf8_next(s, strlen(s) < 4 ? strlen(s) : 4, &c);
    return c;
}

static size_t len_of(const char *s)
{
    uint32_t c;
    return *s ? ct_utf8_next(s, strlen(s) < 4 ? strlen(s) : 4, &c) : 0;
}

static uint32_t char_before(const char *text, const char *at)
{
    while (at > text && ((unsigned char)*--at & 0xC0) == 0x80)
        ;
    return char_at(at);
}

static const char *skip_space(const char *s)
{
    while (*s && ct_eval_is_space(char_at(s)))
        s += len_of(s);
    return s;
}

static bool blank(const char *s, size_t len)
{
    for (const char *end = s + len; s < end; s += len_of(s))
        if (!ct_eval_is_space(char_at(s)))
            return false;
    return true;
}

static bool has_metachar(const char *word)
{
    return strpbrk(word, ".^$*+?{}[]\\|()") != NULL;
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    const size_t len = strlen(what);
    for (const char *at = len ? strstr(text, what) : NULL; at; at = strstr(at + len, what))
        n++;
    return n;
}

/* As a word of its own? */
static bool has_word(const char *text, const char *word)
{
    const size_t len = strlen(word);
    const bool begins = ct_eval_is_word_char(char_at(word)), ends = ct_eval_is_word_char(char_before(word, word + len));
    for (const char *at = strstr(text, word); at && len; at = strstr(at + 1, word)) {
        const bool before = at > text && ct_eval_is_word_char(char_before(text, at));
        const bool behind = ct_eval_is_word_char(char_at(at + len));
        if (before != begins && behind != ends)
            return true;
    }
    return false;
}

/* ---- keywords ---- */

static ct_eval_verdict all_words(const json_t *args, const char *key, const char *text, bool forbidden)
{
    size_t i;
    json_t *word;
    char *small = ct_eval_lower(text);
    ct_eval_verdict v = small ? CT_EVAL_FOLLOWED : CT_EVAL_NOT_JUDGED;
    json_array_foreach(json_object_get(args, key), i, word) {
        char *w = ct_eval_lower(json_string_value(word));
        if (!w || !small || has_metachar(w))
            v = CT_EVAL_NOT_JUDGED; /* it would be an expression there */
        else if (v == CT_EVAL_FOLLOWED)
            v = YES(forbidden ? !has_word(small, w) : strstr(small, w) != NULL);
        free(w);
    }
    free(small);
    return v;
}

static ct_eval_verdict check_existence(const json_t *args, const char *text)
{
    return all_words(args, "keywords", text, false);
}

static ct_eval_verdict check_forbidden(const json_t *args, const char *text)
{
    return all_words(args, "forbidden_words", text, true);
}

static ct_eval_verdict check_frequency(const json_t *args, const char *text)
{
    char *trimmed = ct_eval_trimmed(text_arg(args, "keyword")), *word = trimmed ? ct_eval_lower(trimmed) : NULL,
         *small = ct_eval_lower(text);
    ct_eval_verdict v = CT_EVAL_NOT_JUDGED;
    if (word && small && *word && !has_metachar(word))
        v = compared(args, "relation", count_of(small, word), number_arg(args, "frequency"));
    free(trimmed);
    free(word);
    free(small);
    return v;
}

static ct_eval_verdict check_letter(const json_t *args, const char *text)
{
    const char *letter = text_arg(args, "letter");
    const char c = (char)(*letter >= 'A' && *letter <= 'Z' ? *letter + 32 : *letter);
    if (letter[0] == '\0' || letter[1] || c < 'a' || c > 'z')
        return CT_EVAL_NOT_JUDGED; /* the authors' program draws another */
    size_t n = 0;
    for (; *text; text++)
        n += *text == c || *text + 32 == c;
    return compared(args, "let_relation", n, number_arg(args, "let_frequency"));
}

/* ---- length ---- */

static ct_eval_verdict check_sentences(const json_t *args, const char *text)
{
    size_t low, high;
    const size_t want = number_arg(args, "num_sentences");
    ct_eval_count_sentences(text, &low, &high);
    const ct_eval_verdict a = compared(args, "relation", low, want), b = compared(args, "relation", high, want);
    return a == b ? a : CT_EVAL_NOT_JUDGED;
}

static ct_eval_verdict check_words(const json_t *args, const char *text)
{
    return compared(args, "relation", ct_eval_count_words(text), number_arg(args, "num_words"));
}

/* Parts between marks; a blank one counts only inside, and there it is wrong. SIZE_MAX: there was one. */
static size_t parts_between(const char *text, const char *mark)
{
    size_t n = 0;
    const size_t len = strlen(mark);
    for (const char *at = text, *next;; at = next + len) {
        next = strstr(at, mark);
        const bool is_blank = blank(at, next ? (size_t)(next - at) : strlen(at));
        if (is_blank && next && at != text)
            return SIZE_MAX;
        n += !is_blank;
        if (!next)
            return n;
    }
}

static ct_eval_verdict check_paragraphs(const json_t *args, const char *text)
{
    return YES(parts_between(text, "***") == number_arg(args, "num_paragraphs"));
}

static ct_eval_verdict check_first_word(const json_t *args, const char *text)
{
    const size_t want = number_arg(args, "num_paragraphs"), nth = number_arg(args, "nth_paragraph");
    size_t n = 0, k = 0;
    const char *paragraph = NULL, *end = NULL;
    if (nth < 1 || nth > want)
        return CT_EVAL_NOT_JUDGED; /* another one is drawn there */
    for (const char *at = text, *next;; at = next + 2) {
        next = strstr(at, "\n\n");
        const size_t len = next ? (size_t)(next - at) : strlen(at);
        n += !blank(at, len);
        if (++k == nth)
            paragraph = at, end = at + len;
        if (!next)
            break;
    }
    if (nth > n || !paragraph || blank(paragraph, (size_t)(end - paragraph)))
        return CT_EVAL_NOT_FOLLOWED;
    paragraph = skip_space(paragraph);
    paragraph += strspn(paragraph, "'");
    paragraph += strspn(paragraph, "\"");
    const char *stop = paragraph;
    while (*stop && !strchr(".,?!'\"", *stop) && !ct_eval_is_space(char_at(stop)))
        stop += len_of(stop);
    char *word = strndup(paragraph, (size_t)(stop - paragraph)), *small = word ? ct_eval_lower(word) : NULL,
         *wanted = ct_eval_lower(text_arg(args, "first_word"));
    const ct_eval_verdict v = small && wanted ? YES(n == want && strcmp(small, wanted) == 0) : CT_EVAL_NOT_JUDGED;
    free(word);
    free(small);
    free(wanted);
    return v;
}

/* ---- content and format ---- */

static ct_eval_verdict check_placeholders(const json_t *args, const char *text)
{
    size_t n = 0;
    for (const char *at = strchr(text, '['); at;) {
        const size_t len = strcspn(at, "]\n");
        n += at[len] == ']';
        at = strchr(at[len] == ']' ? at + len + 1 : at + 1, '[');
    }
    return YES(n >= number_arg(args, "num_placeholders"));
}

/* "." is any character but the end of a line, as in an expression. */
static bool has_marker(const char *text, const char *marker)
{
    for (; *text; text++) {
        size_t i = 0, k = 0;
        while (marker[k] && text[i] && (marker[k] == '.' ? text[i] != '\n' : marker[k] == text[i])) {
            i += marker[k] == '.' ? len_of(text + i) : 1;
            k++;
        }
        if (!marker[k])
            return true;
    }
    return false;
}

/* Letters each with a point behind it, a space between them or not; last: the last one's point may be missing. */
static bool has_initials(const char *text, const char *letters, bool bare_end)
{
    for (; *text; text++) {
        const char *at = text;
        const char *l = letters;
        for (; *l && *at == *l; l++) {
            at++;
            if (!l[1] && bare_end)
                continue;
            if (*at != '.')
                break;
            at++;
            if (l[1] && ct_eval_is_space(char_at(at)))
                at += len_of(at);
        }
        if (!*l)
            return true;
    }
    return false;
}

static ct_eval_verdict check_postscript(const json_t *args, const char *text)
{
    char *small = ct_eval_lower(text), *marker = ct_eval_trimmed(text_arg(args, "postscript_marker")),
         *wanted = marker ? ct_eval_lower(marker) : NULL;
    ct_eval_verdict v = CT_EVAL_NOT_JUDGED;
    if (small && wanted && strcmp(marker, "P.P.S") == 0)
        v = YES(has_initials(small, "pps", true));
    else if (small && wanted && strcmp(marker, "P.S.") == 0)
        v = YES(has_initials(small, "ps", false));
    else if (small && wanted && !strpbrk(wanted, "^$*+?{}[]\\|()"))
        v = YES(has_marker(small, wanted));
    free(small);
    free(marker);
    free(wanted);
    return v;
}

/* Lines that begin with the mark, white space aside, which may be lines itself; behind "*" anything but another one. */
static size_t bullets(const char *text, char mark)
{
    size_t n = 0;
    for (const char *line = text; line;) {
        const char *at = skip_space(line), *from = line;
        if (*at == mark && (mark != '*' || (at[1] && at[1] != '*'))) {
            n++;
            from = mark == '*' ? at + 1 + len_of(at + 1) : at;
        }
        line = strchr(from, '\n');
        line = line ? line + 1 : NULL;
    }
    return n;
}

static ct_eval_verdict check_bullets(const json_t *args, const char *text)
{
    return YES(bullets(text, '*') + bullets(text, '-') == number_arg(args, "num_bullets"));
}

static ct_eval_verdict check_constrained(const json_t *args, const char *text)
{
    (void)args;
    return YES(strstr(text, "My answer is yes.") || strstr(text, "My answer is no.") ||
               strstr(text, "My answer is maybe."));
}

/* "*like this*" with so many asterisks on either side and none within; what is not blank counts. */
static size_t highlighted(const char *text, size_t stars)
{
    size_t n = 0;
    const char mark[] = "**";
    for (const char *at = strstr(text, mark + 2 - stars); at;) {
        const size_t len = strcspn(at + stars, "*\n");
        const char *end = at + stars + len;
        if (strncmp(end, mark + 2 - stars, stars) != 0) {
            at = strstr(at + 1, mark + 2 - stars);
            continue;
        }
        n += !blank(at + stars, len);
        at = strstr(end + stars, mark + 2 - stars);
    }
    return n;
}

static ct_eval_verdict check_highlights(const json_t *args, const char *text)
{
    return YES(highlighted(text, 1) + highlighted(text, 2) >= number_arg(args, "num_highlights"));
}

static ct_eval_verdict check_sections(const json_t *args, const char *text)
{
    char *splitter = ct_eval_trimmed(text_arg(args, "section_spliter"));
    const size_t len = splitter ? strlen(splitter) : 0;
    size_t n = 0;
    if (!len || has_metachar(splitter)) {
        free(splitter);
        return CT_EVAL_NOT_JUDGED;
    }
    for (const char *at = strstr(text, splitter); at; at = strstr(at, splitter)) {
        at += len;
        const char *digits = ct_eval_is_space(char_at(at)) ? at + len_of(at) : at;
        n += *digits >= '0' && *digits <= '9';
    }
    free(splitter);
    return YES(n >= number_arg(args, "num_sections"));
}

static ct_eval_verdict check_title(const json_t *args, const char *text)
{
    (void)args;
    for (const char *line = text; line && *line;) {
        const char *end = line + strcspn(line, "\n"), *from = strstr(line, "<<"), *to = NULL;
        for (const char *at = from; from && from < end && at + 1 < end; at++)
            if (at > from + 2 && at[0] == '>' && at[1] == '>')
                to = at; /* the last in the line */
        if (to) {
            from += strspn(from, "<");
            while (to > from && to[-1] == '>')
                to--;
            if (to > from && !blank(from, (size_t)(to - from)))
                return CT_EVAL_FOLLOWED;
        }
        line = *end ? end + 1 : NULL;
    }
    return CT_EVAL_NOT_FOLLOWED;
}

/* ---- JSON, combinations, beginnings and ends ---- */

static ct_eval_verdict check_json(const json_t *args, const char *text)
{
    static const char *const marks[] = { "```json", "```Json", "```JSON", "```" };
    (void)args;
    char *s = ct_eval_trimmed(text);
    if (!s)
        return CT_EVAL_NOT_JUDGED;
    const char *at = s;
    for (int i = 0; i < 4; i++)
        if (strncmp(at, marks[i], strlen(marks[i])) == 0)
            at += strlen(marks[i]);
    size_t len = strlen(at);
    if (len >= 3 && strcmp(at + len - 3, "```") == 0)
        len -= 3;
    char *inner = strndup(at, len), *whole = inner ? ct_eval_trimmed(inner) : NULL;
    const ct_eval_verdict v = whole ? YES(ct_eval_is_python_json(whole)) : CT_EVAL_NOT_JUDGED;
    free(s);
    free(inner);
    free(whole);
    return v;
}

static ct_eval_verdict check_two(const json_t *args, const char *text)
{
    (void)args;
    if (parts_between(text, "******") != 2)
        return CT_EVAL_NOT_FOLLOWED;
    char *parts[2] = { NULL, NULL };
    int n = 0;
    for (const char *at = text, *next; at && n < 2; at = next) {
        next = strstr(at, "******");
        char *part = strndup(at, next ? (size_t)(next - at) : strlen(at));
        parts[n] = part ? ct_eval_trimmed(part) : NULL;
        free(part);
        if (parts[n] && *parts[n])
            n++;
        else
            free(parts[n]), parts[n] = NULL;
        next = next ? next + 6 : NULL;
    }
    const ct_eval_verdict v = n == 2 ? YES(strcmp(parts[0], parts[1]) != 0) : CT_EVAL_NOT_JUDGED;
    free(parts[0]);
    free(parts[1]);
    return v;
}

/* Both trimmed, in small letters; quotes: those at the text's ends taken off too. */
static ct_eval_verdict at_end(const char *text, const char *what, bool begins)
{
    char *a = ct_eval_trimmed(text), *b = ct_eval_trimmed(what), *x = NULL, *y = b ? ct_eval_lower(b) : NULL;
    const char *from = a;
    size_t len = a ? strlen(a) : 0;
    while (!begins && len && *from == '"')
        from++, len--;
    while (!begins && len && from[len - 1] == '"')
        len--;
    char *inner = a ? strndup(from, len) : NULL;
    x = inner ? ct_eval_lower(inner) : NULL;
    ct_eval_verdict v = CT_EVAL_NOT_JUDGED;
    if (x && y) {
        const size_t n = strlen(x), m = strlen(y);
        v = YES(n >= m && memcmp(begins ? x : x + n - m, y, m) == 0);
    }
    free(a);
    free(b);
    free(x);
    free(y);
    free(inner);
    return v;
}

static ct_eval_verdict check_repeat(const json_t *args, const char *text)
{
    return at_end(text, text_arg(args, "prompt_to_repeat"), true);
}

static ct_eval_verdict check_end(const json_t *args, const char *text)
{
    return at_end(text, text_arg(args, "end_phrase"), false);
}

static ct_eval_verdict check_quotation(const json_t *args, const char *text)
{
    (void)args;
    char *s = ct_eval_trimmed(text);
    const size_t len = s ? strlen(s) : 0;
    const ct_eval_verdict v = s ? YES(len > 1 && s[0] == '"' && s[len - 1] == '"') : CT_EVAL_NOT_JUDGED;
    free(s);
    return v;
}

/* ---- letters and language ---- */

static ct_eval_verdict check_language(const json_t *args, const char *text)
{
    return ct_eval_is_language(text, text_arg(args, "language"));
}

static ct_eval_verdict check_capital(const json_t *args, const char *text)
{
    (void)args;
    return ct_eval_case_of(text) != 1 ? CT_EVAL_NOT_FOLLOWED : ct_eval_is_language(text, "en");
}

static ct_eval_verdict check_lowercase(const json_t *args, const char *text)
{
    (void)args;
    return ct_eval_case_of(text) != -1 ? CT_EVAL_NOT_FOLLOWED : ct_eval_is_language(text, "en");
}

static ct_eval_verdict check_capital_words(const json_t *args, const char *text)
{
    return compared(args, "capital_relation", ct_eval_count_large(text), number_arg(args, "capital_frequency"));
}

static ct_eval_verdict check_no_comma(const json_t *args, const char *text)
{
    (void)args;
    return YES(!strchr(text, ','));
}

/* ---- all ---- */

/* needs: arguments, "n" a number, "t" a text, "l" a list of texts, "r" a relation. */
static const struct kind {
    const char *id;
    ct_eval_verdict (*check)(const json_t *args, const char *text);
    const char *needs[4];
} kinds[] = {
    { "keywords:existence", check_existence, { "lkeywords" } },
    { "keywords:frequency", check_frequency, { "tkeyword", "nfrequency", "rrelation" } },
    { "keywords:forbidden_words", check_forbidden, { "lforbidden_words" } },
    { "keywords:letter_frequency", check_letter, { "tletter", "nlet_frequency", "rlet_relation" } },
    { "language:response_language", check_language, { "tlanguage" } },
    { "length_constraints:number_sentences", check_sentences, { "nnum_sentences", "rrelation" } },
    { "length_constraints:number_paragraphs", check_paragraphs, { "nnum_paragraphs" } },
    { "length_constraints:number_words", check_words, { "nnum_words", "rrelation" } },
    { "length_constraints:nth_paragraph_first_word",
      check_first_word,
      { "nnum_paragraphs", "nnth_paragraph", "tfirst_word" } },
    { "detectable_content:number_placeholders", check_placeholders, { "nnum_placeholders" } },
    { "detectable_content:postscript", check_postscript, { "tpostscript_marker" } },
    { "detectable_format:number_bullet_lists", check_bullets, { "nnum_bullets" } },
    { "detectable_format:constrained_response", check_constrained, { NULL } },
    { "detectable_format:number_highlighted_sections", check_highlights, { "nnum_highlights" } },
    { "detectable_format:multiple_sections", check_sections, { "tsection_spliter", "nnum_sections" } },
    { "detectable_format:json_format", check_json, { NULL } },
    { "detectable_format:title", check_title, { NULL } },
    { "combination:two_responses", check_two, { NULL } },
    { "combination:repeat_prompt", check_repeat, { "tprompt_to_repeat" } },
    { "startend:end_checker", check_end, { "tend_phrase" } },
    { "startend:quotation", check_quotation, { NULL } },
    { "change_case:english_capital", check_capital, { NULL } },
    { "change_case:english_lowercase", check_lowercase, { NULL } },
    { "change_case:capital_word_frequency", check_capital_words, { "ncapital_frequency", "rcapital_relation" } },
    { "punctuation:no_comma", check_no_comma, { NULL } },
};

static const struct kind *kind_of(const char *id)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].id, id) == 0)
            return &kinds[i];
    return NULL;
}

static bool is_text(const json_t *v)
{
    return json_is_string(v) && *json_string_value(v) && strlen(json_string_value(v)) == json_string_length(v);
}

static bool is_argument(const json_t *v, char what)
{
    size_t i;
    json_t *one;
    if (what == 'n')
        return json_is_number(v) && json_number_value(v) >= 0 && json_number_value(v) < 1e9 &&
               fmod(json_number_value(v), 1) == 0;
    if (what == 'r')
        return is_text(v) &&
               (strcmp(json_string_value(v), "less than") == 0 || strcmp(json_string_value(v), "at least") == 0);
    if (what == 't')
        return is_text(v);
    json_array_foreach(v, i, one) {
        if (!is_text(one))
            return false;
    }
    return json_array_size(v) > 0;
}

const char *ct_eval_ifeval_lacks(const char *id, const json_t *args)
{
    const struct kind *k = kind_of(id);
    if (!k)
        return "";
    for (int i = 0; i < 4 && k->needs[i]; i++)
        if (!is_argument(json_object_get(args, k->needs[i] + 1), k->needs[i][0]))
            return k->needs[i] + 1;
    return NULL;
}

ct_eval_verdict ct_eval_ifeval_check(const char *id, const json_t *args, const char *text)
{
    return kind_of(id)->check(args, text);
}
