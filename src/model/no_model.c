/* Looks at what is in a model's place and says what to do about it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/no_model.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "model/source.h"

#define MAX_JSON ((size_t)1 << 20)

bool ct_has_file(const char *folder, const char *name)
{
    char path[4096];
    struct stat st;
    return ct_source_join(folder, name, path) && stat(path, &st) == 0;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), len = strlen(end);
    return n > len && strcasecmp(name + n - len, end) == 0;
}

/* ---- folders ---- */

/* The first name of each kind, so that messages do not depend on the file system. */
typedef struct contents {
    char gguf[128], archive[128], safetensors[128], cached[128];
} contents;

static void keep_first(char first[128], const char *name)
{
    size_t n = strlen(name);
    if (n < 128 && (!*first || strcmp(name, first) < 0))
        memcpy(first, name, n + 1);
}

static void look(const char *folder, contents *c)
{
    static const char *const archives[] = { ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack" };
    *c = (contents){ .gguf = "" };
    DIR *d = opendir(folder);
    for (const struct dirent *e; d && (e = readdir(d));) {
        const char *name = e->d_name;
        if (ends_in(name, ".gguf") && !strcasestr(name, "mmproj"))
            keep_first(c->gguf, name);
        if (ends_in(name, ".safetensors"))
            keep_first(c->safetensors, name);
        if (strncmp(name, "models--", 8) == 0)
            keep_first(c->cached, name);
        for (size_t i = 0; i < sizeof archives / sizeof *archives; i++)
            if (ends_in(name, archives[i]) && !strstr(name, "training_args"))
                keep_first(c->archive, name);
    }
    if (d)
        closedir(d);
}

static bool refuse_adapter(const char *folder, carat_err *err)
{
    char path[4096];
    json_t *o = NULL;
    const char *base = NULL;
    if (ct_source_join(folder, "adapter_config.json", path) && ct_json_load(path, MAX_JSON, &o, NULL))
        base = json_string_value(json_object_get(o, "base_model_name_or_path"));
    ct_fail(err, CARAT_EIO, CARAT_NOWHERE,
            "%s: a LoRA adapter: merge it into its model%s%.60s%s first, or use it beside the model (--lora)", folder,
            base ? ", '" : "", base ? base : "", base ? "'," : "");
    json_decref(o);
    return false;
}

/* The folder that a cache of the hub keeps for a model: its files are in snapshots/HASH. */
static bool refuse_cache(const char *folder, carat_err *err)
{
    char path[4096], only[128] = "";
    size_t n = 0;
    DIR *d = ct_source_join(folder, "snapshots", path) ? opendir(path) : NULL;
    for (const struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            keep_first(only, e->d_name);
            n++;
        }
    if (d)
        closedir(d);
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: a cache folder of the Hugging Face hub: give its snapshots/%s",
                   folder, n == 1 ? only : "HASH, one of its versions");
}

bool ct_refuse_folder(const char *folder, const char *lacks, carat_err *err)
{
    contents c;
    look(folder, &c);
    if (ct_has_file(folder, "adapter_config.json"))
        return refuse_adapter(folder, err);
    if (ct_has_file(folder, "snapshots"))
        return refuse_cache(folder, err);
    if (*c.cached)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE,
                       "%s: the cache of the Hugging Face hub: give the folder of one model, like %s/snapshots/HASH",
                       folder, c.cached);
    if (*c.gguf)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE,
                       "%s: a folder without %s; a GGUF file is a model by itself: give the path of %s", folder, lacks,
                       c.gguf);
    if (*c.archive)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE,
                       "%s: only %s and no safetensors: Carat reads no PyTorch archives; convert it to safetensors or "
                       "GGUF",
                       folder, c.archive);
    if (*c.safetensors)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: a folder with %s, but without %s", folder, c.safetensors,
                       lacks);
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: a folder without %s, expected a Hugging Face model's", folder,
                   lacks);
}

/* ---- names ---- */

/* "google/gemma-3-4b-it", "gemma3:4b", "hf.co/...", and not the path of a file that is missing. */
static bool is_name(const char *path)
{
    if (strstr(path, "://") || strncmp(path, "hf.co/", 6) == 0 || strncmp(path, "huggingface.co/", 15) == 0)
        return true;
    const char *slash = strchr(path, '/');
    return *path != '/' && *path != '.' && *path != '~' && !ends_in(path, ".gguf") && !ends_in(path, ".safetensors") &&
           (!slash || (slash[1] && !strchr(slash + 1, '/')));
}

bool ct_refuse_name(const char *path, carat_err *err)
{
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s%s", path, strerror(ENOENT),
                   is_name(path) ? "; a model is a file or folder on this machine: carat pull fetches one" : "");
}

bool ct_explain_file(const char *path, carat_err *err)
{
    const char *slash = strrchr(path, '/');
    if (err && err->code == CARAT_EFORMAT && strcasestr(slash ? slash : path, "imatrix"))
        ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                "%s: by its name an importance matrix, not a model (and no GGUF file)", path);
    return false;
}

/* ---- quantised folders ---- */

static int bits_of(const json_t *q)
{
    const json_t *bits = json_object_get(q, "bits");
    if (!bits)
        bits = json_object_get(q, "w_bit"); /* AWQ's own file */
    if (json_is_integer(bits) && json_integer_value(bits) > 0 && json_integer_value(bits) <= 64)
        return (int)json_integer_value(bits);
    return json_is_true(json_object_get(q, "load_in_4bit"))   ? 4
           : json_is_true(json_object_get(q, "load_in_8bit")) ? 8
                                                              : 0;
}

/* config.json has "quantization_config" with the method's name; MLX writes "quantization", with no name. */
void ct_quantised_by(const char *folder, const json_t *config, char out[64])
{
    static const struct {
        const char *file, *method;
    } files[] = { { "quantize_config.json", "gptq" },
                  { "quant_config.json", "awq" },
                  { "hf_quant_config.json", "modelopt" } };
    const json_t *mlx = json_object_get(config, "quantization"), *q = json_object_get(config, "quantization_config");
    if (!json_is_object(q))
        q = json_object_get(json_object_get(config, "text_config"), "quantization_config");
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    if (!method && (json_is_object(mlx) || json_is_object(q)))
        method = json_is_object(mlx) ? "MLX" : "a method that config.json does not name";
    for (size_t i = 0; !method && i < sizeof files / sizeof *files; i++)
        if (ct_has_file(folder, files[i].file))
            method = files[i].method;
    int bits = bits_of(json_is_object(q) ? q : mlx);
    if (!method)
        *out = '\0';
    else if (bits)
        snprintf(out, 64, "%.45s (%d bits)", method, bits);
    else
        snprintf(out, 64, "%.60s", method);
}
