/* sentence.h - what a folder made for sentence-transformers says of an embedding model: which steps follow the
 * transformer, and the prompts that texts are put behind.
 *
 *   modules.json                       the steps: Transformer, Pooling, Dense, Dense, Normalize
 *   1_Pooling/config.json              the mean over all tokens, the prompt's too
 *   2_Dense/config.json, 3_Dense/...   widths; no bias, no activation. Weights in model.safetensors beside it
 *   sentence_bert_config.json          the longest text
 *   config_sentence_transformers.json  prompts by name, and which is used where none is named
 *
 * Steps that Carat does not do are refused by the field's name: the vectors would be others.
 *
 * Source: sentence-transformers 5, models/Pooling.py, models/Dense.py, SentenceTransformer.py.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_SENTENCE_H
#define CT_MODEL_SENTENCE_H

#include "model/source.h"

#define CT_MAX_TASKS 64

/* A prompt that stands in front of a text, by the name of the task it is for. */
typedef struct ct_task {
    char *name;   /* "query" */
    char *prompt; /* "task: search result | query: " */
} ct_task;

typedef struct ct_tasks {
    ct_task v[CT_MAX_TASKS];
    size_t n;
    int deflt; /* where none is named; -1: nothing is put in front */
} ct_tasks;

/* Of a folder's encoder: checks the steps, sets c->dense, opens the dense layers' files in s and lowers c->context to the longest text.
 * trust_header: a folder that says nothing of steps is one without dense layers. Errors: CARAT_EUNSUPPORTED (a step that is not
 * done here, by name; no modules.json), CARAT_EFORMAT, CARAT_EIO, CARAT_ENOMEM. */
bool ct_sentence_open(ct_source *s, bool trust_header, ct_config *c, carat_err *err);

/* The prompts of an encoder: the folder's, or those of EmbeddingGemma where no file has any. Deinit in any case. Errors:
 * CARAT_EFORMAT, CARAT_EIO, CARAT_ELIMIT (too many), CARAT_ENOMEM. */
bool ct_tasks_read(const ct_source *s, ct_tasks *out, carat_err *err);
void ct_tasks_deinit(ct_tasks *t);
/* By name, as it is written, else in any case; NULL: there is none. */
const ct_task *ct_tasks_find(const ct_tasks *t, const char *name);

#endif
