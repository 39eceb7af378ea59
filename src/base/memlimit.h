/* memlimit.h - how much memory this process can still have.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_MEMLIMIT_H
#define CT_BASE_MEMLIMIT_H

#include <stddef.h>
#include <stdint.h>

typedef struct ct_memlimit {
    /* Bytes still available on top of what is held, by what each limit counts; UINT64_MAX where no limit is known. */
    uint64_t memory;  /* resident: the machine, control groups */
    uint64_t address; /* mapped: ulimit -v */
    uint64_t data;    /* mapped to be written to: ulimit -d */
    uint64_t left;    /* the least of them */

    uint64_t held;          /* anonymous bytes that the process has resident now; 0 if unknown */
    uint64_t all;           /* the machine's memory, or its control group's where that is less; 0 if unknown */
    const char *who;        /* left's: "the machine", "the control group", "ulimit -v", "ulimit -d" */
    const char *memory_who; /* memory's */
} ct_memlimit;

/* The machine's MemAvailable; of the control groups (version 1 and 2) up to the root, the limit minus what is in use
 * other than as a cache of files; RLIMIT_AS and RLIMIT_DATA minus what is mapped. Never fails: a limit that cannot be
 * read does not count. */
void ct_memlimit_now(ct_memlimit *out);

/* The same from files below another root, for tests: root "" is the real one. */
void ct_memlimit_under(const char *root, ct_memlimit *out);

#endif
