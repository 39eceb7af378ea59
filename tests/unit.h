/* unit.h - cmocka with the headers it wants first. TEST_DATA is the folder of golden data, TEST_ROOT the source tree.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_TESTS_UNIT_H
#define CARAT_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#endif
