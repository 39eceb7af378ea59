/* The names of roles.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/roles.h"

#include <string.h>

ct_role ct_chat_role(const ct_chat_message *m)
{
    static const struct {
        const char *name;
        ct_role role;
    } names[] = { { "user", CT_ROLE_USER },          { "assistant", CT_ROLE_MODEL }, { "model", CT_ROLE_MODEL },
                  { "system", CT_ROLE_SYSTEM },      { "tool", CT_ROLE_TOOL },       { "function", CT_ROLE_TOOL },
                  { "developer", CT_ROLE_DEVELOPER } };
    for (size_t i = 0; m->role && i < sizeof names / sizeof *names; i++)
        if (strcmp(m->role, names[i].name) == 0)
            return names[i].role;
    return CT_ROLE_UNKNOWN;
}
