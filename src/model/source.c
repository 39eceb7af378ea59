/* Opens a model's file or folder: recognises the container, finds tensors by name, and a tower's configuration.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/no_model.h"
#include "model/sentence.h"

#define MAX_CONFIG_BYTES ((size_t)16 << 20)
#define MAX_NAME         160

bool ct_source_join(const char *folder, const char *name, char buf[4096])
{
    size_t n = strlen(folder);
    const char *slash = n && folder[n - 1] == '/' ? "" : "/";
    int len = snprintf(buf, 4096, "%s%s%s", folder, slash, name);
    return len > 0 && len < 4096;
}

/* ---- opening ---- */

/* Is there such a tensor, of whatever dtype? */
static bool has(const ct_source *s, const char *name)
{
    return ct_tensors_find(s->tensors, name) || (s->st && ct_safetensors_skipped(s->st, name));
}

/* The names of transformers 4 and 5, and of text-only and image-text classes. */
static bool find_prefix(ct_source *s, carat_err *err)
{
    static const char *const prefixes[] = { "model.", "language_model.model.", "model.language_model.",
                                            "language_model.", "" };
    char name[MAX_NAME];
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        snprintf(name, sizeof name, "%s%s", prefixes[i], ct_part_get(CT_PART_EMBED)->hf);
        if (has(s, name)) {
            snprintf(s->prefix, sizeof s->prefix, "%s", prefixes[i]);
            return true;
        }
    }
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                   "%s: no tensor '*.embed_tokens.weight' among %zu, expected 'model.embed_tokens.weight' or "
                   "'language_model.model.embed_tokens.weight'",
                   s->path, s->tensors->n);
}

bool ct_source_explain(const ct_source *s, carat_err *err)
{
    if (!*s->quantised_by || !err || (err->code != CARAT_EFORMAT && err->code != CARAT_EUNSUPPORTED))
        return false;
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "%s: quantised by %s: of folders Carat reads F32, F16 and BF16; take the model before it was "
                   "quantised, or a GGUF file of it",
                   s->path, s->quantised_by);
}

static bool open_folder(ct_source *s, bool trust_header, ct_config *cfg, carat_err *err)
{
    char path[4096];
    json_t *config = NULL;
    if (!ct_source_join(s->path, "config.json", path))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "path of %zu bytes is too long", strlen(s->path));
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return ct_refuse_folder(s->path, "config.json", err);
    bool ok =
        ct_json_load(path, MAX_CONFIG_BYTES, &config, err) && ct_config_from_json(path, config, trust_header, cfg, err);
    ct_quantised_by(s->path, config, s->quantised_by);
    json_decref(config);
    if (!ok)
        return false;
    if (!ct_has_file(s->path, "model.safetensors") && !ct_has_file(s->path, "model.safetensors.index.json"))
        return ct_refuse_folder(s->path, "model.safetensors", err);
    if (!ct_safetensors_open(s->path, &s->st, err))
        return false;
    if (ct_has_file(s->path, "adapter_config.json"))
        ct_config_note(cfg, s->path, "a LoRA adapter (adapter_config.json) beside the weights; it is not applied");
    s->tensors = ct_safetensors_tensors(s->st);
    size_t n = strlen(s->path);
    while (n > 1 && s->path[n - 1] == '/')
        n--;
    size_t begin = n;
    while (begin > 0 && s->path[begin - 1] != '/')
        begin--;
    snprintf(cfg->name, sizeof cfg->name, "%.*s", (int)(n - begin < 90 ? n - begin : 90), s->path + begin);
    return (find_prefix(s, err) || ct_source_explain(s, err)) &&
           (!cfg->is_encoder || ct_sentence_open(s, trust_header, cfg, err));
}

/* An empty source of this path. */
static bool begin(ct_source *s, const char *path, carat_err *err)
{
    *s = (ct_source){ .path = strdup(path) };
    return s->path || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its path", path);
}

/* Opens a pack and a part of it, by its keys. */
static bool open_pack(ct_source *s, enum ct_pack_which which, carat_err *err)
{
    if (!ct_pack_open(s->path, &s->pack, err))
        return false;
    const ct_pack_part *part = &s->pack->parts[which];
    if (!part->keys)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: no vision tower: this pack was made without one; pack the model again with it, or name its "
                       "file (--mmproj)",
                       s->path);
    if (!ct_gguf_open_head(s->path, part->keys, part->keys_bytes, &s->gguf, err))
        return false;
    s->tensors = ct_gguf_tensors(s->gguf);
    return true;
}

