/* Words, sentences, large letters and languages, for IFEval.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "eval/ifeval.h"
#include "eval/text.h"

static uint32_t next(const char **s)
{
    uint32_t c;
    *s += ct_utf8_next(*s, strnlen(*s, 4), &c);
    return c;
}

/* ---- characters ---- */

/* Signs of Indian scripts and their like that stand with a letter and are none. */
static bool is_sign(uint32_t c)
{
    if (c >= 0x900 && c <= 0xD7F) {
        const uint32_t k = c & 0x7F;
        return k <= 3 || k == 0x3C || (k >= 0x3E && k <= 0x4D) || (k >= 0x51 && k <= 0x57) || k == 0x62 || k == 0x63 ||
               k == 0x64 || k == 0x65 || k == 0x70;
    }
    return (c >= 0x300 && c <= 0x36F) || (c >= 0x591 && c <= 0x5CF) || (c >= 0x64B && c <= 0x65F) || c == 0x670 ||
           (c >= 0x6D6 && c <= 0x6ED && c != 0x6E5 && c != 0x6E6) || c == 0xE31 || (c >= 0xE34 && c <= 0xE3F) ||
           (c >= 0xE47 && c <= 0xE4F);
}

static bool is_mark(uint32_t c)
{
    return c < 0xAA ||
           (c >= 0xAB && c <= 0xBF && c != 0xB2 && c != 0xB3 && c != 0xB5 && c != 0xB9 && c != 0xBA &&
            (c < 0xBC || c > 0xBE)) ||
           c == 0xD7 || c == 0xF7 || c == 0x37E || c == 0x387 || c == 0x60C || c == 0x61B || c == 0x61F ||
           (c >= 0x66A && c <= 0x66D) || c == 0x6D4 || (c >= 0x2000 && c <= 0x206F) || (c >= 0x20A0 && c <= 0x20F0) ||
           (c >= 0x2190 && c <= 0x245F) || (c >= 0x249C && c <= 0x24B5) || (c >= 0x2500 && c <= 0x2775) ||
           (c >= 0x2794 && c <= 0x2BFF) || (c >= 0x2E00 && c <= 0x2E7F) || (c >= 0x3000 && c <= 0x3004) ||
           (c >= 0x3008 && c <= 0x3020) || c == 0x3030 || (c >= 0xE000 && c <= 0xF8FF) ||
           (c >= 0xFE00 && c <= 0xFE6F) || (c >= 0xFF01 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20) ||
           (c >= 0xFF3B && c <= 0xFF40) || (c >= 0xFF5B && c <= 0xFF65) || c == 0xFEFF ||
           (c >= 0xFFE0 && c <= 0xFFFF) || (c >= 0x1F000 && c <= 0x1F0FF) || (c >= 0x1F10D && c <= 0x1FBEF) ||
           c >= 0xE0000;
}

bool ct_eval_is_word_char(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return c != CT_UTF8_BAD && !is_mark(c) && !is_sign(c);
}

size_t ct_eval_count_words(const char *text)
{
    size_t n = 0;
    for (bool is_in = false; *text;) {
        const bool is = ct_eval_is_word_char(next(&text));
        n += is && !is_in;
        is_in = is;
    }
    return n;
}

static bool is_small(uint32_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 0xDF && c <= 0xFF && c != 0xF7) || c == 0xAA || c == 0xBA || c == 0xB5)
        return true;
    /* what a large letter becomes */
    return (c >= 0x100 && c <= 0x24F && ct_eval_lower_char(c - 1) == c) || c == 0x131 || c == 0x138 || c == 0x149 ||
           c == 0x17F || (c >= 0x3AC && c <= 0x3CE) || (c >= 0x430 && c <= 0x45F) ||
           (((c >= 0x460 && c <= 0x52F) || (c >= 0x1E00 && c <= 0x1EFF)) && ct_eval_lower_char(c - 1) == c) ||
           (c >= 0x560 && c <= 0x588);
}

static int case_of(const char *text, const char *end)
{
    bool large = false, small = false;
    while (text < end) {
        const uint32_t c = next(&text);
        large |= ct_eval_lower_char(c) != c;
        small |= is_small(c);
    }
    return large && !small ? 1 : small && !large ? -1 : 0;
}

int ct_eval_case_of(const char *text)
{
    return case_of(text, text + strlen(text));
}

/* ---- large words ---- */

/* Marks that NLTK's tokeniser makes tokens of their own wherever they are. */
static bool stands_alone(uint32_t c)
{
    return (c && c < 0x80 && strchr(";@#$%&?!*[](){}<>\"`", (int)c)) || c == 0xAB || c == 0xBB || c == 0x201C ||
           c == 0x201D || c == 0x2018 || c == 0x2019 || c == 0x201E || (c >= 0x2012 && c <= 0x2015);
}

static bool ends_with(const char *from, const char *end, const char *what)
{
    const size_t n = strlen(what);
    return (size_t)(end - from) > n && strncasecmp(end - n, what, n) == 0;
}

