/* Chooses the turn format: the caller's, or the one that the file's template writes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/turn_format.h"

#include <stdio.h>
#include <string.h>

#define NAMES       "gemma, chatml, functiongemma, translategemma or none"
#define KEEPS_ROLES "it has Gemma's markers, but does not write 'model' for 'assistant'"
#define NO_LANGUAGES                                                                                                   \
    "the turns are made, the instruction that names the languages is to be part of the text (--translate)"

/* The format of a wish that was checked; the rest of a template is "". */
static ct_format_kind kind_of_wish(const char *wish, ct_format_match *m)
{
    *m = (ct_format_match){ .kind = ct_format_by_name(wish) };
    if (m->kind == CT_FORMAT_UNKNOWN)
        ct_format_of_template(wish, strlen(wish), m);
    return m->kind;
}

bool ct_turn_format_check(const char *wish, carat_err *err)
{
    ct_format_match m;
    if (!wish)
        return true;
    kind_of_wish(wish, &m);
    if (m.kind == CT_FORMAT_NONE ? strcasecmp(wish, "none") == 0 : m.kind != CT_FORMAT_UNKNOWN && !*m.rest)
        return true;
    if (!strchr(wish, '{'))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "chat template '%.40s', expected " NAMES ", or a Jinja template",
                       wish);
    if (m.keeps_roles)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "the chat template is none that Carat knows (" KEEPS_ROLES "); expected " NAMES
                       ", or a template of one of these");
    if (m.kind == CT_FORMAT_UNKNOWN)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "the chat template is none that Carat knows (it has '%.40s'); expected " NAMES
                       ", or a template of one of these",
                       m.rest);
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "the chat template is %s's, but also writes '%.40s', which Carat does not: use %s and a system text",
                   ct_format_get(m.kind)->people, m.rest, ct_format_get(m.kind)->name);
}

/* "gemma-3-4b-it-q4_0.gguf": the ending that instruction-tuned models are named with. */
static bool is_named_instruct(const char *name)
{
    for (const char *s = name; (s = strpbrk(s, "-_ ")); s++)
        if (strncasecmp(s + 1, "it", 2) == 0 && (!s[3] || strchr("-_. /", s[3])))
            return true;
    return strcasestr(name, "instruct") != NULL;
}

static void write_note(const ct_model *m, const ct_format_match *of_file, ct_turn_format *f)
{
    const char *slash = strrchr(m->path, '/');
    const ct_format *used = ct_format_get(f->used);
    if (of_file->keeps_roles)
        snprintf(f->note, sizeof f->note,
                 "its chat template is none that Carat knows (" KEEPS_ROLES "): %s's turns are used", used->people);
    else if (f->named == CT_FORMAT_UNKNOWN)
        snprintf(f->note, sizeof f->note,
                 "its chat template is none that Carat knows (it has '%.40s'): %s's turns are used", of_file->rest,
                 used->people);
    else if (f->named == CT_FORMAT_NONE &&
             (is_named_instruct(m->cfg.name) || (slash && is_named_instruct(slash)) || is_named_instruct(m->path)))
        snprintf(f->note, sizeof f->note,
                 "named like an instruction-tuned model, but it has no chat template; if it is one, give the template");
    else if (*of_file->rest)
        snprintf(f->note, sizeof f->note, "its chat template is %s's with '%.40s' besides, which is left out",
                 used->people, of_file->rest);
    else if (f->named == CT_FORMAT_TRANSLATE)
        snprintf(f->note, sizeof f->note, "its chat template is TranslateGemma's: " NO_LANGUAGES);
    else if (f->named != CT_FORMAT_GEMMA && f->named != CT_FORMAT_NONE)
        snprintf(f->note, sizeof f->note, "its chat template is %s's, which is used%s", used->people,
                 f->end_text ? "; the markers are not in its vocabulary and are written as text" : "");
}

static void take_token(ct_model *m, const char *name, bool ends)
{
    int32_t id = name ? ct_tok_find(m->tok, name, strlen(name)) : -1;
    if (id < 0 || !ct_tok_can_end(m->tok, id))
        return;
    ct_tok_make_control(m->tok, id);
    if (ends)
        ct_model_add_stop(m, id);
}

static bool has_token(const ct_model *m, const char *name)
{
    int32_t id = ct_tok_find(m->tok, name, strlen(name));
    return id >= 0 && ct_tok_can_end(m->tok, id);
}

void ct_turn_format_choose(ct_model *m, const char *wish, ct_turn_format *out)
{
    ct_format_match of_file = { .kind = CT_FORMAT_NONE };
    if (wish)
        kind_of_wish(wish, &of_file);
    else if (m->chat_template)
        ct_format_of_template(m->chat_template, strlen(m->chat_template), &of_file);
    *out = (ct_turn_format){ .named = of_file.kind,
                             .used = of_file.kind < CT_N_FORMATS ? of_file.kind : CT_FORMAT_GEMMA,
                             .is_refused = wish && of_file.kind == CT_FORMAT_NONE };
    if (!m->tok)
        return;
    if (out->named < CT_N_FORMATS) {
        const ct_format *f = ct_format_get(out->used);
        take_token(m, f->start, false);
        take_token(m, f->end, true);
        take_token(m, f->stop, true);
        out->end_text = f->writes_markers && !has_token(m, f->end) ? f->end : NULL;
    }
    if (!wish)
        write_note(m, &of_file, out);
    else if (out->named == CT_FORMAT_TRANSLATE)
        snprintf(out->note, sizeof out->note, "with TranslateGemma's template " NO_LANGUAGES);
}

const char *ct_turn_format_name(const ct_turn_format *f)
{
    return f->named == CT_FORMAT_NONE ? "" : f->named == CT_FORMAT_UNKNOWN ? "unknown" : ct_format_get(f->named)->name;
}
