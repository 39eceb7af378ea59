/* fake_backend.h - a backend of a few lines of arithmetic, so that the engine can be tested without a model file.
 *
 * A token's key and value are a number made of its id (of an image, of its pixels); the final hidden state is a hash of
 * the numbers of all tokens that the position sees: on global layers all before it, on local ones its window. They are
 * read back from the pages, so a wrong page, a wrong window or a page that another has written shows as a wrong answer.
 * Logits are drawn from the hash. Nothing depends on the company of a token or on how a prompt was cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_FAKE_BACKEND_H
#define CT_TESTS_FAKE_BACKEND_H

#include "carat.h"

#define FAKE_VOCAB 528 /* as tiny-sight has */
#define FAKE_STOP  1   /* the id that ends an answer */
#define FAKE_BAD   527 /* a token whose activations are not finite */

/* An engine over a made-up model that sees images of four soft tokens each, and the fake backend. */
bool fake_engine_open(const carat_options *o, carat_engine **out, carat_err *err);

/* Called at the beginning of every page_read, on the thread that reads; NULL: not. */
extern void (*fake_on_page_read)(void);

#endif
