/* roles.h - who speaks in a message.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CHAT_ROLES_H
#define CT_CHAT_ROLES_H

#include "chat/template.h"

typedef enum ct_role {
    CT_ROLE_USER,
    CT_ROLE_SYSTEM,
    CT_ROLE_DEVELOPER, /* a system text that may stand anywhere */
    CT_ROLE_TOOL,      /* a tool's result */
    CT_ROLE_MODEL,
    CT_ROLE_UNKNOWN,
} ct_role;

ct_role ct_chat_role(const ct_chat_message *m);

#endif
