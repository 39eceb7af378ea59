/* Which texts of numbers lie between bounds, or are multiples, digit by digit.
 *
 * A number is compared with a bound as a text: the one with more digits before the point is larger, and among equally
 * long ones the first digit that differs decides. A multiple is recognised by the remainder, as one divides by hand.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/number_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample/grammar/json_text.h"

/* Of a number with a point: that many digits are what a double keeps (DBL_DIG), so that whoever reads it compares and divides
 * what was written: 0.30000000000000000001 is above 0.3 only until it is read. */
#define MOST_SIGNIFICANT 15
#define MOST_ZEROS       25 /* of 0.000..., before the first other digit */

/* A number without its sign: digits before the point (none in front that is 0, none at all below 1), and behind it
 * (none 0 at the end). */
typedef struct decimal {
    char whole[352], fraction[352];
    size_t n_whole, n_fraction;
} decimal;

/* The decimal that is written for x, which is what its author meant. */
static decimal decimal_of(double x)
{
    decimal d = { .n_whole = 0 };
    char text[40];
    x = fabs(x);
    for (int digits = 0; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    int place = (int)strtol(strchr(text, 'e') + 1, NULL, 10); /* of the first digit: 10^place */
    for (int zeros = -1; x > 0 && zeros > place; zeros--)
        d.fraction[d.n_fraction++] = '0';
    for (const char *p = text; x > 0 && *p != 'e'; p++) {
        if (*p == '.')
            continue;
        if (place-- >= 0)
            d.whole[d.n_whole++] = *p;
        else
            d.fraction[d.n_fraction++] = *p;
    }
    for (; x > 0 && place >= 0; place--)
        d.whole[d.n_whole++] = '0';
    while (d.n_fraction && d.fraction[d.n_fraction - 1] == '0')
        d.n_fraction--;
    return d;
}

static decimal decimal_of_bound(const ct_bound *b)
{
    if (!b->is_whole)
        return decimal_of(b->value);
    decimal d = { .n_whole = 0 };
    const uint64_t size = b->whole < 0 ? 0 - (uint64_t)b->whole : (uint64_t)b->whole;
    if (size > 0)
        d.n_whole = (size_t)snprintf(d.whole, sizeof d.whole, "%" PRIu64, size);
    return d;
}

int ct_bounds_compare(const ct_bound *a, const ct_bound *b)
{
    return a->is_whole && b->is_whole ? (a->whole > b->whole) - (a->whole < b->whole)
                                      : (a->value > b->value) - (a->value < b->value);
}

/* ---- texts without a sign ---- */

static const ct_expr *digit(ct_heap *h, char lo, char hi)
{
    return lo <= hi ? ct_expr_set(h, ct_charset_one(h, (uint8_t)lo, (uint8_t)hi)) : ct_expr_nothing(h);
}

static const ct_expr *any_digits(ct_heap *h, uint32_t min, uint32_t max)
{
    return ct_expr_repeat(h, digit(h, '0', '9'), min, max);
}

static const ct_expr *any_fraction(ct_heap *h)
{
    return ct_expr_optional(h, ct_expr_then(h, ct_expr_text(h, "."), any_digits(h, 1, CT_REPEAT_FOREVER)));
}

static const ct_expr *any_size(ct_heap *h)
{
    const ct_expr *large = ct_expr_then(h, digit(h, '1', '9'), any_digits(h, 0, CT_REPEAT_FOREVER));
    return ct_expr_then(h, ct_expr_or(h, ct_expr_text(h, "0"), large), any_fraction(h));
}

enum side { AT_MOST, AT_LEAST };

/* What may stand behind a whole part that equals the bound's: nothing, or a point and digits. */
static const ct_expr *fraction_beside(ct_heap *h, const decimal *d, enum side side, bool is_exclusive)
{
    const bool is_equal = !is_exclusive;
    const char *f = d->fraction;
    const size_t n = d->n_fraction;
    /* From the last digit on, backwards: what may follow once the first i digits are equal. */
    const ct_expr *zeros = ct_expr_repeat(h, digit(h, '0', '0'), 0, CT_REPEAT_FOREVER), *rest;
    if (side == AT_MOST)
        rest = is_equal ? zeros : ct_expr_nothing(h);
    else if (is_equal)
        rest = any_digits(h, 0, CT_REPEAT_FOREVER);
    else
        rest = ct_expr_then(h, ct_expr_then(h, zeros, digit(h, '1', '9')), any_digits(h, 0, CT_REPEAT_FOREVER));
    for (size_t i = n; i-- > 0;) {
        const ct_expr *other = side == AT_MOST ? (f[i] > '0' ? digit(h, '0', (char)(f[i] - 1)) : ct_expr_nothing(h))
                                               : (f[i] < '9' ? digit(h, (char)(f[i] + 1), '9') : ct_expr_nothing(h));
        rest = ct_expr_or(h, ct_expr_then(h, digit(h, f[i], f[i]), rest),
                          ct_expr_then(h, other, any_digits(h, 0, CT_REPEAT_FOREVER)));
        if (i > 0 && side == AT_MOST) /* a shorter fraction is smaller, for the bound's goes on */
            rest = ct_expr_optional(h, rest);
    }
    /* A point wants a digit behind it; without digits of the bound `rest` may be empty. */
    const ct_expr *with_point = ct_expr_then(h, ct_expr_text(h, "."), rest);
    if (n == 0)
        with_point =
            ct_expr_or(h, ct_expr_then(h, ct_expr_text(h, ".0"), rest),
                       side == AT_LEAST ? ct_expr_then(h, ct_expr_then(h, ct_expr_text(h, "."), digit(h, '1', '9')),
                                                       any_digits(h, 0, CT_REPEAT_FOREVER))
                                        : ct_expr_nothing(h));
    const bool may_be_whole = side == AT_MOST ? n > 0 || is_equal : n == 0 && is_equal;
    return may_be_whole ? ct_expr_optional(h, with_point) : with_point;
}

/* Texts of numbers at most, or at least, d. */
static const ct_expr *beside(ct_heap *h, const decimal *d, enum side side, bool is_exclusive)
{
    ct_exprs ways = { .heap = h };
    const bool is_below_one = d->n_whole == 0;
    const size_t n = is_below_one ? 1 : d->n_whole;
    const char *w = is_below_one ? "0" : d->whole;
    const ct_expr *rest = fraction_beside(h, d, side, is_exclusive);
    for (size_t i = n; i-- > 0;) {
        const char least = i == 0 && n > 1 ? '1' : '0';
        const ct_expr *other = side == AT_MOST ? (w[i] > least ? digit(h, least, (char)(w[i] - 1)) : ct_expr_nothing(h))
                                               : (w[i] < '9' ? digit(h, (char)(w[i] + 1), '9') : ct_expr_nothing(h));
        const ct_expr *const free_rest[] = { other, any_digits(h, (uint32_t)(n - 1 - i), (uint32_t)(n - 1 - i)),
                                             any_fraction(h) };
        rest = ct_expr_or(h, ct_expr_then(h, digit(h, w[i], w[i]), rest), ct_expr_seq(h, free_rest, 3));
    }
    ct_exprs_add(&ways, rest);
    if (side == AT_LEAST) {
        const ct_expr *const longer[] = { digit(h, '1', '9'), any_digits(h, (uint32_t)n, CT_REPEAT_FOREVER),
                                          any_fraction(h) };
        ct_exprs_add(&ways, ct_expr_seq(h, longer, 3));
    } else if (n > 1) {
        const ct_expr *shorter =
            ct_expr_or(h, ct_expr_text(h, "0"), ct_expr_then(h, digit(h, '1', '9'), any_digits(h, 0, (uint32_t)n - 2)));
        ct_exprs_add(&ways, ct_expr_then(h, shorter, any_fraction(h)));
    }
    return ct_expr_alt(h, ways.v, ways.n);
}

/* ---- with a sign ---- */

static const ct_expr *minus(ct_heap *h, const ct_expr *e)
{
    return ct_expr_then(h, ct_expr_text(h, "-"), e);
}

static const ct_expr *within(ct_heap *h, const ct_bound *b, bool is_min)
{
    const decimal d = decimal_of_bound(b);
    const bool is_negative = b->value < 0;
    const ct_expr *near = beside(h, &d, is_negative == is_min ? AT_MOST : AT_LEAST, b->is_exclusive);
    if (is_min)
        return is_negative ? ct_expr_or(h, any_size(h), minus(h, near)) : near;
    return is_negative ? minus(h, near) : ct_expr_or(h, minus(h, any_size(h)), near);
}

/* What every number looks like here: no exponent, no -0. */
static const ct_expr *plain_number(ct_heap *h, const ct_number_rule *r)
{
    if (r->is_integer)
        return ct_json_any_integer(h);
    const ct_expr *fraction = ct_expr_then(h, ct_expr_text(h, "."), any_digits(h, 1, CT_REPEAT_FOREVER));
    const ct_expr *const small[] = { ct_expr_text(h, "-0."),
                                     ct_expr_repeat(h, digit(h, '0', '0'), 0, CT_REPEAT_FOREVER), digit(h, '1', '9'),
                                     any_digits(h, 0, CT_REPEAT_FOREVER) };
    const ct_expr *below_one = ct_expr_seq(h, small, 4);
    const ct_expr *const no_integer[] = { ct_json_any_integer(h), ct_expr_text(h, "."),
                                          any_digits(h, 0, CT_REPEAT_FOREVER), digit(h, '1', '9'),
                                          any_digits(h, 0, CT_REPEAT_FOREVER) };
    if (r->is_fraction)
        return ct_expr_or(h, below_one, ct_expr_seq(h, no_integer, 5));
    return ct_expr_or(h, below_one, ct_expr_then(h, ct_json_any_integer(h), ct_expr_optional(h, fraction)));
}

/* ---- digits ---- */

/* States: 0 nothing; else 1 + digits from the first that is not 0, or zeros behind the point before there is one, each of
 * which has its numbers before the point, behind it, and these. */
enum { BEFORE_POINT = 1, BEHIND_POINT = 100, ZEROS_BEHIND_POINT = 200 };

static uint32_t digits_start(void *self)
{
    (void)self;
    return BEFORE_POINT;
}

static uint32_t digits_step(void *self, uint32_t state, uint8_t byte)
{
    (void)self;
    const bool is_digit = byte >= '0' && byte <= '9';
    if (byte == '.' && state < BEHIND_POINT) /* which takes a digit more */
        return state == BEFORE_POINT                     ? ZEROS_BEHIND_POINT
               : state - BEFORE_POINT < MOST_SIGNIFICANT ? state - BEFORE_POINT + BEHIND_POINT
                                                         : 0;
    if (!is_digit)
        return byte == '-' ? state : 0;
    if (state >= ZEROS_BEHIND_POINT) {
        const bool may_grow = state < ZEROS_BEHIND_POINT + MOST_ZEROS;
        return byte != '0' ? BEHIND_POINT + 1 : may_grow ? state + 1 : 0;
    }
    if (state == BEFORE_POINT && byte == '0')
        return state;
    if (state < BEHIND_POINT) /* a whole number is bounded by its value alone */
        return state - BEFORE_POINT <= MOST_SIGNIFICANT ? state + 1 : state;
    return state - BEHIND_POINT < MOST_SIGNIFICANT ? state + 1 : 0;
}

static bool digits_accept(void *self, uint32_t state)
{
    (void)self;
    return state != 0;
}

/* Digits, the point and the sign are of their own, all else is alike. */
static const uint8_t number_classes[256] = { ['-'] = 1, ['.'] = 2, ['0'] = 3, ['1'] = 4,  ['2'] = 5,  ['3'] = 6,
                                             ['4'] = 7, ['5'] = 8, ['6'] = 9, ['7'] = 10, ['8'] = 11, ['9'] = 12 };

static const ct_machine digits_machine = {
    .start = digits_start, .step = digits_step, .accepts = digits_accept, .class_of = number_classes
};

/* ---- multiples ---- */

/* Remainders modulo `of` of the digits so far, as if there were no point; behind the point up to `places` digits count,
 * further ones must be 0. */
typedef struct multiple {
    uint32_t of, places;
} multiple;

/* States: 0 nothing; else 1 + remainder + of * (digits behind the point + 1, or 0 before it). */
static uint32_t multiple_start(void *self)
{
    (void)self;
    return 1;
}

static uint32_t multiple_step(void *self, uint32_t state, uint8_t byte)
{
    const multiple *m = self;
    const uint32_t rest = (state - 1) % m->of, phase = (state - 1) / m->of;
    if (byte == '-')
        return state;
    if (byte == '.')
        return phase == 0 ? 1 + rest + m->of : 0;
    if (byte < '0' || byte > '9')
        return 0;
    if (phase == m->places + 1)
        return byte == '0' ? state : 0;
    return 1 + (uint32_t)(((uint64_t)rest * 10 + (byte - '0')) % m->of) + m->of * (phase ? phase + 1 : 0);
}

static bool multiple_accepts(void *self, uint32_t state)
{
    const multiple *m = self;
    if (state == 0)
        return false;
    uint64_t rest = (state - 1) % m->of;
    const uint32_t phase = (state - 1) / m->of, have = phase ? phase - 1 : 0;
    for (uint32_t i = have; i < m->places; i++)
        rest = rest * 10 % m->of;
    return rest == 0;
}

static bool multiple_machine(const char *what, double of, ct_heap *h, ct_machine *out, carat_err *err)
{
    const decimal d = decimal_of(of);
    uint64_t value = 0;
    multiple *m = ct_heap_new(h, 1, sizeof *m);
    if (!m)
        return ct_heap_fail(h, what, err);
    for (size_t i = 0; i < d.n_whole + d.n_fraction && value < CT_MAX_PRODUCT; i++)
        value = value * 10 + (uint64_t)((i < d.n_whole ? d.whole[i] : d.fraction[i - d.n_whole]) - '0');
    if (value == 0 || (value + 1) * (d.n_fraction + 2) > CT_MAX_PRODUCT)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: multipleOf %g has too many digits to be enforced", what,
                       of);
    *m = (multiple){ (uint32_t)value, (uint32_t)d.n_fraction };
    *out = (ct_machine){ m, multiple_start, multiple_step, multiple_accepts, NULL, NULL, number_classes, false };
    return true;
}

