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

/* The message that asks for len bytes of text in one language to be said in the other, appended to out. Errors: CARAT_EARG (a code
 * that is not known), CARAT_ENOMEM. */
bool ct_translate_ask(const char *source, const char *target, const char *text, size_t len, ct_buf *out,
                      carat_err *err);

#endif
