/* formats.h - the turn formats that Carat renders, and which of them a Jinja template writes.
 *
 *   gemma           <start_of_turn>user\n{system}\n\n{text}<end_of_turn>\n<start_of_turn>model\n
 *   chatml          <|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n
 *   functiongemma   <start_of_turn>developer\n{system}{functions}<end_of_turn>\n, then as gemma
 *   translategemma  as gemma; its template's instruction that names the languages is not written: it is part of the text
 *
 * Every prompt begins with <bos>, also where a template leaves it to the tokenizer.
 *
 * Jinja is not interpreted. A template's literal texts are read: the markers among them say which format it is, and the
 * others whether it writes anything besides. Gemma's and ChatML's templates need few words; one that has others (a
 * system text of its own, say) is of that format with a rest. A template with Gemma's markers that writes roles as they
 * are ("assistant") is none of Gemma's.
 *
 * Sources: the chat templates of google/gemma-3-4b-it, google/functiongemma-270m-it, google/translategemma-4b-it;
 * https://ai.google.dev/gemma/docs/functiongemma/formatting-and-best-practices; ChatML as in OpenAI's chatml.md.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CHAT_FORMATS_H
#define CT_CHAT_FORMATS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum ct_format_kind {
    CT_FORMAT_GEMMA,
    CT_FORMAT_CHATML,
    CT_FORMAT_FUNCTION,
    CT_FORMAT_TRANSLATE,
    CT_N_FORMATS,
    CT_FORMAT_NONE = CT_N_FORMATS, /* no template, or an empty one */
    CT_FORMAT_UNKNOWN,             /* a template that writes something else */
} ct_format_kind;

typedef struct ct_format {
    const char *name;   /* "chatml" */
    const char *people; /* "ChatML" */
    const char *start, *end;
    const char *user, *model; /* the words behind start */
    const char *system;       /* of a turn of its own; NULL: system text is the beginning of the user's */
    const char *tool;         /* likewise */
    const char *stop;         /* a token that ends an answer besides `end`; NULL: none */
    bool writes_markers;      /* as text where the vocabulary has no token for them */
    bool has_own_syntax;      /* of functions, calls and results (function_syntax.h) */
    bool is_verbatim;         /* every message is a turn, its text untrimmed; else sides alternate and are trimmed */
} ct_format;

const ct_format *ct_format_get(ct_format_kind kind); /* of CT_N_FORMATS kinds */
/* By name, any case: "gemma" .., "none"; CT_FORMAT_UNKNOWN: there is no such name. */
ct_format_kind ct_format_by_name(const char *name);

typedef struct ct_format_match {
    ct_format_kind kind;
    char rest[64];    /* the first text that the format does not write; "" if there is none */
    bool keeps_roles; /* why it is unknown: Gemma's markers, but "assistant" does not become "model" */
} ct_format_match;

/* Which format does this Jinja template write? Linear in its length. */
void ct_format_of_template(const char *text, size_t len, ct_format_match *out);

#endif
