/* carat.h - the public API of libcarat: Gemma 3 and EmbeddingGemma on the CPU.
 *
 *     carat_engine     a model, loaded: weights, tokenizer, threads.      Any thread; shared by all that follows.
 *     carat_session    one conversation: its tokens and their KV cache.   One thread at a time.
 *     carat_request    a prompt and its answers, without a session.       Submitted and cancelled from any thread.
 *     carat_queue      where the events of many requests arrive.          One thread at a time.
 *     carat_prompt     tokens and the pictures among them.                Immutable; may be given to many sessions.
 *     carat_picture    a decoded image file.                              Immutable.
 *     carat_tools      functions that the model may call.                 Immutable; needs no engine.
 *     carat_format     a form that answers must have: JSON, a choice ...  Immutable; may be given to many requests.
 *     carat_adapter    a LoRA adapter, loaded beside the model.           Immutable; may be given to many requests.
 *     carat_tokenizer  text <-> ids. An engine's, or opened alone.        Immutable.
 *
 * A call that can fail returns bool and takes `carat_err *err` last; NULL if the reason does not matter. After false
 * nothing has been changed or allocated unless the comment says otherwise. The library never prints, exits or aborts.
 *
 * Ownership. What xxx_open, xxx_load and the like put into *out belongs to the caller, until xxx_close or xxx_free. What
 * a function returns as a pointer to const is borrowed from the object that was asked, and lives as long unless the
 * comment says otherwise. Other memory that is given to the caller is freed with carat_free. What a caller passes in is
 * copied or used up during the call; what must live longer says so.
 *
 * Flags. A bool in a struct is a statement about it (is_exact, ignores_eos, wants_logprobs); false is always the default.
 *
 * Structs that grow. A program built with this header runs with every later library, and the other way round as long as
 * it uses nothing new. For that:
 *
 *   - A struct that the caller makes, to be read or to be filled, begins with struct_size, which the caller sets:
 *
 *         carat_options o = { .struct_size = sizeof o, .n_ctx = 4096 };
 *
 *     In an array every element has it. 0, or less than any release had, is refused with CARAT_EARG. What lies beyond an
 *     older caller's size is taken as zero, and in every field that is added zero means the default or off; a newer caller's fields that this
 *     library does not know must be zero, else CARAT_EARG says so. Fields beyond a caller's size are not filled.
 *   - A struct that the library makes is only ever seen through a pointer to const: it has no struct_size and may be
 *     longer than this header says. Do not copy it whole if the copy is to be handed back.
 *   - New fields come at the end. So neither kind is part of another by value: options within options are pointers,
 *     read during the call, and NULL means the defaults.
 *   - carat_err, carat_bias, carat_top, carat_score, carat_piece and carat_task never change.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_H
#define CARAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CARAT_API __attribute__((visibility("default")))
#else
#define CARAT_API
#endif

#define CARAT_VERSION        "0.2.0"
#define CARAT_VERSION_NUMBER 200 /* 10000 major + 100 minor + patch */

/* The same of the library that is running, which may be newer than this header. */
CARAT_API const char *carat_version(void);
CARAT_API unsigned carat_version_number(void);

/* ---- Errors ------------------------------------------------------------------------------------------------------ */

/* What a program branches on. */
typedef enum carat_code {
    CARAT_OK = 0,
    CARAT_EARG,         /* the caller passed something that can never work */
    CARAT_EIO,          /* a file could not be opened, read or written */
    CARAT_EFORMAT,      /* bytes from outside are not what they claim to be */
    CARAT_EUNSUPPORTED, /* well-formed, but not something Carat runs (another architecture, an unknown type) */
    CARAT_ENOMEM,       /* no memory; the message has the figure */
    CARAT_ELIMIT,       /* larger than a stated limit */
    CARAT_ECONTEXT,     /* does not fit the context; the message has both counts */
    CARAT_ECANCELLED,   /* the caller's callback asked to stop */
    CARAT_ETIME,        /* the request's deadline has passed */
    CARAT_ENUMERIC,     /* activations or logits were not finite: the request is stopped, nothing of it is cached */
    CARAT_ECLOSED,      /* the engine takes no more requests: carat_engine_drain was called */
} carat_code;

#define CARAT_NOWHERE UINT64_MAX

/* Filled by a call that returned false. The caller owns it and need not initialise it; nothing inside needs freeing. */
typedef struct carat_err {
    carat_code code;
    uint64_t at; /* byte offset in the file, or index in the array, that is at fault; CARAT_NOWHERE if there is none */
    char msg[232]; /* what a person reads: which thing, what was found, what was expected */
} carat_err;

/* "format", "no memory": a short name of the code. Never NULL. */
CARAT_API const char *carat_code_name(carat_code code);

/* Frees what a call gave to the caller. Accepts NULL. */
CARAT_API void carat_free(void *p);

/* ---- Log --------------------------------------------------------------------------------------------------------- */

typedef enum carat_log_level { CARAT_LOG_DEBUG, CARAT_LOG_INFO, CARAT_LOG_WARN } carat_log_level;

/* A notice: one line without a newline. Called from any thread, never from two at once. */
typedef void carat_log_fn(void *arg, carat_log_level level, const char *line);

/* Installs the sink of the library's notices, for the whole process; NULL drops them, which is the default. */
CARAT_API void carat_log_to(carat_log_fn *sink, void *arg);

/* ---- Progress ---------------------------------------------------------------------------------------------------- */

/* How far a long call is: done of total, in units that its comment names. Called from the thread that works, which need
 * not be the caller's; must not call the engine. False cancels: the call fails with CARAT_ECANCELLED. */
typedef bool carat_progress_fn(void *arg, uint64_t done, uint64_t total);

/* ---- Tokens ------------------------------------------------------------------------------------------------------ */

typedef struct carat_tokenizer carat_tokenizer;

/* The tokenizer of a GGUF file, a Hugging Face folder, a tokenizer.json or a tokenizer.model; reads no weights. Errors:
 * CARAT_EIO, CARAT_EFORMAT, CARAT_EUNSUPPORTED (another kind of tokenizer), CARAT_ELIMIT, CARAT_ENOMEM. */
CARAT_API bool carat_tokenizer_open(const char *path, carat_tokenizer **out, carat_err *err);
CARAT_API void carat_tokenizer_close(carat_tokenizer *t); /* accepts NULL; not for an engine's tokenizer */

enum {
    CARAT_TOK_BOS = 1 << 0,     /* <bos> first; a literal <bos> that leads the text with SPECIAL is not doubled */
    CARAT_TOK_SPECIAL = 1 << 1, /* "<end_of_turn>" in the text becomes the control token; never for users' text */
};

/* Text of len bytes to ids; *ids is the caller's (carat_free), n of them. Invalid UTF-8 loses nothing: each undecodable
 * byte becomes its byte token. Errors: CARAT_ELIMIT, CARAT_ENOMEM. */
CARAT_API bool carat_tokenizer_encode(const carat_tokenizer *t, const char *text, size_t len, unsigned flags,
                                      int32_t **ids, size_t *n, carat_err *err);

/* Ids to bytes: *text, *len of them and a NUL, is the caller's (carat_free). Names of control tokens appear only if
 * show_control. The bytes are the tokens' own and need not be valid UTF-8. Errors: CARAT_EARG (an id outside the vocabulary). */
CARAT_API bool carat_tokenizer_decode(const carat_tokenizer *t, const int32_t *ids, size_t n, bool show_control,
                                      char **text, size_t *len, carat_err *err);

/* How many ids the vocabulary has, 0 to n - 1. A model may have more rows than that, which mean nothing. */
CARAT_API size_t carat_tokenizer_n_pieces(const carat_tokenizer *t);
/* The bytes of one token, *len of them, not NUL-terminated; they need not be whole characters. A control token's are its
 * name. NULL: no such id. */
CARAT_API const char *carat_tokenizer_piece(const carat_tokenizer *t, int32_t id, size_t *len);
CARAT_API bool carat_tokenizer_is_control(const carat_tokenizer *t, int32_t id); /* false also for no such id */

/* Ids to text as they come, for a reader that must never see half a character: bytes of an unfinished one are held back,
 * bytes that cannot become one are replaced by U+FFFD. One thread at a time. */
typedef struct carat_detokenizer carat_detokenizer;

/* t must outlive it. Names of control tokens appear only if show_control. Errors: CARAT_ENOMEM. */
CARAT_API bool carat_detokenizer_open(const carat_tokenizer *t, bool show_control, carat_detokenizer **out,
                                      carat_err *err);
/* The text that this token completes, valid UTF-8, possibly empty: *len bytes and a NUL, borrowed until the next call.
 * Errors, after which the stream is as before: CARAT_EARG (an id outside the vocabulary), CARAT_ENOMEM. */
CARAT_API bool carat_detokenizer_push(carat_detokenizer *d, int32_t id, const char **text, size_t *len, carat_err *err);
/* The end of a text: what was held back, as U+FFFD. Another text may follow. Errors: CARAT_ENOMEM. */
CARAT_API bool carat_detokenizer_flush(carat_detokenizer *d, const char **text, size_t *len, carat_err *err);
CARAT_API void carat_detokenizer_close(carat_detokenizer *d); /* accepts NULL */

/* ---- Models ------------------------------------------------------------------------------------------------------ */

typedef struct carat_engine carat_engine;

