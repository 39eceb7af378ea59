/* carat weigh: one model at one context, devices, shapes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "term.h"
#include "weigh.h"

const char *weigh_size(uint64_t bytes, char buf[24])
{
    if (bytes >= (uint64_t)1 << 30)
        snprintf(buf, 24, "%.2f GiB", (double)bytes / 0x1p30);
    else
        snprintf(buf, 24, "%.1f MiB", (double)bytes / 0x1p20);
    return buf;
}

const char *weigh_ctx(size_t n, char buf[24])
{
    if (n && n % 1024 == 0)
        snprintf(buf, 24, "%zuk", n / 1024);
    else
        snprintf(buf, 24, "%zu", n);
    return buf;
}

/* One letter for each so many bytes; a part that is there has one at least. */
static void print_bar(const carat_estimate_result *w, const planner_part *p)
{
    int width = term_width(1) < 80 ? term_width(1) - 4 : 74;
    printf("  [");
    double done = 0;
    int at = 0;
    for (int i = 0; i < PLANNER_N_PARTS; i++) {
        done += (double)p[i].bytes;
        int end = (int)(done / (double)w->total * width + 0.5);
        for (; at < end; at++)
            putchar(p[i].mark);
    }
    printf("]\n\n");
}

static void range_line(const char *what, const double v[2], const char *unit)
{
    if (v[1] <= 0)
        return;
    printf(v[1] < 100 ? "  %-24s %.2g to %.2g %s\n" : "  %-24s %.0f to %.0f %s\n", what, v[0], v[1], unit);
}

static void print_speed(const carat_estimate_result *w, const carat_device *d)
{
    carat_speed s = { .struct_size = sizeof s };
    if (!carat_weigh_speed(w, d, &s, NULL))
        return;
    printf("expected on %s (an estimate):\n", d->name);
    range_line("decode, context empty", s.decode, "tok/s");
    range_line("decode, context full", s.decode_full, "tok/s");
    range_line("prompt", s.prefill, "tok/s");
    range_line("an image", s.image, "s");
    if (s.decode[1] <= 0 && s.prefill[1] <= 0)
        printf("  its bandwidth and rates are not known\n");
}

void weigh_point_print(const carat_estimate_result *w, const carat_device *d)
{
    planner_part p[PLANNER_N_PARTS];
    char size[24], ctx[24], name[77];
    const carat_device *card = planner_smallest_card(w);
    planner_parts_of(w, p);
    printf("%s%s%s\n%.76s\n", term_bold(1), term_printable(w->name, name, sizeof name), term_reset(1), w->quant);
    if (w->n_texts)
        printf("texts of up to %s tokens, %zu at a time\n\n", weigh_ctx(w->n_ctx, ctx), w->n_texts);
    else
        printf("context %s in %s, %zu session%s%s\n\n", weigh_ctx(w->n_ctx, ctx),
               w->cache == CARAT_CACHE_Q8_0 ? "q8_0" : "f16", w->n_sessions, w->n_sessions == 1 ? "" : "s",
               w->includes_vision ? ", with the image tower"
               : w->has_vision    ? ", text only"
                                  : "");
    if (term_is_tty(1))
        print_bar(w, p);
    for (int i = 0; i < PLANNER_N_PARTS; i++)
        if (p[i].bytes)
            printf("  %c %-28s %12s %6.1f %%\n", term_is_tty(1) ? p[i].mark : ' ', p[i].name,
                   weigh_size(p[i].bytes, size), 100 * (double)p[i].bytes / (double)w->total);
    printf("    %s%-28s %12s%s\n\n", term_bold(1), "total", weigh_size(w->total, size), term_reset(1));
    if (*w->note)
        printf("%s\n", w->note);
    if (w->mapped)
        printf("of the weights %s are mapped from the pack: all processes that use it share them\n",
               weigh_size(w->mapped, size));
    if (w->kv_shared)
        printf("shared prefix: %s of the keys and values are stored once\n", weigh_size(w->kv_shared, size));
    printf("tensors in the file: %s", weigh_size(w->tensor_bytes, size));
    printf(w->includes_vision ? ", image tower %s\n" : "\n", weigh_size(w->vision_tensor_bytes, size));
    printf("in a runtime with llama.cpp's layout, on a GPU: about %.1f GiB\n", (double)w->elsewhere / 0x1p30);
    if (!d && card)
        printf("smallest card that holds either: %s\n", card->name);
    else if (!d)
        printf("no single card holds it\n");
    if (d)
        printf("%s: %s; a model can have %s of it\n", d->name, w->total <= d->usable_bytes ? "fits" : "DOES NOT FIT",
               weigh_size(d->usable_bytes, size));
    if (d || card)
        print_speed(w, d ? d : card);
}

