/* fuzz_json.c - any text as JSON: our reader takes what jansson's takes, and makes the same of it; and it takes halves of
 * surrogate pairs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"
#include "json_halves.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *ours, *theirs = NULL;
    json_error_t je = { 0 };
    carat_err err = { 0 };
    bool ok = ct_json_parse("it", (const char *)data, size, &ours, &err);
    FUZZ_MUST(ok ? ours != NULL : !ours && err.code == CARAT_EFORMAT && err.at <= size && err.msg[0]);
    bool is_comparable = !memchr(data, '\0', size); /* to jansson a NUL is the end */
    char *whole = malloc(size + 1);
    FUZZ_MUST(whole);
    memcpy(whole, data, size);
    mend_halves(whole, size);
    if (is_comparable)
        theirs = json_loadb(whole, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
    bool is_deep = strstr(je.text, "depth") || strstr(err.msg, "depth"); /* they count one level differently */
    FUZZ_MUST(!is_comparable || is_deep || (ok == (theirs != NULL) && (!ok || json_equal(ours, theirs))));
    json_decref(ours);
    json_decref(theirs);
    free(whole);
    return 0;
}
