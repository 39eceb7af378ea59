/* Chooses the types of a new file's tensors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quantise/choose.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* ---- names of types ---- */

static bool no_type(const char *name, carat_err *err)
{
    char names[140] = "";
    size_t n = 0;
    for (size_t i = 0; ct_mix_at(i) && n + strlen(ct_mix_at(i)->name) + 2 < sizeof names; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s ", ct_mix_at(i)->name);
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "no type '%.40s', expected one of %s...", name, names);
}

static bool type_by_name(const char *name, ct_type *type, carat_err *err)
{
    ct_mix mix;
    if (!ct_type_by_name(name, type))
        return ct_mix_by_name(name, &mix) ? ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                                                    "'%.40s' is a mix for a whole model, expected one type, like %s",
                                                    name, ct_type_get(mix.base)->name)
                                          : no_type(name, err);
    const ct_type_info *info = ct_type_get(*type);
    return !info->is_quantised || info->can_quantise ||
           ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "weights cannot be written in %s", info->name);
}

/* ---- one tensor ---- */

uint64_t ct_choice_bytes(const ct_input_tensor *t, ct_type type)
{
    size_t row = 0;
    ct_row_bytes(type, (size_t)t->t->dims[0], &row);
    return (uint64_t)row * ct_input_rows(t);
}

static bool fits(const ct_input_tensor *t, ct_type type)
{
    return t->t->dims[0] % ct_type_get(type)->block == 0;
}

/* Norms and biases are float32 for every reader, and no reader takes what is no matrix in blocks. */
static bool may_be(const ct_input_tensor *t, ct_type type)
{
    return t->is_matrix || type == CT_F32 || (!ct_type_get(type)->is_quantised && t->t->n_dims > 1);
}

/* A tensor by rule: what readers expect as it is stays. */
static bool settle(const ct_input_tensor *t, ct_choice *c, ct_type type, carat_err *err)
{
    if (!may_be(t, type))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s is no matrix that may be %s", t->name,
                       ct_type_get(type)->name);
    if (!fits(t, type))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: rows of %llu do not divide into %s's blocks of %d", t->name,
                       (unsigned long long)t->t->dims[0], ct_type_get(type)->name, ct_type_get(type)->block);
    c->type = type;
    c->is_ruled = true;
    return true;
}

/* What a tensor is without rules. A tower keeps what it has; float32 matrices of one become bf16. */
static ct_type usual(const ct_input *in, const ct_input_tensor *t, const ct_mix *mix)
{
    if (t->is_vector)
        return CT_F32;
    if (t->is_vision)
        return t->is_matrix && t->t->type == CT_F32 ? CT_BF16 : t->t->type;
    if (!t->is_matrix)
        return t->part < CT_N_PARTS && ct_part_get(t->part)->is_norm ? CT_F32 : t->t->type;
    return ct_mix_type_of(mix, &in->cfg, t->part, t->layer, (size_t)t->t->dims[0]);
}

/* ---- rules ---- */

/* Is the pattern one of the parts of the name between dots? */
static bool is_part_of(const char *pattern, const char *name)
{
    const size_t n = strlen(pattern);
    for (const char *at = name; at; at = strchr(at, '.')) {
        at += *at == '.';
        if (strncmp(at, pattern, n) == 0 && (at[n] == '.' || at[n] == '\0'))
            return true;
    }
    return false;
}

static bool matches(const char *pattern, const char *name)
{
    return strpbrk(pattern, "*?[") ? fnmatch(pattern, name, 0) == 0
                                   : strcmp(pattern, name) == 0 || is_part_of(pattern, name);
}

