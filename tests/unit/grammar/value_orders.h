/* value_orders.h - is a JSON value, its members in whatever order, a text of an automaton?
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_VALUE_ORDERS_H
#define CT_TESTS_VALUE_ORDERS_H

#include "sample/grammar/automaton.h"
#include "sample/grammar/json_text.h"

typedef enum order_verdict { ORDER_NONE, ORDER_FOUND, ORDER_TOO_MANY } order_verdict;

/* Tries the orders of the members of all objects in v, giving up a beginning that no text has. *text becomes the first canonical
 * text that the automaton accepts. TOO_MANY: a million bytes were tried, or an object has more than 64 members. */
order_verdict any_order_matches(ct_automaton *a, const json_t *v, const ct_json_style *style, ct_buf *text);

#endif
