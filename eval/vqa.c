/* Edit distances, numbers that are near each other, and normalised short answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/vqa.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "eval/text.h"

#define MOST_CHARS                                                                                                     \
    4096 /* of an answer that is compared: what is longer is no short answer, and counts as if it were cut */

/* ---- anls ---- */

static size_t chars_of(const char *s, uint32_t *to)
{
    size_t n = 0;
    for (const char *end = s + strlen(s); s < end && n < MOST_CHARS; n++)
        s += ct_utf8_next(s, (size_t)(end - s), &to[n]);
    return n;
}

/* Levenshtein's, by rows. */
static size_t distance(const uint32_t *a, size_t n, const uint32_t *b, size_t m, size_t *row)
{
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t above = row[j], left = row[j - 1];
            size_t best = corner + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            row[j] = left + 1 < best ? left + 1 : best;
            corner = above;
        }
    }
    return row[m];
}

static char *plain(const char *text)
{
    char *small = ct_eval_lower(text), *s = small ? ct_eval_collapsed(small) : NULL;
    free(small);
    return s;
}

static double likeness(const char *said, const char *target, uint32_t *chars, size_t *row)
{
    char *a = plain(said), *b = plain(target);
    const size_t longer = ct_utf8_count(said) > ct_utf8_count(target) ? ct_utf8_count(said) : ct_utf8_count(target);
    double x = NAN;
    if (a && b) {
        const size_t n = chars_of(a, chars), m = chars_of(b, chars + MOST_CHARS);
        x = longer ? 1 - (double)distance(chars, n, chars + MOST_CHARS, m, row) / (double)longer : 1;
    }
    free(a);
    free(b);
    return x;
}

double ct_eval_anls(const char *said, const json_t *targets)
{
    size_t i;
    json_t *target;
    double best = 0;
    uint32_t *chars = calloc(2 * MOST_CHARS, sizeof *chars);
    size_t *row = calloc(MOST_CHARS + 1, sizeof *row);
    json_array_foreach(targets, i, target) {
        const double x = chars && row ? likeness(said, json_string_value(target), chars, row) : NAN;
        best = isnan(x) || x > best ? x : best;
        if (isnan(best))
            break;
    }
    free(chars);
    free(row);
    return best < 0.5 ? 0 : best;
}

/* ---- relaxed ---- */

/* As Python's float() reads it, after the white space at its ends; "%": a hundredth. */
static bool number_of(const char *s, double *x)
{
    char *end;
    size_t len = strlen(s);
    const bool is_share = len && s[len - 1] == '%';
    char *digits = strndup(s, is_share ? strcspn(s, "%") : len);
    const bool is = digits && *digits && !strpbrk(digits, "xXpP") && (*x = strtod(digits, &end), end != digits) &&
                    end[strspn(end, " \t\r\n")] == '\0' && (!is_share || strlen(digits) + 1 == len);
    free(digits);
    if (is && is_share)
        *x /= 100;
    return is;
}

static double relaxed_one(const char *said, const char *target)
{
    double x, y;
    const bool is_number = number_of(said, &x), has_number = number_of(target, &y);
    if (is_number && has_number && y != 0)
        return fabs(x - y) / fabs(y) <= 0.05;
    char *a = ct_eval_lower(said), *b = ct_eval_lower(target);
    const double same = a && b ? strcmp(a, b) == 0 : NAN;
    free(a);
    free(b);
    return same;
}

double ct_eval_relaxed(const char *said, const json_t *targets)
{
    size_t i;
    json_t *target;
    double best = 0;
    char *trimmed = ct_eval_trimmed(said);
    json_array_foreach(targets, i, target) {
        const double x = trimmed ? relaxed_one(trimmed, json_string_value(target)) : NAN;
        best = isnan(x) || x > best ? x : best;
        if (isnan(best))
            break;
    }
    free(trimmed);
    return best;
}

/* ---- vqa ---- */

static const char *const numbers[] = { "zero", "one",   "two",   "three", "four", "five",
                                       "six",  "seven", "eight", "nine",  "ten" };

/* Contractions as EvalAI writes them: each stands for itself with one of its apostrophes left out. Those with a large letter in its list
 * never meet a text of small ones, and are left out. */
static const char *const contractions[] = {
    "ain't",        "aren't",    "can't",        "could've",     "couldn't",    "couldn't've",   "didn't",
    "doesn't",      "don't",     "hadn't",       "hadn't've",    "hasn't",      "haven't",       "he'd",
    "he'd've",      "he's",      "how'd",        "how'll",       "how's",       "isn't",         "it'd",
    "it'd've",      "it'll",     "ma'am",        "mightn't",     "mightn't've", "might've",      "mustn't",
    "must've",      "needn't",   "not've",       "o'clock",      "oughtn't",    "'ow's'at",      "shan't",
    "she'd've",     "should've", "shouldn't",    "shouldn't've", "somebody'd",  "somebody'd've", "somebody'll",
    "somebody's",   "someone'd", "someone'd've", "someone'll",   "someone's",   "something'd",   "something'd've",
    "something'll", "that's",    "there'd",      "there'd've",   "there're",    "there's",       "they'd",
    "they'd've",    "they'll",   "they're",      "they've",      "'twas",       "wasn't",        "we'd've",
    "we've",        "weren't",   "what'll",      "what're",      "what's",      "what've",       "when's",
    "where'd",      "where's",   "where've",     "who'd",        "who'd've",    "who'll",        "who's",
    "who've",       "why'll",    "why're",       "why's",        "won't",       "would've",      "wouldn't",
    "wouldn't've",  "y'all",     "y'all'll",     "y'all'd've",   "you'd",       "you'd've",      "you'll",
    "you're",       "you've",
};

