/* page.h - the chat page: the files that a server hands out, and the policy that browsers hold them to.
 *
 * They are made of web/dist/ when Carat is built, each as it is and compressed. The page itself asks for relative paths
 * only, so it works behind any prefix. web/README.md says which routes of the server it uses.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_PAGE_H
#define CT_PAGE_H

#include <stddef.h>
#include <stdint.h>

typedef struct ct_page_file {
    const char *path; /* "index.html", "page.js": without a slash in front */
    const char *type; /* for Content-Type */
    const char *etag; /* with its quotes, weak: the same for both forms. Send "Cache-Control: no-cache" beside it */
    const uint8_t *bytes;
    size_t len;
    const uint8_t *gzip; /* for "Content-Encoding: gzip", where the client takes it; with "Vary: Accept-Encoding" */
    size_t gzip_len;
} ct_page_file;

/* For the header Content-Security-Policy of every file: nothing comes from elsewhere, nothing goes elsewhere, no script but
 * the page's own file, and no text becomes markup without the sanitiser. */
#define CT_PAGE_POLICY                                                                                                 \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "    \
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "                                \
    "require-trusted-types-for 'script'; trusted-types dompurify"

/* The file of a path with or without a slash in front; "" and "/" are index.html. NULL: there is none. */
const ct_page_file *ct_page_find(const char *path);

/* All of them, *n. */
const ct_page_file *ct_page_files(size_t *n);

#endif