static bool apply_rule(const ct_input *in, ct_choices *c, const char *rule, size_t len, carat_err *err)
{
    char pattern[128];
    const char *equals = memchr(rule, '=', len);
    ct_type type;
    size_t n = 0;
    if (!equals || equals == rule || len >= sizeof pattern)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%.*s' is no rule, expected PATTERN=TYPE",
                       (int)(len < 100 ? len : 100), rule);
    memcpy(pattern, rule, len);
    pattern[len] = '\0';
    pattern[equals - rule] = '\0';
    if (!type_by_name(pattern + (equals - rule) + 1, &type, err))
        return false;
    const ct_input_tensor *passed = NULL;
    for (size_t i = 0; i < in->n; i++) {
        const ct_input_tensor *t = &in->tensors[i];
        if (!matches(pattern, t->name))
            continue;
        if (!may_be(t, type)) { /* the norms that "blk.1.*" names too */
            passed = t;
            continue;
        }
        n++;
        if (!settle(t, &c->of[i], type, err))
            return false;
    }
    if (!n && passed)
        return settle(passed, &c->of[passed - in->tensors], type, err); /* which says why not */
    return n > 0 || ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%s' matches none of the %zu tensors of %s", pattern,
                            in->n, in->path);
}

/* "q4_k_m,attn_v=q6_k,...": a mix, then rules. */
static bool read_type(ct_choices *c, const char *type, const char **rules, carat_err *err)
{
    char name[48];
    const size_t n = strcspn(type, ",");
    *rules = type[n] ? type + n + 1 : "";
    snprintf(name, sizeof name, "%.*s", (int)(n < 40 ? n : 40), type);
    if (!ct_mix_by_name(name, &c->mix))
        return no_type(name, err);
    const ct_type_info *info = ct_type_get(c->mix.base);
    return !info->is_quantised || info->can_quantise ||
           ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "weights cannot be written in %s", info->name);
}

static bool apply_rules(const ct_input *in, ct_choices *c, const carat_quantize_options *o, const char *rules,
                        carat_err *err)
{
    for (size_t n; *rules; rules += n + (rules[n] == ',')) {
        n = strcspn(rules, ",");
        if (!apply_rule(in, c, rules, n, err))
            return false;
    }
    for (size_t i = 0; i < o->n_rules; i++)
        if (!apply_rule(in, c, o->rules[i], strlen(o->rules[i]), err))
            return false;
    return true;
}

/* The options that name parts. A tied table is both of the first two. */
static bool apply_parts(const ct_input *in, ct_choices *c, const carat_quantize_options *o, carat_err *err)
{
    ct_type embedding = 0, output = 0, vision = 0;
    bool has_head = false;
    size_t n_tower = 0, n_others = 0; /* a tower's matrices; of them, those whose rows the type does not divide */
    if ((o->embedding_type && !type_by_name(o->embedding_type, &embedding, err)) ||
        (o->output_type && !type_by_name(o->output_type, &output, err)) ||
        (o->vision_type && !type_by_name(o->vision_type, &vision, err)))
        return false;
    for (size_t i = 0; i < in->n; i++)
        has_head = has_head || in->tensors[i].part == CT_PART_HEAD;
    if (o->embedding_type && o->output_type && !has_head && embedding != output)
        return ct_fail(
            err, CARAT_EARG, CARAT_NOWHERE,
            "%s has one table for embeddings and output, which cannot be both %s and %s: give one of the two", in->path,
            ct_type_get(embedding)->name, ct_type_get(output)->name);
    for (size_t i = 0; i < in->n; i++) {
        const ct_input_tensor *t = &in->tensors[i];
        const bool is_table = t->part == CT_PART_EMBED, is_head = t->part == CT_PART_HEAD || (is_table && !has_head);
        const bool is_tower = t->is_vision && t->is_matrix;
        if ((o->output_type && is_head && !settle(t, &c->of[i], output, err)) ||
            (o->embedding_type && is_table && !settle(t, &c->of[i], embedding, err)) ||
            (o->vision_type && is_tower && !settle(t, &c->of[i], fits(t, vision) ? vision : CT_F16, err)))
            return false;
        n_tower += is_tower;
        n_others += is_tower && !fits(t, vision);
    }
    if (o->vision_type && !n_tower)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s has no vision tower that could be %s", in->path,
                       ct_type_get(vision)->name);
    if (o->vision_type && n_others)
        ct_logf(CARAT_LOG_WARN, "%zu of the tower's %zu matrices have rows that do not divide into %s's blocks: F16",
                n_others, n_tower, ct_type_get(vision)->name);
    return true;
}

/* ---- importance ---- */

