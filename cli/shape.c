/* The options that override a model's shape, as one table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "shape.h"

static struct {
    int64_t layers, hidden, ffn, heads, kv_heads, head_dim, vocab, window, context, pattern;
} given; /* 0: not given */

/* clang-format off */
static const cli_option options[] = {
    { 0, "layers", NULL, CLI_INT, &given.layers, "N", "layers", .min = 1, .max = 256 },
    { 0, "hidden", NULL, CLI_INT, &given.hidden, "N", "width of the residual stream", .min = 1, .max = 65536 },
    { 0, "ffn", NULL, CLI_INT, &given.ffn, "N", "width of the feed-forward", .min = 1, .max = 524288 },
    { 0, "heads", NULL, CLI_INT, &given.heads, "N", "query heads", .min = 1, .max = 1024 },
    { 0, "kv-heads", NULL, CLI_INT, &given.kv_heads, "N", "heads of keys and values", .min = 1, .max = 1024 },
    { 0, "head-dim", NULL, CLI_INT, &given.head_dim, "N", "width of a head", .min = 1, .max = 512 },
    { 0, "vocab", NULL, CLI_INT, &given.vocab, "N", "rows of the embedding", .min = 1, .max = 1 << 20 },
    { 0, "window", NULL, CLI_INT, &given.window, "N", "window of the local layers", .min = 1, .max = 1 << 24 },
    { 0, "context", NULL, CLI_INT, &given.context, "N", "context of the model", .min = 1, .max = 1 << 24 },
    { 0, "pattern", NULL, CLI_INT, &given.pattern, "N", "every Nth layer is global", .min = 1, .max = 256 },
};
/* clang-format on */
const cli_table cli_shape_table = CLI_TABLE("shape, where it differs from the model's", options);

static void put(int64_t value, size_t *field, bool *any)
{
    if (!value)
        return;
    *field = (size_t)value;
    *any = true;
}

bool cli_shape(carat_shape *out)
{
    bool any = false;
    put(given.layers, &out->n_layer, &any);
    put(given.hidden, &out->hidden, &any);
    put(given.ffn, &out->ffn, &any);
    put(given.heads, &out->n_head, &any);
    put(given.kv_heads, &out->n_kv_head, &any);
    put(given.head_dim, &out->head_dim, &any);
    put(given.vocab, &out->n_vocab, &any);
    put(given.window, &out->window, &any);
    put(given.context, &out->context, &any);
    put(given.pattern, &out->pattern, &any);
    return any;
}
