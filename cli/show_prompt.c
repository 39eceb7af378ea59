/* Shows a prompt as it was rendered.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "show_prompt.h"

#include <limits.h>

#include "term.h"
#include "view.h"

void each_repair(const carat_prompt *p, void (*fn)(void *arg, const char *words), void *arg)
{
    const unsigned repairs = carat_prompt_repairs(p);
    for (unsigned bit = 0; bit < CHAR_BIT * sizeof repairs; bit++) {
        const char *words = carat_repair_text((carat_repair)(1u << bit));
        if (repairs & 1u << bit)
            fn(arg, *words ? words : "mended in a way that this program has no words for");
    }
}

static void tell(void *arg, const char *words)
{
    FILE *to = arg;
    fprintf(to, "%s(%s)%s\n", term_dim(fileno(to)), words, term_reset(fileno(to)));
}

void show_prompt(const carat_prompt *p, FILE *to)
{
    const int fd = fileno(to);
    const size_t n_views = carat_prompt_n_views(p), n_out = carat_prompt_n_dropped(p);
    size_t n, len;
    view v;
    carat_prompt_tokens(p, &n);
    fprintf(to, "%s(the prompt: %zu token%s", term_dim(fd), n, n == 1 ? "" : "s");
    if (n_views)
        fprintf(to, ", %zu view%s of pictures", n_views, n_views == 1 ? "" : "s");
    if (n_out)
        fprintf(to, ", %zu message%s left out", n_out, n_out == 1 ? "" : "s");
    fprintf(to, ")%s\n", term_reset(fd));
    const char *text = carat_prompt_rendered(p, &len);
    view_begin(&v, to, term_is_tty(fd) ? VIEW_PLAIN : VIEW_RAW);
    view_add(&v, text, len);
    view_end(&v);
    if (len && text[len - 1] != '\n')
        putc('\n', to);
    each_repair(p, tell, to);
    fprintf(to, "%s(its end)%s\n", term_dim(fd), term_reset(fd));
    fflush(to);
}
