/* choose.h - inside quantise/: the type of every tensor of the new file.
 *
 * In this order, later ones winning: the mix; --embedding-type and --output-type; rules "PATTERN=TYPE". A pattern with
 * * ? or [ is matched with a tensor's whole name (POSIX fnmatch), another one with the whole name or a part of it between
 * dots: "attn_v" is every layer's. A mix takes another type where a row does not divide into its blocks, and so
 * does --vision-type (f16: half of the published tower's ffn_down); a rule is refused there. Norms stay as they are where a
 * rule for a quantised type names matrices as well.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANTISE_CHOOSE_H
#define CT_QUANTISE_CHOOSE_H

#include "carat.h"
#include "format/imatrix.h"
#include "quantise/input.h"
#include "synth/mix.h"

typedef struct ct_choice {
    ct_type type;
    bool is_ruled;           /* by a rule or an option, not by the mix */
    const float *importance; /* [cols], of its columns; NULL: nothing is known */
    double error;            /* that the search for a size expects: squared, relative; NaN: not measured */
} ct_choice;

typedef struct ct_choices { /* zero-initialised */
    ct_choice *of;          /* [in->n] */
    float **means;          /* [in->n], owned: importance */
    size_t n;
    ct_mix mix; /* file_type UINT32_MAX: none */
    ct_imatrix imatrix;
    size_t n_without; /* matrices that are quantised and that the importance matrix does not know */
} ct_choices;

/* Everything but a size. Errors: CARAT_EARG (an unknown type; one that cannot be made, or does not divide a row; a pattern
 * that matches nothing; a type of a tower that there is not; a type beside a size), those of ct_imatrix_read, CARAT_EFORMAT (an importance matrix of another model), CARAT_ENOMEM.
 * Close in any case. */
bool ct_choose(const ct_input *in, const carat_quantize_options *o, ct_choices *out, carat_err *err);
/* Of the types as they are in the end: counts what is quantised without importance, and warns of it. path: of the matrix; NULL:
 * there is none. */
void ct_choices_look(const ct_input *in, ct_choices *c, const char *path);
void ct_choices_close(ct_choices *c);

/* Bytes of a tensor in a type; the size overflows nowhere, since the input's does not. */
uint64_t ct_choice_bytes(const ct_input_tensor *t, ct_type type);

/* target.c: changes the types of all matrices that no rule has settled so that the file, whose head has `head` bytes, takes at
 * most `bytes`, with the least error. Errors: CARAT_ELIMIT (the least there is takes more), CARAT_EIO, CARAT_ENOMEM, CARAT_ECANCELLED. */
struct ct_rows;
bool ct_choose_for_size(const ct_input *in, ct_choices *c, uint64_t head, uint64_t bytes, struct ct_rows *rows,
                        carat_err *err);

#endif
