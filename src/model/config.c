/* Defaults, limits, and the published values that win over a header.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "model/shape_fields.h"

#define GLOBAL_BASE 1e6
#define LOCAL_BASE  1e4

void ct_config_defaults(ct_config *c)
{
    *c = (ct_config){
        .n_head = 8,
        .n_kv_head = 4,
        .head_dim = 256,
        .n_vocab = 262208,
        .context = 131072,
        .eps = 1e-6f,
        .tied = true,
        .image_token = -1,
    };
    ct_config_pattern(c, CT_PATTERN);
}

void ct_config_of(const ct_published *p, ct_config *out)
{
    ct_config_defaults(out);
    snprintf(out->name, sizeof out->name, "%s", p->title);
    out->is_encoder = p->is_encoder;
    out->dense = p->dense;
    out->n_layer = p->n_layer;
    out->hidden = p->hidden;
    out->ffn = p->ffn;
    out->n_head = p->n_head;
    out->n_kv_head = p->n_kv_head;
    out->head_dim = p->head_dim;
    out->n_vocab = p->vocab;
    out->window = p->window;
    out->context = p->context;
    out->rope_local = (ct_rope){ LOCAL_BASE, 1 };
    out->rope_global = (ct_rope){ GLOBAL_BASE, p->rope_factor };
    out->query_scale = (float)(1 / sqrt(p->query_pre_attn));
    out->published = p;
    if (p->has_vision)
        out->vision = (ct_vision_config){ .present = true,
                                          .hidden = 1152,
                                          .ffn = 4304,
                                          .n_layer = 27,
                                          .n_head = 16,
                                          .image_size = 896,
                                          .patch_size = 14,
                                          .n_channel = 3,
                                          .tokens_per_image = 256,
                                          .eps = 1e-6f };
}

/* ---- limits ---- */

static bool in_range(const char *what, const char *field, double value, double min, double max, carat_err *err)
{
    if (value >= min && value <= max) /* false for NaN too */
        return true;
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %s is %.9g, expected %.9g to %.9g", what, field, value, min,
                   max);
}

static bool check_rope(const char *what, const char *kind, const ct_rope *r, carat_err *err)
{
    char field[48];
    snprintf(field, sizeof field, "RoPE base (%s layers)", kind);
    if (!in_range(what, field, r->base, 2, 1e12, err))
        return false;
    snprintf(field, sizeof field, "RoPE factor (%s layers)", kind);
    return in_range(what, field, r->factor, 1.0 / 1024, 1024, err);
}

static bool check_limits(const ct_config *c, const char *what, carat_err *err)
{
    for (const ct_shape_field *f = ct_shape_fields; f < ct_shape_fields + CT_N_SHAPE_FIELDS; f++)
        if (!in_range(what, f->name, ct_shape_field_of(c, f), 1, f->max, err))
            return false;
    if (c->head_dim % 2)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: head dimension is %u, expected an even number", what,
                       c->head_dim);
    if (c->n_head % c->n_kv_head)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: %u heads over %u KV heads, expected a whole number of heads for each", what, c->n_head,
                       c->n_kv_head);
    return in_range(what, "RMSNorm epsilon", c->eps, 0, 0.1, err) &&
           in_range(what, "query scale", c->query_scale, 1e-6, 1e3, err) &&
           check_rope(what, "local", &c->rope_local, err) && check_rope(what, "global", &c->rope_global, err);
}

/* ---- end ids ---- */

void ct_config_add_eos(ct_config *c, int64_t id, const char *from)
{
    const int32_t v = id > INT32_MAX ? INT32_MAX : (int32_t)id; /* beyond any vocabulary either way */
    if (id < 0)
        return;
    for (uint32_t i = 0; i < c->n_eos; i++)
        if (c->eos[i] == v)
            return;
    if (c->n_eos == CT_MAX_STOPS) {
        c->n_eos_over++;
        return;
    }
    c->eos_from[c->n_eos] = from;
    c->eos[c->n_eos++] = v;
}

bool ct_config_add_eos_json(ct_config *c, const json_t *v, const char *what, const char *from, carat_err *err)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (!v || json_is_null(v))
        return true;
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_integer(id))
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'eos_token_id' %s %s, expected token ids", what,
                           json_is_array(v) ? "has" : "is", ct_json_kind(id));
        ct_config_add_eos(c, json_integer_value(id), from);
    }
    return true;
}

/* ---- the published table ---- */

void ct_config_note(ct_config *c, const char *what, const char *fmt, ...)
{
    if (c->n_notes == CT_MAX_NOTES)
        return;
    char *line = c->notes[c->n_notes++];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof c->notes[0], fmt, ap);
    va_end(ap);
    ct_utf8_tidy(line); /* pieces of a vocabulary may be quoted in it */
    ct_logf(CARAT_LOG_WARN, "%s: %s", what, line);
}

