/* carat.h - the public API of libcarat: Gemma 3 on the CPU.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_H
#define CARAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CARAT_VERSION "0.1.0"

/* ---- Errors ------------------------------------------------------------------------------------------------------ */

/* What a program branches on. */
typedef enum carat_code {
    CARAT_OK = 0,
    CARAT_EARG,         /* the caller passed something that can never work */
    CARAT_EIO,          /* a file could not be opened, read or written */
    CARAT_EFORMAT,      /* bytes from outside are not what they claim to be */
    CARAT_EUNSUPPORTED, /* well-formed, but not something Carat runs (another architecture, an unknown type) */
    CARAT_ENOMEM,       /* no memory; the message has the figure */
    CARAT_ELIMIT,       /* larger than a stated limit */
    CARAT_ECONTEXT,     /* does not fit the context; the message has both counts */
    CARAT_ECANCELLED,   /* the caller's callback asked to stop */
    CARAT_ENUMERIC,     /* logits were not finite: the request is stopped, nothing is cached */
} carat_code;

#define CARAT_NOWHERE UINT64_MAX

/* Filled by a call that returned false. The caller owns it, nothing inside needs freeing. */
typedef struct carat_err {
    carat_code code;
    uint64_t at;   /* byte offset in the file or request; CARAT_NOWHERE if it has none */
    char msg[232]; /* what a person reads: which thing, what was found, what was expected */
} carat_err;

/* "format", "no memory": a short name of the code. Never NULL. */
const char *carat_code_name(carat_code code);

/* ---- Log --------------------------------------------------------------------------------------------------------- */

typedef enum carat_log_level { CARAT_LOG_DEBUG, CARAT_LOG_INFO, CARAT_LOG_WARN } carat_log_level;

/* Installs the sink of the library's notices, for the whole process; NULL drops them, which is the default. The sink
 * gets one line without a newline and may be called from any thread, never from two at once. */
void carat_log_to(void (*sink)(void *arg, carat_log_level level, const char *line), void *arg);

#ifdef __cplusplus
}
#endif

#endif