/* What a model is, read from its headers only. The strings belong to the struct. */
typedef struct carat_model_info {
    const char *path;
    const char *container;     /* "GGUF v3", "Hugging Face folder" */
    const char *name;          /* general.name or the folder's name; "" if none */
    const char *published;     /* "Gemma 3 270M", or "" when the shape is none of the published ones */
    const char *weight_types;  /* "Q4_K 63, Q5_0 90, F32 73": types and how many tensors */
    bool is_instruction_tuned; /* it has a chat template, or the engine was opened with one */
    bool has_vision;
    size_t n_layer, n_global, hidden, ffn, n_head, n_kv_head, head_dim;
    size_t n_vocab;  /* rows of the embedding */
    size_t n_pieces; /* tokens of the vocabulary; the rows beyond mean nothing */
    size_t window, context;
    double eps, query_scale, rope_base_global, rope_base_local, rope_factor;
    uint64_t n_params, file_bytes, weight_bytes;
    const char *warnings; /* what contradicts the published model or itself, one a line; "" if none */
    /* The vision tower, where there is one: in the model's own file or folder, or in an mmproj file beside it. */
    const char *vision_path;  /* "" if none */
    const char *vision_types; /* as weight_types */
    size_t vision_layers, vision_hidden, vision_ffn, vision_heads, image_size, patch_size;
    size_t tokens_per_image;
    uint64_t vision_weight_bytes, vision_work_bytes; /* weights in memory; scratch for one image */
    /* The chat template: "gemma", "chatml", "functiongemma", "translategemma"; "unknown": one that Carat does not know, in
     * place of which Gemma's is used; "": none. For an engine the one that it uses. */
    const char *chat_template;
    const char *chat_template_note; /* what is to be known of it, a line; "" if nothing */
    /* The settings to sample with where none are given: CARAT_SAMPLING_DEFAULT, but for those that the file recommends. */
    const struct carat_sampling *sampling;
    unsigned sampling_fields;  /* carat_sampling_field: which are the file's */
    const char *sampling_from; /* "generation_config.json", "general.sampling" (keys of a GGUF); "" if none is */
    const char
        *chat_template_text; /* the file's own template, in Jinja; "" if none. Whether it is used: chat_template */
    /* An embedding model (EmbeddingGemma), which makes vectors of `hidden` numbers and writes no text: carat_prompt_embedding. The
     * sizes that it was trained to be cut to, [n_embedding_dims], largest first; none: it may be cut to any. */
    bool is_embedding;
    const size_t *embedding_dims;
    size_t n_embedding_dims;
    const struct carat_task *tasks; /* [n_tasks] what its texts are put behind */
    size_t n_tasks;
    /* Which of Gemma 3's siblings it is, a line each: "FunctionGemma, by its chat template", "MedGemma, by its name",
     * "quantisation-aware trained, by its name"; "": nothing says so. */
    const char *family;
} carat_model_info;

/* What an embedding model has in front of a text, for one task. Never changes. */
typedef struct carat_task {
    const char *name;   /* "query" */
    const char *prompt; /* "task: search result | query: " */
} carat_task;

/* Reads the headers of a GGUF file (any part of a split one) or a Hugging Face folder. *out is the caller's. Errors:
 * CARAT_EIO, CARAT_EFORMAT, CARAT_EUNSUPPORTED, CARAT_ENOMEM. */
CARAT_API bool carat_model_describe(const char *path, carat_model_info **out, carat_err *err);
CARAT_API void carat_model_info_free(carat_model_info *info); /* accepts NULL */

typedef enum carat_embed_scale {
    CARAT_EMBED_SCALE_DEFAULT,
    CARAT_EMBED_SCALE_EXACT,
    CARAT_EMBED_SCALE_BF16
} carat_embed_scale;

/* Is the vision tower loaded? It is in the model's own file or folder, or in an mmproj file beside it: of
 * several the one that fits in width and by its name, in BF16, else F16, F32, Q8_0. */
typedef enum carat_vision_use {
    CARAT_VISION_AUTO,     /* if there is one; one that does not belong to the model is left out with a notice */
    CARAT_VISION_OFF,      /* text only: no weights of the tower are read; a file named by mmproj is checked */
    CARAT_VISION_REQUIRED, /* none, or one that does not belong to the model, is an error */
} carat_vision_use;

/* The element type of cached keys and values. q8_0 halves their memory; head_dim must then be a multiple of 32. */
typedef enum carat_cache_type { CARAT_CACHE_F16, CARAT_CACHE_Q8_0 } carat_cache_type;

/* Prompt lookup: where the end of an answer stands in the prompt or in the answer before, its next tokens are guessed to be what
 * followed there. Guesses are evaluated together with the next token and believed only where they are what is drawn, so an answer
 * is the same with any of these, token for token and bit for bit, and takes fewer steps. */
typedef enum carat_lookup {
    CARAT_LOOKUP_AUTO, /* as many as pay, by how often they were right and by the measured times of steps; none while four or
                          * more answers are generated */
    CARAT_LOOKUP_OFF,    /* nothing is looked up */
    CARAT_LOOKUP_ALWAYS, /* as many as may be, wherever something is found, with fewer than four answers */
} carat_lookup;

/* A LoRA adapter: a GGUF file, or a folder as PEFT writes it. */
typedef struct carat_adapter_file {
    size_t struct_size;
    const char *path;
    const char *name; /* NULL: the file's, without .gguf, or the folder's */
    double scale;     /* how much of it counts where nothing is said; 0: it is loaded and not used */
} carat_adapter_file;

/* Zeros are the defaults. */
typedef struct carat_options {
    size_t struct_size;
    int n_threads;                 /* 0: the physical cores this process may use */
    const char *cpu;               /* "generic", "avx2" ...; NULL: $CARAT_CPU, else the best this machine has */
    bool is_exact;                 /* f32 activations and an f32 cache: slow, for comparing with a reference */
    bool trusts_header;            /* believe the file where it contradicts the published model */
    carat_embed_scale embed_scale; /* sqrt(hidden) as it is or rounded to bfloat16 (default: published shapes) */
    size_t chunk;                  /* prompt tokens in one step; 0: 512. A longer image is a step all the same */
    carat_vision_use vision;
    const char *mmproj; /* the file of the vision weights; NULL: the one beside the model */
    size_t image_cache; /* encoded images kept for reuse; 0: 32 */
    /* Conversations. Memory for n_sessions of n_ctx tokens is reserved when the engine opens. */
    size_t n_ctx;            /* most tokens a conversation may grow to; 0: 8192, or the model's own if that is less */
    size_t n_sessions;       /* how many of them at once; 0: 1. Shorter ones may be more */
    carat_cache_type cache;  /* element type of keys and values */
    uint64_t prefix_cache;   /* bytes on top, for prompt prefixes kept for reuse; 0: two local windows and what belongs
                              * to them */
    bool omits_prefix_cache; /* no such memory: prefix_cache must be 0 */
    /* Bytes that the process may come to hold; 0: what the machine, its control groups and ulimits leave. An engine that
     * needs more (carat_weigh) is refused before a weight is read; a prefix cache or an image cache that does not fit is
     * made smaller, with a notice. */
    uint64_t max_memory;
    size_t n_queue;              /* requests that may wait; 0: 256 */
    double step_seconds;         /* what a step should take at most while answers are being generated; 0: 0.25 */
    carat_progress_fn *progress; /* of loading, in bytes; may be NULL */
    void *progress_arg;
    /* How messages become a prompt: "gemma", "chatml", "functiongemma", "translategemma", or a Jinja template that is one of
     * these (it is not interpreted; one that is empty is refused); "none": messages are refused. NULL: the file's own, and
     * Gemma's where it has none. */
    const char *chat_template;
    carat_lookup lookup;
    int n_guesses; /* most tokens of an answer that are guessed in a step; 0: 15, which is also the most */
    /* An embedding model has no conversations: n_sessions, cache, prefix_cache and lookup change nothing with it. */
    /* A smaller model of the same vocabulary, a file or folder as the model's: where nothing is looked up it guesses, as far as
     * that pays, or always with CARAT_LOOKUP_ALWAYS. It takes memory of its own (carat_memory.draft). NULL: none. */
    const char *draft;
    /* Not NULL: the squares of what each matrix of a layer is multiplied by are added up while prompts are read
     * (carat_engine_write_importance), on top of those of this file; "": from zero. For quantising; steps take longer. */
    const char *importance;
    /* [n_adapters] LoRA adapters that are loaded with the model (carat_engine_adapter). Sessions and requests that say nothing
     * use them by their scales. Where the model has no chat template, or one of them is used, theirs is taken. Adapters of one
     * engine have different names. */
    const carat_adapter_file *adapters;
    size_t n_adapters;
} carat_options;

/* Loads a GGUF file (any part of a split one) or a Hugging Face folder. opt may be NULL. Errors: CARAT_EIO,
 * CARAT_EFORMAT, CARAT_EUNSUPPORTED (also a draft of another vocabulary), CARAT_ENOMEM (with what it needs, what is available, and the largest context that
 * would fit), CARAT_EARG (a setting that is unknown or out of range, by name), CARAT_ECANCELLED; those of
 * carat_adapter_load. */
CARAT_API bool carat_engine_open(const char *path, const carat_options *opt, carat_engine **out, carat_err *err);
CARAT_API void carat_engine_close(carat_engine *e); /* after its sessions and requests; accepts NULL */

/* What an engine reserves, in bytes. Pages of keys and values and places for images become resident as they are used;
 * the rest is resident from the start. */
typedef struct carat_memory {
    uint64_t weights, vision_weights;
    uint64_t kv_global, kv_local, kv_index; /* pages of the two kinds of layers; their lists and the prefix index */
    uint64_t work, vision_work;             /* activations of a step; of an image */
    uint64_t images, logits;                /* encoded images; rows of logits */
    uint64_t total;
    uint64_t session;  /* not in total: what a session of n_ctx tokens, or an answer, takes besides while it exists */
    uint64_t draft;    /* the smaller model (carat_options.draft), all of it */
    uint64_t adapters; /* of carat_options; of those that are loaded later, their own (carat_adapter_info) */
    /* Of weights and vision_weights, and of the draft's: mapped from a pack (carat_pack). All who use the file share these bytes,
     * which are in the system's cache of files and no process's own. */
    uint64_t mapped;
} carat_memory;
CARAT_API const carat_memory *carat_engine_memory(const carat_engine *e);

/* What an engine has done so far. Asking never waits for a step; what happens within one is counted at its end. */
typedef struct carat_stats {
    size_t struct_size;
    uint64_t steps;
    uint64_t prompt_tokens, generated_tokens; /* computed; tokens of continuations count as the prompt's */
    uint64_t cached_tokens;                   /* of prompts, not computed */
    uint64_t images_encoded, images_cached;
    uint64_t requests_done, requests_failed, requests_cancelled; /* a request for n answers counts n times */
    size_t running, queued;                                      /* answers, now */
    uint64_t kv_bytes_used, kv_bytes_promised;                   /* now */
    uint64_t evictions;                                          /* pages of the prefix cache given to others */
    double busy_seconds;                                         /* within steps */
    double image_seconds;                                        /* of these, encoding images */
    uint64_t drafted_tokens, accepted_tokens; /* of answers: guessed and evaluated; of these, those that were right */
} carat_stats;
CARAT_API bool carat_engine_stats(carat_engine *e, carat_stats *out, carat_err *err); /* Errors: CARAT_EARG */

