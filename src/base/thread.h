/* thread.h - a thread of the library's own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_THREAD_H
#define CT_BASE_THREAD_H

#include <pthread.h>

/* As pthread_create, with the default attributes, and all signals blocked in the new thread but those that its own
 * instructions raise: the program's handlers then run in the program's threads, as they would without the library.
 * Returns 0 or an errno value. */
int ct_thread_start(pthread_t *out, void *(*work)(void *), void *arg);

#endif
