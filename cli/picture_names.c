/* Finds files of pictures in what people type, paste and drag into a terminal.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "picture_names.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define BLANKS     " \t\r\n"
#define BEHIND     "?.,;:!)" /* punctuation that follows a name */
#define MAX_TRIES  16        /* quotes, and endings, that are tried for a name */
#define MAX_BEFORE 8         /* words before that of a name's ending that may be a part of it */

/* ---- from what is written to a path ---- */

typedef struct span {
    const char *s;
    size_t n;
} span;

static bool starts(span v, const char *with)
{
    const size_t n = strlen(with);
    return v.n >= n && strncasecmp(v.s, with, n) == 0;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* file:///a%20b.png, file://localhost/..., file:/... (RFC 8089). False: another address, or too long. */
static bool from_address(span v, char *path)
{
    size_t at = starts(v, "file://localhost/") ? 16 : starts(v, "file:///") ? 7 : starts(v, "file:/") ? 5 : 0, n = 0;
    if (!at || (v.n > at + 1 && v.s[at + 1] == '/'))
        return false;
    for (; at < v.n; at++) {
        const int high = v.s[at] == '%' && at + 2 < v.n ? hex(v.s[at + 1]) : -1;
        const int low = high >= 0 ? hex(v.s[at + 2]) : -1;
        const char c = low >= 0 ? (char)(high << 4 | low) : v.s[at];
        if (!c || n + 1 >= PICTURE_PATH)
            return false;
        path[n++] = c;
        at += low >= 0 ? 2 : 0;
    }
    path[n] = '\0';
    return true;
}

static bool from_home(span v, char *path)
{
    const char *home = getenv("HOME");
    const size_t n = home ? strlen(home) : 0;
    if (!starts(v, "~/") || n == 0 || n + v.n > PICTURE_PATH)
        return false;
    memcpy(path, home, n);
    memcpy(path + n, v.s + 1, v.n - 1);
    path[n + v.n - 1] = '\0';
    return true;
}

static bool as_it_is(span v, char *path)
{
    if (v.n == 0 || v.n >= PICTURE_PATH)
        return false;
    memcpy(path, v.s, v.n);
    path[v.n] = '\0';
    return true;
}

/* "my\ dog.jpg" */
static bool unescape(span v, char *to, span *out)
{
    size_t n = 0;
    if (v.n >= PICTURE_PATH || !memchr(v.s, '\\', v.n))
        return false;
    for (size_t i = 0; i < v.n; i++) {
        i += v.s[i] == '\\' && i + 1 < v.n;
        to[n++] = v.s[i];
    }
    *out = (span){ to, n };
    return true;
}

static bool is_file(const char *path, int *why)
{
    struct stat st;
    if (stat(path, &st) != 0)
        *why = errno;
    else if (S_ISDIR(st.st_mode))
        *why = EISDIR;
    else if (!S_ISREG(st.st_mode))
        *why = EINVAL;
    else
        return true;
    return false;
}

/* The file that is meant by v. False: there is none, with *why where a path was tried. */
static bool find_file(span v, char *path, int *why)
{
    char plain[PICTURE_PATH];
    span forms[2] = { v };
    const size_t n = 1 + (size_t)unescape(v, plain, &forms[1]);
    for (size_t i = 0; i < n; i++)
        if ((as_it_is(forms[i], path) && is_file(path, why)) || (from_home(forms[i], path) && is_file(path, why)) ||
            (from_address(forms[i], path) && is_file(path, why)))
            return true;
    return false;
}

const char *picture_name_why(const picture_name *p)
{
    return p->why == EINVAL                        ? "not a file" /* a pipe, a device */
           : p->why == ENOENT || p->why == ENOTDIR ? "no such file"
                                                   : strerror(p->why);
}

/* ---- names in a text ----
 *
 * Endings are looked for (".png"), and from each the beginnings of a name before it: of the word, within it, some words
 * before. The first that is a file's counts. */

static const char *const read_ends[] = { ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", NULL };
static const char *const other_ends[] = { ".heic", ".heif", ".avif", ".tif", ".tiff", ".jxl", ".svg", NULL };

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Length of the ending at the dot s; 0: none, or the word goes on: "a.png2", "a.png.bak", "a.png/b". */
static size_t ending(const char *s, const char *const *ends)
{
    for (; *ends; ends++) {
        const size_t n = strlen(*ends);
        if (strncasecmp(s, *ends, n) != 0)
            continue;
        const unsigned char next = (unsigned char)s[n];
        const bool joins = (next == '.' || next == '-') && is_alnum((unsigned char)s[n + 1]);
        if (next != '_' && next != '/' && !is_alnum(next) && !joins)
            return n;
    }
    return 0;
}

static bool is_blank_at(const char *text, size_t at)
{
    return strchr(BLANKS, text[at]) && !(at && text[at - 1] == '\\');
}

/* May a name begin at this place inside a word? After "(", "image=", "a.png,", and between letters of other scripts and
 * ASCII. */
static bool may_begin(const char *text, size_t at)
{
    const unsigned char before = (unsigned char)text[at - 1], here = (unsigned char)text[at];
    if (before == ':')
        return here != '/' || text[at + 1] != '/';
    return before < 0x80 ? strchr("([{<\"'`=,;|@", before) != NULL : here < 0x80;
}

static bool is_address(span v)
{
    const char *colon = memmem(v.s, v.n, "://", 3);
    return colon && !starts(v, "file://");
}

static bool try_name(const char *text, size_t from, size_t to, picture_name *out)
{
    char path[PICTURE_PATH];
    if (!find_file((span){ text + from, to - from }, path, &out->why))
        return false;
    out->from = from, out->to = to;
    memcpy(out->path, path, sizeof path);
    return true;
}

/* The closing quote at s; 0: none. *opening is the other one. */
static size_t closing_quote(const char *s, const char **opening)
{
    static const char *const pairs[][2] = {
        { "'", "'" },
        { "\"", "\"" },
        { "`", "`" },
        { "\xe2\x80\x9c", "\xe2\x80\x9d" }, /* U+201C, U+201D */
        { "\xe2\x80\x98", "\xe2\x80\x99" }, /* U+2018, U+2019 */
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strncmp(s, pairs[i][1], strlen(pairs[i][1])) == 0) {
            *opening = pairs[i][0];
            return strlen(pairs[i][1]);
        }
    return 0;
}

/* 'my dog.png', where a closing quote stands at text + to: the nearest opening one with which it is a file, an apostrophe
 * may be a part of its name. Without a file, out is the nearest. */
static bool try_quoted(const char *text, size_t least, size_t to, picture_name *out, bool *is_quoted)
{
    const char *opening = NULL;
    const size_t quote = closing_quote(text + to, &opening);
    int tries = 0;
    *is_quoted = false;
    for (size_t at = to; quote && at > least && to - at < PICTURE_PATH && tries < MAX_TRIES && text[at - 1] != '\n';
         at--) {
        const size_t from = at - 1;
        if (strncmp(text + from, opening, quote) != 0 || from + quote >= to)
            continue;
        tries++;
        if (try_name(text, from + quote, to, out)) {
            out->from = from, out->to = to + quote;
            return true;
        }
        if (!*is_quoted)
            out->from = from + quote;
        *is_quoted = true;
    }
    return false;
}

/* The beginnings that are possible for a name that ends before text + to, from the nearest on; word_n of them are within
 * the word. */
typedef struct beginnings {
    size_t at[4 * MAX_TRIES], n, word_n;
} beginnings;

static void find_beginnings(const char *text, size_t least, size_t to, beginnings *b)
{
    int words = 0;
    *b = (beginnings){ 0 };
    for (size_t at = to - 1; b->n < sizeof b->at / sizeof *b->at && to - at < PICTURE_PATH; at--) {
        const bool is_word = at == least || is_blank_at(text, at - 1);
        if (!is_blank_at(text, at) && (is_word || may_begin(text, at)))
            b->at[b->n++] = at;
        if (is_word && words == 0)
            b->word_n = b->n;
        words += is_word && !is_blank_at(text, at);
        if (at == least || text[at - 1] == '\n' || words > MAX_BEFORE)
            break;
    }
    b->word_n = words ? b->word_n : b->n;
}

/* A name that ends before text + to. *out is where it should be, if there is none. */
static bool try_ending(const char *text, size_t least, size_t to, picture_name *out)
{
    beginnings b;
    bool is_quoted;
    picture_name quoted = *out;
    find_beginnings(text, least, to, &b);
    if (try_quoted(text, least, to, &quoted, &is_quoted)) {
        *out = quoted;
        return true;
    }
    for (size_t i = b.word_n; i > 0; i--)
        if (try_name(text, b.at[i - 1], to, out))
            return true;
    const size_t word = b.word_n ? b.at[b.word_n - 1] : to - least < PICTURE_PATH ? least : to - PICTURE_PATH;
    const int why = out->why;
    for (size_t i = b.word_n; i < b.n && !is_address((span){ text + word, to - word }); i++)
        if (try_name(text, b.at[i], to, out))
            return true;
    out->why = why;
    out->from = is_quoted ? quoted.from : word + strspn(text + word, "([{<\"'`");
    out->to = to;
    return false;
}

static void as_missing(const char *text, picture_name *out)
{
    const span v = { text + out->from, out->to - out->from };
    const size_t n = v.n < PICTURE_PATH ? v.n : PICTURE_PATH - 1;
    memcpy(out->path, v.s, n);
    out->path[n] = '\0';
    out->kind = is_address(v) ? PICTURE_ADDRESS : PICTURE_MISSING;
}

/* The next place at or behind `at` where a name ends; is_read: of a format that is read. */
static size_t next_ending(const char *text, size_t at, bool *is_read)
{
    for (const char *dot = text + at; (dot = strchr(dot, '.')); dot++) {
        const size_t n = ending(dot, read_ends), other = n ? 0 : ending(dot, other_ends);
        const bool has_name = dot > text + at && !strchr(BLANKS "/*", dot[-1]);
        *is_read = n > 0;
        if (has_name && (n || other))
            return (size_t)(dot - text) + n + other;
    }
    return 0;
}

/* May a name that covers this missing one end later in the line? 'a.png, or b.png' in quotes is a name. */
static bool try_longer(const char *text, size_t least, picture_name *out)
{
    picture_name longer = { .why = ENOENT };
    bool is_read;
    size_t at = out->to;
    for (int tries = 0; tries < MAX_TRIES && (at = next_ending(text, at, &is_read)); tries++) {
        if (memchr(text + out->to, '\n', at - out->to))
            return false;
        if (is_read && try_ending(text, least, at, &longer) && longer.from <= out->from) {
            *out = longer;
            return true;
        }
    }
    return false;
}

bool picture_name_next(const char *text, size_t at, picture_name *out)
{
    const size_t least = at;
    bool is_read;
    while ((at = next_ending(text, at, &is_read))) {
        *out = (picture_name){ .kind = is_read ? PICTURE_FILE : PICTURE_OTHER, .why = ENOENT };
        if (try_ending(text, least, at, out))
            return true;
        if (!is_read)
            continue;
        if (!try_longer(text, least, out))
            as_missing(text, out);
        return true;
    }
    return false;
}

/* ---- where a path is expected ---- */

/* A word as a shell would read it. Returns its end. */
static size_t shell_word(const char *text, size_t at, char *word, size_t *n)
{
    char quote = '\0';
    *n = 0;
    for (; text[at] && (quote || !strchr(BLANKS, text[at])); at++) {
        if (quote ? text[at] == quote : text[at] == '\'' || text[at] == '"') {
            quote = quote ? '\0' : text[at];
            continue;
        }
        at += text[at] == '\\' && text[at + 1] && quote != '\'';
        if (*n + 1 < PICTURE_PATH)
            word[(*n)++] = text[at];
    }
    word[*n] = '\0';
    return at;
}

/* The name, or without punctuation behind it. */
static bool find_typed(span v, char *path, int *why)
{
    int ignored;
    if (find_file(v, path, why))
        return true;
    while (v.n > 1 && strchr(BEHIND, v.s[v.n - 1])) {
        v.n--;
        if (find_file(v, path, &ignored))
            return true;
    }
    return false;
}

bool picture_path_next(const char *text, size_t *at, picture_name *out)
{
    char word[PICTURE_PATH], path[PICTURE_PATH];
    *at += strspn(text + *at, BLANKS);
    const span all = { text + *at, strlen(text + *at) };
    size_t n, end;
    if (!all.n)
        return false;
    *out = (picture_name){ .kind = PICTURE_MISSING, .from = *at, .to = *at + all.n, .why = ENOENT };
    bool is_there = find_typed(all, path, &out->why);
    if (!is_there) {
        int why = ENOENT;
        end = shell_word(text, *at, word, &n);
        is_there = find_typed((span){ word, n }, path, &why);
        if (is_there || !text[end])
            out->to = end, out->why = why;
    }
    if (is_there)
        memcpy(out->path, path, sizeof path);
    else
        as_it_is((span){ all.s, all.n < PICTURE_PATH ? all.n : PICTURE_PATH - 1 }, out->path);
    out->kind = is_there ? PICTURE_FILE : is_address(all) ? PICTURE_ADDRESS : PICTURE_MISSING;
    *at = out->to;
    return true;
}