CARAT_API const carat_model_info *carat_engine_info(const carat_engine *e);
CARAT_API size_t carat_engine_n_ctx(const carat_engine *e);
CARAT_API const carat_tokenizer *carat_engine_tokenizer(const carat_engine *e);
CARAT_API int carat_engine_threads(const carat_engine *e);
CARAT_API const char *carat_engine_isa(const carat_engine *e); /* "avx512": which kernels run */
/* "5f0c1a…", 16 hexadecimal digits: engines that say the same give the same bits for the same requests. It depends on the
 * model's weights, its chat template, adapters of carat_options and their scales, the kernels, the type of the cache and the
 * library's arithmetic; not on threads, chunks, sizes or what else is done. */
CARAT_API const char *carat_engine_numerics(const carat_engine *e);
CARAT_API const char *carat_best_isa(void); /* the best this machine has, without an engine */

/* What this process may use now. */
typedef struct carat_machine_info {
    size_t struct_size;
    uint64_t memory_left;     /* bytes on top of what it holds; UINT64_MAX where no limit is known */
    uint64_t memory_all;      /* the machine's, or its control group's where that is less; 0: unknown */
    const char *memory_limit; /* which leaves the least: "the machine", "the control group", "ulimit -v", "ulimit -d" */
    size_t n_cores;           /* physical cores: the threads that an engine starts by default */
} carat_machine_info;
CARAT_API bool carat_machine(carat_machine_info *out, carat_err *err); /* Errors: CARAT_EARG */

/* ---- Pictures ---------------------------------------------------------------------------------------------------- */

/* A decoded image. Immutable; may be used from several threads. */
typedef struct carat_picture carat_picture;

/* From the bytes of a JPEG, PNG, WebP, GIF or BMP file, recognised by its first bytes. EXIF or XMP orientation is applied,
 * transparency is composited on white, of an animation the first frame is taken. Size is bounded by memory: a file may
 * take half of what the process can still have, at most 1 GiB, and its pixels the same while they are decoded, at most
 * 2 GiB (three bytes each; twice that where they are turned; up to eleven in some PNG, WebP and progressive JPEG). Sides of
 * at most 1 : 20000. Checked before memory is allocated. Errors: CARAT_EFORMAT (damaged, not an image), CARAT_EUNSUPPORTED
 * (another format, by name), CARAT_ELIMIT, CARAT_ENOMEM. */
CARAT_API bool carat_picture_decode(const void *data, size_t len, carat_picture **out, carat_err *err);
/* The same for bytes from outside: nothing is decoded that has more pixels (CARAT_ELIMIT, as soon as the header is read). */
CARAT_API bool carat_picture_decode_within(const void *data, size_t len, uint64_t max_pixels, carat_picture **out,
                                           carat_err *err);
/* The same from a file. Also: CARAT_EIO. */
CARAT_API bool carat_picture_load(const char *path, carat_picture **out, carat_err *err);
CARAT_API void carat_picture_free(carat_picture *p); /* accepts NULL */
CARAT_API uint32_t carat_picture_width(const carat_picture *p);
CARAT_API uint32_t carat_picture_height(const carat_picture *p);

/* Pan & Scan: a long picture is shown whole, then in crops along its longer side, so that small text stays legible
 * (Gemma 3 report, arXiv:2503.19786, section 2.1; numbers as in the reference processor). */
typedef enum carat_pan_scan_mode {
    CARAT_PAN_SCAN_AUTO, /* pictures whose sides have a ratio of min_ratio or more */
    CARAT_PAN_SCAN_OFF,  /* only the whole picture */
    CARAT_PAN_SCAN_ON,   /* pictures of any ratio whose crops reach min_crop; a square gives a left and a right half */
} carat_pan_scan_mode;

/* Zeros are the defaults. */
typedef struct carat_pan_scan {
    size_t struct_size;
    carat_pan_scan_mode mode;
    uint32_t min_crop;  /* pixels of a crop's side, 0: 256. Only the last crop may be narrower */
    uint32_t max_crops; /* 0: 4; at most 64 */
    double min_ratio;   /* longer side by shorter side, 0: 1.2 */
} carat_pan_scan;

/* How many views the model gets of a picture: view 0 is the whole, the others are crops in reading order. pan_scan NULL:
 * the defaults. Errors: CARAT_EARG (its size). */
CARAT_API bool carat_picture_n_views(const carat_picture *p, const carat_pan_scan *pan_scan, size_t *n, carat_err *err);
/* Which part of the picture a view shows, in its pixels after orientation. */
typedef struct carat_box {
    size_t struct_size;
    uint32_t x, y, width, height;
} carat_box;
/* Errors: CARAT_EARG (no such view). */
CARAT_API bool carat_picture_box(const carat_picture *p, const carat_pan_scan *pan_scan, size_t view, carat_box *out,
                                 carat_err *err);
/* One view, resized to size x size as the model gets it: rgb [size][size][3], the caller's. Errors: CARAT_EARG (no such
 * view, a size of 0 or over 16384), CARAT_ENOMEM. */
CARAT_API bool carat_picture_view(const carat_picture *p, const carat_pan_scan *pan_scan, size_t view, uint32_t size,
                                  uint8_t *rgb, carat_err *err);
/* Writes rgb [height][width][3] as a PNG; path is whole or untouched. Errors: CARAT_EARG, CARAT_ENOMEM, CARAT_EIO. */
CARAT_API bool carat_write_png(const char *path, const uint8_t *rgb, uint32_t width, uint32_t height, carat_err *err);

/* ---- Functions --------------------------------------------------------------------------------------------------- */

/* A function that the model may call. The caller runs it; the model only writes the call. */
typedef struct carat_tool {
    size_t struct_size;
    const char *name;        /* 1 to 64 letters, digits, '_', '.' and '-' */
    const char *description; /* UTF-8; NULL: none */
    const char *parameters;  /* a JSON Schema of an object: the function's arguments. NULL: it takes none */
    size_t parameters_len;   /* in bytes; 0: NUL-terminated */
} carat_tool;

/* How a prompt declares them. Calls are JSON either way. FunctionGemma has one way of its own for all of this. */
typedef enum carat_tool_style {
    CARAT_TOOLS_JSON,   /* {"name":"get_time","description":"...","parameters":{...}} */
    CARAT_TOOLS_PYTHON, /* def get_time(city: str) -> Any: and a docstring; what that cannot say follows as JSON */
} carat_tool_style;

typedef struct carat_tools_options {
    size_t struct_size;
    carat_tool_style style;
    const carat_tool *tools; /* [n_tools]; read during the call */
    size_t n_tools;          /* 0: as if there were no carat_tools */
} carat_tools_options;

/* Functions that were checked. Immutable; needs no engine; what is made with it keeps what it needs of it. */
typedef struct carat_tools carat_tools;

/* Errors: CARAT_EARG (a name that is missing, not allowed or there twice; a description that is not UTF-8; a schema that is
 * not an object's, or has more than 1024 properties or one twice), CARAT_EFORMAT (a schema that is not JSON, or is nested
 * deeper than 64; with the position), CARAT_ELIMIT (more than 128 functions; more than 1 MiB of schemas and
 * descriptions), CARAT_ENOMEM. What the schema demands of each argument is not judged here: carat_format_open does. */
CARAT_API bool carat_tools_open(const carat_tools_options *o, carat_tools **out, carat_err *err);
CARAT_API void carat_tools_close(carat_tools *t); /* accepts NULL */
CARAT_API size_t carat_tools_n(const carat_tools *t);
/* NULL: there are not so many. */
CARAT_API const char *carat_tools_name(const carat_tools *t, size_t i);

/* ---- Prompts ----------------------------------------------------------------------------------------------------- */

typedef struct carat_prompt carat_prompt;

/* A piece of a message: text or a picture. Both are read during the call; a prompt keeps what it needs of a picture. */
typedef struct carat_content {
    size_t struct_size;
    const char *text; /* NULL: the picture */
    size_t text_len;  /* in bytes; NUL characters may be among them. 0: the text ends before its first NUL */
    const carat_picture *picture;
    const carat_pan_scan *pan_scan; /* of this picture; NULL: as the options say */
} carat_content;

/* A call that the model made, in the history of a conversation. */
typedef struct carat_call {
    size_t struct_size;
    const char *id;        /* that its result names; NULL: it has none */
    const char *name;      /* of the function, which need not be declared */
    const char *arguments; /* a JSON object as text; NULL or blank: {} */
    size_t arguments_len;  /* in bytes; 0: NUL-terminated */
} carat_call;

typedef struct carat_message {
    size_t struct_size;
    const char *role; /* "system", "user", "assistant", "tool" ...; NUL-terminated */
    const char *text; /* NULL: the content */
    size_t text_len;  /* as in carat_content */
    /* The pieces are one text with pictures in it: white space between them is kept, only the ends are trimmed. Otherwise
     * every piece is trimmed, as the published template does. */
    bool is_inline;
    const carat_content *content;
    size_t n_content;
    /* Of an assistant's message: the calls that it made, after its text. */
    const carat_call *calls;
    size_t n_calls;
    /* Of a function's result ("tool", "function"): the call that it answers, by its id; else by the function's name. With
     * neither it answers the first call that is still without a result. */
    const char *call_id, *name;
} carat_message;

