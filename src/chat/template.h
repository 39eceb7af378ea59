/* template.h - messages -> one prompt in Gemma's turn format, or in another one (formats.h).
 *
 *   <bos><start_of_turn>user\n{system}\n\n{text}<end_of_turn>\n<start_of_turn>model\n{text}<end_of_turn>\n ...
 *
 * A prompt is a list of segments: control tokens, runs of text, places for images. Control tokens come from this
 * template alone: text is tokenised as plain text, so that "<end_of_turn>" typed by a user remains ordinary characters.
 *
 * Nothing is refused but an empty list. The text of every message is a block; blocks of one side are joined into one turn
 * by a blank line. User's side: user, system, developer, tool results and unknown roles. Model's side: assistant, model. A
 * conversation that begins with the model gets an empty user turn in front. What
 * the published Jinja template takes is rendered as it does, but for a lone system message (which it drops) and a
 * list-valued one, which is read whole. What had to be done to messages that it refuses is reported (carat_repair). So
 * an empty system message leaves its blank line in front of a user's, and counts for nothing anywhere else.
 *
 * Functions are declared in the first user turn, between the system text and the user's, a blank line between them:
 *
 *   You can call functions. To call one, answer with JSON only: {"name": name, "parameters": {arguments}}. To call several,
 *   answer with a list of such objects. If no function helps, answer in plain text.
 *   (blank line)
 *   Functions:
 *   [{"name":...,"description":...,"parameters":{...}},...]                                                     (tools.h)
 *
 * A message's calls stand behind its text and a blank line, neighbouring results are one block (calls.h). They are rendered
 * alike whether the functions are still declared or not. In a conversation that has neither functions nor a call, a tool's
 * message is a block fenced by ```tool_output.
 *
 * A last answer that is continued loses white space at its beginning alone: what its text ends with is where the model goes
 * on. Behind nothing but white space it goes on as from no text.
 *
 * User and model text is trimmed item by item as Python's str.strip does it; system text is left as it is.
 *
 * FunctionGemma's system texts at the beginning are a developer's turn, trimmed, with the declarations of functions directly
 * behind them, in a syntax of its own (function_syntax.h). Calls stand directly behind the model's text, results behind the
 * calls in the same turn, and there the model goes on: no turn is begun for an answer to results. Where the vocabulary
 * lacks a token of that syntax the prompt is refused. In ChatML every message is a turn, but for
 * neighbouring results, and nothing is trimmed, so only missing content, unknown roles and what calls and results lack are
 * repaired; functions are declared at the end of the leading system text, or in a system turn of their own.
 *
 * Source: the chat_template of google/gemma-3-4b-it; images as in the processor of Hugging Face's transformers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CHAT_TEMPLATE_H
#define CT_CHAT_TEMPLATE_H

#include "chat/formats.h"
#include "chat/tools.h"
#include "tokenizer/tokenizer.h"

/* One item of a message's content, in order. */
typedef struct ct_chat_part {
    const char *text; /* NULL: an image */
    size_t len;
    size_t image;   /* which picture, the caller's number */
    size_t n_crops; /* of the picture (pan and scan), after the whole of it; 0: only the whole */
} ct_chat_part;

/* A call that the model made. */
typedef struct ct_chat_call {
    const char *id; /* NULL: it has none */
    const char *name;
    const char *arguments; /* JSON, as it was given */
    size_t len;
} ct_chat_call;

typedef struct ct_chat_message {
    const char *role;
    const ct_chat_part *parts;
    size_t n_parts;
    bool is_null;   /* the content was null: no parts */
    bool is_inline; /* the parts are one string with images in it: trimmed as one, the space between them is kept */
    const ct_chat_call *calls; /* of the model's message */
    size_t n_calls;
    const char *call_id, *name; /* of a tool's: what it says of the call that it answers; NULL: nothing */
    /* What ct_chat_link finds out, so that a result is the same whatever of the conversation is left out. */
    bool is_result;       /* there are functions or calls: it is rendered as a result */
    size_t answers;       /* which call of the conversation; SIZE_MAX: none */
    const char *function; /* that call's, or the one that the message names; NULL: not known */
} ct_chat_message;

