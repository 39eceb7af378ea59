/* llamacpp.h - what llama.cpp's server and vLLM offer besides the OpenAI protocol: tokens, templates, properties, slots,
 * lists of models, and llama-server's own completions. JSON in, JSON out; no sockets.
 *
 *     body (JSON) ──> a route's function ──> reply (JSON), or a fault       tokenize, apply-template ...: on a worker's thread
 *     facts of the server ──> props, slots, models                          on the loop's thread
 *     POST /completion ──> ct_llamacpp_talk_completion                       a talk (openai/talk.h)
 *
 * Source: https://github.com/ggml-org/llama.cpp, tools/server/README.md; https://docs.vllm.ai, "OpenAI-Compatible Server"
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_LLAMACPP_H
#define CT_LLAMACPP_H

#include "openai/talk.h"

/* ---- routes that do not generate: true with *reply, the caller's, or false with a fault ---- */

typedef bool ct_llamacpp_route(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f);

ct_llamacpp_route ct_llamacpp_tokenize;          /* POST /tokenize, in llama-server's words or vLLM's */
ct_llamacpp_route ct_llamacpp_detokenize;        /* POST /detokenize */
ct_llamacpp_route ct_llamacpp_tokenizer_info;    /* GET /tokenizer_info; body is not looked at and may be NULL */
ct_llamacpp_route ct_llamacpp_apply_template;    /* POST /apply-template */
ct_llamacpp_route ct_llamacpp_chat_input_tokens; /* POST /v1/chat/completions/input_tokens */

/* How many tokens the prompts of a request of any protocol have: the same number that its usage would say, pictures and
 * all. */
bool ct_llamacpp_count(const ct_talk_kind *kind, const ct_talk_scene *s, const json_t *body, size_t *n,
                       ct_openai_fault *f);

/* ---- POST /completion, /completions ---- */

extern const ct_talk_kind ct_llamacpp_talk_completion;

/* ---- facts of a server; NULL from a function below: no memory ---- */

typedef struct ct_llamacpp_slot { /* a place for an answer */
    bool is_busy;
    uint64_t task;                  /* which request's; 0: none yet */
    size_t n_prompt, n_decoded;     /* tokens of what it works at */
    size_t n_remain;                /* that its answer may still have; 0: until it stops */
    const carat_sampling *sampling; /* NULL: the server's */
} ct_llamacpp_slot;

typedef enum ct_llamacpp_state {
    CT_LLAMACPP_UNLOADED,
    CT_LLAMACPP_LOADING,
    CT_LLAMACPP_LOADED,
    CT_LLAMACPP_FAILED
} ct_llamacpp_state;

typedef struct ct_llamacpp_model {
    const char *id;
    int64_t created; /* seconds since 1970: its file's, or since the server is up */
    ct_llamacpp_state state;
    const carat_model_info *info; /* NULL: not read yet */
    size_t n_ctx;                 /* 0: not loaded */
    bool embeds;                  /* /v1/embeddings answers with it */
} ct_llamacpp_model;

typedef struct ct_llamacpp_facts {
    const carat_engine *engine;
    const ct_openai_options *options; /* the settings of requests that do not say otherwise */
    const char *model;                /* the name that clients know it by */
    const ct_llamacpp_slot *slots;    /* [n_slots] */
    size_t n_slots;
    bool has_slots, has_metrics, has_page, can_set_props; /* are GET /slots, GET /metrics, GET /, POST /props there? */
    bool is_sleeping;                                     /* the model was unloaded because nobody asked for it */
} ct_llamacpp_facts;

json_t *ct_llamacpp_props(const ct_llamacpp_facts *facts);
json_t *ct_llamacpp_slots(const ct_llamacpp_facts *facts);
/* {"object": "list", "data": [...]} of GET /v1/models and /models, and one of them. */
json_t *ct_llamacpp_models(const ct_llamacpp_model *models, size_t n);
json_t *ct_llamacpp_model_entry(const ct_llamacpp_model *m);

/* A LoRA adapter; its number is its place in the list. */
typedef struct ct_llamacpp_adapter {
    const char *name, *path;
    double scale;
} ct_llamacpp_adapter;
json_t *ct_llamacpp_adapters(const ct_llamacpp_adapter *all, size_t n); /* GET /lora-adapters */
/* POST /lora-adapters, a list of ids and scales: scales [n] become those that it states, and 0 where it states none. */
bool ct_llamacpp_read_scales(const json_t *body, size_t n, double *scales, ct_openai_fault *f);
/* An adapter in a list of models, as vLLM has it. */
json_t *ct_llamacpp_adapter_entry(const ct_llamacpp_adapter *a, const ct_llamacpp_model *of);

#endif