typedef struct carat_prompt_options { /* zeros are the defaults */
    size_t struct_size;
    const carat_pan_scan *pan_scan; /* NULL: the defaults */
    bool omits_answer;              /* of a chat: it does not end with the beginning of the model's turn */
    bool omits_bos;                 /* of bare text: no <bos> first */
    bool has_control; /* of bare text: "<end_of_turn>" in it is the control token; never for users' text */
    /* Of a chat: the most tokens it may have; 0: any number. The oldest turns are left out, whole, until it fits; system
     * texts and the last turn stay, and a call is never parted from its results. */
    size_t fit;
    /* Of a chat: the last message is an assistant's, and the answer goes on where its text ends: its turn stays open, and
     * white space at its end is kept. */
    bool continues_answer;
    /* Of a chat: functions that the model may call, declared in the first user turn behind the system text. NULL: none. Calls
     * and results that the messages have are rendered all the same. */
    const carat_tools *tools;
} carat_prompt_options;

/* Renders messages with the engine's chat template (carat_options), <bos> first, ending where the model's answer begins.
 * What follows is said of Gemma's; FunctionGemma's puts leading system texts into a turn of a developer, ChatML's makes
 * every message a turn and trims nothing. Only the template yields control tokens: text stays text. Neighbours of one role are joined, system text goes before the next user
 * text. A picture takes tokens_per_image tokens and a few around them for each view. o may be NULL. Errors: CARAT_EARG
 * (no messages), CARAT_EUNSUPPORTED (a picture for a model without vision; a vocabulary without the template's tokens),
 * CARAT_ECONTEXT (the last turn and the system texts alone do not fit; both counts), CARAT_ELIMIT (2 GiB of text, 4096
 * pictures), CARAT_ENOMEM. Also CARAT_EARG: calls of a message that is not an assistant's, a call_id or name of one that is
 * not a function's result, a call without a name; continues_answer without an assistant's message at the end or with
 * omits_answer. */
CARAT_API bool carat_prompt_chat(const carat_engine *e, const carat_message *messages, size_t n,
                                 const carat_prompt_options *o, carat_prompt **out, carat_err *err);
/* Text and pictures as they stand, without a template. Errors as carat_prompt_chat. */
CARAT_API bool carat_prompt_text(const carat_engine *e, const carat_content *content, size_t n,
                                 const carat_prompt_options *o, carat_prompt **out, carat_err *err);
/* Ids as they stand. Where pictures are given, each view takes the next run of tokens_per_image image tokens. Errors:
 * CARAT_EARG (views and runs that do not match, an id outside the vocabulary), CARAT_EUNSUPPORTED, CARAT_ENOMEM. */
CARAT_API bool carat_prompt_ids(const carat_engine *e, const int32_t *ids, size_t n_ids,
                                const carat_picture *const *pictures, size_t n_pictures, const carat_prompt_options *o,
                                carat_prompt **out, carat_err *err);
/* A text whose embedding is wanted. */
typedef struct carat_embedding_text { /* zeros are the defaults */
    size_t struct_size;
    const char *text;
    size_t text_len; /* in bytes; NUL characters may be among them. 0: the text ends before its first NUL */
    const char *
        task; /* the name of one of the model's (carat_model_info): its prompt comes first. NULL: the one that the model's
                        * files say, which EmbeddingGemma's do not: then nothing comes first */
    const char *title; /* of a document: in the place of "none" in "title: none | text: ". NULL: none */
    bool truncates;    /* of more tokens than fit the first are taken; else that is an error */
    size_t max_tokens; /* that fit; 0: as many as the engine's context */
} carat_embedding_text;

/* The prompt for a request that wants_embedding. Of an embedding model: <bos>, prompt and text as one string, <eos>; names of control
 * tokens in it become these tokens, as in the reference; one that is too long keeps both ends. Of other models: <bos> and the text, in
 * which nothing becomes a control token; their vectors are the mean of their final hidden states, which they were not trained for.
 * Errors: CARAT_EARG (no text, a task that the model does not have, a title with a task that has no place for it),
 * CARAT_ECONTEXT (too long; both counts), CARAT_EUNSUPPORTED (no tokenizer), CARAT_ELIMIT, CARAT_ENOMEM. */
CARAT_API bool carat_prompt_embedding(const carat_engine *e, const carat_embedding_text *t, carat_prompt **out,
                                      carat_err *err);
/* How many tokens of its text were left out. */
CARAT_API size_t carat_prompt_n_cut(const carat_prompt *p);
CARAT_API void carat_prompt_free(carat_prompt *p); /* requests keep what they need of it; accepts NULL */

/* Its ids, *n of them; a view is tokens_per_image image tokens. */
CARAT_API const int32_t *carat_prompt_tokens(const carat_prompt *p, size_t *n);
CARAT_API size_t carat_prompt_n_views(const carat_prompt *p); /* of all its pictures */
/* A hash of its first n tokens (fewer where it is shorter) and of the pixels of the pictures among them: prompts that begin alike
 * say the same, also in other processes and on other machines. */
CARAT_API uint64_t carat_prompt_hash(const carat_prompt *p, size_t n);
/* How many messages were left out to make it fit: the oldest that are not system texts. */
CARAT_API size_t carat_prompt_n_dropped(const carat_prompt *p);

/* What had to be done to messages that the turn template does not provide for. */
typedef enum carat_repair {
    CARAT_REPAIR_JOINED = 1 << 0,       /* neighbours of one role became one turn */
    CARAT_REPAIR_MOVED_SYSTEM = 1 << 1, /* a system message that is not the first, or a developer's, became user text */
    CARAT_REPAIR_TOOL_AS_USER = 1 << 2, /* a tool's result became user text: there are no functions, nor any calls */
    CARAT_REPAIR_UNKNOWN_ROLE = 1 << 3, /* a message of a role that Gemma does not have became user text */
    CARAT_REPAIR_ADDED_USER = 1 << 4,   /* an empty user turn was put in front of the model's */
    CARAT_REPAIR_NULL_CONTENT = 1 << 5, /* a message without content was read as one of empty text */
    CARAT_REPAIR_DROPPED_SYSTEM = 1 << 6, /* an empty system message was left out */
    CARAT_REPAIR_UNKNOWN_CALL = 1 << 7,   /* a tool's result answers no call that was made before it */
    CARAT_REPAIR_SORTED_RESULTS = 1 << 8, /* results were put into the order of their calls */
    CARAT_REPAIR_ARGUMENTS = 1 << 9,      /* a call's arguments that are not a JSON object were rendered as they are */
} carat_repair;

/* All that were made, added up; 0: none. */
CARAT_API unsigned carat_prompt_repairs(const carat_prompt *p);
/* "joined neighbouring messages of one role": one of them as a phrase for people; "" for anything else. Never NULL. */
CARAT_API const char *carat_repair_text(carat_repair repair);

/* The prompt as it was rendered, for people and logs: control tokens by name, a view as <start_of_image>; *len bytes and
 * a NUL. Do not tokenise it again: a "<bos>" that a user typed cannot be told from the control token in it. */
CARAT_API const char *carat_prompt_rendered(const carat_prompt *p, size_t *len);

/* What the vision tower makes of one view, into the caller's rows: f32 [tokens_per_image, hidden]. progress is in layers
 * and may be NULL. Errors: CARAT_EARG (no such view), CARAT_ENUMERIC, CARAT_ECANCELLED. */
CARAT_API bool carat_prompt_soft_tokens(carat_engine *e, const carat_prompt *p, size_t view, float *rows,
                                        carat_progress_fn *progress, void *arg, carat_err *err);

/* ---- Sampling ---------------------------------------------------------------------------------------------------- */

typedef struct carat_bias {
    int32_t id;
    float bias; /* added to the logit; -INFINITY bans */
} carat_bias;

typedef enum carat_sampling_order {
    CARAT_TEMP_FIRST, /* temperature, top-k, top-p, min-p: Hugging Face's order */
    CARAT_TEMP_LAST,  /* top-k, top-p, min-p, temperature: llama.cpp's */
} carat_sampling_order;

typedef struct carat_sampling {
    size_t struct_size;
    float temperature;                                             /* 0: always the largest logit */
    int top_k;                                                     /* 0: off */
    float top_p;                                                   /* 1: off */
    float min_p;                                                   /* 0: off */
    float repetition_penalty, presence_penalty, frequency_penalty; /* 1, 0, 0: off */
    int penalty_window; /* how many of the latest tokens, the prompt's included, the penalties count */
    carat_sampling_order order;
    uint64_t seed;
    const carat_bias *bias; /* [n_bias], copied */
    size_t n_bias;
} carat_sampling;

/* Settings that a model's files may recommend. */
typedef enum carat_sampling_field {
    CARAT_SAMPLING_TEMPERATURE = 1 << 0,
    CARAT_SAMPLING_TOP_K = 1 << 1,
    CARAT_SAMPLING_TOP_P = 1 << 2,
    CARAT_SAMPLING_MIN_P = 1 << 3,
    CARAT_SAMPLING_REPETITION = 1 << 4, /* repetition_penalty */
    CARAT_SAMPLING_WINDOW = 1 << 5,     /* penalty_window */
} carat_sampling_field;

/* Gemma 3's maker's settings, to begin with: 1.0 / 64 / 0.95 / 0, no penalties (window 64), seed 0. */
#define CARAT_SAMPLING_DEFAULT                                                                                         \
    {                                                                                                                  \
        sizeof(carat_sampling), 1.0f, 64, 0.95f, 0.0f, 1.0f, 0.0f, 0.0f, 64, CARAT_TEMP_FIRST, 0, NULL, 0              \
    }
/* Are the settings in range? Errors: CARAT_EARG with the setting's name, value and range. */
CARAT_API bool carat_sampling_check(const carat_sampling *s, carat_err *err);

/* ---- Response formats -------------------------------------------------------------------------------------------- */

/* A form that an answer must have. Each of its tokens is one that some text of the form goes on with, and it can end
 * nowhere but where such a text is complete. An answer that ends for another reason (max_tokens, the context, a stop
 * string, a cancelled call) is the beginning of one. */
typedef struct carat_format carat_format;

