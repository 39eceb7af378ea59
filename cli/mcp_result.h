/* mcp_result.h - what a tool of the Model Context Protocol gives back, as the text that the model gets.
 *
 *   text parts                  their texts, a line break between them
 *   structuredContent alone     its JSON
 *   both, and they differ       {"content": text, "structuredContent": ...}
 *   isError                     {"error": one of these}
 *   an embedded text resource   its address and its text
 *   images, sounds, links ...   named: [image, image/png, 1234 bytes: not shown]
 *   a string for the content    taken for a text; what is no list else is named as not shown
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_MCP_RESULT_H
#define CT_CLI_MCP_RESULT_H

#include <jansson.h>

#include "base/buf.h"

/* Appends a string's characters, U+FFFD for NUL; nothing of what is no string. */
void mcp_put_text(const json_t *s, ct_buf *b);

/* Appends it. False: no memory, or more than out takes. */
bool mcp_result_text(const json_t *result, ct_buf *out);

#endif
