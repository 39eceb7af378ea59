/* carat weigh: the grid, and what fits a device.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "term.h"
#include "weigh.h"

/* Best quality first. QAT before plain Q4_0: perplexity 14.59 against 16.80 for the 4B (a community measurement). */
static const char *const quants[] = {
    "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "qat-q4_0", "q4_0", "q3_k_m", "q2_k"
};
static const size_t contexts[WEIGH_MAX_CTX] = { 1024, 8192, 32768, 65536, 131072 };

#define N_QUANTS (sizeof quants / sizeof *quants)

/* ---- the grid ---- */

bool weigh_grid_fill(const carat_weigh_query *q, bool is_file, weigh_grid *g, carat_err *err)
{
    *g = (weigh_grid){ .n_quant = is_file || q->quant ? 1 : N_QUANTS, .n_ctx = WEIGH_MAX_CTX };
    static carat_estimate_result row[WEIGH_MAX_CTX];
    carat_weigh_query one = *q;
    size_t n = 0;
    carat_options options = *q->options;
    options.n_ctx = 0;
    one.options = &options;
    for (size_t j = 0; j < WEIGH_MAX_CTX; j++)
        row[j].struct_size = sizeof *row;
    if (!carat_weigh(&one, row, err)) /* tells the model's context */
        return false;
    memcpy(g->ctx, contexts, sizeof g->ctx);
    while (n < g->n_ctx && contexts[n] <= row->context)
        n++;
    for (size_t i = 0; i < g->n_quant; i++) {
        g->quant[i] = one.quant = is_file ? NULL : q->quant ? q->quant : quants[i];
        if (!carat_weigh_contexts(&one, contexts, n, row, err))
            return false;
        for (size_t j = 0; j < n; j++)
            g->cell[i][j] = (weigh_cell){ true, row[j], weigh_smallest_card(&row[j]) };
    }
    return true;
}

static void print_cell(const weigh_cell *c)
{
    char text[32] = "-";
    if (c->is_there && c->card)
        snprintf(text, sizeof text, "%.2f on %.0f", (double)c->w.total / 0x1p30,
                 (double)c->card->memory_bytes / 0x1p30);
    else if (c->is_there)
        snprintf(text, sizeof text, "%.2f", (double)c->w.total / 0x1p30);
    printf("%14s", text);
}

/* Every card that the grid names, once, smallest first. */
static void print_cards(const weigh_grid *g)
{
    const carat_device *shown[WEIGH_MAX_QUANTS * WEIGH_MAX_CTX];
    size_t n = 0, width = 0;
    for (;;) {
        const carat_device *next = NULL;
        for (size_t i = 0; i < g->n_quant; i++)
            for (size_t j = 0; j < g->n_ctx; j++) {
                const carat_device *d = g->cell[i][j].card;
                if (d && (!n || d->usable_bytes > shown[n - 1]->usable_bytes) &&
                    (!next || d->usable_bytes < next->usable_bytes))
                    next = d;
            }
        if (!next)
            break;
        shown[n++] = next;
    }
    printf("smallest cards:");
    width = 15;
    for (size_t i = 0; i < n; i++) {
        char text[80];
        int len = snprintf(text, sizeof text, " %.0f GB %s%s", (double)shown[i]->memory_bytes / 0x1p30, shown[i]->name,
                           i + 1 < n ? "," : "");
        if (width + (size_t)len > 79) {
            printf("\n               ");
            width = 15;
        }
        width += (size_t)printf("%s", text);
    }
    putchar('\n');
}

void weigh_grid_print(const weigh_grid *g)
{
    const carat_estimate_result *w = &g->cell[0][0].w;
    char buf[24], batch[24], name[61];
    printf("%s%s%s, %s\nGiB of memory by context, and GB of the smallest card that holds it\n\n", term_bold(1),
           term_printable(w->name, name, sizeof name), term_reset(1),
           w->includes_vision ? "with the image tower" : "text only");
    printf("%s%-9s", term_dim(1), "");
    for (size_t j = 0; j < g->n_ctx; j++)
        printf("%14s", weigh_ctx(g->ctx[j], buf));
    printf("%s\n", term_reset(1));
    for (size_t i = 0; i < g->n_quant; i++) {
        printf("%-9.9s", g->quant[i] ? g->quant[i] : "file");
        for (size_t j = 0; j < g->n_ctx; j++)
            print_cell(&g->cell[i][j]);
        putchar('\n');
    }
    if (*w->note)
        printf("\n%s\n", w->note);
    putchar('\n');
    print_cards(g);
    printf("\n%zu session%s, steps of %s tokens, keys and values in %s. Carat runs on the CPU:\n"
           "the figure is the memory it takes. A card is one that holds this and also what\n"
           "runtimes with llama.cpp's layout need. More: --quant Q --ctx N, --gpu NAME,\n"
           "--ram 16G, --here%s.\n",
           w->n_sessions, w->n_sessions == 1 ? "" : "s", weigh_ctx(w->chunk, batch),
           w->cache == CARAT_CACHE_Q8_0 ? "q8_0" : "f16", w->includes_vision ? ", --no-vision" : "");
}

