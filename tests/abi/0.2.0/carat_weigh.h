/* carat_weigh.h - what a model needs, before it is loaded, downloaded or bought: memory and expected speed by shape,
 * quantisation, context and device. And files of random weights, to try a shape without a download.
 *
 * Nothing here is needed for inference. What carat.h says about errors, ownership and structs that grow holds here too.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_WEIGH_H
#define CARAT_WEIGH_H

#include "carat.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Shapes ------------------------------------------------------------------------------------------------------ */

typedef enum carat_tower_place {
    CARAT_TOWER_NONE,   /* text only */
    CARAT_TOWER_INSIDE, /* the vision tower in the same file, laid out as Ollama does */
    CARAT_TOWER_ALONE,  /* an mmproj file, laid out as llama.cpp does: no text model */
} carat_tower_place;

/* A published size, and where a model differs from it; zeros keep the size's own. */
typedef struct carat_shape {
    size_t struct_size;
    const char *size; /* "270m", "1b", "4b", "12b", "27b"; "300m": EmbeddingGemma */
    size_t n_layer, hidden, ffn, n_head, n_kv_head, head_dim, n_vocab, window, context;
    size_t pattern;         /* every Nth layer is global */
    const char *type;       /* "q4_0", "q4_k_m", "bf16" ...: a published quantisation or one type for every matrix */
    uint64_t seed;          /* of the weights */
    const char *vocab_from; /* a GGUF file whose vocabulary is used; NULL: a made-up one */
    carat_tower_place tower;
    const char *tower_type; /* "bf16", "f16", "q8_0", "f32"; NULL: bf16 */
    size_t tower_layers;
} carat_shape;

/* Writes a GGUF file of random weights. progress is in bytes and may be NULL. Errors, none of which leaves half a file:
 * CARAT_EARG (an unknown size or type, a shape out of range), CARAT_EIO, CARAT_ENOMEM, CARAT_ECANCELLED. */
CARAT_API bool carat_synth(const carat_shape *shape, const char *path, carat_progress_fn *progress, void *arg,
                           carat_err *err);

/* ---- Devices ----------------------------------------------------------------------------------------------------- */

/* Types of weights are numbered as in GGUF; all are below this, which never changes. */
#define CARAT_WEIGHT_TYPES 64

/* What this library's products reach on a machine, by type of weights; 0: not measured. */
typedef struct carat_rates {
    size_t struct_size;
    double decode[CARAT_WEIGHT_TYPES]; /* bytes of weights a second, read and multiplied by one row */
    double batch[CARAT_WEIGHT_TYPES];  /* operations a second, multiplied by the rows of a prompt */
} carat_rates;

/* A machine or card that a model may run on: from data/devices.tsv, or the caller's own. Figures are the maker's peaks;
 * 0: unknown. */
typedef struct carat_device {
    size_t struct_size;
    const char *name;
    const char *kind;      /* "gpu", "laptop-gpu", "unified", "laptop", "desktop", "phone", "board", "server-cpu" */
    const char *source;    /* where the figures are from */
    uint64_t memory_bytes; /* built in */
    uint64_t usable_bytes; /* what a model can have of it; the rules are in data/README.md */
    double bandwidth;      /* bytes a second */
    double fp16;           /* dense fp16 or bf16 operations a second, with fp32 sums */
    double int8;           /* dense int8 operations a second */
    double fp32;
    int year;
    const carat_rates *measured; /* of kind "here": expected speeds rest on these. Borrowed; else NULL */
} carat_device;

/* The i-th device of the table, in its order; NULL past the last. Lives as long as the program. */
CARAT_API const carat_device *carat_device_at(size_t i);
/* By name, without regard to case, spaces and the maker's name; the middle of a name is enough where only one has it.
 * Errors: CARAT_EARG with the names that come near. */
CARAT_API bool carat_device_find(const char *name, const carat_device **out, carat_err *err);

