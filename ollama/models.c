/* What is said of models: /api/tags, /api/ps, /api/show, /api/version, and the progress of /api/pull.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ollama/inside.h"

/* ---- details ---- */

/* "4.3B", "268.10M". */
static void parameter_size(uint64_t n, char to[24])
{
    if (n >= 1000000000)
        snprintf(to, 24, "%.1fB", (double)n / 1e9);
    else if (n >= 1000000)
        snprintf(to, 24, "%.2fM", (double)n / 1e6);
    else
        snprintf(to, 24, "%.2fK", (double)n / 1e3);
}

static bool is_end(char c)
{
    return c == '\0' || c == '.' || c == '-' || c == '_';
}

/* A mix as names of files have it, in capitals: "gemma-3-4b-it-q4_k_m.gguf" -> "Q4_K_M"; 0: none. */
static size_t mix_at(const char *s)
{
    static const char *const words[] = { "q2_k",   "q3_k_s", "q3_k_m",  "q3_k_l", "q3_k",  "q4_k_s",  "q4_k_m",
                                         "q4_k",   "q5_k_s", "q5_k_m",  "q5_k",   "q6_k",  "q4_0",    "q4_1",
                                         "q5_0",   "q5_1",   "q8_0",    "iq1_s",  "iq1_m", "iq2_xxs", "iq2_xs",
                                         "iq2_s",  "iq2_m",  "iq3_xxs", "iq3_xs", "iq3_s", "iq3_m",   "iq4_nl",
                                         "iq4_xs", "bf16",   "f16",     "f32" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncasecmp(s, words[i], strlen(words[i])) == 0 && is_end(s[strlen(words[i])]))
            return strlen(words[i]);
    return 0;
}

static void upper(const char *s, size_t len, char to[24])
{
    len = len < 23 ? len : 23;
    for (size_t i = 0; i < len; i++)
        to[i] = (char)toupper((unsigned char)s[i]);
    to[len] = '\0';
}

static bool by_name(const char *path, char to[24])
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (const char *s = name; *s; s++) {
        const size_t len = s == name || is_end(s[-1]) ? mix_at(s) : 0;
        if (len) {
            upper(s, len, to);
            return true;
        }
    }
    return false;
}

/* The type that most tensors have but the small F32 ones: of "Q4_K 63, Q5_0 90, F32 73" Q5_0. */
static void by_types(const char *types, char to[24])
{
    unsigned long most = 0;
    snprintf(to, 24, "F32");
    for (const char *s = types; *s;) {
        const char *end = strchr(s, ',') ? strchr(s, ',') : s + strlen(s), *count = memchr(s, ' ', (size_t)(end - s));
        const size_t len = count ? (size_t)(count - s) : 0;
        const unsigned long n = count ? strtoul(count, NULL, 10) : 0;
        if (n > most && !(len == 3 && memcmp(s, "F32", 3) == 0)) {
            most = n;
            upper(s, len, to);
        }
        s = end + (*end == ',');
        s += *s == ' ';
    }
}

json_t *ct_ollama_details(const carat_model_info *info)
{
    char size[24] = "", level[24] = "";
    if (info) {
        parameter_size(info->n_params, size);
        if (!by_name(info->path, level))
            by_types(info->weight_types, level);
    }
    const bool is_folder = info && strncmp(info->container, "GGUF", 4) != 0;
    return json_pack("{s:s, s:s, s:s, s:[s], s:s, s:s}", "parent_model", "", "format",
                     is_folder ? "safetensors" : "gguf", "family", "gemma3", "families", "gemma3", "parameter_size",
                     size, "quantization_level", level);
}

/* ---- lists ---- */

/* A name in a list always has a tag. Open WebUI adds one to a name without it, and then looks for that in the list. */
static json_t *tagged(const char *name)
{
    const char *slash = strrchr(name, '/');
    char *full = NULL;
    if (strchr(slash ? slash : name, ':'))
        return ct_json_from_str(name);
    json_t *v = asprintf(&full, "%s:latest", name) > 0 ? ct_json_from_str(full) : NULL;
    free(full);
    return v;
}

static json_t *entry(const ct_ollama_model *m)
{
    return json_pack("{s:o, s:o, s:I, s:s, s:o}", "name", tagged(m->name), "model", tagged(m->name), "size",
                     (json_int_t)m->size, "digest", m->digest ? m->digest : "", "details", ct_ollama_details(m->info));
}

static json_t *list_of(json_t *all, bool ok)
{
    if (ok)
        return json_pack("{s:o}", "models", all);
    json_decref(all);
    return NULL;
}

json_t *ct_ollama_tags(const ct_ollama_model *models, size_t n)
{
    json_t *all = json_array();
    char time[CT_OLLAMA_TIME];
    bool ok = all != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        json_t *e = entry(&models[i]);
        ok = json_object_set_new(e, "modified_at", json_string(ct_ollama_time(models[i].modified, time))) == 0;
        ok = json_array_append_new(all, e) == 0 && ok;
    }
    return list_of(all, ok);
}

#define NEVER 7258118400.0 /* the year 2200, for a model that stays */

/* The memory is the processor's: none of it is a graphics card's. */
json_t *ct_ollama_ps(const ct_ollama_model *loaded, size_t n)
{
    json_t *all = json_array();
    char time[CT_OLLAMA_TIME];
    bool ok = all != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        const ct_ollama_model *m = &loaded[i];
        json_t *e = entry(m);
        ct_ollama_time(m->expires < NEVER ? m->expires : NEVER, time);
        ok = json_object_set_new(e, "size", json_integer((json_int_t)m->memory)) == 0 &&
             json_object_set_new(e, "size_vram", json_integer(0)) == 0 &&
             json_object_set_new(e, "expires_at", json_string(time)) == 0 &&
             json_object_set_new(e, "context_length", json_integer((json_int_t)m->n_ctx)) == 0;
        ok = json_array_append_new(all, e) == 0 && ok;
    }
    return list_of(all, ok);
}

json_t *ct_ollama_version(void)
{
    return json_pack("{s:s}", "version", CT_OLLAMA_VERSION);
}

bool ct_ollama_progress(const char *status, const char *digest, uint64_t total, uint64_t completed, ct_buf *out)
{
    json_t *o = json_pack("{s:o}", "status", ct_json_from_str(status));
    bool ok = o != NULL;
    if (digest)
        ok = ok && json_object_set_new(o, "digest", ct_json_from_str(digest)) == 0 &&
             json_object_set_new(o, "total", json_integer((json_int_t)total)) == 0 &&
             json_object_set_new(o, "completed", json_integer((json_int_t)completed)) == 0;
    ok = ok && ct_json_write(o, out) && ct_buf_char(out, '\n');
    json_decref(o);
    return ok;
}
