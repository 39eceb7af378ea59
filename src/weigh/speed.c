/* Expected speeds: peaks times the share of them that was measured to be reached.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"

/* Least and most of a peak. Decoding reads everything once a token, so bandwidth bounds it; prompts and images are
 * bounded by arithmetic.
 *
 * Of devices: llama.cpp's published runs of a 7B on an M1 Pro, an M3 Pro and an RTX 3070 Laptop (Q4_0 and F16) decode
 * at 55 to 89 % of the peak bandwidth and read prompts at 70 to 78 % of the fp16 peak; small models and old drivers do
 * less. Of this machine: what was measured here is a reachable rate already, not a data sheet's (docs/WEIGH.md). */
typedef struct share {
    double decode[2], prefill[2], image[2];
} share;

static const share of_devices = { { 0.50, 0.85 }, { 0.30, 0.75 }, { 0.25, 0.60 } };
static const share of_here = { { 0.80, 1.00 }, { 0.50, 0.95 }, { 0.45, 0.90 } };

void carat_weigh_speed(const carat_weight *w, const carat_device *d, carat_speed *out)
{
    bool is_here = strcmp(d->kind, "here") == 0;
    const share *s = is_here ? &of_here : &of_devices;
    /* Elsewhere weights are widened to fp16 as often as not; here quantised ones are multiplied as int8. */
    double text = is_here ? d->int8 : d->fp16 > 0 ? d->fp16 : d->fp32;
    double image = d->fp16 > 0 ? d->fp16 : d->fp32;
    *out = (carat_speed){ .decode = { 0 } };
    for (int i = 0; i < 2; i++) {
        out->decode[i] = d->bandwidth * s->decode[i] / w->decode_bytes[0];
        out->decode_full[i] = d->bandwidth * s->decode[i] / w->decode_bytes[1];
        out->prefill[i] = text * s->prefill[i] / w->prefill_ops[0];
        if (image > 0 && w->image_ops > 0)
            out->image[i] = w->image_ops / (image * s->image[1 - i]);
    }
}
