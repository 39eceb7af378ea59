/* IFEval's instructions of keywords, length and letters, each on one text; the table of all 25 kinds.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "eval/ifeval_inside.h"
#include "eval/text.h"

/* ---- keywords ---- */

/* "less than" or "at least". */
static ct_eval_verdict compared(const json_t *args, const char *relation, size_t have, size_t want)
{
    return YES(strcmp(ct_eval_arg_text(args, relation), "less than") == 0 ? have < want : have >= want);
}

static uint32_t char_before(const char *text, const char *at)
{
    while (at > text && ((unsigned char)*--at & 0xC0) == 0x80)
        ;
    return ct_eval_char_at(at);
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
    const bool begins = ct_eval_is_word_char(ct_eval_char_at(word)),
               ends = ct_eval_is_word_char(char_before(word, word + len));
    for (const char *at = strstr(text, word); at && len; at = strstr(at + 1, word)) {
        const bool before = at > text && ct_eval_is_word_char(char_before(text, at));
        const bool behind = ct_eval_is_word_char(ct_eval_char_at(at + len));
        if (before != begins && behind != ends)
            return true;
    }
    return false;
}

static ct_eval_verdict all_words(const json_t *args, const char *key, const char *text, bool forbidden)
{
    size_t i;
    json_t *word;
    char *small = ct_eval_lower(text);
    ct_eval_verdict v = small ? CT_EVAL_FOLLOWED : CT_EVAL_NOT_JUDGED;
    json_array_foreach(json_object_get(args, key), i, word) {
        char *w = ct_eval_lower(json_string_value(word));
        if (!w || !small || ct_eval_has_metachar(w))
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
    char *trimmed = ct_eval_trimmed(ct_eval_arg_text(args, "keyword")), *word = trimmed ? ct_eval_lower(trimmed) : NULL,
         *small = ct_eval_lower(text);
    ct_eval_verdict v = CT_EVAL_NOT_JUDGED;
    if (word && small && *word && !ct_eval_has_metachar(word))
        v = compared(args, "relation", count_of(small, word), ct_eval_arg_number(args, "frequency"));
    free(trimmed);
    free(word);
    free(small);
    return v;
}

static ct_eval_verdict check_letter(const json_t *args, const char *text)
{
    const char *letter = ct_eval_arg_text(args, "letter");
    const char c = (char)(*letter >= 'A' && *letter <= 'Z' ? *letter + 32 : *letter);
    if (letter[0] == '\0' || letter[1] || c < 'a' || c > 'z')
        return CT_EVAL_NOT_JUDGED; /* the authors' program draws another */
    size_t n = 0;
    for (; *text; text++)
        n += *text == c || *text + 32 == c;
    return compared(args, "let_relation", n, ct_eval_arg_number(args, "let_frequency"));
}

/* ---- length ---- */

static ct_eval_verdict check_sentences(const json_t *args, const char *text)
{
    size_t low, high;
    const size_t want = ct_eval_arg_number(args, "num_sentences");
    ct_eval_count_sentences(text, &low, &high);
    const ct_eval_verdict a = compared(args, "relation", low, want), b = compared(args, "relation", high, want);
    return a == b ? a : CT_EVAL_NOT_JUDGED;
}

static ct_eval_verdict check_words(const json_t *args, const char *text)
{
    return compared(args, "relation", ct_eval_count_words(text), ct_eval_arg_number(args, "num_words"));
}

static ct_eval_verdict check_paragraphs(const json_t *args, const char *text)
{
    return YES(ct_eval_parts_between(text, "***") == ct_eval_arg_number(args, "num_paragraphs"));
}

static ct_eval_verdict check_first_word(const json_t *args, const char *text)
{
    const size_t want = ct_eval_arg_number(args, "num_paragraphs"), nth = ct_eval_arg_number(args, "nth_paragraph");
    size_t n = 0, k = 0;
    const char *paragraph = NULL, *end = NULL;
    if (nth < 1 || nth > want)
        return CT_EVAL_NOT_JUDGED; /* another one is drawn there */
    for (const char *at = text, *next;; at = next + 2) {
        next = strstr(at, "\n\n");
        const size_t len = next ? (size_t)(next - at) : strlen(at);
        n += !ct_eval_is_blank(at, len);
        if (++k == nth)
            paragraph = at, end = at + len;
        if (!next)
            break;
    }
    if (nth > n || !paragraph || ct_eval_is_blank(paragraph, (size_t)(end - paragraph)))
        return CT_EVAL_NOT_FOLLOWED;
    paragraph = ct_eval_skip_space(paragraph);
    paragraph += strspn(paragraph, "'");
    paragraph += strspn(paragraph, "\"");
    const char *stop = paragraph;
    while (*stop && !strchr(".,?!'\"", *stop) && !ct_eval_is_space(ct_eval_char_at(stop)))
        stop += ct_eval_len_of(stop);
    char *word = strndup(paragraph, (size_t)(stop - paragraph)), *small = word ? ct_eval_lower(word) : NULL,
         *wanted = ct_eval_lower(ct_eval_arg_text(args, "first_word"));
    const ct_eval_verdict v = small && wanted ? YES(n == want && strcmp(small, wanted) == 0) : CT_EVAL_NOT_JUDGED;
    free(word);
    free(small);
    free(wanted);
    return v;
}

/* ---- letters and language ---- */

static ct_eval_verdict check_language(const json_t *args, const char *text)
{
    return ct_eval_is_language(text, ct_eval_arg_text(args, "language"));
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
    return compared(args, "capital_relation", ct_eval_count_large(text), ct_eval_arg_number(args, "capital_frequency"));
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
    { "detectable_content:number_placeholders", ct_eval_check_placeholders, { "nnum_placeholders" } },
    { "detectable_content:postscript", ct_eval_check_postscript, { "tpostscript_marker" } },
    { "detectable_format:number_bullet_lists", ct_eval_check_bullets, { "nnum_bullets" } },
    { "detectable_format:constrained_response", ct_eval_check_constrained, { NULL } },
    { "detectable_format:number_highlighted_sections", ct_eval_check_highlights, { "nnum_highlights" } },
    { "detectable_format:multiple_sections", ct_eval_check_sections, { "tsection_spliter", "nnum_sections" } },
    { "detectable_format:json_format", ct_eval_check_json, { NULL } },
    { "detectable_format:title", ct_eval_check_title, { NULL } },
    { "combination:two_responses", ct_eval_check_two, { NULL } },
    { "combination:repeat_prompt", ct_eval_check_repeat, { "tprompt_to_repeat" } },
    { "startend:end_checker", ct_eval_check_end, { "tend_phrase" } },
    { "startend:quotation", ct_eval_check_quotation, { NULL } },
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
