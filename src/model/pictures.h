/* pictures.h - how a checkpoint's files say that pictures are prepared, against what Carat does.
 *
 * Carat does what every published Gemma 3 does: resize to the tower's square (bilinear), scale by 1/255, (v - 0.5) / 0.5,
 * and a fixed number of tokens an image. Files that say otherwise are refused by the name of the field, since the answers
 * to their pictures would be others.
 *
 *   folder   preprocessor_config.json; processor_config.json, whose "image_processor" is the same in transformers 5
 *   mmproj   clip.vision.image_mean, clip.vision.image_std, clip.use_gelu, clip.use_silu
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_PICTURES_H
#define CT_MODEL_PICTURES_H

#include "model/source.h"

/* Of the folder or file that s is open on. Errors: CARAT_EUNSUPPORTED (prepared otherwise), CARAT_EFORMAT (a size or a
 * number of tokens that is not the tower's; a field of another type), CARAT_EIO, CARAT_ENOMEM. */
bool ct_pictures_check(const ct_source *s, const ct_vision_config *v, carat_err *err);

#endif
