/* fuzz_hub.c - what a hub says of a repository, and the manifest in its place in the store; the first byte says which. What is
 * accepted leads nowhere outside.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "fuzz.h"
#include "hub/manifest.h"
#include "hub/offer.h"

#define REPO  "o/gemma-3-4b-it"
#define STORE "/nonexistent/store"

static void use_models(const ct_hub_repo *r)
{
    ct_hub_models m;
    ct_pull_offer *offers;
    size_t best, n;
    const ct_hub_file *mmproj[4];
    if (!ct_hub_models_of(r, &m, NULL))
        return;
    for (size_t i = 0; i < m.n; i++) {
        const ct_hub_model *one;
        carat_err err = { 0 };
        FUZZ_MUST(m.v[i].n_files >= 1 && m.v[i].tag[0]);
        FUZZ_MUST(ct_hub_models_find(r, &m, m.v[i].tag, &one, &err) || err.msg[0]);
        for (size_t k = 0; k < m.v[i].n_files; k++)
            FUZZ_MUST(ct_hub_file_is_name(m.v[i].files[k]->name));
    }
    ct_hub_mmproj_of(r, mmproj, 4, &n);
    FUZZ_MUST(n <= 4);
    if (m.n < 20 && ct_hub_offers(r, &m, 0, (uint64_t)1 << 32, &offers, &best, NULL)) {
        FUZZ_MUST(best <= m.n);
        free(offers);
    }
    ct_hub_models_deinit(&m);
}

static void use_manifest(const ct_stored_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const ct_stored *m = &l->v[i];
        FUZZ_MUST(m->n_files >= 1 && strncmp(m->path, STORE "/" REPO, sizeof STORE "/" REPO - 1) == 0);
        FUZZ_MUST(!strstr(m->path, "/../") && !m->is_whole);
        for (size_t k = 0; k < m->n_files; k++)
            FUZZ_MUST(ct_hub_file_is_name(m->files[k].file));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    carat_err err = { 0 };
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    if (data[0] % 2 == 0) {
        ct_hub_repo r;
        if (ct_hub_repo_read(REPO, text, size - 1, &r, &err))
            use_models(&r);
        else
            FUZZ_MUST(err.code != CARAT_OK && err.msg[0]);
        ct_hub_repo_deinit(&r);
    } else {
        ct_stored_list l = { .v = NULL };
        if (ct_manifest_parse(STORE, REPO, text, size - 1, &l, &err))
            use_manifest(&l);
        else
            FUZZ_MUST(err.code != CARAT_OK && l.n == 0);
        ct_stored_list_free(&l);
    }
    return 0;
}
