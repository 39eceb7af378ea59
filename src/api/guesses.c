/* Where guesses of an answer's next tokens come from, as the engine's options and a generation ask for them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/internal.h"

bool ct_api_check_guesses(int n, carat_err *err)
{
    return (n >= 0 && n <= CT_MOST_GUESSES) ||
           ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "n_guesses is %d, expected 0 to %d", n, CT_MOST_GUESSES);
}

static bool take_prediction(const carat_engine *e, const carat_generation *g, ct_guesses *to, carat_err *err)
{
    ct_ids ids = { 0 };
    if (!g->prediction || !e->model->tok)
        return true;
    size_t len = g->prediction_len ? g->prediction_len : strlen(g->prediction);
    bool ok = ct_tok_encode(e->model->tok, g->prediction, len, 0, &ids, err);
    to->predicted = ids.v; /* its own even after a failure */
    to->n_predicted = ids.n;
    return ok;
}

bool ct_api_guesses(const carat_engine *e, const carat_generation *g, ct_guesses *to, carat_err *err)
{
    if (g->omits_guesses)
        return true;
    if (!take_prediction(e, g, to, err))
        return false;
    to->looks_up = e->looks_up;
    to->always = e->guesses_always;
    to->most = g->n_guesses ? (size_t)g->n_guesses : e->n_guesses ? (size_t)e->n_guesses : CT_MOST_GUESSES;
    return true;
}
