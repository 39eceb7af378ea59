/* forms.h - some response formats of every kind, and whether an answer has one, found out without the library's automata.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_API_FORMS_H
#define CT_TESTS_API_FORMS_H

#include "asked.h"

/* A JSON schema without spaces and with them, a regular expression, choices, a grammar. */
enum { FORM_SCHEMA, FORM_SPACED, FORM_REGEX, FORM_CHOICE, FORM_GBNF, N_FORMS };
extern const carat_format_options forms[N_FORMS];

carat_format *open_form(const carat_format_options *o);
/* At most 400 tokens of that form. */
carat_generation with(const carat_format *f, const carat_sampling *s);

/* It has not failed, and is of the form if it has ended by itself. */
void check_form(const carat_format_options *o, const answer *a);

#endif