typedef enum carat_format_kind {
    CARAT_FORMAT_JSON_OBJECT, /* any JSON object; without text */
    CARAT_FORMAT_JSON_SCHEMA, /* text: a JSON Schema of draft 7 or 2020-12. What of it cannot be enforced is refused by
                               * keyword and path; nothing but annotations is ignored (docs/GRAMMAR.md) */
    CARAT_FORMAT_REGEX,  /* text: a regular expression that the whole answer matches: ECMA-262's, as far as regular */
    CARAT_FORMAT_CHOICE, /* one of the choices; without text */
    CARAT_FORMAT_GBNF,   /* text: a grammar in llama.cpp's notation, whose rule `root` is the whole answer */
    CARAT_FORMAT_CALLS, /* a call of one of the tools, or a list of 1 to 16 of them ("tool_choice": "required"), as a prompt
                          * says it: {"name": "get_time", "parameters": {"city": "Oslo"}}. The arguments satisfy the tool's
                          * schema, of which what cannot be enforced is refused as above, with the tool's name */
    CARAT_FORMAT_TEXT_OR_CALLS, /* any text ("auto"); but from where the name of an existing tool is complete in `{"name":
                                 * "get_time"` at the beginning of the answer or of a line, perhaps behind "[" and a line
                                 * "```json", it goes on as a valid call, or list of calls, and ends behind it. Calls
                                 * in other shapes are text (docs/TOOLS.md) */
} carat_format_kind;

typedef struct carat_format_options {
    size_t struct_size;
    carat_format_kind kind;
    bool has_spaces;  /* of JSON: ", " between members and ": " behind names, else "," and ":"; no other white space */
    bool is_single;   /* of calls: no more than one */
    const char *text; /* UTF-8 of at most 1 MiB; read during the call */
    size_t text_len;  /* in bytes; 0: the text ends before its first NUL */
    /* Of CARAT_FORMAT_CHOICE: at most 1 MiB together; read during the call. */
    const char *const *choices;
    const size_t *choice_lens; /* [n_choices] in bytes; NULL: all are NUL-terminated */
    size_t n_choices;
    /* Of calls; read during the call. Of JSON: the answer may also be a call, or a list of them, as CARAT_FORMAT_CALLS says. */
    const carat_tools *tools;
    const char *const *names; /* [n_names]: which of the tools may be called; the others cannot. 0: all */
    size_t n_names;
} carat_format_options;

/* Compiles a form for answers of this engine, on the calling thread: a schema of 10 KB takes milliseconds, and what would
 * take too long is refused. *out may be used by any number of requests and sessions from any threads. It takes what it was
 * compiled to, up to 12 MiB, and remembers up to 16 MiB of what its answers have met; in most cases about 1 MiB.
 * The first format of an engine also lists the vocabulary by its bytes: 8 MiB for Gemma's, which the engine keeps. None
 * of this is in carat_engine_memory or weighed. Errors: CARAT_EARG (what cannot be enforced; not an expression, a grammar;
 * no text can match; the vocabulary cannot write it), CARAT_EFORMAT (a schema that is not JSON; with the position),
 * CARAT_EUNSUPPORTED (a model without a vocabulary), CARAT_ELIMIT, CARAT_ENOMEM. */
CARAT_API bool carat_format_open(carat_engine *e, const carat_format_options *o, carat_format **out, carat_err *err);
/* Requests that were submitted and calls that run keep what they need of it. Before its engine's close. Accepts NULL. */
CARAT_API void carat_format_close(carat_format *f);
/* Is this a text that the form allows, whole and in its canonical spelling? From any thread. Errors: CARAT_ELIMIT,
 * CARAT_ENOMEM. */
CARAT_API bool carat_format_matches(const carat_format *f, const char *text, size_t len, bool *matches, carat_err *err);

/* ---- Calls in answers -------------------------------------------------------------------------------------------- */

typedef enum carat_piece_kind {
    CARAT_PIECE_TEXT,
    CARAT_PIECE_CALL,      /* a call begins; text: the function's name */
    CARAT_PIECE_ARGUMENTS, /* the next bytes of its arguments: all together are the JSON text of one object */
    CARAT_PIECE_CALL_END,  /* it is whole, and its arguments are valid JSON */
    CARAT_PIECE_CALL_BROKEN, /* it is none: it breaks off, or is no JSON after all; text: all that the model wrote of it */
} carat_piece_kind;

/* A part of an answer. */
typedef struct carat_piece {
    carat_piece_kind kind;
    size_t call;      /* which call of the answer, a broken one too, counted from 0; 0 for text */
    const char *text; /* len bytes, not NUL-terminated */
    size_t len;
} carat_piece;

/* Reads an answer's text as it comes: plain text, and calls of functions, in any of the shapes that Gemma writes them in (JSON,
 * Python, fences of either, FunctionGemma's; docs/TOOLS.md, "Reading calls"). Only names of the functions that it was opened
 * with make a call; everything else is text, byte for byte. What comes out does not depend on how the text is cut. One thread at a
 * time. */
typedef struct carat_call_reader carat_call_reader;

/* Errors: CARAT_ENOMEM. */
CARAT_API bool carat_call_reader_open(const carat_tools *t, carat_call_reader **out, carat_err *err);
/* The next len bytes of the answer, cut anywhere. *pieces [*n] is what became certain by them, perhaps nothing; borrowed until
 * the next call. A call begins with CALL; from there on its ARGUMENTS come as they are written where they are JSON behind the name,
 * at once where they are not; CALL_END or CALL_BROKEN ends it. Who shows or keeps answers whole puts a broken call's text in
 * its place. Held back is what may still become a call: at most 64 KiB without a function's name, 16 MiB of a call; beyond, it
 * is text. Errors: CARAT_EARG (the answer has ended), CARAT_ENOMEM, after which the reader can only be closed. */
CARAT_API bool carat_call_reader_push(carat_call_reader *r, const char *text, size_t len, const carat_piece **pieces,
                                      size_t *n, carat_err *err);
/* The answer's end: what was held back. Errors as carat_call_reader_push. */
CARAT_API bool carat_call_reader_finish(carat_call_reader *r, const carat_piece **pieces, size_t *n, carat_err *err);
CARAT_API void carat_call_reader_close(carat_call_reader *r); /* accepts NULL */

/* ---- Sessions ---------------------------------------------------------------------------------------------------- */

typedef struct carat_session carat_session;

/* n_ctx: the most tokens the conversation may grow to, prompt and answer; 0: the engine's. Its share of the engine's
 * memory is reserved here. e must outlive the session. Errors: CARAT_EARG (more than the engine's), CARAT_ELIMIT (too
 * little of the engine's memory is unreserved; with the figures), CARAT_ENOMEM. */
CARAT_API bool carat_session_open(carat_engine *e, size_t n_ctx, carat_session **out, carat_err *err);
/* A second conversation with the same tokens; nothing is copied until the two differ. Errors as carat_session_open. */
CARAT_API bool carat_session_fork(const carat_session *s, carat_session **out, carat_err *err);
CARAT_API void carat_session_close(carat_session *s); /* accepts NULL */

CARAT_API size_t carat_session_n_ctx(const carat_session *s);
CARAT_API size_t carat_session_n_tokens(const carat_session *s); /* evaluated so far */
/* Their ids, [n_tokens]; borrowed until the next call that changes the session. */
CARAT_API const int32_t *carat_session_tokens(const carat_session *s);

/* Evaluates n ids after those already there. Errors: CARAT_EARG (an id outside the vocabulary), CARAT_ECONTEXT (with
 * both counts; nothing was evaluated), CARAT_ENUMERIC, CARAT_ECANCELLED (what was evaluated until then stays). */
CARAT_API bool carat_session_append(carat_session *s, const int32_t *ids, size_t n, carat_err *err);

/* The logits after the token at a position, [n_vocab], valid during the call. Called from the engine's thread, in order of
 * position; must not call the engine. False cancels. */
typedef bool carat_logits_fn(void *arg, size_t pos, const float *logits, size_t n_vocab);

/* The same, and gives out the logits of every one of the n positions. */
CARAT_API bool carat_session_append_logits(carat_session *s, const int32_t *ids, size_t n, carat_logits_fn *on_logits,
                                           void *arg, carat_err *err);

/* The same with a prompt: its pictures are encoded, unless the engine still has them. on_logits may be NULL. Also:
 * CARAT_EUNSUPPORTED (pictures for an engine without a vision tower), CARAT_EARG (a prompt made for another model). */
CARAT_API bool carat_session_append_prompt(carat_session *s, const carat_prompt *p, carat_logits_fn *on_logits,
                                           void *arg, carat_err *err);

/* Makes the session hold exactly the prompt, evaluating only what neither it nor the engine's prefix cache holds;
 * *cached is how many tokens need not be. Errors as carat_session_append_prompt; CARAT_EARG (an empty prompt). */
CARAT_API bool carat_session_prompt(carat_session *s, const carat_prompt *p, size_t *cached, carat_err *err);

typedef enum carat_phase {
    CARAT_PHASE_IMAGE,  /* in layers of the vision tower, of all its pictures */
    CARAT_PHASE_PROMPT, /* in tokens */
} carat_phase;

/* carat_progress_fn of a call that has phases. */
typedef bool carat_phase_fn(void *arg, carat_phase phase, uint64_t done, uint64_t total);

/* Sets the callback that reports an append's progress, from the engine's thread while the append waits. NULL removes
 * it. */
CARAT_API void carat_session_on_progress(carat_session *s, carat_phase_fn *fn, void *arg);

/* The logits after the last token, into out [n_vocab]: computed now, from what the session keeps of that token. There are
 * none before the first token, after a generation (whose last token has not been evaluated), after a rewind, and after a
 * call that failed: append first. Errors: CARAT_EARG (there are none), CARAT_ENUMERIC. */
CARAT_API bool carat_session_copy_logits(const carat_session *s, float *out, carat_err *err);
/* The same in a row of the session's own, computed at the first call after the session has changed; valid until the next
 * call on it. NULL where carat_session_copy_logits would fail, and where there is no memory for the row: it is allocated
 * at the first call and kept, n_vocab floats that were not weighed. */
CARAT_API const float *carat_session_logits(carat_session *s);

/* Forgets all but the first n tokens; an image that would be cut goes whole. A rewind further back than what the local
 * layers' windows still hold empties the session: *kept is how many tokens are left, and the caller appends the rest
 * again. Errors: CARAT_EARG (more than there are). */
CARAT_API bool carat_session_rewind(carat_session *s, size_t n, size_t *kept, carat_err *err);

