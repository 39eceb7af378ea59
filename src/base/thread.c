/* Starting a thread with its signals blocked.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <signal.h>

int ct_thread_start(pthread_t *out, void *(*work)(void *), void *arg)
{
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT };
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&blocked, own[i]);
    int rc = pthread_sigmask(SIG_SETMASK, &blocked, &before);
    if (rc != 0)
        return rc;
    rc = pthread_create(out, NULL, work, arg); /* which inherits the mask */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}
