/* numerics.h - what the figures of an engine depend on, as one short text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_NUMERICS_H
#define CT_API_NUMERICS_H

#include "carat.h"

/* Once, when everything else of the engine is there. */
void ct_numerics_of(carat_engine *e, const carat_options *o);

#endif
