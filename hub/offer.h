/* offer.h - the models of a repository as they are offered: what each takes, whether this machine holds it, which is the best.
 *
 * The best is the largest that fits and has at most 8 bits a weight: what is above costs twice the memory and twice the time
 * for a difference that is not seen. Where a repository has nothing of 8 bits or less, the smallest that fits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_OFFER_H
#define CT_HUB_OFFER_H

#include "hub/pick.h"
#include "hub/pull.h"

/* One for each model, in their order. beside: bytes that come with each but the folder (an mmproj). available: memory that
 * this machine has for it. *out is the caller's (free); its strings are the models'. *best: n if none fits. Models that lack
 * parts never fit. Errors: CARAT_ENOMEM. */
bool ct_hub_offers(const ct_hub_repo *r, const ct_hub_models *m, uint64_t beside, uint64_t available,
                   ct_pull_offer **out, size_t *best, carat_err *err);

#endif