/* What of the model is where is settled when it is packed. */
static bool open_packed_text(ct_source *s, bool trust_header, ct_config *cfg, carat_err *err)
{
    if (!open_pack(s, CT_PACK_TEXT, err))
        return false;
    if (trust_header && !s->pack->trusts_header)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "%s: it was packed without --trust-header: pack the model again with it", s->path);
    if (!ct_config_from_gguf(s->gguf, s->pack->trusts_header, cfg, err))
        return false;
    cfg->vision.present = s->pack->parts[CT_PACK_TOWER].keys;
    return true;
}

bool ct_source_open(ct_source *s, const char *path, bool trust_header, ct_config *cfg, carat_err *err)
{
    struct stat st;
    if (!begin(s, path, err))
        return false;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return open_folder(s, trust_header, cfg, err);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return ct_refuse_name(path, err);
    size_t n = strlen(path);
    if (n > 12 && strcmp(path + n - 12, ".safetensors") == 0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "%s: one safetensors file; give the folder that also holds its config.json", path);
    if (ct_pack_is(path))
        return open_packed_text(s, trust_header, cfg, err);
    if (!ct_gguf_open(path, &s->gguf, err))
        return ct_explain_file(path, err);
    s->tensors = ct_gguf_tensors(s->gguf);
    return ct_config_from_gguf(s->gguf, trust_header, cfg, err);
}

static bool open_vision_folder(ct_source *s, ct_vision_config *v, carat_err *err)
{
    char path[4096];
    json_t *config = NULL;
    if (!ct_source_join(s->path, "config.json", path))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "path of %zu bytes is too long", strlen(s->path));
    bool ok = ct_json_load(path, MAX_CONFIG_BYTES, &config, err) && ct_vision_config_from_json(path, config, v, err);
    json_decref(config);
    if (!ok || !ct_safetensors_open(s->path, &s->st, err))
        return false;
    s->tensors = ct_safetensors_tensors(s->st);
    return true;
}

bool ct_source_open_vision(ct_source *s, const char *path, ct_vision_config *v, carat_err *err)
{
    struct stat st;
    *v = (ct_vision_config){ 0 };
    if (!begin(s, path, err))
        return false;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (!open_vision_folder(s, v, err))
            return false;
    } else {
        const bool is_pack = ct_pack_is(path);
        if (is_pack ? !open_pack(s, CT_PACK_TOWER, err) : !ct_gguf_open(path, &s->gguf, err))
            return false;
        s->tensors = ct_gguf_tensors(s->gguf);
        if (!ct_vision_config_from_gguf(s->gguf, v, err))
            return false;
    }
    if (!v->present)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: no vision tower: this model reads text only", path);
    return ct_vision_config_check(v, path, err);
}

void ct_source_close(ct_source *s)
{
    ct_gguf_close(s->gguf);
    ct_pack_close(s->pack);
    ct_safetensors_close(s->st);
    ct_safetensors_close(s->dense[0]);
    ct_safetensors_close(s->dense[1]);
    free(s->path);
    *s = (ct_source){ 0 };
}

/* Of all files of the source. */
static uint64_t add_up(const ct_source *s, uint64_t (*of)(const ct_safetensors *))
{
    uint64_t n = of(s->st);
    for (size_t i = 0; i < sizeof s->dense / sizeof *s->dense; i++)
        n += s->dense[i] ? of(s->dense[i]) : 0;
    return n;
}

uint64_t ct_source_bytes(const ct_source *s)
{
    if (s->pack)
        return s->pack->map.size;
    return s->gguf ? ct_gguf_file_bytes(s->gguf) : add_up(s, ct_safetensors_file_bytes);
}

uint64_t ct_source_mapped_bytes(const ct_source *s)
{
    if (s->pack)
        return s->pack->map.mapped;
    return s->gguf ? ct_gguf_mapped_bytes(s->gguf) : add_up(s, ct_safetensors_mapped_bytes);
}

/* ---- tensors ---- */

static void part_name(const ct_source *s, ct_part part, size_t layer, char name[MAX_NAME])
{
    const ct_part_info *p = ct_part_get(part);
    if (s->gguf && part < CT_FIRST_LAYER_PART)
        snprintf(name, MAX_NAME, "%s", p->gguf);
    else if (s->gguf)
        snprintf(name, MAX_NAME, "blk.%zu.%s", layer, p->gguf);
    else if (part == CT_PART_DENSE_1 || part == CT_PART_DENSE_2)
        snprintf(name, MAX_NAME, "%s", p->hf);
    else if (part < CT_FIRST_LAYER_PART)
        snprintf(name, MAX_NAME, "%s%s", s->prefix, p->hf);
    else
        snprintf(name, MAX_NAME, "%slayers.%zu.%s", s->prefix, layer, p->hf);
}

