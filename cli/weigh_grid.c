/* carat weigh: the grid, and what fits a device.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "term.h"
#include "weigh.h"

/* ---- the grid ---- */

static void print_cell(const planner_cell *c)
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
static void print_cards(const planner_grid *g)
{
    const carat_device *shown[PLANNER_MAX_QUANTS * PLANNER_MAX_CTX];
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

void weigh_grid_print(const planner_grid *g)
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

/* ---- what fits ---- */

static void range(const double v[2], char buf[24])
{
    if (v[1] <= 0)
        snprintf(buf, 24, "-");
    else if (v[1] < 100)
        snprintf(buf, 24, "%.2g-%.2g", v[0], v[1]);
    else
        snprintf(buf, 24, "%.0f-%.0f", v[0], v[1]);
}

void weigh_fits_print(const carat_device *d, const planner_fit *fits, size_t n)
{
    char ctx[24], size[24], decode[24], full[24], prefill[24], image[24];
    const planner_fit *best = NULL;
    weigh_device_print(d);
    printf("\n%s%-9s %9s %11s %11s %11s %11s %10s%s\n", term_dim(1), "", "largest", "memory", "decode", "decode",
           "prompt", "image", term_reset(1));
    printf("%s%-9s %9s %11s %11s %11s %11s %10s%s\n", term_dim(1), "", "context", "needed", "tok/s", "full, tok/s",
           "tok/s", "seconds", term_reset(1));
    for (size_t i = 0; i < n; i++) {
        const planner_fit *f = &fits[i];
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
