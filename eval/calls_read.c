/* BFCL's files: which are read, their functions as JSON Schemas, the answers beside them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "eval/calls.h"
#include "eval/files.h"
#include "eval/item.h"
#include "eval/rows.h"

#define MOST_DEPTH 32

static const char *const categories[] = {
    "simple_python", "multiple",         "parallel",      "parallel_multiple",
    "live_simple",   "live_multiple",    "live_parallel", "live_parallel_multiple",
    "irrelevance",   "live_irrelevance", "live_relevance"
};

typedef enum { THESE, NONE, ANY } wanted; /* calls */

/* "BFCL_v4_multiple" to "multiple"; NULL: it is no such name. */
static const char *category_of(const char *name)
{
    const char *v = strncmp(name, "BFCL_v", 6) == 0 ? strchr(name + 6, '_') : NULL;
    return v ? v + 1 : NULL;
}

static bool is_known(const char *category)
{
    for (size_t i = 0; category && i < sizeof categories / sizeof *categories; i++)
        if (strcmp(categories[i], category) == 0)
            return true;
    return false;
}

/* ---- functions ---- */

/* Python's names of types to JSON's, in place. */
static void rename_types(json_t *schema, int depth)
{
    static const char *const names[][2] = { { "dict", "object" }, { "float", "number" }, { "tuple", "array" } };
    const char *type = json_string_value(json_object_get(schema, "type")), *key;
    json_t *member;
    if (depth > MOST_DEPTH)
        return;
    for (size_t i = 0; type && i < 3; i++)
        if (strcmp(type, names[i][0]) == 0) {
            json_object_set_new(schema, "type", json_string(names[i][1]));
            type = NULL;
        }
    if (type && strcmp(type, "any") == 0)
        json_object_del(schema, "type");
    json_object_foreach(json_object_get(schema, "properties"), key, member) {
        rename_types(member, depth + 1);
        json_object_del(member, "optional");
    }
    if (json_is_object(json_object_get(schema, "items")))
        rename_types(json_object_get(schema, "items"), depth + 1);
}

/* OpenAI's protocol allows no points in names. */
static json_t *plain_name(const char *name)
{
    char *copy = strdup(name);
    for (char *c = copy; c && *c; c++)
        *c = *c == '.' ? '_' : *c;
    json_t *s = copy ? json_string(copy) : NULL;
    free(copy);
    return s;
}

static json_t *tools_of(const json_t *functions)
{
    size_t i;
    json_t *f, *tools = json_array();
    json_array_foreach(functions, i, f) {
        json_t *copy = json_deep_copy(f);
        const char *name = json_string_value(json_object_get(copy, "name"));
        if (!name) {
            json_decref(copy);
            break;
        }
        json_object_set_new(copy, "name", plain_name(name));
        json_object_del(copy, "response");
        rename_types(json_object_get(copy, "parameters"), 0);
        json_array_append_new(tools, json_pack("{s:s, s:o}", "type", "function", "function", copy));
    }
    return tools;
}

static json_t *expected_of(const json_t *truth)
{
    size_t i;
    json_t *call, *all = json_array(), *parameters;
    const char *name;
    json_array_foreach(truth, i, call) {
        json_object_foreach(call, name, parameters) {
            json_t *plain = plain_name(name), *one = json_object();
            if (plain)
                json_object_set(one, json_string_value(plain), parameters);
            json_decref(plain);
            json_array_append_new(all, one);
        }
    }
    return all;
}

/* ---- rows ---- */

