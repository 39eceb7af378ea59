/* No list of types is forgotten: every type of the enum is named, unpacked, packed or kept as rows, multiplied at every
 * level of this machine, quantised or refused, known as a mix, and drawn in the README; and the rows of forms.h agree
 * with the blocks they pack.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/kernels.h"
#include "quant/pack_layout.h"
#include "synth/synth.h"

/* Calls f for every type there is. */
static void each_type(void (*f)(ct_type type, const ct_type_info *info))
{
    int n = 0;
    for (uint32_t t = 0; t < CT_N_TYPE; t++)
        if (ct_type_get(t)) {
            f((ct_type)t, ct_type_get(t));
            n++;
        }
#define COUNT(...) +1
    assert_int_equal(n, 0 CT_PLAIN_TYPES(COUNT) CT_BLOCK_TYPES(COUNT));
    assert_non_null(ct_type_get(CT_N_TYPE - 1));
}

/* ---- names and blocks ---- */

static void is_named(ct_type type, const ct_type_info *info)
{
    ct_type found = CT_N_TYPE;
    ct_mix mix;
    assert_true(ct_type_by_name(info->name, &found));
    assert_int_equal(found, type);
    assert_true(ct_mix_by_name(info->name, &mix));                /* `carat weigh --quant`, `carat synth --type` */
    assert_true(mix.file_type != UINT32_MAX || mix.base == type); /* or a published mix is called so */
}

static void all_are_named(void **state)
{
    (void)state;
    each_type(is_named);
    for (size_t i = 0; ct_mix_at(i); i++)
        assert_non_null(ct_type_get(ct_mix_at(i)->base));
}

static void zeros_are_unpacked(ct_type type, const ct_type_info *info)
{
    static const uint8_t zero[1024];
    float y[256];
    assert_true(info->block <= 256 && info->bytes <= sizeof zero);
    for (int i = 0; i < info->block; i++)
        y[i] = NAN;
    ct_unpack_row(type, zero, y, info->block);
    for (int i = 0; i < info->block; i++)
        if (!isfinite(y[i]))
            fail_msg("%s: a block of zeros has %g at %d", info->name, (double)y[i], i);
}

static void all_are_unpacked(void **state)
{
    (void)state;
    each_type(zeros_are_unpacked);
}

/* ---- quantising ---- */

static void is_made_or_refused(ct_type type, const ct_type_info *info)
{
    if (info->can_quantise) {
        float x[256], y[256];
        uint8_t block[1024];
        double error = 0, all = 0;
        for (int i = 0; i < info->block; i++)
            x[i] = (float)(i % 32 - 16) / 16;
        assert_true(ct_quantise_prepare(type));
        ct_quantise_row(type, x, block, info->block);
        ct_unpack_row(type, block, y, info->block);
        for (int i = 0; i < info->block; i++) {
            error += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
            all += (double)x[i] * (double)x[i];
        }
        if (!(error <= (info->bytes * 64 < 17 * info->block ? 0.3 : 0.1) * all)) /* at two bits more is lost */
            fail_msg("%s: quantised, %g of the weights' energy is lost", info->name, error / all);
    } else if (!ct_is_recoded(type)) {
        carat_err err;
        char path[64];
        const carat_shape shape = { .size = "1b", .type = info->name, .n_layer = 1, .hidden = 1280, .n_vocab = 600 };
        snprintf(path, sizeof path, "/tmp/carat-forms-%d.gguf", (int)getpid());
        assert_false(ct_synth_shape(&shape, path, NULL, NULL, &err));
        if (!strstr(err.msg, "cannot be made in") || !strstr(err.msg, info->name))
            fail_msg("%s: '%s' does not refuse it by name", info->name, err.msg);
    }
}

static void all_are_made_or_refused(void **state)
{
    (void)state;
    each_type(is_made_or_refused);
}

/* ---- packed forms ---- */

static int code_bits(ct_codes codes)
{
    static const int bits[] = {
        [CT_CODES_8] = 8, [CT_CODES_4] = 4, [CT_CODES_4_1] = 5, [CT_CODES_4_2] = 6, [CT_CODES_2] = 2, [CT_CODES_2_1] = 3
    };
    return bits[codes];
}

