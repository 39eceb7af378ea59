/* Prompts of an embedding model, by the names of tasks.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/beside.h"
#include "model/sentence.h"

/* EmbeddingGemma's, as its config_sentence_transformers.json has them, and two that its model card names besides. */
static const char *const published[][2] = {
    { "query", "task: search result | query: " },
    { "document", "title: none | text: " },
    { "BitextMining", "task: search result | query: " },
    { "Clustering", "task: clustering | query: " },
    { "Classification", "task: classification | query: " },
    { "InstructionRetrieval", "task: code retrieval | query: " },
    { "MultilabelClassification", "task: classification | query: " },
    { "PairClassification", "task: sentence similarity | query: " },
    { "Reranking", "task: search result | query: " },
    { "Retrieval", "task: search result | query: " },
    { "Retrieval-query", "task: search result | query: " },
    { "Retrieval-document", "title: none | text: " },
    { "STS", "task: sentence similarity | query: " },
    { "Summarization", "task: summarization | query: " },
    { "QuestionAnswering", "task: question answering | query: " },
    { "FactChecking", "task: fact checking | query: " },
};

static bool add(ct_tasks *t, const char *name, const char *prompt, carat_err *err)
{
    ct_task *to = &t->v[t->n++];
    to->name = strdup(name);
    to->prompt = strdup(prompt);
    return (to->name && to->prompt) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a model's prompts");
}

/* Those of which a file says nothing. */
static bool add_published(ct_tasks *t, carat_err *err)
{
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        if (!ct_tasks_find(t, published[i][0]) && !add(t, published[i][0], published[i][1], err))
            return false;
    return true;
}

static bool read_prompts(const json_t *o, const char *path, ct_tasks *t, carat_err *err)
{
    const json_t *prompts = json_object_get(o, "prompts");
    const char *deflt = NULL, *name, *text;
    const json_t *v;
    if (!ct_json_text(o, path, "default_prompt_name", &deflt, err))
        return false;
    if (prompts && !json_is_null(prompts) && !json_is_object(prompts))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'prompts' is %s, expected an object", path,
                       ct_json_kind(prompts));
    if (json_object_size(prompts) > CT_MAX_TASKS - sizeof published / sizeof *published)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: %zu prompts, expected at most %zu", path,
                       json_object_size(prompts), CT_MAX_TASKS - sizeof published / sizeof *published);
    json_object_foreach((json_t *)(uintptr_t)prompts, name, v) { /* jansson walks objects that are not const */
        text = NULL;
        if (!ct_json_text(prompts, path, name, &text, err) || !add(t, name, text ? text : "", err))
            return false;
    }
    for (size_t i = 0; deflt && i < t->n; i++)
        if (strcmp(t->v[i].name, deflt) == 0)
            t->deflt = (int)i;
    return !deflt || t->deflt >= 0 ||
           ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                   "%s: 'default_prompt_name' is '%.40s', which is none of 'prompts'", path, deflt);
}

bool ct_tasks_read(const ct_source *s, ct_tasks *out, carat_err *err)
{
    char path[4096];
    json_t *o = NULL;
    *out = (ct_tasks){ .deflt = -1 };
    bool ok = s->gguf || (ct_beside_json(s, "config_sentence_transformers.json", path, &o, err) &&
                          (!o || read_prompts(o, path, out, err)));
    json_decref(o);
    return ok && add_published(out, err);
}

void ct_tasks_deinit(ct_tasks *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->v[i].name);
        free(t->v[i].prompt);
    }
    *t = (ct_tasks){ .deflt = -1 };
}

const ct_task *ct_tasks_find(const ct_tasks *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->v[i].name, name) == 0)
            return &t->v[i];
    for (size_t i = 0; i < t->n; i++)
        if (strcasecmp(t->v[i].name, name) == 0)
            return &t->v[i];
    return NULL;
}
