/* turn_format.h - in which turn format an engine's chats are rendered, and why. Inside api/.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_TURN_FORMAT_H
#define CT_API_TURN_FORMAT_H

#include "chat/formats.h"
#include "model/model.h"

typedef struct ct_turn_format {
    ct_format_kind named; /* what the file's template is, or what was asked for */
    ct_format_kind used;  /* one of CT_N_FORMATS: where there is no template, or an unknown one, Gemma's */
    bool is_refused;      /* "none" was asked for: there are no chats */
    const char *end_text; /* the end of a turn where it is no token; NULL: it is one */
    char note[200];       /* what a user should know of it; "" if nothing */
} ct_turn_format;

/* Is that what carat_options.chat_template may be? Before the model is read. NULL is. Errors: CARAT_EARG (no such name),
 * CARAT_EUNSUPPORTED (a Jinja template that is none of the formats; what it has besides). */
bool ct_turn_format_check(const char *wish, carat_err *err);
/* For a model whose vocabulary has been read. The tokens of the format become control tokens, and end answers. */
void ct_turn_format_choose(ct_model *m, const char *wish, ct_turn_format *out);
/* Its name as in carat_model_info. */
const char *ct_turn_format_name(const ct_turn_format *f);

#endif
