/* Siblings of Gemma 3, by what only they have.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/family.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *people;
    const char *in_template; /* a text that only its template has; NULL: its template is Gemma's */
    const char *in_name;     /* letters and digits of its name */
} families[] = {
    { "FunctionGemma", "<start_function_declaration>", "functiongemma" },
    { "TranslateGemma", "source_lang_code", "translategemma" },
    { "ShieldGemma 2", "<BEGIN_SAFETY_POLICY>", "shieldgemma2" },
    { "MedGemma", NULL, "medgemma" },
    { "quantisation-aware trained", NULL, "qat" },
};

/* Letters and digits of a name, small; of a path its last two parts: "shieldgemma-2-4b-it/". */
static void squeeze(const char *name, char out[160])
{
    size_t n = 0;
    for (const char *s = name; *s && n < 159; s++)
        if (isalnum((unsigned char)*s))
            out[n++] = (char)tolower((unsigned char)*s);
    out[n] = '\0';
}

static const char *last_part(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    return path + n;
}

/* "qat" as a word of its own, not as a part of one. */
static bool has_word(const char *name, const char *word)
{
    const size_t n = strlen(word);
    for (const char *s = name; (s = strcasestr(s, word)); s++)
        if ((s == name || !isalpha((unsigned char)s[-1])) && !isalpha((unsigned char)s[n]))
            return true;
    return false;
}

static bool is_named(const ct_model *m, const char *what)
{
    const char *const names[] = { m->cfg.name, m->path ? last_part(m->path) : "" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char own[160];
        squeeze(names[i], own);
        if (strlen(what) > 4 ? strstr(own, what) != NULL : has_word(names[i], what))
            return true;
    }
    return false;
}

void ct_family_of(const ct_model *m, ct_buf *out)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const char *text = families[i].in_template;
        const bool by_template = text && m->chat_template && strstr(m->chat_template, text);
        if (by_template || is_named(m, families[i].in_name))
            ct_buf_fmt(out, "%s%s, by its %s", out->len ? "\n" : "", families[i].people,
                       by_template ? "chat template" : "name");
    }
}
