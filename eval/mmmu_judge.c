/* MMMU's answers to letters, texts and numbers, and these against the right ones: what the authors' eval_utils.py finds.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "eval/mmmu.h"
#include "eval/text.h"

#define MOST_TEXT ((size_t)4 << 20)

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an answer");
}

/* ---- letters ---- */

/* Off both ends, one mark after the other, each once; a space in front and behind. */
static char *framed(const char *answer)
{
    size_t len = strlen(answer);
    for (const char *mark = ",.!?;:'"; *mark; mark++) {
        while (len && *answer == *mark)
            answer++, len--;
        while (len && answer[len - 1] == *mark)
            len--;
    }
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    ct_buf_char(&b, ' ');
    ct_buf_add(&b, answer, len);
    ct_buf_char(&b, ' ');
    char *s = ct_buf_take(&b);
    ct_buf_deinit(&b);
    return s;
}

/* The choice whose text stands last in the answer, of those that do; SIZE_MAX: none. before, behind: what is around the letter; NULL: it is
 * the choice's own text, in small letters. */
static size_t last_choice(const ct_eval_item *item, const char *answer, const char *before, const char *behind)
{
    size_t best = SIZE_MAX;
    const char *last = NULL;
    for (size_t k = 0; k < item->n; k++) {
        char letter[8];
        char *what = before ? NULL : ct_eval_lower(item->choices[k]);
        if (before)
            snprintf(letter, sizeof letter, "%s%c%s", before, (char)('A' + k), behind);
        const char *at = before ? ct_eval_last(answer, letter) : what ? ct_eval_last(answer, what) : NULL;
        free(what);
        if (at && (!last || at > last)) {
            last = at;
            best = k;
        }
    }
    return best;
}

static size_t words_of(const char *s)
{
    size_t n = 0;
    for (s += strspn(s, " \t\r\n\v\f"); *s; s += strspn(s, " \t\r\n\v\f"), n++)
        s += strcspn(s, " \t\r\n\v\f");
    return n;
}

static bool judge_letter(const ct_eval_item *item, const char *answer, uint64_t seed, size_t nth, char **said,
                         double *score, const char **how, carat_err *err)
{
    char *text = framed(answer), *small = text ? ct_eval_lower(text) : NULL, letter[2] = "A";
    if (!small) {
        free(text);
        return no_memory(err);
    }
    size_t k = last_choice(item, text, "(", ")");
    if (k == SIZE_MAX)
        k = last_choice(item, text, " ", " ");
    if (k == SIZE_MAX && words_of(text) > 5)
        k = last_choice(item, small, NULL, NULL);
    free(small);
    free(text);
    if (k == SIZE_MAX) {
        uint64_t state = seed ^ (nth + 1) * 0x9E3779B97F4A7C15u;
        k = (size_t)(ct_rng_unit(&state) * (double)item->n);
        *how = "drawn";
    } else {
        letter[0] = (char)('A' + k);
        *said = strdup(letter);
    }
    *score = item->right[k];
    return *said || *how || no_memory(err);
}

/* ---- open answers ---- */