/* Writes the conversation with its keys and values, so that it resumes exactly where it was, and a note of the caller's:
 * note_len bytes, or NULL. Other sessions keep running meanwhile. The file at path is whole or untouched. Errors: CARAT_EIO,
 * CARAT_EFORMAT (there is a file that is neither empty nor a session: it is left alone), CARAT_ENOMEM. */
CARAT_API bool carat_session_save(const carat_session *s, const char *path, const void *note, size_t note_len,
                                  carat_err *err);
/* Into an empty session. *note, *note_len bytes and a NUL, is the caller's (carat_free); both may be NULL. A file shows
 * that it is whole, not who wrote it: its keys and values continue this session and forks of it, and no other conversation
 * is ever answered from them. One that begins with the same tokens computes its own. Errors, after which the session is
 * still empty and nothing of the file is left: CARAT_EIO (also a file that is cut meanwhile),
 * CARAT_EFORMAT (damaged, cut, not such a file), CARAT_EUNSUPPORTED (another model, other adapters, cache type or version),
 * CARAT_ECONTEXT (longer than the session may be; both lengths), CARAT_EARG (not empty), CARAT_ENOMEM. */
CARAT_API bool carat_session_restore(carat_session *s, const char *path, char **note, size_t *note_len, carat_err *err);

/* From now on the session is computed with these LoRA adapters and no others; n 0: with none. uses are copied; their order means
 * nothing. Until then it has the engine's (carat_options). A session that held tokens is empty afterwards, because others would
 * have come of them, unless the adapters are the same as before. Forks have their original's; a file that was saved with others
 * is refused. Errors, after which nothing has changed: CARAT_EARG (another engine's, one twice, more than 16, a scale that is no
 * number), CARAT_ENOMEM. */
typedef struct carat_adapter carat_adapter;
typedef struct carat_adapter_use {
    size_t struct_size;
    const carat_adapter *adapter;
    double scale; /* on top of the adapter's own (alpha by rank); 0: the same, bit for bit, as without it */
} carat_adapter_use;
CARAT_API bool carat_session_use_adapters(carat_session *s, const carat_adapter_use *uses, size_t n, carat_err *err);

/* Ends a running append of this session (CARAT_ECANCELLED) or generation (CARAT_FINISH_CANCELLED) after the step it is in.
 * From any thread and from a signal handler. Has no effect on later calls. */
CARAT_API void carat_session_cancel(carat_session *s);

/* ---- Generation -------------------------------------------------------------------------------------------------- */

typedef struct carat_top {
    int32_t id;
    float logprob;
} carat_top;

/* One generated token, borrowed during the callback or until the next event. Where the text ends with something that was
 * held back (the beginning of a stop string that did not come, an unfinished character), one with id -1 and no logprob
 * brings it at the end. */
typedef struct carat_token {
    int32_t id;
    const char *text; /* whole UTF-8 characters that became certain with this token, NUL-terminated; may be empty */
    size_t len;
    float logprob;        /* natural logarithm, before temperature, penalties and filters */
    const carat_top *top; /* [n_top]: the likeliest, best first */
    size_t n_top;
    size_t at; /* where its own text begins in the answer, in bytes. Of an answer that a stop string ended, a token with
                * `at` not below the length of the text is no part of it */
} carat_token;

/* The next token, on the thread that asked for the generation. False ends it. */
typedef bool carat_token_fn(void *arg, const carat_token *t);

typedef enum carat_finish {
    CARAT_FINISH_STOP,      /* the model ended its text or turn, or a stop string was met */
    CARAT_FINISH_LENGTH,    /* max_tokens or the context's end */
    CARAT_FINISH_CANCELLED, /* the callback or carat_session_cancel */
} carat_finish;

CARAT_API const char *carat_finish_name(carat_finish f); /* "stop", "length", "cancelled" */

/* Which tokens an answer may have, decided by the caller while it is generated. Its functions are called on the engine's
 * threads, those of one answer one after the other, of several answers at once; they must not call the engine, and every
 * step waits for them. The engine draws a token and asks for that one; only where it is refused are all asked about, or
 * those that are likeliest. Tokens that end the text or turn are the engine's affair: by may_end. */
typedef struct carat_mask {
    size_t struct_size;
    void *arg;
    void *(*open)(void *arg, size_t answer); /* the state of an answer, before its first token; NULL fails it. Without
                                                * this function arg is the state */
    bool (*allows)(void *state, int32_t id); /* may this token come next? Must be given */
    void (*fill)(void *state,
                 uint32_t *bits); /* sets bit i % 32 of word i / 32 to allows(i), [(n_vocab + 31) / 32]; NULL:
                                                * allows is called for every token */
    void (*accept)(void *state,
                   int32_t id);   /* the answer's next token is this one. NULL: what may come never changes */
    bool (*may_end)(void *state); /* may the answer end here? NULL: anywhere */
    void (*close)(void *state);   /* nothing is called for the state any more; may be NULL */
} carat_mask;

typedef struct carat_generation {
    size_t struct_size;
    const carat_sampling *sampling; /* NULL: the model's (carat_model_info) */
    size_t max_tokens;              /* 0: until the model stops or the context is full */
    bool ignores_eos;               /* continues past the end-of-text and end-of-turn tokens */
    /* Strings that end the text and are not part of it; they may be cut across tokens. Copied. */
    const char *const *stops;
    const size_t *stop_lens; /* [n_stops] in bytes; NUL characters may be among them. NULL: all are NUL-terminated */
    size_t n_stops;
    int n_top;           /* 0..20: how many alternatives a token carries */
    bool wants_logprobs; /* carat_token.logprob is computed; n_top > 0 implies it */
    /* May be NULL; must be in a request, whose tokens are events. The engine may be some tokens ahead of it: what the
     * session holds is settled when the generation has returned. */
    carat_token_fn *on_token;
    void *arg;
    size_t min_tokens; /* no end-of-text or end-of-turn token is drawn before so many; at most max_tokens. A stop string
                        * still ends the text, and so does a format that nothing can follow */
    /* The form of the answer, of the same engine; NULL: any. Biases hold beside it: CARAT_EARG ends an answer of which they
     * forbid every token that may follow. What follows without an alternative is given without asking the model. */
    const carat_format *format;
    const carat_mask *mask; /* instead of a format: the caller's own. NULL: any token */
    bool omits_guesses;     /* no token is guessed, whatever the engine's options say (carat_lookup) */
    int n_guesses;          /* most tokens guessed in a step, at most 15; 0: as the engine's options say */
    /* What the answer is expected to be like, UTF-8, copied: guessed from its beginning, and after a difference from where the
     * answer agrees with it again, as the prompt is; with CARAT_LOOKUP_OFF too. It changes nothing but the time. NULL: nothing is.
     */
    const char *prediction;
    size_t prediction_len; /* in bytes; 0: NUL-terminated */
} carat_generation;

typedef struct carat_result {
    size_t struct_size;
    carat_finish finish;
    int32_t stop_id;    /* the end-of-text or end-of-turn token that ended it, or -1 */
    size_t n_generated; /* tokens sampled, a final stop token not counted */
    double seconds;     /* from the first sample to the end */
    size_t stop;        /* which of the generation's stop strings ended the text, counted from 1; 0: none did */
    size_t n_drafted,
        n_accepted; /* tokens guessed and evaluated; of these, those that were right and are of the answer */
} carat_result;

/* Samples tokens and evaluates each, except the last one and a stop token: append that one to continue from it. The
 * session needs at least one evaluated token. g NULL: the defaults; result may be NULL. Cancelling and the context's end
 * are finish reasons, not errors. Errors: CARAT_EARG (settings out of range, by name; nothing that they leave can follow),
 * CARAT_ENUMERIC, CARAT_ENOMEM. */
CARAT_API bool carat_session_generate(carat_session *s, const carat_generation *g, carat_result *result,
                                      carat_err *err);

/* ---- Continuations ----------------------------------------------------------------------------------------------- */

/* A text or ids whose probability after a prompt is asked for (carat_request_options). A text is tokenised by itself, and
 * names of control tokens in it are text: where the prompt's tokens would stay as they are if both were tokenised as one,
 * the continuation's are the same (docs/DECISIONS.md, "Tokens"). " Paris" and "Paris" are different continuations. */
typedef struct carat_continuation {
    size_t struct_size;
    const char *text;   /* NULL: the ids */
    size_t text_len;    /* in bytes; NUL characters may be among them. 0: the text ends before its first NUL */
    const int32_t *ids; /* [n_ids] as they stand, control tokens too */
    size_t n_ids;
} carat_continuation;

/* Is a continuation all that is said? Then its probability is that of the whole answer ("yes", and not "yes, but"), and
 * the end counts: that any token comes next which ends an answer. */
typedef enum carat_ending {
    CARAT_ENDING_DEFAULT, /* whole after a chat that ends where the model's answer begins, else open */
    CARAT_ENDING_WHOLE,
    CARAT_ENDING_OPEN, /* whatever may follow */
} carat_ending;

/* How likely one continuation is, by the model alone: before temperature, penalties, filters, biases and bans, of which
 * none has a part in this. Every figure is the same, bit for bit, whatever else the engine does, in whatever order and
 * company continuations are asked for, and however much of the prompt was cached; logprobs are those that a generation of
 * the same tokens reports. Never changes. */
typedef struct carat_score {
    double logprob;     /* natural logarithm of its probability after the prompt: the sum of logprobs */
    double probability; /* its share among the continuations of the request: exp(logprob) over the sum of all */
    const int32_t *ids; /* [n_ids] its tokens */
    const float
        *logprobs; /* [n_logprobs] of each token after those before it; one more than ids where the end counts */
    size_t n_ids, n_logprobs;
} carat_score;

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

/* A prompt and its answers, without a session: the engine gives each a place when there is one, reuses what its prefix
 * cache holds, and forgets it afterwards. Any number from any threads; they share the engine's steps.
 *
 * No call below waits for a step of the engine. Only carat_request_next, carat_queue_next and carat_engine_drain wait
 * for anything, at most as long as their caller says; time limits need no call. */
typedef struct carat_request carat_request;

