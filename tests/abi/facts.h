/* facts.h - a public header as numbers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_ABI_FACTS_H
#define CT_TESTS_ABI_FACTS_H

#include <stddef.h>

typedef enum abi_kind {
    ABI_FIELD,  /* where it is, how long it is: must not change */
    ABI_STRUCT, /* may become longer */
    ABI_FIXED,  /* may not */
    ABI_VALUE,  /* of an enumerator (in `at`): must not change */
} abi_kind;

typedef struct abi_fact {
    const char *name;
    abi_kind kind;
    size_t at, size;
} abi_fact;

#ifdef __cplusplus
extern "C" {
#endif

extern const abi_fact abi_frozen[], abi_today[]; /* the same names in the same order; a NULL name ends them */
#ifdef ABI_HAS_CPP
extern const abi_fact abi_today_cpp[];
#endif

#ifdef __cplusplus
}
#endif

#endif
