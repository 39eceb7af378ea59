/* Pan & Scan: into how many crops an elongated image is cut, and where.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "image/image.h"

size_t ct_pan_scan_boxes(const carat_pan_scan *p, uint32_t width, uint32_t height, ct_box *boxes)
{
    uint32_t longer = width > height ? width : height, shorter = width > height ? height : width;
    uint32_t min_crop = p->min_crop ? p->min_crop : 256, max = p->max_crops ? p->max_crops : 4;
    max = max < CT_MAX_CROPS ? max : CT_MAX_CROPS;
    if (shorter == 0 || p->mode == CARAT_PAN_SCAN_OFF)
        return 0;
    if (p->mode == CARAT_PAN_SCAN_AUTO && (double)longer / shorter < (p->min_ratio > 0 ? p->min_ratio : 1.2))
        return 0;
    double n = floor((double)longer / shorter + 0.5), fit = floor((double)longer / min_crop);
    n = n < fit ? n : fit;
    n = n > 2 ? n : 2;
    n = n < max ? n : max;
    uint32_t step = (uint32_t)ceil(longer / n), smallest = step < shorter ? step : shorter;
    if (smallest < min_crop)
        return 0;
    /* The last one is narrower where the sides do not divide. Of many tiny crops the last can begin beyond the edge
     * (65 pixels in 64 steps of 2): the reference then fails, here they are left out. */
    size_t made = 0;
    for (uint64_t at = 0; made < (size_t)n && at < longer; at += step) {
        uint32_t first = (uint32_t)at, left = longer - first, size = left < step ? left : step;
        boxes[made++] = width >= height ? (ct_box){ first, 0, size, height } : (ct_box){ 0, first, width, size };
    }
    return made;
}
