/* Fields into templates; the cleaning of WikiHow's texts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/fill.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const json_t *ct_eval_at(const json_t *row, const char *field_path)
{
    char key[64];
    while (row && *field_path) {
        const size_t n = strcspn(field_path, ".");
        if (n >= sizeof key)
            return NULL;
        memcpy(key, field_path, n);
        key[n] = '\0';
        row = json_object_get(row, key);
        field_path += n + (field_path[n] == '.');
    }
    return row;
}

static void strip(const char **s, size_t *len)
{
    while (*len && isspace((unsigned char)**s))
        ++*s, --*len;
    while (*len && isspace((unsigned char)(*s)[*len - 1]))
        --*len;
}

/* filters: "strip|capitalize", or NULL. */
static void add_text(const char *s, size_t len, char *filters, ct_buf *out)
{
    bool capitalizes = false;
    for (char *f = filters, *next; f; f = next) {
        next = strchr(f, '|');
        if (next)
            *next++ = '\0';
        const char *off = strncmp(f, "without:", 8) == 0 ? f + 8 : NULL;
        if (strcmp(f, "strip") == 0)
            strip(&s, &len);
        if (off && len >= strlen(off) && strncmp(s, off, strlen(off)) == 0)
            len -= strlen(off), s += strlen(off);
        capitalizes |= strcmp(f, "capitalize") == 0;
    }
    /* Python's: the first letter large, the others small; of ASCII. */
    for (size_t i = 0; i < len && capitalizes; i++)
        ct_buf_char(out, (char)(i == 0 ? toupper((unsigned char)s[i]) : tolower((unsigned char)s[i])));
    if (!capitalizes)
        ct_buf_add(out, s, len);
}

static bool add_field(const char *name, size_t len, const json_t *row, ct_buf *out, carat_err *err)
{
    char field[128];
    if (len >= sizeof field)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "a field's name is longer than %zu", sizeof field - 1);
    memcpy(field, name, len);
    field[len] = '\0';
    char *filter = strchr(field, '|');
    if (filter)
        *filter++ = '\0';
    const json_t *v = ct_eval_at(row, field);
    if (json_is_string(v) && strlen(json_string_value(v)) != json_string_length(v))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' has a NUL character", field);
    if (json_is_string(v))
        add_text(json_string_value(v), json_string_length(v), filter, out);
    else if (json_is_integer(v))
        ct_buf_fmt(out, "%lld", (long long)json_integer_value(v));
    else if (!v && filter && strncmp(filter, "or:", 3) == 0)
        ct_buf_str(out, filter + 3);
    else
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' is %s, expected a text", field,
                       v ? ct_json_kind(v) : "missing");
    return true;
}

bool ct_eval_fill(const char *text, const json_t *row, ct_buf *out, carat_err *err)
{
    while (*text) {
        const size_t n = strcspn(text, "{");
        ct_buf_add(out, text, n);
        text += n;
        const char *end = *text ? strchr(text, '}') : NULL;
        if (!end) {
            ct_buf_str(out, text);
            break;
        }
        if (!add_field(text + 1, (size_t)(end - text - 1), row, out, err))
            return false;
        text = end + 1;
    }
    return !out->failed || ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "too long, or no memory for it");
}

/* Replaces every `what`, from left to right; the result is no longer than the text. */
static void replace(char *s, const char *what, const char *by)
{
    const size_t n = strlen(what), m = strlen(by);
    char *to = s;
    while (*s)
        if (strncmp(s, what, n) == 0) {
            memcpy(to, by, m);
            to += m;
            s += n;
        } else {
            *to++ = *s++;
        }
    *to = '\0';
}

/* "[...]" without a line break in it, as the expression \[.*?\] has it. */
static void drop_brackets(char *s)
{
    char *to = s;
    while (*s) {
        const size_t n = *s == '[' ? strcspn(s, "]\n") : 0;
        if (n && s[n] == ']')
            s += n + 1;
        else
            *to++ = *s++;
    }
    *to = '\0';
}

char *ct_eval_clean(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len && isspace((unsigned char)text[len - 1]))
        len--;
    char *s = strndup(text, len);
    if (!s)
        return NULL;
    replace(s, " [title]", ". ");
    drop_brackets(s);
    replace(s, "  ", " ");
    return s;
}