/* One value that headers get wrong: 0 is "not stated". Returns what to use. */
static double settle(ct_config *c, const char *what, const char *field, double stated, double known, bool trust)
{
    if (stated == 0)
        return known;
    /* Headers hold float32: 1/sqrt(256) or 1e6 survive exactly, others to 7 digits. */
    if (fabs(stated - known) <= 1e-6 * fabs(known))
        return stated;
    double use = trust ? stated : known;
    ct_config_note(c, what, "%s: header states %.7g, %s has %.7g; using %.7g", field, stated, c->published->title,
                   known, use);
    return use;
}

static void settle_pattern(ct_config *c, const char *what, bool trust)
{
    uint32_t differ = 0, first = 0;
    for (uint32_t i = c->n_layer; i-- > 0;)
        if (c->is_global[i] != ((i + 1) % CT_PATTERN == 0))
            differ++, first = i;
    if (!differ)
        return;
    ct_config_note(c, what,
                   "layer pattern: %u layers differ from %s's five local, one global (first: layer %u); using %s",
                   differ, c->published->title, first, trust ? "the header's" : "the published one");
    if (!trust)
        ct_config_pattern(c, CT_PATTERN);
}

/* Figures that tensor shapes decide, or that only inform: the file's are used, the difference is reported. */
static void compare(ct_config *c, const char *what, const char *field, uint32_t stated, uint32_t known)
{
    if (stated != known)
        ct_config_note(c, what, "%s: header states %u, %s has %u; using %u", field, stated, c->published->title, known,
                       stated);
}

static void apply_published(ct_config *c, const char *what, bool trust)
{
    const ct_published *p = c->published;
    c->window = (uint32_t)settle(c, what, "sliding window", c->window, p->window, trust);
    c->rope_global.base = settle(c, what, "RoPE base (global layers)", c->rope_global.base, GLOBAL_BASE, trust);
    c->rope_global.factor =
        settle(c, what, "RoPE factor (global layers)", c->rope_global.factor, p->rope_factor, trust);
    c->rope_local.base = settle(c, what, "RoPE base (local layers)", c->rope_local.base, LOCAL_BASE, trust);
    c->rope_local.factor = settle(c, what, "RoPE factor (local layers)", c->rope_local.factor, 1, trust);
    c->query_scale = (float)settle(c, what, "query scale", c->query_scale, 1 / sqrt(p->query_pre_attn), trust);
    settle_pattern(c, what, trust);
    compare(c, what, "FFN width", c->ffn, p->ffn);
    compare(c, what, "number of heads", c->n_head, p->n_head);
    compare(c, what, "number of KV heads", c->n_kv_head, p->n_kv_head);
    compare(c, what, "head dimension", c->head_dim, p->head_dim);
    compare(c, what, "context length", c->context, p->context);
    if (c->n_vocab != p->vocab_text) /* text-only files carry 262144 rows, others 262208 */
        compare(c, what, "vocabulary", c->n_vocab, p->vocab);
}

bool ct_config_finish(ct_config *c, const char *what, bool trust_header, carat_err *err)
{
    c->n_notes = 0;
    /* The table is walked to n_layer below, so this one limit comes first. */
    if (!in_range(what, "number of layers", c->n_layer, 1, CT_MAX_LAYERS, err))
        return false;
    c->published = ct_published_by_shape(c->n_layer, c->hidden, c->is_encoder);
    if (c->published)
        apply_published(c, what, trust_header);
    if (c->rope_global.base == 0)
        c->rope_global.base = GLOBAL_BASE;
    if (c->rope_local.base == 0)
        c->rope_local.base = LOCAL_BASE;
    if (c->rope_global.factor == 0)
        c->rope_global.factor = 1;
    if (c->rope_local.factor == 0)
        c->rope_local.factor = 1;
    if (c->query_scale == 0 && c->head_dim)
        c->query_scale = (float)(1 / sqrt(c->head_dim));
    return check_limits(c, what, err);
}

/* The reference computes 1 / base^(2i/d) in float32 throughout and divides by the factor afterwards; at position
 * 100 000 one float32 step of the frequency is a visible angle, so it is rounded at the same places here.
 * pow in double, rounded once, stands for a correctly rounded powf. */
void ct_rope_inv_freq(const ct_rope *r, uint32_t head_dim, float *inv_freq)
{
    for (uint32_t i = 0; i < head_dim / 2; i++) {
        float exponent = (float)(2 * i) / (float)head_dim;
        float power = (float)pow((float)r->base, exponent);
        inv_freq[i] = 1.0f / power / (float)r->factor;
    }
}
