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
        if (!copy || !name)
            break;
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

static bool read_row(const json_t *row, const json_t *answers, wanted wants, ct_eval_item *item, carat_err *err)
{
    const char *id = json_string_value(json_object_get(row, "id"));
    const json_t *truth = id ? json_object_get(answers, id) : NULL;
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

/* Answers by id, from the folder possible_answer beside the file. */
static bool read_answers(const char *path, json_t **out, carat_err *err)
{
    const char *slash = strrchr(path, '/');
    const ct_eval_form lines = { 0 };
    json_t *rows, *row;
    size_t i;
    ct_buf b;
    ct_buf_init(&b, 1 << 16);
    ct_buf_add(&b, path, slash ? (size_t)(slash - path) + 1 : 0);
    ct_buf_str(&b, "possible_answer/");
    ct_buf_str(&b, slash ? slash + 1 : path);
    bool ok = !b.failed && ct_eval_rows_read(b.data, &lines, 0, &rows, err);
    *out = ok ? json_object() : NULL;
    if (ok) {
        json_array_foreach(rows, i, row) {
            const char *id = json_string_value(json_object_get(row, "id"));
            if (id)
                json_object_set(*out, id, json_object_get(row, "ground_truth"));
        }
        json_decref(rows);
    }
    ct_buf_deinit(&b);
    return ok;
}

static bool read_file(ct_eval_task *t, const ct_eval_file *f, carat_err *err)
{
    const char *category = category_of(f->name);
    const wanted wants = strstr(category, "irrelevance") ? NONE : strstr(category, "relevance") ? ANY : THESE;
    const ct_eval_form lines = { 0 };
    json_t *rows, *row, *answers = NULL;
    size_t i, group;
    if (!ct_eval_rows_read(f->path, &lines, 0, &rows, err))
        return false;
    bool ok = (wants != THESE || read_answers(f->path, &answers, err)) && ct_eval_task_group(t, category, &group, err);
    const size_t n = json_array_size(rows);
    ct_eval_item *all = ok && n ? realloc(t->items, (t->n + n) * sizeof *all) : NULL;
    if (all)
        t->items = all;
    ok = ok && (all || ct_fail(err, CARAT_EFORMAT, 0, "%s: no items in it, or no memory for them", f->path));
    json_array_foreach(rows, i, row) {
        if (!ok)
            break;
        t->items[t->n] = (ct_eval_item){ .group = group };
        ok = read_row(row, answers, wants, &t->items[t->n++], err) ||
             ct_fail_in(err, "%s:%lld", f->path, (long long)json_integer_value(json_object_get(row, CT_EVAL_LINE)));
    }
    json_decref(answers);
    json_decref(rows);
    return ok;
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