/* The messages of the one turn that there is, as {"role", "content"}; NULL: there are others, or the last is no user's. */
static json_t *messages_of(const json_t *row)
{
    size_t i;
    json_t *message;
    const json_t *turns = json_object_get(row, "question"), *turn = json_array_get(turns, 0);
    json_t *all = json_array_size(turns) == 1 && json_array_size(turn) ? json_array() : NULL;
    json_array_foreach(turn, i, message) {
        static const char *const roles[] = { "system", "assistant", "user" };
        const bool is_last = i + 1 == json_array_size(turn);
        const char *role = json_string_value(json_object_get(message, "role"));
        json_t *text = json_object_get(message, "content");
        size_t k = is_last ? 2 : 0;
        while (k < 3 && (!role || strcmp(role, roles[k]) != 0))
            k++;
        if (k == 3 || !json_is_string(text) ||
            json_array_append_new(all, json_pack("{s:s, s:O}", "role", role, "content", text)) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

/* What a system says stands in front of the user's text, as Gemma's template has it; only a longer conversation stays one. */
static bool read_question(const json_t *row, ct_eval_item *item)
{
    size_t i;
    json_t *message, *messages = messages_of(row);
    const size_t n = json_array_size(messages);
    ct_buf b;
    ct_buf_init(&b, 4 << 20);
    bool is_long = false;
    json_array_foreach(messages, i, message) {
        is_long |= i + 1 < n && strcmp(ct_eval_text_of(message, "role", ""), "system") != 0;
    }
    json_array_foreach(messages, i, message) {
        if (i)
            ct_buf_str(&b, "\n\n");
        ct_buf_str(&b, ct_eval_text_of(message, "content", ""));
    }
    item->contexts = calloc(1, sizeof *item->contexts);
    char *text = b.len ? ct_buf_take(&b) : NULL;
    ct_buf_deinit(&b);
    if (item->contexts && text)
        item->contexts[item->n_contexts++] = text;
    else
        free(text);
    if (is_long)
        item->messages = json_incref(messages);
    json_decref(messages);
    return item->n_contexts;
}

/* Of one file. */
typedef struct reading {
    ct_eval_task *t;
    size_t group;
    json_t *answers; /* by id */
    wanted wants;
} reading;

static bool read_row(void *arg, json_t *row, carat_err *err)
{
    const char *id = json_string_value(json_object_get(row, "id"));
    const reading *r = arg;
    const wanted wants = r->wants;
    const json_t *truth = id ? json_object_get(r->answers, id) : NULL;
    ct_eval_item *item = ct_eval_task_add(r->t, err);
    if (!item)
        return false;
    item->group = r->group;
    item->id = id ? strdup(id) : NULL;
    const bool has_question = read_question(row, item);
    item->functions = tools_of(json_object_get(row, "function"));
    item->calls = wants == ANY ? json_true() : expected_of(truth);
    if (!id || !has_question)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "'id' is missing, or 'question' is not one turn of texts, the last of which is a user's");
    const json_t *functions = json_object_get(row, "function");
    const size_t n = json_array_size(functions); /* none: only where none is to be called */
    if (!json_is_array(functions) || (!n && wants != NONE) || json_array_size(item->functions) != n)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'function': no functions, or one without a name");
    return wants != THESE || json_array_size(item->calls) ||
           ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' has no ground_truth beside it", id);
}

static bool read_answer(void *arg, json_t *row, carat_err *err)
{
    const reading *r = arg;
    const char *id = json_string_value(json_object_get(row, "id"));
    (void)err;
    if (id)
        json_object_set(r->answers, id, json_object_get(row, "ground_truth"));
    return true;
}

/* Answers by id, from the folder possible_answer beside the file. */
static bool read_answers(const char *path, reading *r, carat_err *err)
{
    const char *slash = strrchr(path, '/');
    ct_buf b;
    ct_buf_init(&b, 1 << 16);
    ct_buf_add(&b, path, slash ? (size_t)(slash - path) + 1 : 0);
    ct_buf_str(&b, "possible_answer/");
    ct_buf_str(&b, slash ? slash + 1 : path);
    r->answers = json_object();
    const bool ok = (!b.failed && r->answers) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for answers");
    const bool read = ok && ct_eval_rows_each(b.data, read_answer, r, err);
    ct_buf_deinit(&b);
    return read;
}

static bool read_file(ct_eval_task *t, const ct_eval_file *f, carat_err *err)
{
    const char *category = category_of(f->name);
    const size_t had = t->n;
    reading r = { .t = t,
                  .wants = strstr(category, "irrelevance") ? NONE
                           : strstr(category, "relevance") ? ANY
                                                           : THESE };
    const bool ok = (r.wants != THESE || read_answers(f->path, &r, err)) &&
                    ct_eval_task_group(t, category, &r.group, err) && ct_eval_rows_each(f->path, read_row, &r, err);
    json_decref(r.answers);
    return ok && (t->n > had || ct_fail(err, CARAT_EFORMAT, 0, "%s: no items in it", f->path));
}

bool ct_eval_calls_read(ct_eval_task *t, const char *path, carat_err *err)
{
    ct_eval_files f;
    json_t *endings = json_pack("[s]", ".json");
    bool ok = endings && ct_eval_files_open(&f, path, endings, NULL, NULL, err);
    json_decref(endings);
    if (!ok)
        return false;
    t->from = "the authors' BFCL_v4_CATEGORY.json, with possible_answer beside it";
    for (size_t i = 0; ok && i < f.n; i++) {
        const char *category = category_of(f.list[i].name);
        if (is_known(category))
            ok = read_file(t, &f.list[i], err);
        else if (!f.is_folder)
            ok = ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                         "%s: '%s' is none of BFCL's categories that are offered (docs/EVAL.md)", path,
                         category ? category : f.list[i].name);
    }
    ok = ok && (t->n || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: no file of BFCL in it", path));
    ct_eval_files_close(&f);
    return ok;
}