/* As Python's float() reads a text without its commas, rounded to two places. */
static bool number_of(const char *text, double *x)
{
    char *plain = ct_eval_replaced(text, ",", ""), *trimmed = plain ? ct_eval_trimmed(plain) : NULL, *end, two[340];
    bool is = trimmed && *trimmed && !strpbrk(trimmed, "xXpP(");
    if (is) {
        *x = strtod(trimmed, &end);
        is = end != trimmed && !*end;
    }
    free(plain);
    free(trimmed);
    if (is && snprintf(two, sizeof two, "%.2f", *x) < (int)sizeof two)
        *x = strtod(two, NULL);
    return is;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t digits_at(const char *s)
{
    size_t n = 0;
    while (is_digit(s[n]))
        n++;
    return n;
}

/* "1,234,567" at `at` of text, a word's end behind it: its length; 0: none. */
static size_t with_commas(const char *text, size_t at)
{
    size_t i = at + (text[at] == '-'), end = 0;
    const size_t n = digits_at(text + i);
    if (n < 1 || n > 3 || (i && is_word(text[i - 1])))
        return 0;
    for (i += n; text[i] == ',' && is_digit(text[i + 1]) && is_digit(text[i + 2]) && is_digit(text[i + 3]); i += 4)
        if (!is_word(text[i + 4]))
            end = i + 4;
    return end ? end - at : 0;
}

/* What is behind a number that makes it one of powers of ten. */
static bool has_exponent(const char *s)
{
    return (*s == 'e' || *s == 'E') && is_digit(s[1 + (s[1] == '+' || s[1] == '-')]);
}

static size_t scientific(const char *text, size_t at)
{
    size_t i = at + (text[at] == '-');
    const size_t n = digits_at(text + i);
    if (!n)
        return 0;
    i += n;
    if (text[i] == '.' && is_digit(text[i + 1]))
        i += 1 + digits_at(text + i + 1);
    if (!has_exponent(text + i))
        return 0;
    i += 1 + (text[i + 1] == '+' || text[i + 1] == '-');
    return i + digits_at(text + i) - at;
}

static bool may_end(const char *s)
{
    return !has_exponent(s) && *s != ',' && !is_digit(*s);
}

static size_t simple(const char *text, size_t at)
{
    const size_t i = at + (text[at] == '-'), n = digits_at(text + i),
                 more = text[i + n] == '.' ? digits_at(text + i + n + 1) : 0;
    if (more && may_end(text + i + n + 1 + more)) /* "3.5", ".5" */
        return i + n + 1 + more - at;
    return n && !is_word(text[i + n]) && may_end(text + i + n) ? i + n - at : 0;
}

static bool is_target(double x, const json_t *targets)
{
    size_t i;
    json_t *target;
    double y;
    json_array_foreach(targets, i, target) {
        if (number_of(json_string_value(target), &y) && x == y)
            return true;
    }
    return false;
}

/* Is one of the numbers in it a target? */
static bool has_number(const char *text, const json_t *targets)
{
    size_t (*const kinds[])(const char *, size_t) = { with_commas, scientific, simple };
    for (size_t k = 0; k < 3; k++)
        for (size_t at = 0; text[at];) {
            const size_t n = kinds[k](text, at);
            char *number = n ? strndup(text + at, n) : NULL;
            double x;
            const bool right = number && number_of(number, &x) && is_target(x, targets);
            free(number);
            if (right)
                return true;
            at += n ? n : 1;
        }
    return false;
}

/* Is the text a target, or has it one in it? */
static bool has_text(const char *text, const json_t *targets)
{
    size_t i;
    json_t *target;
    double x;
    if (number_of(text, &x))
        return is_target(x, targets);
    bool has = false;
    char *trimmed = ct_eval_trimmed(text), frame[2][8], one[6];
    if (trimmed && ct_utf8_count(trimmed) == 1) { /* a single letter is compared as " x" and "x " */
        snprintf(one, sizeof one, "%.4s", trimmed);
        snprintf(frame[0], sizeof frame[0], " %s", one);
        snprintf(frame[1], sizeof frame[1], "%s ", one);
    } else {
        frame[0][0] = '\0';
    }
    json_array_foreach(targets, i, target) {
        char *small = ct_eval_lower(json_string_value(target)), *want = small ? ct_eval_trimmed(small) : NULL;
        if (trimmed && want && !number_of(want, &x)) {
            const bool single = ct_utf8_count(want) == 1;
            char before[8], behind[8];
            snprintf(before, sizeof before, " %.4s", want);
            snprintf(behind, sizeof behind, "%.4s ", want);
            for (int k = 0; k < 2; k++) {
                const char *in = frame[0][0] ? frame[k] : trimmed;
                has |= single ? strstr(in, before) || strstr(in, behind) : strstr(in, want) != NULL;
            }
        }
        free(small);
        free(want);
    }
    free(trimmed);
    return has;
}

/* The shortest text behind a word that announces an answer, in a line; "": none. The caller's. NULL: no memory. */
static char *announced(const char *line, bool is_last)
{
    static const char *const words[] = { "could be ", "so ",     "is ",     "thus ", "therefore ",
                                         "final ",    "answer ", "result ", "=" };
    char *best = NULL;
    for (size_t k = 0; k < sizeof words / sizeof *words - !is_last; k++) {
        const char *at = ct_eval_last(line, words[k]);
        char *tail = at ? ct_eval_trimmed(at + strlen(words[k])) : NULL;
        if (tail && (!best || !*best || ct_utf8_count(tail) < ct_utf8_count(best))) {
            free(best);
            best = tail;
        } else {
            free(tail);
        }
    }
    return best ? best : strdup("");
}

static void note(ct_buf *said, const char *key)
{
    ct_buf_str(said, said->len ? " | " : "");
    ct_buf_str(said, key);
}

/* Without white space and then points at its ends, in small letters. */
static char *tidied(const char *answer)
{
    char *trimmed = ct_eval_trimmed(answer), *small = trimmed ? ct_eval_lower(trimmed + strspn(trimmed, ".")) : NULL;
    for (size_t len = small ? strlen(small) : 0; len && small[len - 1] == '.'; len--)
        small[len - 1] = '\0';
    free(trimmed);
    return small;
}

static bool judge_open(const ct_eval_item *item, const char *answer, char **said, double *score, carat_err *err)
{
    char *text = tidied(answer);
    ct_buf keys;
    ct_buf_init(&keys, MOST_TEXT);
    bool ok = text != NULL, right = false;
    for (char *line = text, *next; ok && line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *key = announced(line, !next);
        ok = key != NULL;
        if (ok && *key && !(strchr(":,.!?;'", *key) && !key[1])) {
            note(&keys, key);
            right |= has_text(key, item->targets) || has_number(key, item->targets);
        }
        free(key);
        if (next)
            next[-1] = '\n';
    }
    if (ok && !keys.len) {
        note(&keys, text);
        right = has_text(text, item->targets) || has_number(text, item->targets);
    }
    *said = ok && !keys.failed ? ct_buf_take(&keys) : NULL;
    *score = right;
    ct_buf_deinit(&keys);
    free(text);
    return *said || no_memory(err);
}

bool ct_eval_mmmu_judge(const ct_eval_item *item, const char *answer, uint64_t seed, size_t nth, char **said,
                        double *score, const char **how, carat_err *err)
{
    return item->n ? judge_letter(item, answer, seed, nth, said, score, how, err)
                   : judge_open(item, answer, said, score, err);
}
