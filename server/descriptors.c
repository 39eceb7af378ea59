/* As many descriptors as the connections need that the operator allows, or as many connections as there can be descriptors.
 *
 * Descriptors are usually limited to 1024 softly, which is as many as there may be connections: where all of them are clients',
 * no model's file could be opened any more.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>

#include "server/inside.h"

#define KEPT ((rlim_t)128) /* for models' files, downloads, listening sockets */

void ct_server_want_descriptors(ct_server *s)
{
    struct rlimit l;
    const rlim_t wanted = (rlim_t)s->o.max_connections + KEPT;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0)
        return;
    if (l.rlim_cur < wanted) {
        l.rlim_cur = l.rlim_max < wanted ? l.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &l) != 0)
            getrlimit(RLIMIT_NOFILE, &l);
    }
    if (l.rlim_cur >= wanted)
        return;
    s->o.max_connections = (size_t)(l.rlim_cur > 2 * KEPT ? l.rlim_cur - KEPT : (l.rlim_cur + 1) / 2);
    ct_server_log(s, "open files are limited to %llu here (ulimit -n): at most %zu connections at once",
                  (unsigned long long)l.rlim_cur, s->o.max_connections);
}
