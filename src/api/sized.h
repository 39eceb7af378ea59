/* sized.h - structs that cross the public API together with the size that their caller knew (carat.h, "Structs that
 * grow"). Inside the library every struct has this build's size; here the two meet.
 *
 *   caller's struct            ours
 *   +--------+-------------+   +--------+-------------+------+
 *   | size   | old fields  |-->| size   | old fields  | 0..0 |     an older program: fields it does not have are zero
 *   +--------+-------------+   +--------+-------------+------+
 *   +--------+-------------+------+   +--------+-------------+
 *   | size   | fields      | 0..0 |-->| size   | fields      |     a newer program: fields we do not have must be zero
 *   +--------+-------------+------+   +--------+-------------+
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_SIZED_H
#define CT_API_SIZED_H

#include "base/err.h"
#include "carat_weigh.h"

/* Every such struct: the last field that its first release had, and the last that it has now. A new field goes to the
 * end of the struct and into the second column; the build fails if it is forgotten, or if it leaves bytes of padding
 * behind it, which a later field would come to lie in. */
#define CT_SIZED_STRUCTS(X)                                                                                            \
    X(carat_adapter_file, scale, scale)                                                                                \
    X(carat_adapter_use, scale, scale)                                                                                 \
    X(carat_options, progress_arg, n_adapters)                                                                         \
    X(carat_stats, busy_seconds, accepted_tokens)                                                                      \
    X(carat_machine_info, n_cores, n_cores)                                                                            \
    X(carat_shape, tower_layers, tower_layers)                                                                         \
    X(carat_rates, batch, batch)                                                                                       \
    X(carat_device, measured, measured)                                                                                \
    X(carat_kernel_query, arg, arg)                                                                                    \
    X(carat_weigh_query, options, options)                                                                             \
    X(carat_estimate_result, image_attention_ops, mapped)                                                              \
    X(carat_speed, image, image)                                                                                       \
    X(carat_pan_scan, min_ratio, min_ratio)                                                                            \
    X(carat_box, height, height)                                                                                       \
    X(carat_content, pan_scan, pan_scan)                                                                               \
    X(carat_message, n_content, name)                                                                                  \
    X(carat_call, arguments_len, arguments_len)                                                                        \
    X(carat_embedding_text, max_tokens, max_tokens)                                                                    \
    X(carat_tool, parameters_len, parameters_len)                                                                      \
    X(carat_tools_options, n_tools, n_tools)                                                                           \
    X(carat_prompt_options, fit, tools)                                                                                \
    X(carat_sampling, n_bias, n_bias)                                                                                  \
    X(carat_format_options, n_names, n_names)                                                                          \
    X(carat_generation, arg, prediction_len)                                                                           \
    X(carat_mask, close, close)                                                                                        \
    X(carat_result, seconds, n_accepted)                                                                               \
    X(carat_continuation, n_ids, n_ids)                                                                                \
    X(carat_request_options, user, n_adapters)                                                                         \
    X(carat_request_state, n_encoded, started)                                                                         \
    X(carat_merge_options, progress_arg, progress_arg)                                                                 \
    X(carat_merge_result, rank, rank)                                                                                  \
    X(carat_quantize_options, progress_arg, mmproj)                                                                    \
    X(carat_quantize_result, bytes_out, bytes_out)

typedef struct ct_sized {
    const char *name;
    size_t size, first; /* this build's; the first release's */
} ct_sized;

#define CT_SIZED_DECLARE(type, first, last) extern const ct_sized ct_sized_##type;
CT_SIZED_STRUCTS(CT_SIZED_DECLARE)
#undef CT_SIZED_DECLARE

/* A struct that the caller made, copied to one of ours; from NULL all zeros. to->struct_size is ours in any case.
 * Errors: CARAT_EARG (a size that no release had; a field set that this library does not have). */
#define CT_TAKE(type, from, to, err) ct_sized_take(&ct_sized_##type, (from), (1 ? (to) : (type *)0), (err))
bool ct_sized_take(const ct_sized *type, const void *from, void *to, carat_err *err);

/* The i-th of an array of n, whose elements lie the first one's struct_size apart. Errors: as CT_TAKE; CARAT_EARG
 * (elements of different sizes). */
#define CT_TAKE_AT(type, array, i, to, err)                                                                            \
    ct_sized_take_at(&ct_sized_##type, (array), (i), (1 ? (to) : (type *)0), (err))
bool ct_sized_take_at(const ct_sized *type, const void *array, size_t i, void *to, carat_err *err);

/* Can this struct of the caller's be filled? To be checked before the work begins. Errors: CARAT_EARG. */
#define CT_CAN_GIVE(type, to, err) ct_sized_can_give(&ct_sized_##type, (1 ? (to) : (type *)0), (err))
bool ct_sized_can_give(const ct_sized *type, const void *to, carat_err *err);
/* Fills it up to its size; bytes of fields that we do not have become zero. to->struct_size stays the caller's. */
#define CT_GIVE(type, from, to) ct_sized_give(&ct_sized_##type, (1 ? (from) : (type *)0), (1 ? (to) : (type *)0))
void ct_sized_give(const ct_sized *type, const void *from, void *to);

/* The same of the i-th of an array, as CT_TAKE_AT. */
#define CT_CAN_GIVE_AT(type, array, i, err)                                                                            \
    ct_sized_can_give_at(&ct_sized_##type, (1 ? (array) : (type *)0), (i), (err))
bool ct_sized_can_give_at(const ct_sized *type, const void *array, size_t i, carat_err *err);
#define CT_GIVE_AT(type, from, array, i)                                                                               \
    ct_sized_give_at(&ct_sized_##type, (1 ? (from) : (type *)0), (1 ? (array) : (type *)0), (i))
void ct_sized_give_at(const ct_sized *type, const void *from, void *array, size_t i);

#endif
