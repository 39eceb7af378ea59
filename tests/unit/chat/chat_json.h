/* chat_json.h - conversations in OpenAI's JSON as the renderer's messages, for tests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_CHAT_JSON_H
#define CT_TESTS_CHAT_JSON_H

#include "base/json.h"
#include "chat/template.h"

#define CHAT_MOST 16

typedef struct chat_json { /* borrows the texts of the JSON that it was read from */
    ct_chat_message messages[CHAT_MOST];
    ct_chat_part parts[CHAT_MOST][CHAT_MOST];
    ct_chat_call calls[CHAT_MOST][CHAT_MOST];
    size_t n, n_images;
    carat_tools *tools; /* NULL: none */
} chat_json;

/* {"messages": [...], "tools": [...], "style": "python"}; linked. An item {"type": "image"} is a picture. Fails the test where
 * it is not such JSON. The caller frees it with chat_json_free. */
chat_json *chat_json_read(const json_t *line);
void chat_json_free(chat_json *c);

/* Calls check for each line of a .jsonl file; returns how many lines there were. */
int chat_json_each_line(const carat_tokenizer *t, const char *path,
                        void (*check)(const carat_tokenizer *t, const json_t *line));

#endif
