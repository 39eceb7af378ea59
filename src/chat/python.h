/* python.h - a function's JSON Schema as the signature of a Python function with a docstring.
 *
 *   def get_forecast(city: str, days: int = 3, unit: Literal["C", "F"] | None = None) -> Any:
 *       """Weather forecast for some days
 *
 *       Args:
 *           city: Its name.
 *           days: {"type":"integer","default":3,"maximum":7}
 *       """
 *
 *   types      string, integer, number, boolean, null, array, object: str, int, float, bool, None, list[...], dict; enum and
 *              const: Literal[...]; several types, anyOf, oneOf: A | B; anything else: Any
 *   order      as in the schema, but those that are required first
 *   defaults   as Python writes them; without one an argument that may be left out is None
 *   names      that are not of letters, digits and underscores stand between quotes, as JSON
 *
 * Nothing is lost but titles: where the signature does not say all that an argument's schema says, the schema stands in the
 * docstring, behind the argument's description, and where it does not say what the whole schema says, in a line "Schema:".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CHAT_PYTHON_H
#define CT_CHAT_PYTHON_H

#include "base/buf.h"

/* description: NULL if there is none. schema: an object, compact, nested no deeper than 64. False: out is full. */
bool ct_python_declare(const char *name, const char *description, const char *schema, size_t len, ct_buf *out);

#endif
