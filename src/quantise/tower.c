/* The vision tower of a folder, as the tensors of an mmproj file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "quantise/input.h"

static bool list_part(void *arg, ct_tower_part part, size_t layer)
{
    ct_input *in = arg;
    ct_input_tensor *i = &in->tensors[in->n++];
    const ct_tower_part_info *info = ct_tower_part_get(part);
    const char *name = info->name[CT_TOWER_MMPROJ];
    if (part < CT_FIRST_TOWER_LAYER_PART)
        snprintf(i->name, sizeof i->name, "%s", name);
    else
        snprintf(i->name, sizeof i->name, "v.blk.%zu.%s", layer, name);
    ct_input_describe(i, ct_tower_tensor(in->tower, &in->src, part, layer));
    i->is_vector = info->kind == CT_TOWER_VECTOR || info->kind == CT_TOWER_NORM;
    i->adds_one = info->kind == CT_TOWER_NORM;
    return true;
}

bool ct_input_open_tower(ct_input *in, const char *path, size_t text_width, carat_err *err)
{
    *in = (ct_input){ .path = path, .is_tower = true };
    if (!ct_tower_describe(path, text_width, &in->src, &in->tower, err))
        return false;
    if (!in->src.st)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "%s: no folder: the tower of a GGUF file stands in a file already", path);
    if (in->tower->is_channels_last)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: the patches of its tower are in MLX's order, expected those of a published folder", path);
    in->tensors = calloc((size_t)in->tower->cfg.n_layer * CT_N_TOWER_PARTS + CT_N_TOWER_PARTS, sizeof *in->tensors);
    if (!in->tensors)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its list of tensors", path);
    ct_tower_each(&in->tower->cfg, list_part, in);
    ct_input_sort(in);
    return true;
}
