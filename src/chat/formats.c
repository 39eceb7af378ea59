/* The table of turn formats, and the literal texts of a Jinja template that tell them apart.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/formats.h"

#include <string.h>
#include <strings.h>

static const ct_format formats[CT_N_FORMATS] = {
    [CT_FORMAT_GEMMA] = { "gemma", "Gemma", "<start_of_turn>", "<end_of_turn>", "user", "model" },
    [CT_FORMAT_CHATML] = { "chatml", "ChatML", "<|im_start|>", "<|im_end|>", "user", "assistant", "system", "tool",
                           .writes_markers = true, .is_verbatim = true },
    [CT_FORMAT_FUNCTION] = { "functiongemma", "FunctionGemma", "<start_of_turn>", "<end_of_turn>", "user", "model",
                             "developer", .stop = "<start_function_response>", .has_own_syntax = true },
    [CT_FORMAT_TRANSLATE] = { "translategemma", "TranslateGemma", "<start_of_turn>", "<end_of_turn>", "user", "model" },
};

const ct_format *ct_format_get(ct_format_kind kind)
{
    return &formats[kind];
}

ct_format_kind ct_format_by_name(const char *name)
{
    for (ct_format_kind k = 0; k < CT_N_FORMATS; k++)
        if (strcasecmp(formats[k].name, name) == 0)
            return k;
    return strcasecmp(name, "none") == 0 ? CT_FORMAT_NONE : CT_FORMAT_UNKNOWN;
}

/* ---- the literal texts of a template ---- */

/* What of it is seen at a time. */
typedef struct reader {
    const char *at, *end;
    char close;     /* of the tag that it is in: '}' or '%'; 0: outside of tags */
    bool is_silent; /* the literals of this tag are the words of an error */
} reader;

static bool begins(const reader *r, const char *s)
{
    size_t n = strlen(s);
    return (size_t)(r->end - r->at) >= n && memcmp(r->at, s, n) == 0;
}

static void skip_comment(reader *r)
{
    while (r->at < r->end && !begins(r, "#}"))
        r->at++;
    r->at += begins(r, "#}") ? 2 : 0;
}

/* Text outside of tags, up to the next one. */
static bool take_outer(reader *r, const char **s, size_t *len)
{
    *s = r->at;
    while (r->at < r->end && !begins(r, "{{") && !begins(r, "{%") && !begins(r, "{#"))
        r->at++;
    *len = (size_t)(r->at - *s);
    return *len > 0;
}

static void take_quoted(reader *r, const char **s, size_t *len)
{
    const char quote = *r->at++;
    *s = r->at;
    while (r->at < r->end && *r->at != quote)
        r->at += *r->at == '\\' && r->at + 1 < r->end ? 2 : 1;
    *len = (size_t)(r->at - *s);
    r->at += r->at < r->end;
}

static void enter_tag(reader *r)
{
    r->close = r->at[1] == '{' ? '}' : '%';
    r->is_silent = false;
    r->at += 2;
}

/* The next literal text: what stands outside of tags or between quotes. False at the end. */
static bool next_literal(reader *r, const char **s, size_t *len)
{
    while (r->at < r->end) {
        if (!r->close && take_outer(r, s, len))
            return true;
        if (begins(r, "{#") && !r->close) {
            skip_comment(r);
        } else if (!r->close) {
            enter_tag(r);
        } else if (r->at + 1 < r->end && r->at[0] == r->close && r->at[1] == '}') {
            r->close = 0;
            r->at += 2;
        } else if (*r->at == '\'' || *r->at == '"') {
            take_quoted(r, s, len);
            if (!r->is_silent)
                return true;
        } else {
            r->is_silent = r->is_silent || begins(r, "raise_exception");
            r->at++;
        }
    }
    return false;
}

/* ---- which format ---- */

static bool holds(const char *s, size_t len, const char *what)
{
    return memmem(s, len, what, strlen(what)) != NULL;
}

/* What a template has to do with: its markers, anywhere in it. */
static ct_format_kind kind_of(const char *text, size_t len)
{
    bool is_gemma = holds(text, len, "<start_of_turn>") && holds(text, len, "<end_of_turn>");
    bool is_chatml = holds(text, len, "<|im_start|>") && holds(text, len, "<|im_end|>");
    if (is_gemma == is_chatml)
        return CT_FORMAT_UNKNOWN;
    if (is_chatml)
        return CT_FORMAT_CHATML;
    if (holds(text, len, "source_lang_code") && holds(text, len, "target_lang_code"))
        return CT_FORMAT_TRANSLATE;
    return holds(text, len, "<start_function_declaration>") ? CT_FORMAT_FUNCTION : CT_FORMAT_GEMMA;
}

