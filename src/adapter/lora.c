/* Opening an adapter: which container it is, the pairs of a GGUF file, what all pairs must be.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/size.h"
#include "base/utf8.h"
#include "model/beside.h"

#define MAX_CONFIG ((size_t)1 << 20)

/* ---- pairs ---- */

static void name_of_part(ct_part part, size_t layer, char name[CT_LORA_NAME])
{
    const char *own = ct_part_get(part)->gguf;
    if (part < CT_FIRST_LAYER_PART)
        snprintf(name, CT_LORA_NAME, "%s", own);
    else
        snprintf(name, CT_LORA_NAME, "blk.%zu.%s", layer, own);
}

/* Tensors come sorted by name, so that the two of a pair are near each other, and the last pairs are the likely ones. */
static ct_lora_pair *pair_of(ct_lora *l, ct_part part, size_t layer)
{
    for (size_t i = l->n; i-- > 0;)
        if (l->pairs[i].part == part && l->pairs[i].layer == layer)
            return &l->pairs[i];
    ct_lora_pair *p = &l->pairs[l->n++];
    *p = (ct_lora_pair){ .part = part, .layer = layer };
    name_of_part(part, layer, p->matrix);
    return p;
}

bool ct_lora_add(ct_lora *l, ct_part part, size_t layer, bool is_a, const ct_tensor *t, carat_err *err)
{
    ct_lora_pair *p = pair_of(l, part, layer);
    const ct_tensor **to = is_a ? &p->a : &p->b;
    if (*to)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%.80s' and '%.80s' are the same factor of one matrix",
                       l->path, (*to)->name, t->name);
    *to = t;
    return true;
}

/* Room for a pair a tensor: all could be halves. */
static bool make_room(ct_lora *l, size_t n, carat_err *err)
{
    const size_t most = 2 * (CT_MAX_LAYERS + 1) * CT_N_PARTS;
    if (n == 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: it has no tensors", l->path);
    if (n > most)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: %zu tensors, expected at most %zu", l->path, n, most);
    l->pairs = calloc(n, sizeof *l->pairs);
    return l->pairs || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for %zu matrices", l->path, n);
}

static int by_place(const void *x, const void *y)
{
    const ct_lora_pair *a = x, *b = y;
    if (a->layer != b->layer)
        return a->layer < b->layer ? -1 : 1;
    return (a->part > b->part) - (a->part < b->part);
}

static bool is_flat(const ct_tensor *t)
{
    return t->dims[2] == 1 && t->dims[3] == 1;
}

static bool check_pair(const ct_lora *l, ct_lora_pair *p, carat_err *err)
{
    char of_a[96], of_b[96];
    if (!p->a || !p->b)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %s has .lora_%c, but no .lora_%c", l->path, p->matrix,
                       p->a ? 'a' : 'b', p->a ? 'b' : 'a');
    if (!is_flat(p->a) || !is_flat(p->b) || p->a->dims[1] != p->b->dims[0])
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: the factors of %s are %s and %s, which have no rank in common", l->path, p->matrix,
                       ct_tensor_shape(p->a, of_a), ct_tensor_shape(p->b, of_b));
    if (p->a->dims[1] < 1 || p->a->dims[1] > CT_LORA_MAX_RANK)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: %s has a rank of %llu, expected 1 to %d", l->path,
                       p->matrix, (unsigned long long)p->a->dims[1], CT_LORA_MAX_RANK);
    p->rank = (size_t)p->a->dims[1];
    return true;
}

static bool check_pairs(ct_lora *l, carat_err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        if (!check_pair(l, &l->pairs[i], err))
            return false;
        l->max_rank = l->pairs[i].rank > l->max_rank ? l->pairs[i].rank : l->max_rank;
    }
    qsort(l->pairs, l->n, sizeof *l->pairs, by_place);
    return true;
}

bool ct_lora_fits(const ct_lora *l, const ct_lora_pair *p, uint64_t rows, uint64_t cols, carat_err *err)
{
    char of_a[96], of_b[96];
    if (p->a->dims[0] == cols && p->b->dims[1] == rows)
        return true;
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "%s: %s is [%llu, %llu], its factors %s and %s: an adapter for another model", l->path, p->matrix,
                   (unsigned long long)cols, (unsigned long long)rows, ct_tensor_shape(p->a, of_a),
                   ct_tensor_shape(p->b, of_b));
}

