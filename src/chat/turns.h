/* turns.h - which messages of a conversation that is too long are left out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CHAT_TURNS_H
#define CT_CHAT_TURNS_H

#include "chat/template.h"

/* Leaves out the oldest turns, whole, until the rest has at most `fit` tokens: is_out [n] says which messages go,
 * *n_out how many. A turn is all from its first message up to where the user speaks again after an answer, so that calls keep
 * their results. System texts
 * and the last turn stay, so the rest may still have more tokens. n_soft: tokens of an image, as in ct_segments_ids.
 * All is tokenised once, the questions of a turn that comes to stand first once more, system texts as often as they may
 * be what no longer fits. Errors: those of ct_chat_render and ct_segments_ids. */
bool ct_chat_fit(const ct_chat_message *messages, size_t n, const ct_chat_options *options, const carat_tokenizer *t,
                 size_t n_soft, size_t fit, bool *is_out, size_t *n_out, carat_err *err);

#endif