json_t *weigh_grid_json(const weigh_grid *g)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < g->n_quant; i++)
        for (size_t j = 0; j < g->n_ctx; j++) {
            const weigh_cell *c = &g->cell[i][j];
            if (!c->is_there)
                continue;
            json_t *o = weigh_point_json(&c->w);
            json_object_set_new(o, "card", c->card ? json_string(c->card->name) : json_null());
            json_object_set_new(o, "card_memory",
                                c->card ? json_integer((json_int_t)c->card->memory_bytes) : json_null());
            json_array_append_new(rows, o);
        }
    return rows;
}

/* ---- what fits ---- */

bool weigh_fits(const carat_weigh_query *q, bool is_file, const carat_device *d, weigh_fit fits[WEIGH_MAX_QUANTS],
                size_t *n, carat_err *err)
{
    carat_weigh_query one = *q;
    carat_options options = *q->options;
    one.options = &options;
    *n = is_file || q->quant ? 1 : N_QUANTS;
    for (size_t i = 0; i < *n; i++) {
        weigh_fit *f = &fits[i];
        f->quant = one.quant = is_file ? NULL : q->quant ? q->quant : quants[i];
        if (!carat_weigh_largest(&one, d->usable_bytes, &f->n_ctx, err))
            return false;
        size_t n_ctx = options.n_ctx = f->n_ctx ? f->n_ctx : 256;
        if (n_ctx < one.shared)
            one.shared = n_ctx;
        f->w.struct_size = sizeof f->w, f->speed.struct_size = sizeof f->speed;
        if (!carat_weigh(&one, &f->w, err) || !carat_weigh_speed(&f->w, d, &f->speed, err))
            return false;
        one.shared = q->shared;
    }
    return true;
}

static void range(const double v[2], char buf[24])
{
    if (v[1] <= 0)
        snprintf(buf, 24, "-");
    else if (v[1] < 100)
        snprintf(buf, 24, "%.2g-%.2g", v[0], v[1]);
    else
        snprintf(buf, 24, "%.0f-%.0f", v[0], v[1]);
}

void weigh_fits_print(const carat_device *d, const weigh_fit *fits, size_t n)
{
    char ctx[24], size[24], decode[24], full[24], prefill[24], image[24];
    const weigh_fit *best = NULL;
    weigh_device_print(d);
    printf("\n%s%-9s %9s %11s %11s %11s %11s %10s%s\n", term_dim(1), "", "largest", "memory", "decode", "decode",
           "prompt", "image", term_reset(1));
    printf("%s%-9s %9s %11s %11s %11s %11s %10s%s\n", term_dim(1), "", "context", "needed", "tok/s", "full, tok/s",
           "tok/s", "seconds", term_reset(1));
    for (size_t i = 0; i < n; i++) {
        const weigh_fit *f = &fits[i];
        range(f->speed.decode, decode), range(f->speed.decode_full, full), range(f->speed.prefill, prefill);
        range(f->speed.image, image);
        if (f->n_ctx)
            printf("%-9.9s %9s %11s %11s %11s %11s %10s\n", f->quant ? f->quant : "file", weigh_ctx(f->n_ctx, ctx),
                   weigh_size(f->w.total, size), decode, full, prefill, image);
        else
            printf("%-9.9s %9s %11s  does not fit\n", f->quant ? f->quant : "file", "none",
                   weigh_size(f->w.total, size));
        if (!best && f->n_ctx >= (f->w.context < 8192 ? f->w.context : 8192))
            best = f;
    }
    putchar('\n');
    if (best && n > 1)
        printf("best quality that fits with a context of 8k or more: %s, up to %s tokens\n", best->quant,
               weigh_ctx(best->n_ctx, ctx));
    else if (!best)
        printf("nothing fits with a context of 8k%s\n", n > 1 ? "" : " or the model's own");
    printf("Speeds are estimates from %s.\n",
           strcmp(d->kind, "here") == 0 ? "what was measured just now" : "the device's peaks and usual shares of them");
}

json_t *weigh_fits_json(const weigh_fit *fits, size_t n)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *o = weigh_point_json(&fits[i].w);
        json_object_set_new(o, "largest_context", json_integer((json_int_t)fits[i].n_ctx));
        json_object_set_new(o, "fits", json_boolean(fits[i].n_ctx > 0));
        json_object_set_new(o, "expected", weigh_speed_json(&fits[i].speed));
        json_array_append_new(rows, o);
    }
    return rows;
}