typedef enum ct_segment_kind {
    CT_SEGMENT_BOS,
    CT_SEGMENT_START_OF_TURN,
    CT_SEGMENT_END_OF_TURN,
    CT_SEGMENT_TEXT,
    CT_SEGMENT_IMAGE,
    CT_SEGMENT_NAMED, /* another control token of the format */
} ct_segment_kind;

#define CT_NO_MESSAGE SIZE_MAX

typedef struct ct_segment {
    ct_segment_kind kind;
    size_t message;   /* of the beginning of a turn: which message opened it; the number of messages where the model is
                         * to fill it; CT_NO_MESSAGE where repair added it */
    size_t at, len;   /* of text, in the prompt's text */
    const char *name; /* of a named token; borrowed for good */
    size_t image, crop; /* of an image: the caller's number; 0 the whole, 1.. its crops */
} ct_segment;

typedef struct ct_segments { /* zero-initialised by the caller; freed by ct_segments_deinit */
    ct_segment *segments;    /* no two texts side by side */
    size_t n, cap;
    ct_buf text;
    const ct_format *format; /* whose markers begin and end turns; NULL: Gemma's */
    size_t system_end;       /* of the prompt's text: where its leading system text ends; 0: none */
    unsigned text_flags;     /* CARAT_TOK_SPECIAL: control tokens may stand in the text. Never for users' text */
    unsigned repairs;        /* carat_repair, added up */
} ct_segments;

typedef struct ct_chat_options {
    bool no_generation_prompt; /* do not end with "<start_of_turn>model\n" */
    bool continues_answer;     /* the last message is the model's: its turn stays open, nor does another begin */
    ct_format_kind format;     /* one of CT_N_FORMATS */
    const carat_tools *tools;  /* to declare; NULL: none */
} ct_chat_options;

/* Renders messages that ct_chat_link has seen into an empty prompt. Errors: CARAT_EARG (no messages; the last is not the
 * model's), CARAT_ELIMIT (more than 2^31 bytes of text), CARAT_ENOMEM. */
bool ct_chat_render(const ct_chat_message *messages, size_t n, const ct_chat_options *options, ct_segments *out,
                    carat_err *err);
void ct_segments_deinit(ct_segments *p);

/* The prompt as the reference template writes it: control tokens by name, an image as <start_of_image>. For people and
 * tests; never tokenise it. False: out is full. */
bool ct_segments_text(const ct_segments *p, ct_buf *out);

/* Where an image's rows go among the ids. */
typedef struct ct_image_place {
    size_t at; /* of the first of its soft tokens */
    size_t image, crop;
} ct_image_place;

/* Lengths of the ids at which another prompt may begin to differ: after the system text (approximately, where its last
 * token spans the end), where a turn begins, after an image. 0: none; of turns and images the last two. */
typedef struct ct_boundaries {
    size_t system, turns[2], images[2];
} ct_boundaries;

/* The ids. With n_soft > 0 an image is "\n\n" <start_of_image>, n_soft times <image_soft_token>, <end_of_image> "\n\n",
 * the newlines one with those of the text around it; its place is noted in places (room for all the image segments;
 * NULL: not wanted; likewise boundaries). With n_soft == 0 an image is <start_of_image> alone, as the template has it.
 * Errors: CARAT_EUNSUPPORTED (the vocabulary lacks a token of the template), CARAT_ENOMEM. */
bool ct_segments_ids(const ct_segments *p, const carat_tokenizer *t, size_t n_soft, ct_ids *out, ct_image_place *places,
                     ct_boundaries *boundaries, carat_err *err);

#endif