static bool give_importance(ct_choices *c, const ct_input_tensor *t, size_t i, const char *path, carat_err *err)
{
    const ct_imatrix_entry *e = ct_imatrix_find(&c->imatrix, t->name);
    if (!e || e->count == 0)
        return true;
    if (e->n != t->t->dims[0])
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: '%s' has %zu columns, the model's %llu: it is of another model", path, t->name, e->n,
                       (unsigned long long)t->t->dims[0]);
    c->means[i] = malloc(e->n * sizeof *c->means[i]);
    if (!c->means[i])
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the importances of %s", t->name);
    for (size_t k = 0; k < e->n; k++)
        c->means[i][k] = (float)(e->sum[k] / e->count);
    c->of[i].importance = c->means[i];
    return true;
}

static bool read_importance(const ct_input *in, ct_choices *c, const char *path, carat_err *err)
{
    size_t n = 0;
    if (!ct_imatrix_read(path, &c->imatrix, err))
        return false;
    for (size_t i = 0; i < in->n; i++) {
        if (in->tensors[i].is_matrix && !give_importance(c, &in->tensors[i], i, path, err))
            return false;
        n += c->of[i].importance != NULL;
    }
    return n > 0 || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: none of its %zu matrices is one of %s", path,
                            c->imatrix.n, in->path);
}

/* Types that lose too much if every column counts the same. */
static bool wants_importance(ct_type type)
{
    return type == CT_IQ1_S || type == CT_IQ1_M || type == CT_IQ2_XXS || type == CT_IQ2_XS || type == CT_IQ2_S;
}

/* What is quantised without importance, where that is worth a word. The table of embeddings has none: a row is looked up, not
 * multiplied, and llama-imatrix leaves it out. */
void ct_choices_look(const ct_input *in, ct_choices *c, const char *path)
{
    size_t blind = 0;
    for (size_t i = 0; i < in->n; i++) {
        const ct_input_tensor *t = &in->tensors[i];
        const ct_choice *of = &c->of[i];
        if (of->importance || !ct_type_get(of->type)->is_quantised || of->type == t->t->type)
            continue;
        c->n_without += path && t->part != CT_PART_EMBED;
        blind += wants_importance(of->type);
    }
    if (c->n_without)
        ct_logf(CARAT_LOG_WARN, "%s: it does not know %zu of the matrices that are quantised", path, c->n_without);
    if (blind && !path)
        ct_logf(CARAT_LOG_WARN,
                "%zu matrices in two bits or fewer without an importance matrix: the model may not be usable (carat "
                "imatrix)",
                blind);
}

/* ---- all of it ---- */

void ct_choices_close(ct_choices *c)
{
    for (size_t i = 0; c->means && i < c->n; i++)
        free(c->means[i]);
    free(c->means);
    free(c->of);
    ct_imatrix_deinit(&c->imatrix);
    *c = (ct_choices){ 0 };
}

bool ct_choose(const ct_input *in, const carat_quantize_options *o, ct_choices *c, carat_err *err)
{
    const char *rules = "";
    *c = (ct_choices){ .n = in->n, .mix = { .base = CT_Q8_0, .file_type = UINT32_MAX } };
    c->of = calloc(in->n + 1, sizeof *c->of);
    c->means = calloc(in->n + 1, sizeof *c->means);
    if (!c->of || !c->means)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the types of %zu tensors", in->n);
    if (o->type && !read_type(c, o->type, &rules, err))
        return false;
    if (o->type && o->target_bytes)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "a type, '%.40s', and a size, which chooses the types itself: rules for single tensors go apart",
                       o->type);
    if (o->imatrix && !read_importance(in, c, o->imatrix, err))
        return false;
    c->mix.is_blind = !o->imatrix;
    c->mix.is_weighed = o->imatrix != NULL;
    for (size_t i = 0; i < in->n; i++) {
        c->of[i].type = usual(in, &in->tensors[i], &c->mix);
        c->of[i].error = NAN;
    }
    if (in->is_tower && !o->mmproj && !o->vision_type && (o->type || o->target_bytes))
        ct_logf(CARAT_LOG_WARN,
                "%s: a vision tower keeps its types, float32 ones become bf16; --vision-type changes them", in->path);
    return apply_parts(in, c, o, err) && apply_rules(in, c, o, rules, err);
}
