/* Messages to the ids of a prompt, for programs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "chat/template.h"

bool carat_chat_encode(const carat_tokenizer *t, const carat_message *messages, size_t n, int32_t **ids, size_t *n_ids,
                       carat_err *err)
{
    *ids = NULL;
    *n_ids = 0;
    carat_chat_message *m = calloc(n + 1, sizeof *m);
    carat_chat_part *parts = calloc(n + 1, sizeof *parts);
    carat_prompt prompt = { 0 };
    carat_ids out = { 0 };
    bool ok = m && parts;
    if (!ok)
        carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu messages", n);
    for (size_t i = 0; ok && i < n; i++) {
        parts[i] = (carat_chat_part){ .text = messages[i].text, .len = strlen(messages[i].text) };
        m[i] = (carat_chat_message){ .role = messages[i].role, .parts = &parts[i], .n_parts = 1 };
    }
    const carat_chat_options options = { 0 };
    ok = ok && carat_chat_render(m, n, &options, &prompt, err) && carat_prompt_ids(&prompt, t, 0, &out, NULL, err);
    carat_prompt_deinit(&prompt);
    free(m);
    free(parts);
    if (!ok) {
        carat_ids_deinit(&out);
        return false;
    }
    *ids = out.v;
    *n_ids = out.n;
    return true;
}