/* ---- all together ---- */

static bool add_expr(const char *what, const ct_expr *e, ct_heap *h, ct_machine *m, size_t *n, carat_err *err)
{
    if (!ct_machine_of_expr(what, e, h, &m[*n], err))
        return false;
    ++*n;
    return true;
}

bool ct_number_text(const char *what, const ct_number_rule *r, ct_rules *rules, const ct_expr **out, carat_err *err)
{
    ct_heap *h = rules->heap;
    ct_machine m[4 + sizeof r->multiple_of / sizeof *r->multiple_of];
    size_t n = 0;
    if (!r->min.is_there && !r->max.is_there && r->n_multiples == 0 && !r->is_fraction) {
        *out = r->is_integer ? ct_json_any_integer(h) : ct_json_any_number(h);
        return true;
    }
    bool ok = add_expr(what, plain_number(h, r), h, m, &n, err);
    if (ok && !r->is_integer)
        m[n++] = digits_machine;
    if (ok && r->min.is_there)
        ok = add_expr(what, within(h, &r->min, true), h, m, &n, err);
    if (ok && r->max.is_there)
        ok = add_expr(what, within(h, &r->max, false), h, m, &n, err);
    for (size_t i = 0; ok && i < r->n_multiples; i++) {
        ok = multiple_machine(what, r->multiple_of[i], h, &m[n], err);
        n += ok;
    }
    ok = ok && ct_product(what, m, n, NULL, rules, out, err);
    for (size_t i = 0; i < n; i++)
        if (m[i].close)
            m[i].close(m[i].self);
    return ok;
}
