/* translate.h - the text that TranslateGemma is asked with: its template's instruction, which names the languages.
 *
 * Source: the chat template of google/translategemma-4b-it; arXiv:2601.09012.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_TRANSLATE_H
#define CT_OPENAI_TRANSLATE_H

#include "base/buf.h"
#include "base/err.h"

/* The English name of a language by its code of ISO 639 ("de"), perhaps with a region or script ("de-AT", "zh_Hant"), any
 * case; NULL: it is not in the list. */
const char *ct_language_name(const char *code);

/* The message that asks for len bytes of text, but for the white space at its ends, to be said in the other language, appended to
 * out. Codes are spelled as the template's list has them (de-AT, zh-Hant). Errors: CARAT_EARG (a code that is not known, no text),
 * CARAT_ENOMEM. */
bool ct_translate_ask(const char *source, const char *target, const char *text, size_t len, ct_buf *out,
                      carat_err *err);

/* The same for the text in a picture, which is to follow directly (carat_message.is_inline). */
bool ct_translate_ask_picture(const char *source, const char *target, ct_buf *out, carat_err *err);

#endif
