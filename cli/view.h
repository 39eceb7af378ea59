/* view.h - how an answer is shown as it comes: to a terminal in lines of whole words, with light Markdown; elsewhere as the
 * bytes it is.
 *
 * Shown are bold and italic text between asterisks and code between backticks, without their marks; headings, fenced code,
 * lists and tables, with theirs. A mark is taken off only once its other one is there, in the same line: nothing else
 * is ever left out, and only where prose has marks: COUNT(*), SUM(*) stays as it is (view.c). Underscores are text: they
 * stand in too many names.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_VIEW_H
#define CT_CLI_VIEW_H

#include "wrap.h"

typedef enum view_looks {
    VIEW_RAW,      /* bytes: not to a terminal */
    VIEW_PLAIN,    /* a terminal, text as it is */
    VIEW_LINES,    /* ... in lines of whole words */
    VIEW_MARKDOWN, /* ... and Markdown */
} view_looks;

typedef struct view {
    view_looks looks;
    int fixed_width; /* 0: the window's, which may change */
    wrap wrap;
    ct_buf held; /* of the line: not decided yet */
    enum { VIEW_AT_START, VIEW_IN_TEXT, VIEW_VERBATIM } state;
    unsigned style; /* of the line */
    char before;    /* what stands before `held` in the line */
    bool in_code;   /* between fences */
    char fence;     /* the opening one: of this character */
    size_t fence_len;
} view;

/* For stdout. is_plain: --plain; is_markdown: the text may be expected to be. */
view_looks view_looks_for(bool is_plain, bool is_markdown);
/* Owed view_end. out: stdout, or a test's. */
void view_begin(view *v, FILE *out, view_looks looks);
/* The next bytes. False: they could not be written (errno). */
bool view_add(view *v, const char *text, size_t len);
/* Shows what was held back. The same result. */
bool view_end(view *v);

#endif