/* Measures this machine, on n_threads (0: as carat_options): its memory and how much of it is free now, how fast it
 * reads, and what this library's products reach with every type of weights. Takes several seconds and 1 GiB. cpu as in
 * carat_options. out is of kind "here" and borrows *rates. Errors: CARAT_ENOMEM, CARAT_EARG. */
CARAT_API bool carat_weigh_here(int n_threads, const char *cpu, carat_rates *rates, carat_device *out, carat_err *err);

/* ---- Kernels ----------------------------------------------------------------------------------------------------- */

/* What one kernel reaches. Strings are the library's; "" where there is nothing to say. */
typedef struct carat_kernel_speed {
    const char *level;      /* the instruction set: "avx512" */
    const char *kernel;     /* "mul", "attend", "rmsnorm" ...; "peak", "copy": what others are compared with */
    const char *type;       /* of the weights, of the cache; of a peak the instruction */
    const char *form;       /* of the activations: "f32", "bf16", "q8", "grid" */
    const char *work;       /* "1 token", "512 tokens" ... */
    const char *unit;       /* of which so many a second: "bytes" (read), "operations", "values" */
    double rate, limit;     /* of all threads together; limit 0: none in particular */
    const char *limited_by; /* what the limit is: "VPDPBUSD", "a plain read", "a copy" */
    const char *same_as;    /* a level before whose function this is: the figures are of that measurement */
    size_t n_threads;
} carat_kernel_speed;

/* False ends the measuring. */
typedef bool carat_kernel_fn(void *arg, const carat_kernel_speed *s);

typedef struct carat_kernel_query {
    size_t struct_size;
    const char *cpu;    /* a level as in carat_options; NULL and no $CARAT_CPU: all that this machine has, one by one */
    const char *filter; /* words of which each is to stand in kernel, type or form, in any case; NULL: all kernels */
    size_t n_threads;   /* measured are one thread, and so many; 0: as carat_options */
    size_t all_forms;   /* not 0: products in all forms of activations, not only in those that the engine uses */
    size_t list;        /* not 0: report what there is to measure, without figures */
    double seconds;     /* of a measurement; 0: 0.03 */
    carat_kernel_fn *report;
    void *arg;
} carat_kernel_query;

/* Measures kernels of this library on this machine: the best of several runs with random numbers, each beside what limits
 * it, taken then and there. Takes about a minute and 1.3 GB. Errors: CARAT_EARG, CARAT_ENOMEM. */
CARAT_API bool carat_bench_kernels(const carat_kernel_query *q, carat_err *err);

/* ---- Weighing ---------------------------------------------------------------------------------------------------- */

/* Zeros are the defaults. */
typedef struct carat_weigh_query {
    size_t struct_size;
    const char *model; /* a file, a folder, or a name: "4b", "google/gemma-3-4b-it", "medgemma-27b"; NULL: "4b" */
    const carat_shape *shape; /* where it differs from a model by name; its size and type are ignored. May be NULL */
    const char *quant; /* of a model by name: a carat_shape type or "qat-q4_0"; NULL: the name's own, else "q4_k_m" */
    size_t n_images;   /* most views of a prompt's pictures; 0: 1 */
    size_t shared;     /* tokens that all sessions begin with */
    /* What the engine would be opened with, NULL: the defaults. Its max_memory and progress are ignored. */
    const carat_options *options;
} carat_weigh_query;

