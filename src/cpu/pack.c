/* Loads weights as the backend does, to be written as they lie in memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/pack.h"

#include <string.h>

#include "base/memlimit.h"
#include "cpu/layout.h"
#include "cpu/packing.h"

static bool fits(const ct_packed *p, const ct_pool *pool, const char *path, carat_err *err)
{
    ct_memlimit limit;
    const uint64_t need = (uint64_t)p->text.bytes + p->tower.bytes + ct_pack_window_bytes(ct_pool_threads(pool));
    ct_memlimit_now(&limit);
    return need <= limit.left ||
           ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE,
                   "%s: packing it takes %.1f MiB of memory, but only %.1f MiB are available (%s)", path,
                   (double)need / 0x1p20, (double)limit.left / 0x1p20, limit.who);
}

bool ct_packed_load(ct_packed *p, const ct_desc *d, const ct_files *f, ct_pool *pool, const ct_load_progress *how,
                    ct_pack_new *n, carat_err *err)
{
    if (!ct_weights_describe(&p->text, d->text, err) ||
        (d->tower && !ct_tower_weights_describe(&p->tower, d->tower, err)) || !fits(p, pool, f->text->path, err) ||
        !ct_weights_load(&p->text, f->text, pool, how, err) ||
        !ct_weights_layout(&p->text, n->parts[CT_PACK_TEXT].layout, err))
        return false;
    n->layout_of = CT_LAYOUT_NAME;
    n->parts[CT_PACK_TEXT].block = p->text.arena.base;
    n->parts[CT_PACK_TEXT].bytes = p->text.bytes;
    if (!d->tower)
        return true;
    n->parts[CT_PACK_TOWER].bytes = p->tower.bytes;
    if (!ct_tower_weights_load(&p->tower, f->tower, pool, err) ||
        !ct_tower_layout(&p->tower, n->parts[CT_PACK_TOWER].layout, err))
        return false;
    n->parts[CT_PACK_TOWER].block = p->tower.arena.base;
    return true;
}

void ct_packed_close(ct_packed *p)
{
    ct_weights_close(&p->text);
    ct_tower_weights_close(&p->tower);
}
