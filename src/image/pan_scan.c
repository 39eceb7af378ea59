/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "image/image.h"

carat_pan_scan carat_pan_scan_default(void)
{
    return (carat_pan_scan){ .min_crop = 256, .max_crops = 4, .min_ratio = 1.2 };
}

size_t carat_pan_scan_boxes(const carat_pan_scan *p, uint32_t width, uint32_t height, carat_box *boxes)
{
    uint32_t longer = width > height ? width : height, shorter = width > height ? height : width;
    uint32_t max = p->max_crops < CARAT_MAX_CROPS ? p->max_crops : CARAT_MAX_CROPS;
    if (shorter == 0 || p->min_crop == 0 || max == 0 || (double)longer / shorter < p->min_ratio)
        return 0;
    double n = floor((double)longer / shorter + 0.5), fit = floor((double)longer / p->min_crop);
    n = n < fit ? n : fit;
    n = n > 2 ? n : 2;
    n = n < max ? n : max;
    uint32_t step = (uint32_t)ceil(longer / n), smallest = step < shorter ? step : shorter;
    if (smallest < p->min_crop)
        return 0;
    for (uint32_t i = 0; i < (uint32_t)n; i++) { /* the last one is narrower where the sides do not divide */
        uint32_t at = i * step, left = at < longer ? longer - at : 0, size = left < step ? left : step;
        boxes[i] = width > height ? (carat_box){ at, 0, size, height } : (carat_box){ 0, at, width, size };
    }
    return (size_t)n;
}