const char *ct_source_head(const ct_source *s)
{
    const char *const names[] = { ct_part_get(CT_PART_HEAD)->gguf, "lm_head.weight", "language_model.lm_head.weight" };
    for (size_t i = s->gguf ? 0 : 1; i < (s->gguf ? 1 : sizeof names / sizeof *names); i++)
        if (has(s, names[i]))
            return names[i];
    return NULL;
}

/* In one of a folder's files, or in the GGUF (st: NULL). */
static bool find_in(const ct_source *s, const ct_safetensors *st, const char *name, const ct_tensor **out,
                    carat_err *err)
{
    *out = ct_tensors_find(st ? ct_safetensors_tensors(st) : s->tensors, name);
    if (*out)
        return true;
    const char *dtype = st ? ct_safetensors_skipped(st, name) : NULL;
    if (dtype)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: tensor '%s' is %s, expected F32, F16 or BF16",
                       s->path, name, dtype);
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: no tensor '%s'", s->path, name);
}

bool ct_source_find(const ct_source *s, const char *name, const ct_tensor **out, carat_err *err)
{
    return find_in(s, s->st, name, out, err);
}

/* The file of a folder that a part stands in. */
static const ct_safetensors *file_of(const ct_source *s, ct_part part)
{
    return part == CT_PART_DENSE_1 ? s->dense[0] : part == CT_PART_DENSE_2 ? s->dense[1] : s->st;
}

bool ct_source_tensor(const ct_source *s, const ct_config *c, ct_part part, size_t layer, const ct_tensor **out,
                      carat_err *err)
{
    char name[MAX_NAME], shape[96];
    const char *head = part == CT_PART_HEAD ? ct_source_head(s) : NULL;
    const ct_tensor *t;
    part_name(s, part, layer, name);
    if (head)
        snprintf(name, sizeof name, "%s", head);
    if (!find_in(s, file_of(s, part), name, &t, err))
        return false;
    size_t rows, cols;
    ct_part_shape(c, part, &rows, &cols);
    if (t->dims[0] != cols || t->dims[1] != rows || t->dims[2] != 1 || t->dims[3] != 1)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: tensor '%s' is %s, expected [%zu, %zu]", s->path, name,
                       ct_tensor_shape(t, shape), cols, rows);
    *out = t;
    return true;
}

/* Splits "17.attn_q.weight" after the prefix of layer names; false if there is no number. */
static bool layer_of(const char *rest, unsigned long *layer, const char **suffix)
{
    char *end;
    if (*rest < '0' || *rest > '9')
        return false;
    *layer = strtoul(rest, &end, 10);
    *suffix = end + 1;
    return *end == '.';
}

static bool is_layer_part(const ct_source *s, const char *suffix)
{
    for (ct_part p = CT_FIRST_LAYER_PART; p < CT_N_PARTS; p++)
        if (strcmp(suffix, s->gguf ? ct_part_get(p)->gguf : ct_part_get(p)->hf) == 0)
            return true;
    return false;
}

bool ct_source_no_strangers(const ct_source *s, const ct_config *c, carat_err *err)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s%s", s->gguf ? "" : s->prefix, s->gguf ? "blk." : "layers.");
    size_t n = strlen(prefix);
    for (size_t i = 0; i < s->tensors->n; i++) {
        const char *name = s->tensors->items[i].name, *suffix;
        unsigned long layer;
        if (strncmp(name, prefix, n) != 0 || !layer_of(name + n, &layer, &suffix))
            continue;
        if (layer >= c->n_layer)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: tensor '%.80s', but the header states %u layers",
                           s->path, name, c->n_layer);
        if (!is_layer_part(s, suffix))
            return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: tensor '%.80s' is not part of a Gemma 3 layer",
                           s->path, name);
    }
    return true;
}

/* ---- what stands beside the weights ---- */

bool ct_source_tokenizer(const ct_source *s, carat_tokenizer **out, carat_err *err)
{
    return s->gguf ? ct_tokenizer_from_gguf(s->gguf, out, err) : ct_tokenizer_from_folder(s->path, out, err);
}