/* A piece without such marks: is it one large token, or two, as DON'T and CANNOT are? */
static size_t large_in(const char *from, const char *end)
{
    static const char *const tails[] = { "'s", "'m", "'d", "'ll", "'re", "'ve", "n't" };
    static const struct {
        const char *whole;
        size_t first;
    } pairs[] = { { "CANNOT", 3 }, { "GIMME", 3 }, { "GONNA", 3 }, { "GOTTA", 3 },
                  { "LEMME", 3 },  { "WANNA", 3 }, { "'TIS", 2 },  { "'TWAS", 2 } };
    while (end > from && *from == '\'' && !ends_with(from, end, "'tis") && strncasecmp(from, "'twas", 5) != 0 &&
           strncasecmp(from, "'tis", 4) != 0)
        from++;
    size_t n = 0;
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        if (ends_with(from, end, tails[i])) {
            const char *tail = end - strlen(tails[i]);
            n += case_of(tail, end) == 1;
            end = tail;
            break;
        }
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if ((size_t)(end - from) == strlen(pairs[i].whole) &&
            strncmp(from, pairs[i].whole, strlen(pairs[i].whole)) == 0)
            return n + 2;
    return n + (case_of(from, end) == 1);
}

size_t ct_eval_count_large(const char *text)
{
    size_t n = 0;
    const char *from = text;
    for (const char *at = text;;) {
        const char *here = at;
        const uint32_t c = *at ? next(&at) : 0;
        const bool splits = !c || ct_eval_is_space(c) || stands_alone(c) ||
                            (strchr(":,", (int)(c < 0x80 ? c : 'x')) && c && !(*at >= '0' && *at <= '9')) ||
                            (c == '-' && *at == '-') || (c == '.' && *at == '.');
        if (splits) {
            n += here > from ? large_in(from, here) : 0;
            while (c == '.' && *at == '.')
                at++;
            at += c == '-' && *at == '-';
            from = at;
        }
        if (!c)
            return n;
    }
}

/* ---- sentences ---- */

/* What Punkt's English model, or anybody, may take for an abbreviation, without its point. */
static const char abbreviations[] = " ct ms dr pa st dec lt adm ga tenn yr sen inc vs feb sr jan col ft va chg minn "
                                    "aug gen okla ltd oct vt ariz ore mrs cie corp nov ill "
                                    "prof conn messrs calif wash tues sw bros wis mr sep sept ave co fla jr reps rep "
                                    "ala mich colo fri maj kan ky cos nev mg ok wed mon "
                                    "thu thurs tue sat sun mar apr jun jul approx dept est fig etc no nos vol pp mt "
                                    "hon sgt capt gov pres rev tex wyo neb mont mass miss "
                                    "mo ind al cf eg ie jan viz op ed eds art al ";

static bool may_be_abbreviation(const char *core, const char *end)
{
    char word[24];
    const char *hyphen = core;
    for (const char *s = core; s < end; s++)
        hyphen = *s == '-' ? s + 1 : hyphen;
    const size_t len = (size_t)(end - hyphen);
    if (len + 3 > sizeof word)
        return false;
    word[0] = ' ';
    for (size_t i = 0; i < len; i++)
        word[i + 1] = (char)(hyphen[i] >= 'A' && hyphen[i] <= 'Z' ? hyphen[i] + 32 : hyphen[i]);
    word[len + 1] = ' ';
    word[len + 2] = '\0';
    return strstr(abbreviations, word) != NULL;
}

/* Does a sentence surely end with the point at `point`? behind: the next token; NULL: it follows at once. */
static bool ends_surely(const char *text, const char *point, const char *behind)
{
    const char *core = point;
    while (core > text && !ct_eval_is_space((unsigned char)core[-1]))
        core--;
    while (core < point && strchr("\"'([{*_-`", *core))
        core++;
    if (core == point || point[-1] == '.')
        return false;
    if (strchr(")]}\"'*", point[-1]))
        return true; /* the point is a token of its own */
    const size_t len = (size_t)(point - core);
    if (memchr(core, '.', len) || ct_utf8_count(core) < 2)
        return false;
    if (point[-1] >= '0' && point[-1] <= '9')
        return behind && !is_small((unsigned char)*behind) && (unsigned char)*behind < 0x80 &&
               !strchr(";:,.!?", *behind);
    uint32_t c;
    const char *first = core;
    c = next(&first);
    if (first >= point || !ct_eval_is_word_char(c)) /* an initial, or none that is known */
        return false;
    return !may_be_abbreviation(core, point);
}

