/* info_compare.h - prints what two files of one model differ by.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_INFO_COMPARE_H
#define CT_CLI_INFO_COMPARE_H

#include "carat.h"

/* One line a tensor, or one JSON object. Errors: those of carat_compare. */
bool cli_info_compare(const char *a, const char *b, bool json, carat_err *err);

#endif
