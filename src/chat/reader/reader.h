/* reader.h - reads an answer's text as it comes: plain text, and calls of functions in any of the shapes that Gemma writes.
 *
 *   {"name": "get_time", "parameters": {"city": "Oslo"}}        also "arguments", "args"; arguments as a string of JSON; within
 *                                                               {"function": {...}}; a list of such; {"tool_calls": [...]}
 *   {'name': 'get_time', 'args': {'city': 'Oslo'}}              the same as Python writes it
 *   [get_time(city="Oslo"), get_time(city="Rome")]
 *   get_time(city="Oslo")                                       alone on its line; print(get_time(...))
 *   ```tool_code                                                and ```json, ```python ..., a fence without a word: each of
 *   t = get_time("Oslo")                                        the shapes above; x = f(...) and # comments only here
 *   ```
 *   <start_function_call>call:get_time{city:<escape>Oslo<escape>}<end_function_call>            FunctionGemma, anywhere
 *
 * Only the name of a given function makes a call. Everything else is text, byte for byte, and so is what only begins like a
 * call. docs/TOOLS.md, "Reading calls", has the rules: where a call may begin, what is held back, what is dropped.
 *
 * The reader looks at one byte at a time and never back, so that what comes out does not depend on how the text is cut, and the
 * time is linear. It holds at most CT_CALL_MOST_UNNAMED bytes while no function is named, CT_CALL_MOST_HELD of a call, and
 * CT_CALL_MOST_DEPTH levels of its arguments; what goes beyond that is text, or a call that is broken off.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CHAT_READER_READER_H
#define CT_CHAT_READER_READER_H

#include "base/err.h"
#include "chat/tools.h"

#define CT_CALL_MOST_UNNAMED ((size_t)64 << 10)
#define CT_CALL_MOST_HELD    ((size_t)16 << 20)
#define CT_CALL_MOST_DEPTH   128

/* Keeps what it needs of the functions. Errors: CARAT_ENOMEM. */
bool ct_call_reader_open(const carat_tools *tools, carat_call_reader **out, carat_err *err);
void ct_call_reader_close(carat_call_reader *r); /* accepts NULL */

/* The next bytes of the answer: *pieces [*n], borrowed until the next call, are what became certain. finish: the answer's end,
 * with what was still held back; nothing may be pushed after it. Errors: CARAT_EARG (pushed after the end), CARAT_ENOMEM, after
 * which the reader only fails. */
bool ct_call_reader_push(carat_call_reader *r, const char *text, size_t len, const carat_piece **pieces, size_t *n,
                         carat_err *err);
bool ct_call_reader_finish(carat_call_reader *r, const carat_piece **pieces, size_t *n, carat_err *err);

#endif