/* Where the events of many requests, also of several engines, wait for one listener. */
typedef struct carat_queue carat_queue;

typedef struct carat_request_options { /* zeros are the defaults */
    size_t struct_size;
    const carat_prompt *prompt;         /* may be freed once the request was submitted */
    const carat_generation *generation; /* copied; without on_token; NULL: until the model stops */
    size_t n_ctx;                       /* 0: what prompt and max_tokens need, or the engine's */
    size_t n_answers;                   /* 0: 1. They share the prompt; the i-th draws with seed + i */
    double seconds;                     /* from now until it must be done; 0: no limit */
    carat_queue *queue;                 /* its events come there; NULL: to carat_request_next alone */
    void *user;                         /* comes with each of its events */
    /* Instead of answers: continuations of the prompt to be scored. The prompt is evaluated once, then of each all but its
     * last token, one after the other, in one place of the engine. generation must be NULL and n_answers 0 or 1. They are
     * copied, and no two may be the same tokens; at most 4096. n_ctx 0: what prompt and longest continuation need. */
    carat_ending ending;
    const carat_continuation *continuations;
    size_t n_continuations;
    /* Log-probabilities of the prompt's tokens, beside answers (carat_prompt_logprobs). Not beside continuations. All of the
     * prompt is then evaluated: what the prefix cache holds of it is not reused. Takes 8 (1 + n_prompt_top) bytes a token,
     * which are not weighed. */
    bool wants_prompt_logprobs;
    /* The prompt's embedding: the mean of the final hidden states of all its tokens, after the final norm, of an embedding model
     * then through its dense layers, scaled to length 1 unless omits_norm. Beside answers or without; not beside continuations. All of
     * the prompt is evaluated, as above. An embedding model does nothing else: its requests must want it and omit answers. */
    bool wants_embedding, omits_norm;
    /* Nothing is generated: the prompt is evaluated, and ANSWER follows without a token. generation must be NULL and n_answers
     * 0 or 1. */
    bool omits_answers;
    int n_prompt_top; /* 0..20: alternatives of each of its tokens; more than 0 implies wants_prompt_logprobs */
    size_t
        n_dims; /* of the embedding, its first ones, before it is scaled: one of the model's embedding_dims. 0: all */
    /* [n_adapters] LoRA adapters that it is computed with, as carat_session_use_adapters; copied, and held until it has ended.
     * NULL: the engine's; with n_adapters CARAT_NO_ADAPTERS none. */
    const carat_adapter_use *adapters;
    size_t n_adapters;
} carat_request_options;

#define CARAT_NO_ADAPTERS SIZE_MAX

/* How likely each token of a prompt is after those before it, by the model alone, as a generation reports of the same tokens
 * (carat_token). Every figure is the same, bit for bit, whatever else the engine does and has cached. The first token has
 * none, nor have images. Made while the prompt is evaluated, and so known as a whole before its first answer's first token:
 * there are no events for it, but every TOKEN and ANSWER of the request names it. */
typedef struct carat_prompt_logprobs {
    size_t n;              /* tokens of the prompt */
    const float *logprobs; /* [n] natural logarithms; NAN: it has none */
    const uint32_t *ranks; /* [n] 1: it is the likeliest itself; 0: it has none */
    const carat_top *top;  /* [n][n_top] the likeliest, best first. id -1: there are none, or not so many */
    size_t n_top;
} carat_prompt_logprobs;

typedef enum carat_event_kind {
    CARAT_EVENT_TOKEN,  /* of one answer */
    CARAT_EVENT_ANSWER, /* one answer is complete, or all continuations are scored, or the prompt alone was evaluated */
    CARAT_EVENT_FAILED, /* one answer has failed, or what is done instead */
    CARAT_EVENT_END,    /* all have ended: the request's last event */
    CARAT_EVENT_NONE,   /* nothing within the time */
} carat_event_kind;

typedef struct carat_event {
    carat_event_kind kind;
    size_t answer;              /* of TOKEN, ANSWER and FAILED: which */
    const carat_token *token;   /* TOKEN, else NULL */
    const carat_result *result; /* ANSWER, else NULL */
    const carat_err *err;       /* FAILED, else NULL: CARAT_ETIME, CARAT_ECANCELLED, CARAT_ENUMERIC, CARAT_ENOMEM,
                                 * CARAT_EARG (nothing that the settings leave can follow) */
    carat_request *request;     /* whose event it is; NULL: NONE */
    void *user;                 /* as given with it */
    const carat_score
        *scores; /* ANSWER of a request with continuations: [n_scores] in their order; the request's, until it
                                 * is freed. Else NULL */
    size_t n_scores;
    /* TOKEN and ANSWER of a request that wants them: the request's, until it is freed. Else NULL. */
    const carat_prompt_logprobs *prompt;
    /* ANSWER with log-probabilities that a token ended (carat_result.stop_id): that token, which is no part of the answer,
     * without text. Else NULL. */
    const carat_token *stop_token;
    /* ANSWER of a request that wants it: [n_embedding], of which there are n_dims, or hidden (carat_model_info); the request's, until
     * it is freed. The same, bit for bit, whatever else the engine does and has cached. Else NULL. */
    const float *embedding;
    size_t n_embedding;
} carat_event;

/* Errors: CARAT_ELIMIT (as many requests wait as may), CARAT_ECONTEXT (the prompt does not fit; both counts), CARAT_EARG
 * (settings out of range, more answers than sessions; continuations that are empty and open, or the same twice; things
 * that exclude each other), CARAT_EUNSUPPORTED (pictures; whole answers where no token ends one), CARAT_ECLOSED (the engine
 * is being drained), CARAT_ENOMEM. Its events may be in the queue before this returns: tell requests apart by `user`. From
 * any thread. */
CARAT_API bool carat_request_submit(carat_engine *e, const carat_request_options *o, carat_request **out,
                                    carat_err *err);
/* Waits for the request's next event, at most `seconds` (< 0: until there is one). Never NULL. The event and what it
 * points to are borrowed until the next call for the request or for the queue that it is in. After its END it says END
 * again. One thread at a time; if the request is in a queue, that thread counts as one that takes the queue's events. */
CARAT_API const carat_event *carat_request_next(carat_request *r, double seconds);
/* It ends within a step, or within a layer of the vision tower; its last events come all the same: ANSWER with
 * CARAT_FINISH_CANCELLED for an answer that had begun, FAILED with CARAT_ECANCELLED for one that had not. From any
 * thread. */
CARAT_API void carat_request_cancel(carat_request *r);
/* Cancels it if it has not ended; its events that were not taken are gone, and none will name it. What it holds of the
 * engine is given back within a step, without the caller. Accepts NULL. From any thread, but not while another is in
 * carat_request_next or carat_queue_next for it or still looks at one of its events. */
CARAT_API void carat_request_free(carat_request *r);
/* Tokens of the prompt, and how many of them the prefix cache held: 0 until they have been looked up, which they have when
 * the first token comes. From any thread, at any time. */
CARAT_API void carat_request_prompt(const carat_request *r, size_t *n_tokens, size_t *n_cached);

typedef enum carat_request_stage {
    CARAT_REQUEST_QUEUED,    /* waits for a place */
    CARAT_REQUEST_READING,   /* its prompt is evaluated */
    CARAT_REQUEST_ANSWERING, /* an answer is generated, or continuations are scored */
    CARAT_REQUEST_ENDED,     /* all have ended; events may still wait for who takes them */
} carat_request_stage;

typedef struct carat_request_state {
    size_t struct_size;
    carat_request_stage stage;
    size_t n_before;                   /* QUEUED: requests and calls of sessions that are admitted before it */
    size_t n_prompt, n_read, n_cached; /* tokens of the prompt; of them evaluated or cached; cached */
    size_t n_images, n_encoded;        /* views of the prompt's pictures; of them encoded or remembered */
    double started; /* when it was given a place, in seconds of CLOCK_MONOTONIC; 0: it waits for one */
} carat_request_state;
/* As of the last step. Errors: CARAT_EARG. From any thread. */
CARAT_API bool carat_request_progress(const carat_request *r, carat_request_state *out, carat_err *err);

/* ---- Queues ------------------------------------------------------------------------------------------------------ */

/* One thread takes the events of any number of requests, and may do other things meanwhile:
 *
 *     struct pollfd p[2] = { { .fd = carat_queue_fd(q), .events = POLLIN }, { .fd = listening_socket, ... } };
 *     poll(p, 2, -1);
 *     while ((event = carat_queue_next(q, 0))->kind != CARAT_EVENT_NONE)
 *         handle(event);
 *
 * Requests that have something to say take turns, and so do the answers of one, an event each. Of an answer at most 32
 * events wait; then it stands still until some were taken, while the others go on. Errors: CARAT_EIO (the process has no
 * descriptor left), CARAT_ENOMEM. */
CARAT_API bool carat_queue_open(carat_queue **out, carat_err *err);
/* Requests that are still in the queue live on: carat_request_next has their events, and with the last of them the
 * descriptor goes. Accepts NULL. Not while another thread is in carat_queue_next. */
CARAT_API void carat_queue_close(carat_queue *q);
/* A descriptor that is readable as long as events wait, for poll, select and epoll (of either trigger: an edge comes
 * after carat_queue_next has said that there are no more). It may be readable once too often, when events were taken
 * that came in the same moment. The queue's own: do not read, write or close it. */
CARAT_API int carat_queue_fd(const carat_queue *q);
/* The next event of any of its requests, waiting at most `seconds` (0: not at all; < 0: until there is one); NONE if there
 * was none. Never NULL. The event and what it points to are borrowed until the next call for the queue or for one of its
 * requests. One thread at a time. */
CARAT_API const carat_event *carat_queue_next(carat_queue *q, double seconds);

/* From now on requests are refused (CARAT_ECLOSED). Waits until those that were submitted have ended, and calls of
 * sessions too, at most `seconds` (0: not at all; < 0: however long). Answers whose events are not taken do not end:
 * whoever takes them calls this with 0, which only closes the door, and goes on until its last END. Errors: CARAT_ETIME
 * (how many have not ended: they go on; cancel them or drain again). From any thread. */
