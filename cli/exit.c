/* The end of the program: stdout is flushed, and a failure to do so is reported.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "exit.h"
#include "json_out.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool reader_has_gone(void)
{
    struct pollfd p = { .fd = 1, .events = POLLOUT };
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

int cli_finish(int code)
{
    errno = 0; /* stays so where the failure was earlier */
    bool ok = fflush(stdout) == 0 && !ferror(stdout);
    if (ok && code == CLI_OK && cli_json_failed()) {
        fputs("carat: no memory for all of the output\n", stderr);
        return CLI_FAILED;
    }
    if (ok || code != CLI_OK)
        return code;
    if (!reader_has_gone())
        fprintf(stderr, "carat: cannot write the output%s%s\n", errno ? ": " : "", errno ? strerror(errno) : "");
    return CLI_FAILED;
}
