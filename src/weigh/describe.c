/* A model without a file, described as loading would describe it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "base/size.h"
#include "synth/mix.h"
#include "weigh/weigh.h"

typedef struct recipe {
    const ct_config *c;
    ct_mix mix;
    bool is_qat;    /* Google's QAT files: the token table stays in half precision, every other matrix is Q4_0 */
    uint64_t bytes; /* in a file */
    uint64_t n_params;
} recipe;

static ct_type type_in_recipe(void *arg, ct_part part, size_t layer)
{
    const recipe *r = arg;
    bool is_table = part == CT_PART_EMBED || part == CT_PART_HEAD;
    if (r->is_qat && is_table)
        return CT_F16;
    return ct_mix_type(&r->mix, r->c, part, layer);
}

/* Adds a tensor as it stands in a file; norms are F32 there. */
static bool count(void *arg, ct_part part, size_t layer)
{
    recipe *r = arg;
    size_t rows, cols, bytes;
    ct_part_shape(r->c, part, &rows, &cols);
    if (!ct_row_bytes(type_in_recipe(r, part, layer), cols, &bytes) || !ct_mul_size(bytes, rows, &bytes))
        return false;
    r->bytes += bytes;
    r->n_params += (uint64_t)rows * cols;
    return true;
}

bool ct_estimate_describe(const ct_config *c, const char *quant, ct_model **out, uint64_t *tensor_bytes, carat_err *err)
{
    recipe r = { .c = c, .is_qat = strcasecmp(quant, "qat-q4_0") == 0 };
    *out = NULL;
    if (!ct_mix_by_name(r.is_qat ? "q4_0" : quant, &r.mix))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "no quantisation '%.40s'; for example bf16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0, qat-q4_0, q3_k_m, "
                       "q2_k",
                       quant);
    if (!ct_part_each(c, count, &r))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the weights' size overflows");
    if (!ct_model_imagine(c, type_in_recipe, &r, out, err))
        return false;
    (*out)->n_params = r.n_params;
    (*out)->tensor_bytes = *tensor_bytes = r.bytes;
    return true;
}
