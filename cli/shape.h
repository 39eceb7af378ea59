/* shape.h - the options that describe a shape, and the shape they describe.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_SHAPE_H
#define CT_CLI_SHAPE_H

#include "carat_weigh.h"
#include "options.h"

extern const cli_table cli_shape_table;

/* Puts what was given into the shape, leaves the rest of it as it is. Was anything given? */
bool cli_shape(carat_shape *out);

#endif
