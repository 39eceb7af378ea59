/* Names of replies, calls and lines: a prefix and random digits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/random.h>

#include "openai/openai.h"

bool ct_openai_new_id(const char *prefix, char *to, size_t size)
{
    unsigned char b[12];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        return false;
    size_t n = (size_t)snprintf(to, size, "%s", prefix);
    for (size_t i = 0; i < sizeof b && n + 2 < size; i++)
        n += (size_t)snprintf(to + n, size - n, "%02x", b[i]);
    return true;
}
