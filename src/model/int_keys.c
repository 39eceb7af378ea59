/* Whole numbers from GGUF metadata, by a table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/int_keys.h"

#include <stdio.h>

bool ct_int_keys_from_gguf(const ct_gguf *g, const char *arch, const ct_int_key *keys, void *base, carat_err *err)
{
    char key[80];
    for (; keys->key; keys++) {
        int64_t v = 0;
        snprintf(key, sizeof key, "%s.%s", arch, keys->key);
        if (!ct_gguf_int(g, key, 1, keys->max, &v, err))
            return false;
        if (v)
            ct_int_key_put(keys, base, v);
        else if (keys->required)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: no %s", ct_gguf_path(g), key);
    }
    return true;
}
