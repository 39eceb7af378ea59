/* curl_api.h - libcurl, loaded when something is pulled or another server is asked, and not before: it and what it stands on take 40 MiB of address space and
 * some of memory, which a program that only runs models need not pay, and a machine without it runs them all the same.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_CURL_API_H
#define CT_HUB_CURL_API_H

#define CURL_DISABLE_TYPECHECK 1
#include <curl/curl.h>

#include "base/err.h"

/* The functions that are used: the member's name, the function's, its result and its arguments. */
#define CT_CURL_FUNCTIONS(F)                                                                                           \
    F(global_init, curl_global_init, CURLcode, (long))                                                                 \
    F(init, curl_easy_init, CURL *, (void))                                                                            \
    F(cleanup, curl_easy_cleanup, void, (CURL *))                                                                      \
    F(setopt, curl_easy_setopt, CURLcode, (CURL *, CURLoption, ...))                                                   \
    F(getinfo, curl_easy_getinfo, CURLcode, (CURL *, CURLINFO, ...))                                                   \
    F(perform, curl_easy_perform, CURLcode, (CURL *))                                                                  \
    F(strerror, curl_easy_strerror, const char *, (CURLcode))                                                          \
    F(slist_append, curl_slist_append, struct curl_slist *, (struct curl_slist *, const char *))                       \
    F(slist_free, curl_slist_free_all, void, (struct curl_slist *))                                                    \
    F(url, curl_url, CURLU *, (void))                                                                                  \
    F(url_cleanup, curl_url_cleanup, void, (CURLU *))                                                                  \
    F(url_set, curl_url_set, CURLUcode, (CURLU *, CURLUPart, const char *, unsigned))                                  \
    F(url_get, curl_url_get, CURLUcode, (CURLU *, CURLUPart, char **, unsigned))                                       \
    F(free, curl_free, void, (void *))                                                                                 \
    F(multi_init, curl_multi_init, CURLM *, (void))                                                                    \
    F(multi_cleanup, curl_multi_cleanup, CURLMcode, (CURLM *))                                                         \
    F(multi_add, curl_multi_add_handle, CURLMcode, (CURLM *, CURL *))                                                  \
    F(multi_remove, curl_multi_remove_handle, CURLMcode, (CURLM *, CURL *))                                            \
    F(multi_perform, curl_multi_perform, CURLMcode, (CURLM *, int *))                                                  \
    F(multi_poll, curl_multi_poll, CURLMcode, (CURLM *, struct curl_waitfd *, unsigned, int, int *))                   \
    F(multi_read, curl_multi_info_read, CURLMsg *, (CURLM *, int *))

typedef struct ct_curl_api {
#define MEMBER(name, function, result, arguments) result(*name) arguments;
    CT_CURL_FUNCTIONS(MEMBER)
#undef MEMBER
} ct_curl_api;

/* Loads it, once; it stays. Any thread. Errors: CARAT_EUNSUPPORTED (it is not installed, or lacks a function). */
bool ct_curl_load(const ct_curl_api **out, carat_err *err);

#endif
