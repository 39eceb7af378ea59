/* forms.h - a form of answers, counted by who holds it: requests, and the list of those that were asked for lately.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_FORMS_H
#define CT_OPENAI_FORMS_H

#include <stdatomic.h>

#include "openai/openai.h"

struct ct_openai_form {
    carat_format *format;
    carat_format_kind kind;
    char *key; /* what it was made of, as text */
    atomic_size_t n_refs;
};

/* Compiles one, the caller's; takes key. False: f says why; *out is to be dropped in either case. */
bool ct_openai_form_open(char *key, const carat_format_options *o, carat_engine *e, ct_openai_form **out,
                         const char *param, ct_openai_fault *f);
void ct_openai_form_drop(ct_openai_form *form); /* accepts NULL */

/* The one of that key, to be dropped by the caller; NULL: there is none. forms may be NULL, here and below. */
ct_openai_form *ct_openai_form_find(ct_openai_forms *forms, const char *key);
/* A form of the caller's becomes one of those that there are. Returns it, or in its place an equal one that another thread has
 * brought meanwhile. */
ct_openai_form *ct_openai_form_keep(ct_openai_forms *forms, ct_openai_form *form);

#endif