/* 0: surely no end of a sentence with another behind it; 1: surely one; -1: perhaps. */
static int end_at(const char *text, const char *at)
{
    const char *behind = at + 1;
    const bool closes = *behind && strchr("\"')]}", *behind);
    if (!*behind || (!closes && (unsigned char)*behind < 0x80 && !strchr(";*:@({[!?. \t\r\n\v\f", *behind)))
        return 0;
    if (strchr("!?.", *behind))
        return -1;
    while (closes && *behind && strchr("\"')]}", *behind))
        behind++;
    const char *word = behind;
    while (*word && ct_eval_is_space((unsigned char)*word))
        word++;
    if (word != behind && !*word)
        return 0; /* the text's end */
    if (closes && !*behind)
        return 0;
    if (closes && word == behind)
        return -1;
    const char *token = word != behind ? word : NULL;
    if (!token && (unsigned char)*behind >= 0x80)
        return -1;
    if (*at != '.')
        return 1;
    return ends_surely(text, at, token) ? 1 : -1;
}

void ct_eval_count_sentences(const char *text, size_t *low, size_t *high)
{
    *low = *high = 1;
    for (const char *at = text; (at = strpbrk(at, ".?!")); at++) {
        const int ends = end_at(text, at);
        *low += ends == 1;
        *high += ends != 0;
    }
}

/* ---- languages ---- */

/* Blocks of scripts in which one of langdetect's languages is written, or several. */
static const struct script {
    uint32_t from, to;
    const char *languages; /* with spaces around each */
} scripts[] = {
    { 0x900, 0x97F, " hi mr ne " },    { 0x980, 0x9FF, " bn " },
    { 0xA00, 0xA7F, " pa " },          { 0xA80, 0xAFF, " gu " },
    { 0xB80, 0xBFF, " ta " },          { 0xC00, 0xC7F, " te " },
    { 0xC80, 0xCFF, " kn " },          { 0xD00, 0xD7F, " ml " },
    { 0xE00, 0xE7F, " th " },          { 0x600, 0x6FF, " ar fa ur " },
    { 0x400, 0x52F, " ru bg uk mk " }, { 0x590, 0x5FF, " he " },
    { 0x370, 0x3FF, " el " },          { 0xAC00, 0xD7AF, " ko " },
    { 0x3040, 0x30FF, " ja " },        { 0x4E00, 0x9FFF, " zh-cn zh-tw ja ko " },
};

static bool is_among(const char *languages, const char *language)
{
    const size_t n = strlen(language);
    for (const char *at = strstr(languages, language); at; at = strstr(at + 1, language))
        if (at[-1] == ' ' && at[n] == ' ')
            return true;
    return false;
}

static bool is_english(const char *text)
{
    static const char words[] = " the of and to is that it for with as on are this be by from at or an have not you "
                                "your which their has was were will can but "
                                "they we my his her its if there what when how who would should more all so about into "
                                "than then these those our been do does ";
    size_t n = 0, known = 0;
    char word[16] = " ";
    for (size_t len = 0;; text++) {
        const bool is_letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
        if (is_letter) {
            if (len + 3 < sizeof word)
                word[len + 1] = (char)(*text | 32);
            len++;
            continue;
        }
        if (len && len + 3 < sizeof word) {
            word[len + 1] = ' ';
            word[len + 2] = '\0';
            known += strstr(words, word) != NULL;
        }
        n += len > 0;
        len = 0;
        if (!*text)
            return n >= 10 && 4 * known >= n;
    }
}

ct_eval_verdict ct_eval_is_language(const char *text, const char *language)
{
    size_t all = 0, latin = 0, own = 0,
           only = 0; /* letters: of Latin, of the language's scripts, of those that it alone has */
    bool is_latin = true;
    for (size_t k = 0; k < sizeof scripts / sizeof *scripts; k++)
        is_latin &= !is_among(scripts[k].languages, language);
    for (const char *at = text; *at;) {
        const uint32_t c = next(&at);
        if (!ct_eval_is_word_char(c) || (c >= '0' && c <= '9') || c == '_')
            continue;
        all++;
        latin += c < 0x250 || (c >= 0x1E00 && c <= 0x1EFF);
        for (size_t k = 0; k < sizeof scripts / sizeof *scripts; k++)
            if (c >= scripts[k].from && c <= scripts[k].to && is_among(scripts[k].languages, language)) {
                own++;
                only += strlen(scripts[k].languages) == strlen(language) + 2;
            }
    }
    if (!all)
        return CT_EVAL_FOLLOWED; /* langdetect has nothing to say, and the authors count that so */
    if (is_latin && 10 * latin <= all)
        return CT_EVAL_NOT_FOLLOWED;
    if (!is_latin && 10 * own <= all)
        return CT_EVAL_NOT_FOLLOWED;
    if (!is_latin)
        return 10 * only >= 9 * all ? CT_EVAL_FOLLOWED : CT_EVAL_NOT_JUDGED;
    if (10 * latin >= 9 * all && is_english(text))
        return strcmp(language, "en") == 0 ? CT_EVAL_FOLLOWED : CT_EVAL_NOT_FOLLOWED;
    return CT_EVAL_NOT_JUDGED;
}
