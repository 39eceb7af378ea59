/* beside.h - what a checkpoint says about its use, beside the weights: the chat template, end tokens and
 * sampling settings.
 *
 *   GGUF     tokenizer.chat_template, or the first of its named ones; tokenizer.ggml.eos_token_id and the like are the
 *            configuration's (config_gguf.c)
 *   folder   chat_template.jinja, tokenizer_config.json, chat_template.json: the first that has a template;
 *            generation_config.json: end ids, settings (advice.h); tokenizer_config.json, else special_tokens_map.json: the end token's name
 *
 * A file that is not there says nothing. One that is there and cannot be read, or holds something of another type, is an
 * error: what it says is not known then.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_BESIDE_H
#define CT_MODEL_BESIDE_H

#include "model/advice.h"
#include "model/source.h"

typedef struct ct_beside {
    char *chat_template; /* NULL: there is none */
    char *eos_token;     /* the piece that the tokenizer's configuration names as its end; NULL: none */
    ct_advice advice;
} ct_beside;

/* Reads it; end ids go to *c. Deinit in any case. Errors: CARAT_EIO, CARAT_EFORMAT, CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_beside_read(const ct_source *s, ct_config *c, ct_beside *out, carat_err *err);
void ct_beside_deinit(ct_beside *b);

/* The chat template alone, the caller's even after a failure; NULL: there is none. Of s only the path and the container are
 * used. Errors as above. */
bool ct_beside_template(const ct_source *s, char **out, carat_err *err);

/* A JSON file of a folder; path: its name for messages. *v, which the caller releases, is NULL where there is no such
 * file. Errors as above. */
bool ct_beside_json(const ct_source *s, const char *name, char path[4096], json_t **v, carat_err *err);

#endif
