/* tensor_bytes.h - the bytes of a file's tensor, for tests that read weights themselves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_TENSOR_BYTES_H
#define CT_TESTS_TENSOR_BYTES_H

#include "format/tensors.h"

/* There until the program ends. Fails the test where they cannot be read. */
const uint8_t *tensor_bytes(const ct_tensor *t);

#endif