CARAT_API bool carat_engine_drain(carat_engine *e, double seconds, carat_err *err);

/* ---- Adapters ---------------------------------------------------------------------------------------------------- */

/* A LoRA adapter adds scale * B (A x) to products of the language model's layers; all of it in float32. Requests with different
 * adapters share the engine's steps, and each gets the bits that it gets alone; what the prefix cache holds of one is never used
 * for another. */

/* What an adapter is. The strings belong to it. */
typedef struct carat_adapter_info {
    const char *name, *path;
    size_t n_matrices, rank;        /* matrices that it changes; the highest rank of these */
    uint64_t bytes;                 /* that it takes, with what steps need for it */
    const char *digest;             /* 64 hexadecimal digits: adapters that say the same are the same numbers */
    const char *chat_template_text; /* that came with it; "" if none */
} carat_adapter_info;

/* Loads one while the engine runs; its steps do not wait. Its struct is read during the call; its scale is ignored. *out is the
 * caller's. Errors: CARAT_EIO, CARAT_EFORMAT (half of a pair, a rank that is not the stated one, numbers that are not finite),
 * CARAT_EUNSUPPORTED (tensors that are no factor of a matrix of the language model's layers, DoRA, modules_to_save, settings that
 * are not known; factors of another model's shapes; each by name), CARAT_ELIMIT, CARAT_ENOMEM (with what it needs and what is
 * available), CARAT_EARG. From any thread. */
CARAT_API bool carat_adapter_load(carat_engine *e, const carat_adapter_file *file, carat_adapter **out, carat_err *err);
/* Sessions and requests that use it keep what they need of it; its memory goes with the last of them. Not for an engine's own;
 * before the engine's close. Accepts NULL. From any thread. */
CARAT_API void carat_adapter_free(carat_adapter *a);
CARAT_API const carat_adapter_info *carat_adapter_describe(const carat_adapter *a);

/* Those of carat_options, in their order; NULL: past the last. *scale, which may be NULL: as given there. */
CARAT_API const carat_adapter *carat_engine_adapter(const carat_engine *e, size_t i, double *scale);

typedef struct carat_merge_options { /* zeros are the defaults */
    size_t struct_size;
    const char *model, *adapter; /* a GGUF file of a Gemma 3 (any part of a split one); a LoRA adapter for it */
    double scale;                /* of the adapter, on top of its own; 0: 1. Negative takes it away */
    const char *type; /* of merged matrices: "q8_0", "bf16" ...; NULL: their own, but q8_0 where they are quantised */
    const char *chat_template;   /* Jinja, for the new file; NULL: the adapter's, or the model's */
    carat_progress_fn *progress; /* in bytes of the model; may be NULL */
    void *progress_arg;
} carat_merge_options;

typedef struct carat_merge_result {
    size_t struct_size;
    size_t n_merged; /* matrices that something was added to */
    size_t rank;     /* of the adapter; the highest of its matrices */
} carat_merge_result;

/* Writes the model with the adapter in its weights as one GGUF file; result may be NULL. Errors, none of which leaves half a
 * file: CARAT_EARG (an unknown type, path is one of the two files), CARAT_EUNSUPPORTED (not Gemma 3, not LoRA; a tensor that
 * belongs to no matrix of the model or has another shape, by name), CARAT_EFORMAT (half of a pair; no alpha), CARAT_EIO,
 * CARAT_ENOMEM, CARAT_ECANCELLED. */
CARAT_API bool carat_merge(const carat_merge_options *o, const char *path, carat_merge_result *result, carat_err *err);

/* ---- Quantising -------------------------------------------------------------------------------------------------- */

/* A tensor of the new file. */
typedef struct carat_quantized {
    const char *name;      /* "blk.0.attn_q.weight" */
    const char *from, *to; /* types: "BF16", "Q4_K" */
    uint64_t cols, rows;
    uint64_t bytes; /* in the new file */
    double error; /* of a matrix that was chosen for a size: the part of its squares that is lost; NaN: not measured */
    bool has_importance;
} carat_quantized;

/* Before a tensor is written. */
typedef void carat_quantized_fn(void *arg, const carat_quantized *t);

typedef struct carat_quantize_options { /* zeros are the defaults */
    size_t struct_size;
    const char *input; /* a GGUF file (any part of a split one; also a tower's, mmproj) or a folder of safetensors */
    /* A mix ("q4_k_m", "iq3_m" ..., as published files have them) or a plain type ("q4_k") for every matrix; then, perhaps,
     * rules: "q4_k_m,attn_v=q6_k". NULL: q8_0, or whatever a size asks for. */
    const char *type;
    const char *const *rules; /* [n_rules] "PATTERN=TYPE", after those of type: docs/QUANTISING.md */
    size_t n_rules;
    const char *embedding_type, *output_type; /* NULL: as type says. A table that is the head too goes by either */
    const char *vision_type;                  /* of a tower's matrices; NULL: as they are, float32 ones as bf16 */
    const char *imatrix;        /* an importance matrix, GGUF or .dat; NULL: every column counts the same */
    uint64_t target_bytes;      /* 0, or the most that the file may have: the types with the least error are searched */
    size_t n_threads;           /* 0: as many as an engine would have */
    carat_quantized_fn *tensor; /* told of each; may be NULL */
    void *tensor_arg;
    carat_progress_fn *progress; /* in bytes; may be NULL */
    void *progress_arg;
    /* Of a folder: where its vision tower goes, a GGUF file of its own (mmproj) with the types it has, or vision_type. NULL: nowhere,
     * which the log says. */
    const char *mmproj;
} carat_quantize_options;

typedef struct carat_quantize_result {
    size_t struct_size;
    size_t n_tensors, n_changed;  /* in the file; of them, with another type than before */
    size_t n_without_importance;  /* matrices that were quantised and that the importance matrix does not know */
    uint64_t bytes_in, bytes_out; /* of tensors */
} carat_quantize_result;

/* Writes the model in other types as one GGUF file, with mmproj also its tower, both or neither; result, which may be NULL,
 * has the model's figures. Every key of a GGUF file is copied but those on how it is quantised. Errors, none of which leaves
 * half a file: CARAT_EARG (an unknown type, one that does not divide a row; a rule that matches nothing; path is the model;
 * mmproj without a folder that has a tower), CARAT_EUNSUPPORTED (not Gemma 3), CARAT_EFORMAT (a damaged model; weights that
 * are not finite; an importance matrix of another model), CARAT_ELIMIT (no mix is as small), CARAT_EIO, CARAT_ENOMEM,
 * CARAT_ECANCELLED. */
CARAT_API bool carat_quantize(const carat_quantize_options *o, const char *path, carat_quantize_result *result,
                              carat_err *err);

/* Of an engine that was opened with carat_options.importance, while it has no requests: writes the sums so far as an importance
 * matrix, in llama.cpp's form. dataset names the text, NULL: as the file said that was begun with; chunk and n_chunks say how
 * long its parts were and how many. Errors: CARAT_EARG, CARAT_EFORMAT (another file is there, neither empty nor an importance
 * matrix), CARAT_EIO, CARAT_ENOMEM. */
CARAT_API bool carat_engine_write_importance(carat_engine *e, const char *path, const char *dataset, size_t chunk,
                                             size_t n_chunks, carat_err *err);
/* The parts that the file had read that was begun with, or that was written last. */
CARAT_API size_t carat_engine_importance_chunks(const carat_engine *e);
/* The text that the file names, and how long its parts were; NULL and 0: it does not say. *chunk may be NULL. Borrowed until the
 * next writing. */
CARAT_API const char *carat_engine_importance_dataset(const carat_engine *e, size_t *chunk);

/* What a tensor of two files differs by. */
typedef struct carat_difference {
    const char *name;
    const char *type_a, *type_b; /* NULL: the file does not have it, and all figures are NaN */
    uint64_t cols, rows;
    double rmse;     /* root of the mean of (a - b)^2 */
    double relative; /* that by the root mean square of a */
    double cosine;   /* of the angle between a and b */
    double most;     /* the largest |a - b| */
} carat_difference;

/* False stops. */
typedef bool carat_difference_fn(void *arg, const carat_difference *d);

/* Compares two files or folders of one model, in a's order; then come the tensors that only b has. n_threads as above. Errors:
 * CARAT_EARG (tensors of different shapes), those of opening a model, CARAT_EIO, CARAT_ENOMEM, CARAT_ECANCELLED. */
CARAT_API bool carat_compare(const char *a, const char *b, size_t n_threads, carat_difference_fn *fn, void *arg,
                             carat_err *err);

/* ---- Packs --------------------------------------------------------------------------------------------------------- */

/* Writes a model as a pack: its weights as they lie in memory once they are loaded, which an engine then maps in place of
 * loading them. It starts in a fraction of the time, processes share the memory, and answers, sessions and prefixes are those of
 * the model itself. A pack is opened like any model, by every CPU level; another version of Carat may have another layout and
 * then refuses it. model: a GGUF file (any part of a split one). Of o, which may be NULL, trusts_header, vision, mmproj,
 * n_threads and progress count; progress is of loading first, then of writing.
 *
 * While an engine uses a pack nobody may cut the file: touching what is no longer there is the end of the process (SIGBUS), as
 * with any mapping. It is written without permission to write; to replace or remove it is harmless.
 *
 * Errors, none of which leaves half a file: CARAT_EARG (path is the model; adapters or a draft), CARAT_EUNSUPPORTED (a folder; a
 * pack), those of carat_engine_open, CARAT_EIO, CARAT_ENOMEM, CARAT_ECANCELLED. */
CARAT_API bool carat_pack(const char *model, const char *path, const carat_options *o, carat_err *err);

/* Reads a pack and compares all of it with its hashes. Opening one checks its description alone, since to read the weights takes
 * longer than a start. progress may be NULL; false from it stops. Errors: CARAT_EFORMAT (damaged, with the place),
 * CARAT_EUNSUPPORTED, CARAT_EIO, CARAT_ENOMEM, CARAT_ECANCELLED. */
CARAT_API bool carat_pack_check(const char *path, int n_threads, carat_progress_fn *progress, void *arg,
                                carat_err *err);

#ifdef __cplusplus
}
#endif

#endif