/* ---- devices ---- */

static void print_rate(const char *name, double v, const char *unit, double scale)
{
    if (v > 0)
        printf(", %s%.4g %s", name, v / scale, unit);
}

void weigh_device_print(const carat_device *d)
{
    char all[24], usable[24];
    printf("%s%s%s: %s, of which a model can have %s", term_bold(1), d->name, term_reset(1),
           weigh_size(d->memory_bytes, all), weigh_size(d->usable_bytes, usable));
    if (d->bandwidth > 0)
        printf("\n  %.4g GB/s", d->bandwidth / 1e9);
    print_rate("fp16 ", d->fp16, "Tflop/s", 1e12);
    print_rate("int8 ", d->int8, "Top/s", 1e12);
    print_rate("fp32 ", d->fp32, "Tflop/s", 1e12);
    printf("\n  source: %.69s\n", d->source);
}

void weigh_devices_list(void)
{
    const carat_device *d;
    printf("%-30s %-11s %8s %8s %9s %9s\n", "name", "kind", "GB", "GB/s", "fp16 T", "int8 T");
    for (size_t i = 0; (d = carat_device_at(i)); i++) {
        char bw[24] = "-", fp16[24] = "-", int8[24] = "-";
        if (d->bandwidth > 0)
            snprintf(bw, sizeof bw, "%.4g", d->bandwidth / 1e9);
        if (d->fp16 > 0)
            snprintf(fp16, sizeof fp16, "%.4g", d->fp16 / 1e12);
        if (d->int8 > 0)
            snprintf(int8, sizeof int8, "%.4g", d->int8 / 1e12);
        printf("%-30s %-11s %8.4g %8s %9s %9s\n", d->name, d->kind, (double)d->memory_bytes / 0x1p30, bw, fp16, int8);
    }
}

/* ---- shapes ---- */

typedef struct weigh_field {
    const char *name, *json;
    uint64_t asked, real;
} weigh_field;

#define N_FIELDS 11

static void fields_of(const carat_estimate_result *a, const carat_estimate_result *r, weigh_field f[N_FIELDS])
{
    const weigh_field all[N_FIELDS] = {
        { "layers", "layers", a->n_layer, r->n_layer },
        { "global layers", "global_layers", a->n_global, r->n_global },
        { "hidden width", "hidden", a->hidden, r->hidden },
        { "feed-forward width", "ffn", a->ffn, r->ffn },
        { "query heads", "heads", a->n_head, r->n_head },
        { "key and value heads", "kv_heads", a->n_kv_head, r->n_kv_head },
        { "width of a head", "head_dim", a->head_dim, r->head_dim },
        { "vocabulary", "vocabulary", a->n_vocab, r->n_vocab },
        { "window", "window", a->window, r->window },
        { "context", "model_context", a->context, r->context },
        { "parameters, millions", "parameters", a->n_params / 1000000, r->n_params / 1000000 },
    };
    memcpy(f, all, sizeof all);
}

void weigh_shape_print(const carat_estimate_result *asked, const carat_estimate_result *real)
{
    weigh_field f[N_FIELDS];
    char a[24], r[24];
    fields_of(asked, real, f);
    printf("%-26s %14s %14s\n", "", "asked for", real->name);
    for (int i = 0; i < N_FIELDS; i++)
        printf("%-26s %14llu %14llu%s\n", f[i].name, (unsigned long long)f[i].asked, (unsigned long long)f[i].real,
               f[i].asked == f[i].real ? "" : "   differs");
    printf("%-26s %14s %14s\n", "memory", weigh_size(asked->total, a), weigh_size(real->total, r));
    printf(
        "\nWhat was not given is taken from %s. No published checkpoint\nhas this shape: its weights do not load into "
        "it.\n\n",
        real->name);
}

json_t *weigh_shape_json(const carat_estimate_result *asked, const carat_estimate_result *real)
{
    weigh_field f[N_FIELDS];
    json_t *o = json_object();
    fields_of(asked, real, f);
    for (int i = 0; i < N_FIELDS; i++)
        json_object_set_new(o, f[i].json,
                            json_pack("{s:I, s:I, s:b}", "asked", (json_int_t)f[i].asked, "real", (json_int_t)f[i].real,
                                      "differs", f[i].asked != f[i].real));
    return o;
}
