/* The same as C++ sees it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "layout.c"