/* `largest` is what the values reach, and a biased code or value is a byte. */
static void values_are_bounded(const ct_type_info *info, const ct_form *form)
{
    const int n = 1 << code_bits(form->codes);
    int largest = 0;
    assert_true(!form->table || n <= 16);
    for (int code = 0; code < n; code++) {
        const int value = form->table ? form->table[code] : code - form->bias;
        largest = abs(value) > largest ? abs(value) : largest;
        if (form->table && value + form->bias < 0)
            fail_msg("%s: bias %d leaves value %d negative", info->name, form->bias, value);
    }
    if (largest != form->largest)
        fail_msg("%s: values reach %d, forms.h says %d", info->name, largest, form->largest);
}

/* The fields of a unit hold the blocks' bits, no more and no less. */
static void fields_hold_the_block(ct_type type, const ct_type_info *info, const ct_form *form)
{
    const ct_unit u = ct_unit_of(type, 2);
    size_t row, panel;
    assert_int_equal(info->block, form->scales == CT_SCALES_D ? 32 : 256);
    assert_int_equal(u.cols, ct_unit_cols(type));
    assert_int_equal(u.bytes, 16 * (2 * u.n16 + u.n8 + 4 * u.n32));
    assert_true(ct_row_bytes(type, (size_t)u.cols, &row) && ct_panel_bytes(type, (size_t)u.cols, &panel));
    assert_int_equal(panel, u.bytes + (u.has_tail ? 32 : 0));
    if (!ct_is_recoded(type) && panel != 16 * row)
        fail_msg("%s: sixteen rows of a unit take %zu bytes, the fields of forms.h %zu", info->name, 16 * row, panel);
    assert_true(form->has_min == (u.m >= 0));
}

static void form_is_whole(ct_type type, const ct_type_info *info)
{
    const ct_form *form = ct_form_of(type);
    assert_int_equal(form->codes != CT_CODES_NONE, info->is_quantised && ct_pack_is_interleaved(type));
    if (form->codes == CT_CODES_NONE)
        return;
    values_are_bounded(info, form);
    fields_hold_the_block(type, info, form);
}

static void forms_fit_their_blocks(void **state)
{
    (void)state;
    each_type(form_is_whole);
}

/* ---- kernels ---- */

static void is_multiplied(ct_type type, const ct_type_info *info)
{
    const bool is_packed = ct_form_of(type)->codes != CT_CODES_NONE;
    const unsigned all = ct_cpu_detect();
    for (unsigned mask = 0; mask <= all; mask++) { /* every subset of what this machine has */
        ct_kernels k;
        if (mask & ~all)
            continue;
        ct_kernels_for(&k, mask);
        if (!k.mul[type][CT_ACTS_F32] || !k.mul[type][k.form[type]] || (is_packed && !k.mul[type][CT_ACTS_Q8]) ||
            (is_packed && !k.mul[type][CT_ACTS_GRID]) ||
            (k.form[type] == CT_ACTS_Q8 || k.form[type] == CT_ACTS_GRID) != is_packed)
            fail_msg("%s: no product at level %s", info->name, k.isa);
    }
}

static void all_are_multiplied(void **state)
{
    (void)state;
    each_type(is_multiplied);
}

/* ---- the README ---- */

static char *readme;

static void is_described(ct_type type, const ct_type_info *info)
{
    (void)type;
    if (!strstr(readme, info->name))
        fail_msg("src/quant/README.md does not mention %s", info->name);
}

static void all_are_described(void **state)
{
    (void)state;
    FILE *f = fopen(TEST_ROOT "/src/quant/README.md", "rb");
    assert_non_null(f);
    readme = calloc(1, 1 << 20);
    assert_non_null(readme);
    assert_true(fread(readme, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    each_type(is_described);
    free(readme);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_named),           cmocka_unit_test(all_are_unpacked),
        cmocka_unit_test(all_are_made_or_refused), cmocka_unit_test(forms_fit_their_blocks),
        cmocka_unit_test(all_are_multiplied),      cmocka_unit_test(all_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
