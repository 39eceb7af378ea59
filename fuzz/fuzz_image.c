/* Any bytes as an image file: an error or a picture, within small limits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ct_image_limits limits = { .file_bytes = 1 << 20, .memory = 8 << 20, .ratio = 200 };
    ct_image image;
    if (ct_image_decode(data, size, &limits, &image, NULL)) {
        FUZZ_MUST(image.width > 0 && image.height > 0);
        fuzz_touch(image.rgb, (size_t)image.width * image.height * 3);
        ct_image_deinit(&image);
    }
    return 0;
}
