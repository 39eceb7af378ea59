/* fuzz_imatrix.c - an importance matrix in llama.cpp's old form: everything that comes out of it is read.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "format/imatrix.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ct_imatrix m;
    if (ct_imatrix_read_dat("fuzz", data, size, &m, NULL)) {
        FUZZ_MUST(m.n > 0);
        for (size_t i = 0; i < m.n; i++) {
            const ct_imatrix_entry *e = &m.entries[i];
            FUZZ_MUST(ct_imatrix_find(&m, e->name) == e && e->n > 0 && e->count >= 0);
            for (size_t k = 0; k < e->n; k++)
                FUZZ_MUST(e->sum[k] >= 0 && isfinite(e->sum[k]));
        }
        FUZZ_MUST(!m.dataset || strlen(m.dataset) <= size);
    }
    ct_imatrix_deinit(&m);
    return 0;
}
