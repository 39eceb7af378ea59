/* Scales part of an image with the triangle filter, to the bit as Pillow does it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/size.h"
#include "image/image.h"

#define MAX_SIDE 16384

/* Weights in fixed point: 32 - 8 - 2 bits, so that a sum of products of eight-bit samples stays within 32. */
#define PRECISION 22

/* The weights of one pass: output i is the sum of count[i] inputs from first[i], times weight[i * stride ...]. */
typedef struct filter {
    int32_t *first, *count;
    int32_t *weight;
    size_t stride;
} filter;

static void filter_deinit(filter *f)
{
    free(f->first);
    free(f->count);
    free(f->weight);
}

static double triangle(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

/* Output pixel i is a weighted mean of the input around its centre there, (i + 0.5) * scale: of one pixel to either
 * side, or `scale` of them when shrinking. */
static bool filter_init(filter *f, uint32_t in, uint32_t out)
{
    double scale = (double)in / out, wide = scale < 1 ? 1 : scale, narrow = 1 / wide;
    *f = (filter){ .stride = (size_t)ceil(wide) * 2 + 1 };
    size_t n;
    if (!ct_mul_size(out, f->stride, &n))
        return false;
    f->first = calloc(out, sizeof *f->first);
    f->count = calloc(out, sizeof *f->count);
    f->weight = calloc(n, sizeof *f->weight);
    double *w = calloc(f->stride, sizeof *w);
    bool ok = f->first && f->count && f->weight && w;
    for (uint32_t i = 0; ok && i < out; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int32_t lo = (int32_t)(centre - wide + 0.5), hi = (int32_t)(centre + wide + 0.5);
        lo = lo < 0 ? 0 : lo;
        hi = hi > (int32_t)in ? (int32_t)in : hi;
        for (int32_t x = lo; x < hi; x++)
            sum += w[x - lo] = triangle((x - centre + 0.5) * narrow);
        for (int32_t x = lo; x < hi; x++) {
            double v = sum != 0 ? w[x - lo] / sum : w[x - lo];
            f->weight[i * f->stride + (size_t)(x - lo)] = (int32_t)(v * (1 << PRECISION) + 0.5);
        }
        f->first[i] = lo;
        f->count[i] = hi - lo;
    }
    free(w);
    return ok;
}

static uint8_t clip(int32_t v)
{
    v >>= PRECISION;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* n outputs along a line of pixels that lie `step` bytes apart, three channels each. */
static void pass(const filter *f, uint32_t n, const uint8_t *in, size_t in_step, uint8_t *out, size_t out_step)
{
    for (uint32_t i = 0; i < n; i++) {
        const int32_t *w = f->weight + i * f->stride;
        const uint8_t *p = in + (size_t)f->first[i] * in_step;
        int32_t sum[3] = { 1 << (PRECISION - 1), 1 << (PRECISION - 1), 1 << (PRECISION - 1) };
        for (int32_t k = 0; k < f->count[i]; k++, p += in_step)
            for (int c = 0; c < 3; c++)
                sum[c] += p[c] * w[k];
        for (int c = 0; c < 3; c++)
            out[i * out_step + (size_t)c] = clip(sum[c]);
    }
}

/* The order of the passes affects the last bit, because each rounds. Pillow 13 runs the vertical one first where the
 * height loses more than twice the pixels that the width does (earlier versions never did). */
static bool is_down_first(ct_box part, uint32_t width, uint32_t height)
{
    int64_t less_high = (int64_t)part.height - height, less_wide = (int64_t)part.width - width;
    return less_high > 0 && less_high > 2 * less_wide;
}

bool ct_image_resize(const ct_image *image, ct_box part, uint32_t width, uint32_t height, uint8_t *out, carat_err *err)
{
    if (width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "resize to %u x %u, expected sides of 1 to %d", width, height,
                       MAX_SIDE);
    if (part.width == 0 || part.height == 0 || !ct_inside(part.x, part.width, image->width) ||
        !ct_inside(part.y, part.height, image->height))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a part of %u x %u at (%u, %u) of a picture of %u x %u",
                       part.width, part.height, part.x, part.y, image->width, image->height);
    filter across = { 0 }, down = { 0 };
    bool down_first = is_down_first(part, width, height);
    size_t in_row = (size_t)image->width * 3, row = (size_t)width * 3, part_row = (size_t)part.width * 3, bytes;
    const uint8_t *in = image->rgb + part.y * in_row + (size_t)part.x * 3;
    bool fits = down_first ? ct_mul_size(part_row, height, &bytes) : ct_mul_size(row, part.height, &bytes);
    uint8_t *middle = fits ? malloc(bytes) : NULL;
    bool ok = middle && filter_init(&across, part.width, width) && filter_init(&down, part.height, height);
    if (ok && down_first) {
        for (uint32_t x = 0; x < part.width; x++)
            pass(&down, height, in + (size_t)x * 3, in_row, middle + (size_t)x * 3, part_row);
        for (uint32_t y = 0; y < height; y++)
            pass(&across, width, middle + y * part_row, 3, out + y * row, 3);
    } else if (ok) {
        for (uint32_t y = 0; y < part.height; y++)
            pass(&across, width, in + y * in_row, 3, middle + y * row, 3);
        for (uint32_t x = 0; x < width; x++)
            pass(&down, height, middle + (size_t)x * 3, row, out + (size_t)x * 3, row);
    }
    free(middle);
    filter_deinit(&across);
    filter_deinit(&down);
    return ok || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to resize %u x %u to %u x %u", part.width,
                         part.height, width, height);
}
