/* What a public header declares, as facts: compiled with a frozen one and with today's (ABI_FACTS names the table).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "facts.h"

#include "carat.h"
#include "carat_weigh.h"

#define FIELD(type, field) { #type "." #field, ABI_FIELD, offsetof(type, field), sizeof(((type *)0)->field) },
#define STRUCT(type)       { "sizeof " #type, ABI_STRUCT, 0, sizeof(type) },
#define FIXED(type)        { "sizeof " #type, ABI_FIXED, 0, sizeof(type) },
#define VALUE(name)        { #name, ABI_VALUE, (size_t)(name), 0 },
#define FUNCTION(name)

const abi_fact ABI_FACTS[] = {
#include ABI_LAYOUT
    { NULL, ABI_FIELD, 0, 0 },
};
