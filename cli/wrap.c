/* Words into lines.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "wrap.h"

#include "base/utf8.h"
#include "columns.h"

#define MAX_WORD ((size_t)1 << 20) /* bytes; a long one is shown as it grows */

void wrap_begin(wrap *w, FILE *out)
{
    *w = (wrap){ .out = out };
    ct_buf_init(&w->word, MAX_WORD);
    ct_buf_init(&w->blanks, MAX_WORD);
}

static void show(wrap *w, ct_buf *b)
{
    if (b->len)
        fwrite(b->data, 1, b->len, w->out);
    ct_buf_clear(b);
}

static bool is_wrapped(const wrap *w)
{
    return w->width > 0 && !w->is_verbatim;
}

static void break_line(wrap *w)
{
    fprintf(w->out, "\n%*s", w->indent, "");
    ct_buf_clear(&w->blanks);
    w->column = w->indent;
    w->blanks_width = 0;
}

static void show_blanks(wrap *w)
{
    show(w, &w->blanks);
    w->column += w->blanks_width;
    w->blanks_width = 0;
}

static void show_word(wrap *w)
{
    if (is_wrapped(w) && !w->is_long && w->word_width && w->column > w->indent &&
        w->column + w->blanks_width + w->word_width > w->width)
        break_line(w);
    show_blanks(w);
    show(w, &w->word);
    w->column += w->word_width;
    if (w->width > 0 && w->column > w->width) /* the terminal has begun a line */
        w->column %= w->width;
    w->word_width = 0;
    w->last = 0;
}

static void set_style(wrap *w, unsigned style)
{
    if (style == w->style || !w->has_styles)
        return;
    ct_buf_str(&w->word, "\x1b[0");
    if (style & STYLE_BOLD)
        ct_buf_str(&w->word, ";1");
    if (style & STYLE_DIM)
        ct_buf_str(&w->word, ";2");
    if (style & STYLE_ITALIC)
        ct_buf_str(&w->word, ";3");
    if ((style & STYLE_CODE) && w->has_colour)
        ct_buf_str(&w->word, ";36");
    ct_buf_char(&w->word, 'm');
    w->style = style;
}

static void newline(wrap *w)
{
    show_word(w);
    putc('\n', w->out);
    w->column = w->indent = 0;
    w->is_long = false;
}

static void add_blank(wrap *w, char c)
{
    if (w->word.len)
        show_word(w);
    w->is_long = false;
    const int at = w->column + w->blanks_width, columns = c == '\t' ? 8 - at % 8 : 1;
    ct_buf_char(&w->blanks, c);
    w->blanks_width += columns;
}

static void add_to_word(wrap *w, const char *s, size_t n, uint32_t cp, unsigned style)
{
    const int columns = char_columns(cp);
    if (char_may_break(w->last, cp)) {
        show_word(w);
        w->is_long = false;
    }
    set_style(w, style);
    ct_buf_add(&w->word, s, n);
    w->word_width += columns;
    if (cp != 0x200b) /* zero width space: a line may end there */
        w->last = cp;
    if (is_wrapped(w) && w->word_width >= w->width - w->indent && !w->is_long) {
        show_word(w);
        w->is_long = true;
    }
    if (!is_wrapped(w) || w->is_long || cp == 0x200b)
        show_word(w);
}

/* Control characters by their pictures (U+2400 ..), which people can tell apart, and what is no character as U+FFFD. */
static void add_sign(wrap *w, uint32_t cp, unsigned style)
{
    char s[4];
    const uint32_t sign = cp < 0x20 ? 0x2400 + cp : cp == 0x7f ? 0x2421 : 0xfffd;
    add_to_word(w, s, ct_utf8_put(sign, s), sign, style);
}

void wrap_char(wrap *w, const char *s, size_t n, uint32_t cp, unsigned style)
{
    if (w->had_return && cp != '\n')
        add_sign(w, '\r', style);
    w->had_return = cp == '\r';
    if (w->had_return)
        return;
    if (cp == '\n')
        newline(w);
    else if (cp == ' ' || cp == '\t')
        add_blank(w, *s);
    else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == CT_UTF8_BAD)
        add_sign(w, cp, style);
    else
        add_to_word(w, s, n, cp, style);
}

void wrap_end(wrap *w)
{
    if (w->had_return)
        add_sign(w, '\r', w->style);
    show_word(w);
    set_style(w, 0);
    show(w, &w->word);
    ct_buf_deinit(&w->word);
    ct_buf_deinit(&w->blanks);
}
