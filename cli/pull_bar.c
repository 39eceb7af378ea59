/* The progress of a pull.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "pull_bar.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "term.h"

#define SMOOTH_S 4.0 /* the rate is that of about so long */

static struct {
    bool is_shown;
    char status[64];
    size_t index;   /* of the file under way */
    bool was_begun; /* and its line was written */
    double at;      /* when `completed` was last looked at */
    uint64_t completed;
    double rate; /* bytes a second; 0: not known yet */
} bar;

const char *pull_size(uint64_t bytes, char out[24])
{
    if (bytes >= (uint64_t)1 << 30)
        snprintf(out, 24, "%.2f GiB", (double)bytes / 0x1p30);
    else if (bytes >= (uint64_t)1 << 20)
        snprintf(out, 24, "%.1f MiB", (double)bytes / 0x1p20);
    else if (bytes >= (uint64_t)1 << 10)
        snprintf(out, 24, "%.1f KiB", (double)bytes / 0x1p10);
    else
        snprintf(out, 24, "%u B", (unsigned)bytes);
    return out;
}

void pull_bar_end(void)
{
    if (bar.is_shown)
        fputs("\r\x1b[K", stderr);
    bar.is_shown = false;
}

static void measure(const ct_pull_event *e)
{
    double now = ct_now(), passed = now - bar.at;
    if (e->index != bar.index || e->completed < bar.completed || bar.at == 0) {
        bar.index = e->index;
        bar.was_begun = false;
        bar.at = now, bar.completed = e->completed, bar.rate = 0;
    } else if (passed >= 0.2) {
        double rate = (double)(e->completed - bar.completed) / passed,
               weight = passed < SMOOTH_S ? passed / SMOOTH_S : 1;
        bar.rate = bar.rate == 0 ? rate : bar.rate + weight * (rate - bar.rate);
        bar.at = now, bar.completed = e->completed;
    }
}

/* "12.3 MiB/s, 3 min 20 s" */
static void put_rate(const ct_pull_event *e, char *out, size_t size)
{
    char rate[24];
    *out = '\0';
    if (bar.rate < 1)
        return;
    double left = (double)(e->all_total > e->all_completed ? e->all_total - e->all_completed : 0) / bar.rate;
    int n = snprintf(out, size, "  %s/s", pull_size((uint64_t)bar.rate, rate));
    if (left < 60)
        snprintf(out + n, size - (size_t)n, "  %.0f s", left);
    else if (left < 3600)
        snprintf(out + n, size - (size_t)n, "  %.0f min", left / 60);
    else if (left < 360000)
        snprintf(out + n, size - (size_t)n, "  %.1f h", left / 3600);
}

static void draw(const ct_pull_event *e)
{
    char name[64], done[24], total[24], rate[64], right[128];
    const char *base = strrchr(e->file, '/');
    const bool is_checked = strncmp(e->status, "verifying", 9) == 0;
    const double part = e->total ? (double)e->completed / (double)e->total : 1;
    put_rate(e, rate, sizeof rate);
    int n = snprintf(right, sizeof right, " %3.0f %%  %s of %s%s", 100 * part, pull_size(e->completed, done),
                     pull_size(e->total, total), is_checked ? "  checking" : rate);
    term_printable(base ? base + 1 : e->file, name, sizeof name);
    int width = term_width(2) - 1, room = width - n - (int)strlen(name) - 4;
    int cells = room > 40 ? 40 : room, filled = (int)(cells * part);
    if (cells >= 4)
        fprintf(stderr, "\r\x1b[K%s [%.*s%*s]%s", name, filled, "########################################",
                cells - filled, "", right);
    else
        fprintf(stderr, "\r\x1b[K%.*s", width, right + 1);
    bar.is_shown = true;
}

/* A line for each file, once it is begun and once it is there. */
static void put_lines(const ct_pull_event *e)
{
    char name[256], size[24];
    if (!e->file || bar.was_begun)
        return;
    bar.was_begun = true;
    term_note("%s%s%s", term_printable(e->file, name, sizeof name), e->total ? ", " : "",
              e->total ? pull_size(e->total, size) : "");
}

void pull_bar_show(const ct_pull_event *e)
{
    const bool is_new = strcmp(bar.status, e->status) != 0;
    measure(e);
    if (is_new)
        snprintf(bar.status, sizeof bar.status, "%s", e->status);
    if (is_new && strncmp(e->status, "waiting", 7) == 0) {
        pull_bar_end();
        term_note("%s", e->status);
    }
    if (!term_obeys(2))
        put_lines(e);
    else if (e->file)
        draw(e);
    if (e->file && e->completed == e->total && e->total && term_obeys(2)) {
        pull_bar_end();
        put_lines(e);
    }
}
