/* prompt_pictures.h - the pictures of a prompt while it is made, in order, and how each is cut into views.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_PROMPT_PICTURES_H
#define CT_API_PROMPT_PICTURES_H

#include "api/internal.h"
#include "chat/template.h"

typedef struct ct_prompt_pictures {
    const carat_engine *engine;
    const carat_pan_scan *pan_scan; /* of pictures that have none of their own */
    struct ct_prompt_picture {
        const carat_picture *picture;
        carat_pan_scan pan_scan;
    } * v;
    size_t n, cap;
} ct_prompt_pictures; /* freed by free(v) */

/* Tokens of a view; 0 without a tower. */
size_t ct_api_n_soft(const carat_engine *e);

/* The next picture; own: its Pan & Scan as the caller has it, or NULL. Errors: CARAT_EUNSUPPORTED (no tower),
 * CARAT_ELIMIT, CARAT_EARG, CARAT_ENOMEM. */
bool ct_prompt_pictures_add(ct_prompt_pictures *p, const carat_picture *picture, const carat_pan_scan *own,
                            ct_chat_part *part, carat_err *err);
/* Puts the views of n places into the stream: cut and hashed now, encoded when a session comes to them. */
bool ct_prompt_pictures_place(const ct_prompt_pictures *p, const ct_image_place *places, size_t n, ct_stream *s,
                              carat_err *err);

#endif