/* Sizes are in bytes: the sum of what the library's own allocations ask for with the same settings. */
typedef struct carat_estimate_result {
    size_t struct_size;
    char name[96];  /* "Gemma 3 4B", the file's own name, "custom shape" */
    char quant[96]; /* "q4_k_m"; of a file its types */
    char note[232]; /* why the vision tower that the model has was not counted; "" if there is nothing to say */
    bool is_file;
    bool is_custom;       /* a shape that differs from the published model it began with */
    bool has_vision;      /* the model has a vision tower */
    bool includes_vision; /* and the tower is counted */
    size_t n_layer, n_global, hidden, ffn, n_head, n_kv_head, head_dim, n_vocab, window, context;
    size_t n_ctx, chunk, n_sessions, n_images; /* as used */
    carat_cache_type cache;
    int n_threads;
    int tower_type; /* the GGUF number of most of the tower's weights */
    uint64_t n_params, n_vision_params;

    uint64_t tensor_bytes, vision_tensor_bytes;                /* in a file: the download, but for the vocabulary */
    uint64_t embedding, attention, ffn_weights, norms, vision; /* weights in memory */
    uint64_t kv_global, kv_window; /* of all sessions: layers that see everything, layers with a window */
    uint64_t kv_kept;              /* the prefix cache; becomes resident as it is used */
    uint64_t kv_shared;            /* of kv_global and kv_window: what the shared tokens save */
    uint64_t sessions, steps;      /* what sessions hold besides (carat_memory.session); rows of logits of a step */
    uint64_t scratch, image_scratch;
    uint64_t image_cache; /* of the encoded images kept for reuse; becomes resident as they come */
    uint64_t overhead;    /* program, vocabulary, threads, rounding to pages: measured, docs/WEIGH.md */
    uint64_t total;
    uint64_t elsewhere; /* about what a runtime with llama.cpp's layout holds on a GPU for the same */

    /* Work, for expected speeds. */
    double decode_bytes[2];                     /* read for a token of one session: context empty, context full */
    double prefill_ops[2];                      /* operations for a prompt's token: context empty, mean of a full one */
    double image_ops;                           /* for an image; 0 without a tower */
    double weight_bytes_of[CARAT_WEIGHT_TYPES]; /* of decode_bytes, the weights by their types */
    double weight_ops_of[CARAT_WEIGHT_TYPES];   /* of prefill_ops likewise */
    double image_attention_ops;                 /* the part of image_ops that is not products with weights */
    size_t n_texts; /* of an embedding model, which has no sessions: texts of a step, at most; of others 0 */
    uint64_t draft; /* of carat_options.draft: weights, keys and values, scratch; in total */

    uint64_t adapters; /* of the options, in memory; they are in decode_bytes and prefill_ops too */
    /* Of the weights, which the total has: mapped from a pack and shared by all processes that use it (carat_pack). */
    uint64_t mapped;
} carat_estimate_result;

/* Reads headers only. Errors: CARAT_EARG (an unknown name, with one that comes near; a context past the model's; a shape
 * out of range), those of carat_model_describe, CARAT_EUNSUPPORTED (a tower is required and there is none), CARAT_ELIMIT
 * (sizes that overflow). */
CARAT_API bool carat_weigh(const carat_weigh_query *q, carat_estimate_result *out, carat_err *err);
/* The same for n contexts, reading the model once; q->options->n_ctx is ignored. out [n]. */
CARAT_API bool carat_weigh_contexts(const carat_weigh_query *q, const size_t *n_ctx, size_t n,
                                    carat_estimate_result *out, carat_err *err);
/* The largest context (a multiple of 256 or the model's own) whose total is at most `bytes`; q->options->n_ctx is
 * ignored. *n_ctx is 0 if none fits. Errors as carat_weigh. */
CARAT_API bool carat_weigh_largest(const carat_weigh_query *q, uint64_t bytes, size_t *n_ctx, carat_err *err);

/* Ranges, least to most: what the device could do at its peaks, times the shares that were measured to be reached
 * (docs/WEIGH.md). 0: the device's figure is not known. */
typedef struct carat_speed {
    size_t struct_size;
    double decode[2];      /* tokens a second at an empty context */
    double decode_full[2]; /* at a full one */
    double prefill[2];     /* prompt tokens a second, short prompt */
    double image[2];       /* seconds an image */
} carat_speed;

/* Errors: CARAT_EARG. */
CARAT_API bool carat_weigh_speed(const carat_estimate_result *w, const carat_device *d, carat_speed *out,
                                 carat_err *err);

#ifdef __cplusplus
}
#endif

#endif