bool ct_lora_check(const ct_lora *l, const ct_config *c, carat_err *err)
{
    if (c->is_encoder)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: adapters of embedding models are not supported",
                       l->path);
    for (size_t i = 0; i < l->n; i++) {
        const ct_lora_pair *p = &l->pairs[i];
        size_t rows, cols;
        if (p->part < CT_FIRST_LAYER_PART)
            return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                           "%s: '%.80s' changes the %s, which an adapter cannot do at run time: carat merge can",
                           l->path, p->a->name, p->part == CT_PART_EMBED ? "embedding table" : "output head");
        if (p->layer >= c->n_layer)
            return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                           "%s: '%.80s', but the model has %u layers: an adapter for another model", l->path,
                           p->a->name, c->n_layer);
        ct_part_shape(c, p->part, &rows, &cols);
        if (!ct_lora_fits(l, p, rows, cols, err))
            return false;
    }
    return true;
}

/* ---- GGUF ---- */

static bool must_be(const ct_lora *l, const char *key, const char *value, carat_err *err)
{
    ct_str s = { "", 0 };
    if (!ct_gguf_text(l->gguf, key, &s, err))
        return false;
    if (s.len == strlen(value) && memcmp(s.data, value, s.len) == 0)
        return true;
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: its %s is '%.*s', expected '%s'", l->path, key,
                   (int)(s.len < 60 ? s.len : 60), s.data, value);
}

/* Cuts ".lora_a" or ".lora_b" off a name. */
static bool split(const char *name, char matrix[CT_LORA_NAME], bool *is_a)
{
    size_t n = strlen(name);
    if (n <= 7 || n - 7 >= CT_LORA_NAME)
        return false;
    *is_a = strcmp(name + n - 7, ".lora_a") == 0;
    snprintf(matrix, CT_LORA_NAME, "%.*s", (int)(n - 7), name);
    return *is_a || strcmp(name + n - 7, ".lora_b") == 0;
}

/* The matrix of that name; false: none of a Gemma 3 is called so. */
static bool find_matrix(const char *name, ct_part *part, size_t *layer)
{
    const char *own = name;
    unsigned long n = 0;
    bool in_layer = strncmp(name, "blk.", 4) == 0 && name[4] >= '0' && name[4] <= '9';
    if (in_layer) {
        char *end;
        n = strtoul(name + 4, &end, 10);
        if (*end != '.' || n >= CT_MAX_LAYERS)
            return false;
        own = end + 1;
    }
    for (ct_part p = in_layer ? CT_FIRST_LAYER_PART : 0; p < (in_layer ? CT_N_PARTS : CT_FIRST_LAYER_PART); p++)
        if (!ct_part_get(p)->is_norm && strcmp(own, ct_part_get(p)->gguf) == 0) {
            *part = p;
            *layer = n;
            return true;
        }
    return false;
}

static bool read_alpha(const ct_lora *l, double *alpha, carat_err *err)
{
    *alpha = NAN;
    if (!ct_gguf_num(l->gguf, "adapter.lora.alpha", alpha, err))
        return false;
    if (*alpha == 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: adapter.lora.alpha is 0, which leaves the model as it is", l->path);
    return isfinite((float)*alpha) ||
           ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: adapter.lora.alpha is missing or no number", l->path);
}

static bool check_keys(const ct_lora *l, double *alpha, carat_err *err)
{
    if (!must_be(l, "general.type", "adapter", err) || !must_be(l, "adapter.type", "lora", err) ||
        !must_be(l, "general.architecture", "gemma3", err))
        return false;
    if (ct_gguf_find(l->gguf, "adapter.alora.invocation_tokens"))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: adapter.alora.invocation_tokens: an adapter that counts from certain tokens on only",
                       l->path);
    return read_alpha(l, alpha, err);
}

static bool read_gguf(ct_lora *l, carat_err *err)
{
    const ct_tensors *all = ct_gguf_tensors(l->gguf);
    double alpha;
    if (!check_keys(l, &alpha, err) || !make_room(l, all->n, err))
        return false;
    for (size_t i = 0; i < all->n; i++) {
        const ct_tensor *t = &all->items[i];
        char matrix[CT_LORA_NAME];
        ct_part part = 0;
        size_t layer = 0;
        bool is_a;
        if (!split(t->name, matrix, &is_a) || !find_matrix(matrix, &part, &layer))
            return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: %.100s belongs to no matrix of a Gemma 3",
                           l->path, t->name);
        if (!ct_lora_add(l, part, layer, is_a, t, err))
            return false;
    }
    if (!check_pairs(l, err))
        return false;
    for (size_t i = 0; i < l->n; i++)
        l->pairs[i].scale = alpha / (double)l->pairs[i].rank;
    return true;
}

