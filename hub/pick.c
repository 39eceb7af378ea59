/* Finds the models of a repository by the names of its files.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/pick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

bool ct_hub_is_mmproj(const char *file)
{
    return ct_hub_has_end(file, ".gguf") && strcasestr(ct_hub_base(file), "mmproj");
}

/* A GGUF file that is no model of its own: projectors, importance matrices, adapters. */
static bool is_model(const char *file)
{
    const char *base = ct_hub_base(file);
    return ct_hub_has_end(file, ".gguf") && !strcasestr(base, "mmproj") && !strcasestr(base, "imatrix") &&
           !strcasestr(base, "-lora");
}

/* ---- GGUF files ---- */

static bool add_file(ct_hub_model *m, const ct_hub_file *f)
{
    const ct_hub_file **v = realloc(m->files, (m->n_files + 1) * sizeof *v);
    if (!v)
        return false;
    m->files = v;
    v[m->n_files++] = f;
    if (f->bytes != HUB_UNKNOWN)
        m->bytes += f->bytes; /* no more than repo.c lets through */
    return true;
}

static ct_hub_model *add_model(ct_hub_models *l)
{
    ct_hub_model *v = realloc(l->v, (l->n + 1) * sizeof *v);
    if (!v)
        return NULL;
    l->v = v;
    v[l->n] = (ct_hub_model){ .files = NULL };
    return &v[l->n++];
}

/* The parts of a split file, which stand one behind the other in a sorted list, from the i-th on; *next is behind them. */
static bool add_split(const ct_hub_repo *r, size_t i, size_t *next, ct_hub_model *m)
{
    size_t stem, other;
    unsigned part, n, p, of, had = 0;
    const char *name = r->files[i].name;
    ct_hub_part_of(name, &stem, &part, &n);
    for (*next = i; *next < r->n_files; ++*next) {
        const ct_hub_file *f = &r->files[*next];
        if (!ct_hub_part_of(f->name, &other, &p, &of) || other != stem || of != n || strncmp(f->name, name, stem) != 0)
            break;
        if (!add_file(m, f))
            return false;
        had++;
    }
    m->n_missing = n - had;
    return true;
}

static bool add_ggufs(const ct_hub_repo *r, ct_hub_models *l)
{
    size_t stem;
    unsigned part, n;
    for (size_t i = 0, next; i < r->n_files; i = next) {
        const char *name = r->files[i].name;
        next = i + 1;
        if (!is_model(name))
            continue;
        ct_hub_model *m = add_model(l);
        if (!m)
            return false;
        ct_hub_tag_of(name, m->tag);
        if (!(ct_hub_part_of(name, &stem, &part, &n) ? add_split(r, i, &next, m) : add_file(m, &r->files[i])))
            return false;
    }
    return true;
}

/* ---- folders of safetensors ---- */

/* What the loader reads beside the weights. */
static const char *const beside[] = {
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "quant_config.json",
    "quantize_config.json",
    "hf_quant_config.json",
    /* of an embedding model, in the places where EmbeddingGemma and its fine-tunes have them */
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "2_Dense/config.json",
    "2_Dense/model.safetensors",
    "3_Dense/config.json",
    "3_Dense/model.safetensors",
};
#define INDEX "model.safetensors.index.json"

static bool is_shard(const char *name)
{
    static const char form[] = "model-00000-of-00000.safetensors";
    size_t i = 0;
    for (; name[i] && form[i]; i++)
        if (form[i] == '0' ? name[i] < '0' || name[i] > '9' : name[i] != form[i])
            return false;
    return !name[i] && !form[i];
}

static bool add_if_there(const ct_hub_repo *r, const char *name, ct_hub_model *m)
{
    const ct_hub_file *f = ct_hub_repo_file(r, name);
    return !f || add_file(m, f);
}

static bool add_folder(const ct_hub_repo *r, ct_hub_models *l)
{
    bool is_one = ct_hub_repo_file(r, "model.safetensors") != NULL;
    if (!ct_hub_repo_file(r, "config.json") || !(is_one || ct_hub_repo_file(r, INDEX)))
        return true;
    ct_hub_model *m = add_model(l);
    if (!m)
        return false;
    m->is_folder = true;
    snprintf(m->tag, sizeof m->tag, "%s", HUB_SAFETENSORS);
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (!add_if_there(r, beside[i], m))
            return false;
    if (is_one)
        return add_if_there(r, "model.safetensors", m);
    bool ok = add_if_there(r, INDEX, m);
    for (size_t i = 0; ok && i < r->n_files; i++)
        ok = !is_shard(r->files[i].name) || add_file(m, &r->files[i]);
    return ok;
}

/* ---- all of them ---- */

static int by_size(const void *a, const void *b)
{
    const ct_hub_model *x = a, *y = b;
    if (x->is_folder != y->is_folder)
        return x->is_folder ? 1 : -1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->files[0]->name, y->files[0]->name);
}

