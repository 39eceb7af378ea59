/* config.h - the shape of a Gemma 3 or EmbeddingGemma checkpoint: what its header states, and what Carat uses.
 *
 * One ct_config is filled from GGUF metadata or from a folder's config.json, every field checked against the limits
 * below before any arithmetic. Where (layers, hidden) match a published model, the values that headers in circulation
 * get wrong (window, layer pattern, RoPE, query scale) are taken from the published table and each contradiction is
 * logged once and kept in `notes`.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_CONFIG_H
#define CT_MODEL_CONFIG_H

#include "base/json.h"
#include "format/gguf.h"

/* The limits that Carat accepts; the published models need 62, 5376, 21504, 32, 16, 256, 262208, 1024, 131072. */
#define CT_MAX_LAYERS  256
#define CT_MAX_HIDDEN  65536
#define CT_MAX_FFN     524288
#define CT_MAX_HEADS   1024
#define CT_MAX_VOCAB   (1 << 20)
#define CT_MAX_CONTEXT (1 << 24)
#define CT_MAX_NOTES   16
#define CT_MAX_STOPS   16

#define CT_PATTERN 6 /* five local layers, then one global: every published Gemma 3 */

/* RoPE of one kind of layer: angle i of position p is p * base^(-2i/head_dim) / factor. */
typedef struct ct_rope {
    double base;
    double factor; /* linear position scaling; 1: none */
} ct_rope;

/* One published model, all figures (Gemma 3 report, model cards; gemma_pytorch's configurations). */
typedef struct ct_published {
    const char *name;  /* "4B" */
    const char *title; /* "Gemma 3 4B" */
    bool is_encoder;   /* as in ct_config */
    uint32_t n_layer, hidden, ffn, n_head, n_kv_head, head_dim;
    uint32_t window, context;
    uint32_t vocab, vocab_text; /* rows in the safetensors table; 262144 is what text-only files may carry */
    double rope_factor;         /* of the global layers */
    double query_pre_attn;      /* query scale = 1/sqrt of it */
    bool has_vision;
    uint32_t dense; /* as in ct_config */
} ct_published;

/* The SigLIP tower and projector, if the checkpoint describes one. */
typedef struct ct_vision_config {
    bool present;
    uint32_t hidden, ffn, n_layer, n_head;
    uint32_t image_size, patch_size, n_channel;
    uint32_t tokens_per_image;
    float eps;
} ct_vision_config;

#define CT_MAX_TOWER_LAYERS 1024
#define CT_MAX_PATCHES      65536 /* of an image; the published towers have 4096 */

/* Patches along one side of the image. */
static inline uint32_t ct_vision_grid(const ct_vision_config *v)
{
    return v->image_size / v->patch_size;
}
static inline uint32_t ct_vision_patches(const ct_vision_config *v)
{
    return ct_vision_grid(v) * ct_vision_grid(v);
}
/* Tokens along one side, rounded down as the square root in the reference. */
uint32_t ct_vision_side(const ct_vision_config *v);
/* Patches along a side of the square that a token is the mean of: as many as fit, as in the reference. Rows and columns of
 * patches that are left over are dropped, as are pixels that make no whole patch. */
static inline uint32_t ct_vision_pool(const ct_vision_config *v)
{
    return ct_vision_grid(v) / ct_vision_side(v);
}