/* ---- PEFT ---- */

static bool read_peft(ct_lora *l, const json_t *config, carat_err *err)
{
    return make_room(l, ct_safetensors_tensors(l->st)->n, err) && ct_lora_read_peft(l, config, err) &&
           check_pairs(l, err);
}

/* ---- opening ---- */

static void set_name(ct_lora *l)
{
    const char *path = l->path;
    size_t n = strlen(path), from;
    while (n > 1 && path[n - 1] == '/')
        n--;
    for (from = n; from > 0 && path[from - 1] != '/';)
        from--;
    if (n - from > 5 && strncasecmp(path + n - 5, ".gguf", 5) == 0)
        n -= 5;
    size_t len = n - from < CT_LORA_NAME - 1 ? n - from : CT_LORA_NAME - 1;
    if (len < n - from)
        len -= ct_utf8_incomplete(path + from, len);
    snprintf(l->name, sizeof l->name, "%.*s", (int)len, path + from);
}

static bool begin(const char *path, ct_lora **out, carat_err *err)
{
    *out = calloc(1, sizeof **out);
    if (*out && ((*out)->path = strdup(path)))
        return true;
    free(*out);
    *out = NULL;
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for an adapter", path);
}

static bool finish(ct_lora **out, bool ok)
{
    if (ok)
        return true;
    ct_lora_close(*out);
    *out = NULL;
    return false;
}

/* adapter_model.bin is a pickle, which is a program: not read. */
static bool open_folder(ct_lora *l, carat_err *err)
{
    char path[4096];
    struct stat st;
    if (!ct_source_join(l->path, "adapter_model.safetensors", path))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "path of %zu bytes is too long", strlen(l->path));
    if (stat(path, &st) != 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE,
                       "%s: no adapter_model.safetensors, expected a PEFT folder with it and adapter_config.json",
                       l->path);
    if (!ct_safetensors_open(path, &l->st, err) || !ct_source_join(l->path, "adapter_config.json", path))
        return false;
    json_t *config = NULL;
    bool ok = ct_json_load(path, MAX_CONFIG, &config, err) && read_peft(l, config, err);
    json_decref(config);
    return ok;
}

static bool read_template(ct_lora *l, carat_err *err)
{
    const ct_source s = { .path = l->path, .gguf = l->gguf, .st = l->st };
    return ct_beside_template(&s, &l->chat_template, err);
}

bool ct_lora_open(const char *path, ct_lora **out, carat_err *err)
{
    struct stat st;
    if (!begin(path, out, err))
        return false;
    ct_lora *l = *out;
    set_name(l);
    bool ok = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? open_folder(l, err)
                                                          : ct_gguf_open(path, &l->gguf, err) && read_gguf(l, err);
    return finish(out, ok && read_template(l, err));
}

static bool read_memory(ct_lora *l, const char *config, size_t config_len, const void *data, size_t size,
                        carat_err *err)
{
    json_t *o = NULL;
    if (!config)
        return ct_gguf_open_memory(l->path, data, size, &l->gguf, err) && read_gguf(l, err);
    bool ok = ct_json_parse(l->path, config, config_len, &o, err) &&
              ct_safetensors_open_memory(l->path, data, size, &l->st, err) && read_peft(l, o, err);
    json_decref(o);
    return ok;
}

bool ct_lora_open_memory(const char *path, const char *config, size_t config_len, const void *data, size_t size,
                         ct_lora **out, carat_err *err)
{
    return begin(path, out, err) && finish(out, read_memory(*out, config, config_len, data, size, err));
}

void ct_lora_close_files(ct_lora *l)
{
    ct_gguf_close(l->gguf);
    ct_safetensors_close(l->st);
    l->gguf = NULL;
    l->st = NULL;
    for (size_t i = 0; i < l->n; i++)
        l->pairs[i].a = l->pairs[i].b = NULL;
}

void ct_lora_close(ct_lora *l)
{
    if (!l)
        return;
    ct_gguf_close(l->gguf);
    ct_safetensors_close(l->st);
    free(l->pairs);
    free(l->chat_template);
    free(l->path);
    free(l);
}
