/* Texts and tokens as JSON, where bytes need not be whole characters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "common.h"

json_t *cli_json_text(const char *text, size_t len)
{
    ct_buf shown;
    ct_buf_init(&shown, 3 * len + 1);
    ct_buf_str(&shown, "");
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = ct_utf8_next(text + i, len - i, &cp);
        ct_buf_add(&shown, cp == CT_UTF8_BAD ? "\xef\xbf\xbd" : text + i, cp == CT_UTF8_BAD ? 3 : n);
        i += n;
    }
    json_t *v = shown.failed ? NULL : json_stringn(shown.data, shown.len);
    ct_buf_deinit(&shown);
    return v;
}

json_t *cli_json_str(const char *text)
{
    return cli_json_text(text, strlen(text));
}

json_t *cli_token_entry(const carat_tokenizer *tok, int32_t id, float logprob)
{
    char *text;
    size_t len;
    if (!carat_decode(tok, &id, 1, true, &text, &len, NULL))
        return json_pack("{s:i}", "id", id);
    json_t *bytes = json_array();
    for (size_t i = 0; i < len; i++)
        json_array_append_new(bytes, json_integer((unsigned char)text[i]));
    double p = logprob < -9999 ? -9999 : (double)logprob; /* no -inf in JSON */
    json_t *e =
        json_pack("{s:i, s:o, s:f, s:o}", "id", id, "token", cli_json_text(text, len), "logprob", p, "bytes", bytes);
    carat_free(text);
    return e;
}
