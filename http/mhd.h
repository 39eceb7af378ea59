/* mhd.h - libmicrohttpd, loaded when a server is opened and not before: with the TLS that it stands on it takes 12 MiB of address
 * space and some milliseconds of every start, which a program that only runs a model need not pay.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HTTP_MHD_H
#define CT_HTTP_MHD_H

#include <microhttpd.h>

#include "base/err.h"

/* The functions that are used: the member's name, the function's, its result and its arguments. */
#define CT_MHD_FUNCTIONS(F)                                                                                            \
    F(start, MHD_start_daemon, struct MHD_Daemon *,                                                                    \
      (unsigned, uint16_t, MHD_AcceptPolicyCallback, void *, MHD_AccessHandlerCallback, void *, ...))                  \
    F(stop, MHD_stop_daemon, void, (struct MHD_Daemon *))                                                              \
    F(run, MHD_run, enum MHD_Result, (struct MHD_Daemon *))                                                            \
    F(timeout, MHD_get_timeout, enum MHD_Result, (struct MHD_Daemon *, MHD_UNSIGNED_LONG_LONG *))                      \
    F(daemon_info, MHD_get_daemon_info, const union MHD_DaemonInfo *,                                                  \
      (struct MHD_Daemon *, enum MHD_DaemonInfoType, ...))                                                             \
    F(add_connection, MHD_add_connection, enum MHD_Result,                                                             \
      (struct MHD_Daemon *, MHD_socket, const struct sockaddr *, socklen_t))                                           \
    F(connection_info, MHD_get_connection_info, const union MHD_ConnectionInfo *,                                      \
      (struct MHD_Connection *, enum MHD_ConnectionInfoType, ...))                                                     \
    F(suspend, MHD_suspend_connection, void, (struct MHD_Connection *))                                                \
    F(resume, MHD_resume_connection, void, (struct MHD_Connection *))                                                  \
    F(value, MHD_lookup_connection_value, const char *, (struct MHD_Connection *, enum MHD_ValueKind, const char *))   \
    F(values, MHD_get_connection_values, int,                                                                          \
      (struct MHD_Connection *, enum MHD_ValueKind, MHD_KeyValueIterator, void *))                                     \
    F(value_n, MHD_lookup_connection_value_n, enum MHD_Result,                                                         \
      (struct MHD_Connection *, enum MHD_ValueKind, const char *, size_t, const char **, size_t *))                    \
    F(from_buffer, MHD_create_response_from_buffer, struct MHD_Response *,                                             \
      (size_t, void *, enum MHD_ResponseMemoryMode))                                                                   \
    F(from_callback, MHD_create_response_from_callback, struct MHD_Response *,                                         \
      (uint64_t, size_t, MHD_ContentReaderCallback, void *, MHD_ContentReaderFreeCallback))                            \
    F(add_header, MHD_add_response_header, enum MHD_Result, (struct MHD_Response *, const char *, const char *))       \
    F(queue, MHD_queue_response, enum MHD_Result, (struct MHD_Connection *, unsigned, struct MHD_Response *))          \
    F(destroy, MHD_destroy_response, void, (struct MHD_Response *))

typedef struct ct_mhd_api {
#define MEMBER(name, function, result, arguments) result(*name) arguments;
    CT_MHD_FUNCTIONS(MEMBER)
#undef MEMBER
} ct_mhd_api;

extern ct_mhd_api ct_mhd; /* after ct_mhd_load */

/* Loads it, once; it stays. Any thread. Errors: CARAT_EUNSUPPORTED (it is not installed, or lacks a function). */
bool ct_mhd_load(carat_err *err);

#endif
