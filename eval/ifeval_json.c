/* Is a text JSON as Python's json reads it? With NaN and infinities, numbers of any size, keys given twice, no control characters in texts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "eval/ifeval.h"

#define MOST_DEPTH 900

static bool read_value(const char **at, int depth);

static void read_space(const char **at)
{
    *at += strspn(*at, " \t\n\r");
}

static bool read_text(const char **at)
{
    const char *s = *at + 1;
    for (; *s && *s != '"'; s++) {
        if ((unsigned char)*s < 0x20)
            return false;
        if (*s != '\\')
            continue;
        s++;
        if (!*s || !strchr("\"\\/bfnrtu", *s) || (*s == 'u' && strspn(s + 1, "0123456789abcdefABCDEF") < 4))
            return false;
    }
    *at = s + 1;
    return *s == '"';
}

static bool read_word(const char **at)
{
    static const char *const words[] = { "null", "true", "false", "NaN", "Infinity", "-Infinity" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp(*at, words[i], strlen(words[i])) == 0) {
            *at += strlen(words[i]);
            return true;
        }
    const char *s = *at + (**at == '-');
    const size_t n = strspn(s, "0123456789");
    if (!n)
        return false;
    s += *s == '0' ? 1 : n;
    size_t more = *s == '.' ? strspn(s + 1, "0123456789") : 0;
    s += more ? more + 1 : 0;
    if (*s == 'e' || *s == 'E') {
        const char *e = s + 1 + (s[1] == '+' || s[1] == '-');
        more = strspn(e, "0123456789");
        s = more ? e + more : s;
    }
    *at = s;
    return true;
}

static bool read_list(const char **at, char end, int depth)
{
    ++*at;
    read_space(at);
    if (**at == end) {
        ++*at;
        return true;
    }
    for (;;) {
        if (end == '}') {
            if (**at != '"' || !read_text(at))
                return false;
            read_space(at);
            if (*(*at)++ != ':')
                return false;
            read_space(at);
        }
        if (!read_value(at, depth + 1))
            return false;
        read_space(at);
        const char c = **at;
        if (c != ',' && c != end)
            return false;
        ++*at;
        if (c == end)
            return true;
        read_space(at);
    }
}

static bool read_value(const char **at, int depth)
{
    if (depth > MOST_DEPTH)
        return false;
    return **at == '"'   ? read_text(at)
           : **at == '{' ? read_list(at, '}', depth)
           : **at == '[' ? read_list(at, ']', depth)
                         : read_word(at);
}

bool ct_eval_is_python_json(const char *text)
{
    const char *at = text;
    if (!read_value(&at, 0))
        return false;
    read_space(&at);
    return !*at;
}
