/* ollama.h - Ollama's protocol: requests, replies and what is said of models, JSON over openai/ and carat.h. No sockets.
 *
 *     /api/chat, generate, embed, embeddings   tables of functions that a server calls (openai/talk.h)
 *     the other routes                         bodies of replies, made of facts that the server knows
 *
 * Replies are lines of JSON; a request that does not say "stream": false gets many. What of a request is honoured,
 * ignored and refused: README.md.
 *
 * Source: https://docs.ollama.com/api
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OLLAMA_H
#define CT_OLLAMA_H

#include "openai/talk.h"

/* The version of the protocol that is spoken here, for clients that compare the one of /api/version. */
#define CT_OLLAMA_VERSION "0.13.0"

extern const ct_talk_kind ct_ollama_talk_chat, ct_ollama_talk_generate;
extern const ct_talk_kind ct_ollama_talk_embed, ct_ollama_talk_embeddings;

/* {"error": text}, the caller's; NULL: no memory. */
json_t *ct_ollama_error(const ct_openai_fault *f);

/* ---- how long a model stays loaded ---- */

/* "keep_alive" of a body, in seconds: INFINITY for a negative number, *seconds as it was where there is none. Numbers are
 * seconds, texts durations ("5m", "1h30m", "-1s") or numbers. *is_only_load: the body asks for no answer (no message, no
 * prompt, no input): the model is to be loaded, or with 0 seconds unloaded, and ct_ollama_loaded is the reply. */
bool ct_ollama_keep_alive(const json_t *body, double *seconds, bool *is_only_load, ct_openai_fault *f);
/* The one line of a reply to a request of that kind that only loads or unloads a model. NULL: no memory. */
json_t *ct_ollama_loaded(const ct_talk_kind *kind, const char *model, bool unloads);

/* ---- models ---- */

/* What a server knows of a model. Texts are borrowed. */
typedef struct ct_ollama_model {
    const char *name;
    const char *path;             /* for the model file that is shown; NULL: the name stands there */
    const char *digest;           /* of its contents, hexadecimal digits; NULL or "": not known */
    uint64_t size;                /* bytes of its files */
    double modified;              /* seconds since 1970 */
    const carat_model_info *info; /* NULL: its files cannot be read */
    /* Of a loaded one: */
    double expires; /* seconds since 1970; INFINITY: it stays */
    uint64_t memory;
    size_t n_ctx;
    const carat_tokenizer *tokenizer; /* for a verbose /api/show; NULL: none */
} ct_ollama_model;

/* Bodies, the caller's; NULL: no memory. */
json_t *ct_ollama_tags(const ct_ollama_model *models, size_t n);
json_t *ct_ollama_ps(const ct_ollama_model *loaded, size_t n);
json_t *ct_ollama_show(const ct_ollama_model *model, bool is_verbose);
json_t *ct_ollama_version(void);

/* A line of /api/pull's progress. digest NULL: of no file, and then neither are total and completed. */
bool ct_ollama_progress(const char *status, const char *digest, uint64_t total, uint64_t completed, ct_buf *out);

#endif
