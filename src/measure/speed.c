/* Expected speeds: a device's peak, times the share of it that was measured to be reached.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "measure/devices.h"
#include "quant/types.h"

/* Decoding reads everything once a token, so bandwidth bounds it, or the products themselves where they are slower than
 * memory; prompts and images are bounded by arithmetic.
 *
 * Least and most of what bounds them. Of devices, of a data sheet's peaks: llama.cpp's published runs of a 7B on an M1
 * Pro, an M3 Pro and an RTX 3070 Laptop (Q4_0 and F16) decode at 55 to 89 % of the peak bandwidth and read prompts at
 * 70 to 78 % of the fp16 peak; small models and old drivers do less. Of this machine, of what this library's products
 * reached alone (docs/WEIGH.md). */
typedef struct share {
    double decode[2], prefill[2], image[2];
} share;

static const share of_devices = { { 0.50, 0.85 }, { 0.30, 0.75 }, { 0.25, 0.60 } };
static const share of_here = { { 0.80, 1.00 }, { 0.65, 1.10 }, { 0.80, 1.20 } };

/* Seconds that a token would take at the peak, 0 if unknown. */
typedef struct peak {
    double decode, decode_full, prefill, image;
} peak;

static double over(double work, double rate)
{
    return rate > 0 ? work / rate : 0;
}

static peak peak_of(const carat_estimate_result *w, const carat_device *d)
{
    double half = d->fp16 > 0 ? d->fp16 : d->fp32; /* weights are widened to fp16 in about half of the cases */
    return (peak){ .decode = over(w->decode_bytes[0], d->bandwidth),
                   .decode_full = over(w->decode_bytes[1], d->bandwidth),
                   .prefill = over(w->prefill_ops[0], half),
                   .image = over(w->image_ops, half) };
}

/* Attention of a BF16 tower is in bf16, of any other in f32. */
static double image_seconds(const carat_estimate_result *w, const carat_rates *r)
{
    double matrices = r->batch[w->tower_type], attention = r->batch[w->tower_type == CT_BF16 ? CT_BF16 : CT_F32];
    if (matrices <= 0 || attention <= 0)
        return 0;
    return over(w->image_ops - w->image_attention_ops, matrices) + over(w->image_attention_ops, attention);
}

static peak measured(const carat_estimate_result *w, const carat_device *d)
{
    const carat_rates *r = d->measured;
    peak p = { .image = image_seconds(w, r) };
    for (size_t i = 0; i < CARAT_WEIGHT_TYPES; i++) {
        p.decode += over(w->weight_bytes_of[i], r->decode[i] > 0 ? r->decode[i] : d->bandwidth);
        p.prefill += over(w->weight_ops_of[i], r->batch[i] > 0 ? r->batch[i] : d->int8);
    }
    p.decode_full = p.decode + over(w->decode_bytes[1] - w->decode_bytes[0], d->bandwidth);
    return p;
}

void ct_weigh_speed(const carat_estimate_result *w, const carat_device *d, carat_speed *out)
{
    const share *s = d->measured ? &of_here : &of_devices;
    peak p = d->measured ? measured(w, d) : peak_of(w, d);
    *out = (carat_speed){ .decode = { 0 } };
    for (int i = 0; i < 2; i++) {
        out->decode[i] = over(s->decode[i], p.decode);
        out->decode_full[i] = over(s->decode[i], p.decode_full);
        out->prefill[i] = over(s->prefill[i], p.prefill);
        out->image[i] = p.image / s->image[1 - i];
    }
}
