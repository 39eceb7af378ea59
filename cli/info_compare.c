/* carat info --compare - what two files of one model differ by, tensor by tensor.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "info_compare.h"

#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "json_out.h"
#include "signals.h"

typedef struct listing {
    json_t *tensors;                      /* NULL: text */
    size_t n, n_equal, n_alone, n_broken; /* broken: with numbers that are not finite, or beside nothing but zeros */
    double squares, weights;              /* sum of relative^2 n, and n, of those that have one */
} listing;

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *type_name(const char *s)
{
    return s ? json_string(s) : json_null();
}

static void to_json(listing *l, const carat_difference *d)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(d->name));
    json_object_set_new(o, "type_a", type_name(d->type_a));
    json_object_set_new(o, "type_b", type_name(d->type_b));
    json_object_set_new(o, "cols", json_integer((json_int_t)d->cols));
    json_object_set_new(o, "rows", json_integer((json_int_t)d->rows));
    json_object_set_new(o, "rmse", number(d->rmse));
    json_object_set_new(o, "relative", number(d->relative));
    json_object_set_new(o, "cosine", number(d->cosine));
    json_object_set_new(o, "max", number(d->most));
    json_array_append_new(l->tensors, o);
}

static bool on_tensor(void *arg, const carat_difference *d)
{
    listing *l = arg;
    const double n = (double)d->cols * (double)d->rows;
    if (!l->tensors && l->n == 0)
        printf("%-36s %-8s %-8s %11s %10s %11s %11s\n", "tensor", "type", "in b", "rmse", "relative", "cosine", "max");
    l->n++;
    l->n_alone += !d->type_a || !d->type_b;
    l->n_equal += d->rmse == 0;
    l->n_broken += d->type_a && d->type_b && !isfinite(d->relative);
    if (isfinite(d->relative)) {
        l->squares += d->relative * d->relative * n;
        l->weights += n;
    }
    if (l->tensors)
        to_json(l, d);
    else if (!d->type_a || !d->type_b)
        printf("%-36s %-8s %-8s\n", d->name, d->type_a ? d->type_a : "-", d->type_b ? d->type_b : "-");
    else
        printf("%-36s %-8s %-8s %11.4g %10.6f %11.8f %11.4g\n", d->name, d->type_a, d->type_b, d->rmse, d->relative,
               d->cosine, d->most);
    return !cli_was_interrupted();
}

static void print_json(const listing *l, const char *a, const char *b)
{
    json_t *o = json_object();
    json_object_set_new(o, "a", ct_json_from_str(a));
    json_object_set_new(o, "b", ct_json_from_str(b));
    json_object_set_new(o, "equal", json_integer((json_int_t)l->n_equal));
    json_object_set_new(o, "in_one_only", json_integer((json_int_t)l->n_alone));
    json_object_set_new(o, "not_finite", json_integer((json_int_t)l->n_broken));
    json_object_set_new(o, "relative", number(l->weights > 0 ? sqrt(l->squares / l->weights) : NAN));
    json_object_set(o, "tensors", l->tensors);
    cli_json_print(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
}

static void print_end(const listing *l)
{
    printf("%zu tensors, %zu of them equal, %zu in one file only; ", l->n, l->n_equal, l->n_alone);
    if (l->weights > 0)
        printf("relative error of all weights %.6f\n", sqrt(l->squares / l->weights));
    else
        puts("nothing to compare");
    if (l->n_broken)
        printf("no figure for %zu: they have weights that are not finite, or the first file's are nothing but zeros\n",
               l->n_broken);
}

bool cli_info_compare(const char *a, const char *b, bool json, carat_err *err)
{
    listing l = { .tensors = json ? json_array() : NULL };
    cli_signals(CLI_SIGNALS_NOTED);
    if (!carat_compare(a, b, 0, on_tensor, &l, err)) {
        json_decref(l.tensors);
        return false;
    }
    if (json)
        print_json(&l, a, b);
    else
        print_end(&l);
    json_decref(l.tensors);
    return true;
}