/* Words that are compared with, keys, roles, and the markers that both formats may write. */
static const char *const plain_words[] = {
    "<start_of_image>",
    "<end_of_image>",
    "<image_soft_token>",
    "<bos>",
    "user",
    "assistant",
    "model",
    "system",
    "developer",
    "tool",
    "role",
    "content",
    "text",
    "type",
    "image",
    "image_url",
    "from",
    "value",
    "human",
    "gpt",
};

static size_t word_at(const char *s, size_t len, const ct_format *f)
{
    size_t best = 0;
    for (size_t i = 0; i < sizeof plain_words / sizeof *plain_words + 2; i++) {
        const char *w = i == 0 ? f->start : i == 1 ? f->end : plain_words[i - 2];
        size_t n = strlen(w);
        if (n > best && n <= len && memcmp(s, w, n) == 0)
            best = n;
    }
    return best;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_word(const char *s, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(s, word, len) == 0;
}

/* May this word stand behind the marker that begins a turn? */
static bool is_role(const char *s, size_t len, const ct_format *f)
{
    const char *const roles[] = { f->user, f->model, f->system, f->tool };
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (roles[i] && is_word(s, len, roles[i]))
            return true;
    return false;
}

/* Is there anything in the literal but the format's words and white space, which may be written as \n? Behind the
 * marker of a turn only the format's roles are its words. */
static bool is_of_format(const char *s, size_t len, const ct_format *f)
{
    bool in_word = false;   /* directly behind a word of letters: "users" is not "user" */
    bool is_opened = false; /* behind the marker that a turn's role follows */
    for (size_t i = 0, n; i < len; i += n) {
        bool is_escape = s[i] == '\\' && i + 1 < len && strchr("nrt", s[i + 1]);
        n = is_escape ? 2 : is_space(s[i]) ? 1 : 0;
        if (n) {
            in_word = false;
            continue;
        }
        n = word_at(s + i, len - i, f);
        if (!n || (in_word && s[i] != '<') || (is_opened && !is_role(s + i, n, f)))
            return false;
        in_word = s[i] != '<';
        is_opened = is_word(s + i, n, f->start);
    }
    return true;
}

/* Does the literal say that a message is the model's? */
static bool is_answers_role(const char *s, size_t len)
{
    return is_word(s, len, "assistant") || is_word(s, len, "gpt");
}

/* A literal for a message: from its first visible character, on one line. */
static void quote(const char *s, size_t len, char *to, size_t size)
{
    size_t n = 0;
    while (len && (is_space(*s) || (len > 1 && *s == '\\' && s[1] == 'n'))) {
        size_t skip = *s == '\\' ? 2 : 1;
        s += skip, len -= skip;
    }
    for (; n < len && n + 1 < size && s[n] != '\n' && (unsigned char)s[n] >= ' '; n++)
        to[n] = s[n];
    to[n] = '\0';
}

void ct_format_of_template(const char *text, size_t len, ct_format_match *out)
{
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        text += 3, len -= 3;
    reader r = { .at = text, .end = text + len };
    const char *s;
    size_t n, n_model = 0;
    bool is_blank = true, has_assistant = false;
    *out = (ct_format_match){ .kind = kind_of(text, len) };
    for (size_t i = 0; i < len && is_blank; i++)
        is_blank = is_space(text[i]);
    if (is_blank)
        out->kind = CT_FORMAT_NONE;
    /* The templates of the other two are full of words, and their markers are unmistakable. */
    if (out->kind != CT_FORMAT_GEMMA && out->kind != CT_FORMAT_CHATML && out->kind != CT_FORMAT_UNKNOWN)
        return;
    const ct_format *f = &formats[out->kind == CT_FORMAT_UNKNOWN ? CT_FORMAT_GEMMA : out->kind];
    while (next_literal(&r, &s, &n)) {
        n_model += holds(s, n, f->model);
        has_assistant = has_assistant || is_answers_role(s, n);
        if (!is_of_format(s, n, f)) {
            quote(s, n, out->rest, sizeof out->rest);
            if (*out->rest)
                return;
        }
    }
    /* One "model" begins the answer; the other is what "assistant" becomes. */
    out->keeps_roles =
        out->kind == CT_FORMAT_GEMMA && (!has_assistant || n_model <= holds(text, len, "add_generation_prompt"));
    if (out->keeps_roles)
        out->kind = CT_FORMAT_UNKNOWN;
}