/* Is `word` the contraction without one of its apostrophes? */
static bool is_short_of(const char *word, const char *whole)
{
    if (strlen(word) + 1 != strlen(whole))
        return false;
    size_t same = 0;
    while (word[same] && word[same] == whole[same])
        same++;
    /* the apostrophe that is missing is here, or is one of those just before, which are the same */
    return whole[same] == '\'' && strcmp(word + same, whole + same + 1) == 0;
}

/* A word as it counts; "": it does not. */
static const char *word_of(const char *word, char *digit)
{
    static const char *const articles[] = { "a", "an", "the" };
    for (size_t i = 0; i < 3; i++)
        if (strcmp(word, articles[i]) == 0)
            return "";
    if (strcmp(word, "none") == 0)
        return "0";
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(word, numbers[i]) == 0) {
            snprintf(digit, 3, "%zu", i);
            return digit;
        }
    for (size_t i = 0; i < sizeof contractions / sizeof *contractions; i++)
        if (is_short_of(word, contractions[i]))
            return contractions[i];
    return word;
}

static const char punctuation[] = ";/[]\"{}()=+\\_-><@`,?!";

/* A mark that stands beside a space somewhere is taken out everywhere, another becomes a space; a point stays before a digit. */
static void strip_punctuation(char *text)
{
    bool beside[256] = { false };
    for (size_t i = 0; text[i]; i++)
        if (strchr(punctuation, text[i]) && ((i && text[i - 1] == ' ') || text[i + 1] == ' '))
            beside[(unsigned char)text[i]] = true;
    char *to = text;
    for (const char *at = text; *at; at++)
        if (!strchr(punctuation, *at))
            *to++ = *at;
        else if (!beside[(unsigned char)*at])
            *to++ = ' ';
    *to = '\0';
    to = text;
    for (const char *at = text; *at; at++)
        if (*at != '.' || (at[1] >= '0' && at[1] <= '9'))
            *to++ = *at;
    *to = '\0';
}

/* Small letters, no commas and question marks, the 's of a word apart from it. */
static char *first_pass(const char *text)
{
    char *small = ct_eval_lower(text), *trimmed = NULL;
    ct_buf b;
    ct_buf_init(&b, (size_t)64 << 20);
    ct_buf_add(&b, "", 0);
    for (const char *at = small; at && *at; at++) {
        if (*at == ',' || *at == '?')
            continue;
        if (*at == '\'' && at[1] == 's')
            ct_buf_char(&b, ' ');
        ct_buf_char(&b, *at == '\n' || *at == '\t' ? ' ' : *at);
    }
    if (small && !b.failed)
        trimmed = ct_eval_trimmed(b.data);
    ct_buf_deinit(&b);
    free(small);
    return trimmed;
}

char *ct_eval_vqa_normal(const char *text)
{
    char *marked = first_pass(text), *save = NULL, digit[3];
    ct_buf b;
    ct_buf_init(&b, (size_t)64 << 20);
    ct_buf_add(&b, "", 0);
    if (marked)
        strip_punctuation(marked);
    char *whole = marked ? ct_eval_collapsed(marked) : NULL;
    free(marked);
    for (char *word = whole ? strtok_r(whole, " ", &save) : NULL; word; word = strtok_r(NULL, " ", &save)) {
        const char *counts = word_of(word, digit);
        if (*counts && b.len)
            ct_buf_char(&b, ' ');
        ct_buf_str(&b, counts);
    }
    char *s = whole && !b.failed ? ct_buf_take(&b) : NULL;
    ct_buf_deinit(&b);
    free(whole);
    return s;
}

double ct_eval_vqa(const char *said, const json_t *targets)
{
    size_t i, same = 0;
    json_t *target;
    const size_t n = json_array_size(targets);
    char *a = ct_eval_vqa_normal(said);
    bool ok = a != NULL;
    json_array_foreach(targets, i, target) {
        char *b = ok ? ct_eval_vqa_normal(json_string_value(target)) : NULL;
        ok = b != NULL;
        same += ok && strcmp(a, b) == 0;
        free(b);
        if (!ok)
            break;
    }
    free(a);
    if (!ok)
        return NAN;
    /* Of those who say the same one is left out `same` times, of the others n - same times. */
    const double inside = same ? fmin(1, (double)(same - 1) / 3) : 0, outside = fmin(1, (double)same / 3);
    return n ? ((double)same * inside + (double)(n - same) * outside) / (double)n : 0;
}
