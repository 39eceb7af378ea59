/* url.h - whose URL it is, and parts of one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_URL_H
#define CT_HUB_URL_H

#include "base/buf.h"
#include "hub/curl_api.h"

typedef struct ct_origin {
    char scheme[8], host[256], port[8];
} ct_origin;

/* As curl itself reads it. False: no http or https URL, or one with a user's name in it. */
bool ct_origin_of(const ct_curl_api *curl, const char *url, ct_origin *out);
bool ct_origin_is_same(const ct_origin *a, const ct_origin *b);
/* Is it this machine, whatever a resolver says? */
bool ct_origin_is_here(const ct_origin *o);

/* Appends a text as a part of a URL's path; keeps: characters that stay as they are besides letters, digits and - . _ ~ */
bool ct_hub_escape(ct_buf *b, const char *text, const char *keeps);

#endif