/* Two of one quantisation are told apart by their files' names, then by their folders'. */
static void tell_apart(ct_hub_models *l)
{
    for (size_t i = 0; i < l->n; i++) {
        bool is_alone = true;
        for (size_t k = 0; k < l->n; k++)
            if (k != i && strcasecmp(l->v[k].tag, l->v[i].tag) == 0) {
                const char *name = l->v[k].files[0]->name;
                snprintf(l->v[k].tag, sizeof l->v[k].tag, "%.*s", (int)(strlen(name) - 5), name);
                is_alone = false;
            }
        const char *name = l->v[i].files[0]->name;
        if (!is_alone)
            snprintf(l->v[i].tag, sizeof l->v[i].tag, "%.*s", (int)(strlen(name) - 5), name);
    }
}

bool ct_hub_models_of(const ct_hub_repo *r, ct_hub_models *out, carat_err *err)
{
    *out = (ct_hub_models){ .v = NULL };
    if (!add_ggufs(r, out) || !add_folder(r, out)) {
        ct_hub_models_deinit(out);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its models", r->repo);
    }
    tell_apart(out);
    if (out->n)
        qsort(out->v, out->n, sizeof *out->v, by_size);
    return true;
}

void ct_hub_models_deinit(ct_hub_models *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i].files);
    free(l->v);
    *l = (ct_hub_models){ .v = NULL };
}

/* ---- one of them ---- */

/* Is this its tag, or one of its files, with or without folder and ".gguf"? */
static bool is_meant(const ct_hub_model *m, const char *tag)
{
    if (strcasecmp(m->tag, tag) == 0)
        return true;
    if (m->is_folder)
        return false;
    for (size_t i = 0; i < m->n_files; i++) {
        const char *name = m->files[i]->name, *base = ct_hub_base(name);
        if (strcmp(name, tag) == 0 || strcasecmp(base, tag) == 0 ||
            (strlen(tag) == strlen(base) - 5 && strncasecmp(base, tag, strlen(tag)) == 0))
            return true;
    }
    return false;
}

/* The same by the quantisation that two files share. */
static bool has_quant(const ct_hub_model *m, const char *tag)
{
    char quant[HUB_MAX_TAG];
    return !m->is_folder && ct_hub_tag_of(m->files[0]->name, quant) && strcasecmp(quant, tag) == 0;
}

/* "Q4_K_M, Q8_0, F16": those that are meant (by the test), cut where a message ends. */
static void list(const ct_hub_models *l, const char *tag, char out[128])
{
    size_t n = 0;
    *out = '\0';
    for (size_t i = 0; i < l->n && n < 110; i++)
        if (!tag || has_quant(&l->v[i], tag))
            n += (size_t)snprintf(out + n, 128 - n, "%s%.40s", n ? ", " : "", n > 80 ? "..." : l->v[i].tag);
}

bool ct_hub_models_find(const ct_hub_repo *r, const ct_hub_models *l, const char *tag, const ct_hub_model **out,
                        carat_err *err)
{
    char names[128];
    size_t n_quant = 0;
    *out = NULL;
    for (size_t i = 0; i < l->n && !*out; i++)
        if (is_meant(&l->v[i], tag))
            *out = &l->v[i];
    for (size_t i = 0; i < l->n && !(*out && n_quant == 0); i++)
        if (has_quant(&l->v[i], tag))
            *out = &l->v[i], n_quant++;
    if (n_quant > 1) {
        list(l, tag, names);
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%.60s has several files of %.20s: %s", r->repo, tag, names);
    }
    if (!*out) {
        list(l, NULL, names);
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%.60s has no %.40s%s%s", r->repo, tag,
                       *names ? "; it has " : "", names);
    }
    if ((*out)->n_missing)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%.80s: of the split file %.80s the repository lacks %u part%s", r->repo, tag, (*out)->n_missing,
                       (*out)->n_missing == 1 ? "" : "s");
    return true;
}

/* ---- projectors ---- */

static size_t preference(const char *file)
{
    static const char *const order[] = { "BF16", "F16", "F32", "Q8_0" };
    char tag[HUB_MAX_TAG];
    size_t n = sizeof order / sizeof *order;
    if (!ct_hub_tag_of(file, tag))
        return n + 1;
    for (size_t i = 0; i < n; i++)
        if (strcmp(tag, order[i]) == 0)
            return i;
    return n;
}

void ct_hub_mmproj_of(const ct_hub_repo *r, const ct_hub_file **out, size_t most, size_t *n)
{
    size_t best = SIZE_MAX;
    *n = 0;
    for (size_t i = 0; i < r->n_files; i++)
        if (ct_hub_is_mmproj(r->files[i].name) && preference(r->files[i].name) < best)
            best = preference(r->files[i].name);
    for (size_t i = 0; i < r->n_files && *n < most; i++)
        if (ct_hub_is_mmproj(r->files[i].name) && preference(r->files[i].name) == best)
            out[(*n)++] = &r->files[i];
}