typedef struct ct_config {
    char name[96]; /* general.name or the folder's last part; "" if none */
    uint32_t n_layer, hidden, ffn, n_head, n_kv_head, head_dim;
    uint32_t n_vocab; /* rows of the embedding table */
    uint32_t
        window; /* a local layer's query attends to this many positions, itself included; of an encoder: see below */
    uint32_t context; /* positions the model was made for */
    bool is_global[CT_MAX_LAYERS];
    ct_rope rope_local, rope_global;
    float eps;         /* of every RMSNorm */
    float query_scale; /* 1/sqrt(query_pre_attn_scalar) */
    /* An embedding model (EmbeddingGemma): every token of a text attends to all others, on local layers to those at most
     * window / 2 positions before or behind it; what comes of a text is one vector, the mean of its final hidden states
     * through two dense layers: hidden -> dense -> hidden. There is no output head. */
    bool is_encoder;
    uint32_t dense; /* 0: the file has no dense layers */
    bool tied;      /* the output head is the embedding table: as the header states, then as the tensors are (head.c) */
    bool is_tie_disputed; /* a folder's configuration states it twice, and differently */
    uint32_t n_eos;       /* end ids that files name; whether each can be an end the vocabulary decides (model.c) */
    int32_t eos[CT_MAX_STOPS];
    const char *eos_from[CT_MAX_STOPS]; /* the key or file that names it; static */
    uint32_t n_eos_over;                /* named, but one more than there is room for */
    int32_t image_token;                /* id standing for an image row; -1 if the header names none */
    ct_vision_config vision;
    const ct_published *published; /* the model with these (layers, hidden), or NULL */
    uint32_t n_notes;
    char notes[CT_MAX_NOTES][160]; /* "sliding window: header states 512, Gemma 3 4B has 1024; using 1024" */
} ct_config;

/* trust_header: header values are used even where they contradict the published model (still noted). `what` names the
 * file in messages. Errors: CARAT_EUNSUPPORTED (another architecture, by name), CARAT_EFORMAT (which key, found,
 * expected). */
bool ct_config_from_gguf(const ct_gguf *g, bool trust_header, ct_config *out, carat_err *err);
bool ct_config_from_json(const char *what, const json_t *config, bool trust_header, ct_config *out, carat_err *err);

/* The tower that a GGUF file describes: an mmproj file (general.architecture clip or mmproj) or one that holds text and
 * tower (gemma3.vision.*). out->present is false if it describes none. Errors: CARAT_EFORMAT, CARAT_EUNSUPPORTED
 * (another model's projector, by name). */
bool ct_vision_config_from_gguf(const ct_gguf *g, ct_vision_config *out, carat_err *err);

/* The same from the config.json of a folder. */
bool ct_vision_config_from_json(const char *what, const json_t *config, ct_vision_config *out, carat_err *err);

/* Can this tower be run: sizes within limits, patches that fill the image, heads that divide the width, a square of
 * tokens that divides the square of patches? Errors: CARAT_EFORMAT with what was found and expected. */
bool ct_vision_config_check(const ct_vision_config *v, const char *what, carat_err *err);

/* The last step of both readers, public for synth and weigh: range checks, then the published table. A field left 0
 * where the architecture has no default is an error naming it. */
bool ct_config_finish(ct_config *c, const char *what, bool trust_header, carat_err *err);

/* An end id that `from` names, kept once; a negative one means that there is none. */
void ct_config_add_eos(ct_config *c, int64_t id, const char *from);
/* The same from JSON: an id, a list of them, or null. Errors: CARAT_EFORMAT (`what` has something else). */
bool ct_config_add_eos_json(ct_config *c, const json_t *v, const char *what, const char *from, carat_err *err);

/* One of c->notes, which is logged as well. `what` names the file. */
void ct_config_note(ct_config *c, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Class defaults of the architecture (transformers' Gemma3TextConfig), without widths. */
void ct_config_defaults(ct_config *c);
/* general.architecture of such a GGUF file: "gemma3", "gemma-embedding". */
const char *ct_config_arch(const ct_config *c);
/* How far a query of a local layer sees to either side of itself, in an encoder. */
static inline size_t ct_config_reach(const ct_config *c)
{
    return c->window / 2;
}
/* Every `pattern`-th layer is global: (i + 1) % pattern == 0. With 0 every layer is local. */
void ct_config_pattern(ct_config *c, uint32_t pattern);

/* Published models: by index (NULL past the end), by name ("4b", any case), by shape. */
const ct_published *ct_published_at(size_t i);
const ct_published *ct_published_by_name(const char *name);
const ct_published *ct_published_by_shape(uint32_t n_layer, uint32_t hidden, bool is_encoder);
/* The complete configuration of a published model, as from its checkpoint. */
void ct_config_of(const ct_published *p, ct_config *out);

/* inv_freq[head_dim / 2] of one kind of layer, rounded where the reference rounds: in float32. */
void ct_rope_inv_freq(const ct_rope *r, uint32_t head_dim, float *inv_freq);

#endif
