/* token.h - the hub's token, from where Hugging Face's own tools keep it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_TOKEN_H
#define CT_HUB_TOKEN_H

#include "base/err.h"

/* file, which must be there; else $HF_TOKEN, the file $HF_TOKEN_PATH, $HF_HOME/token, $XDG_CACHE_HOME/huggingface/token,
 * ~/.cache/huggingface/token. *out is the caller's (free); NULL: there is none. Errors: CARAT_EIO, CARAT_EFORMAT (what is there
 * cannot be one), CARAT_ENOMEM. Messages never show it. */
bool ct_hub_token(const char *file, char **out, carat_err *err);

#endif
