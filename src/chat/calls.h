/* calls.h - calls and results among the messages of a conversation: which belongs to which, and their text.
 *
 *   calls     {"name": "get_time", "parameters": {"city": "Oslo"}}        several: a list of such objects
 *   results   Results:
 *             [{"name":"get_time","result":{"time":"09:15"}},{"name":"clock","result":"noon"}]
 *
 * Arguments stay in the order and with the numbers that they were given with. A result that is JSON is that value, any other
 * text a JSON string, missing content null. Pictures of results stand behind the list.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CHAT_CALLS_H
#define CT_CHAT_CALLS_H

#include "chat/template.h"

/* Finds the call that each result of a whole conversation answers. To be called before they are
 * rendered. Errors: CARAT_ENOMEM. */
bool ct_chat_link(ct_chat_message *messages, size_t n, const carat_tools *tools, carat_err *err);

/* Results that stand side by side: how many of them messages [0, n) begins with. */
size_t ct_chat_n_results(const ct_chat_message *messages, size_t n);

/* Each returns false when there is no memory or the text is full; what had to be mended is added to p->repairs. */
bool ct_chat_put_calls(ct_segments *p, const ct_chat_call *calls, size_t n);
bool ct_chat_put_results(ct_segments *p, const ct_chat_message *results, size_t n); /* in the order of their calls */

#endif
