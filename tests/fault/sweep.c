/* Tries a thing with allocations refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sweep.h"

#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "unit.h"

bool sweep_takes_all, sweep_takes_third;

/* No more is held than before. What other threads still hold is given back within a step, which may be after `before` was
 * taken: it follows downwards. */
static bool is_given_back(fail_live *before, fail_live *now)
{
    for (int i = 0; i < 2000; i++, usleep(1000)) {
        *now = fail_now();
        if (now->blocks <= before->blocks && now->mapped <= before->mapped) {
            *before = *now;
            return true;
        }
    }
    return false;
}

static void expect_clear(const trial *t, long n, const carat_err *err)
{
    if (!err->msg[0] || (err->code != CARAT_ENOMEM && !strstr(err->msg, "memory")))
        fail_msg("%s: allocation %ld was refused, and the error is %s: '%s'", t->name, n, carat_code_name(err->code),
                 err->msg);
}

static void try_one(const trial *t, long n, bool onwards, fail_live *before)
{
    fail_live now;
    carat_err err = { 0 };
    fail_at(n, onwards);
    bool ok = t->run(&err);
    long refused = fail_stop();
    if (!ok && refused == 0)
        fail_msg("%s: failed untouched: %s", t->name, err.msg);
    if (!ok)
        expect_clear(t, n, &err);
    if (!is_given_back(before, &now))
        fail_msg("%s: allocation %ld%s was refused (%s): %ld blocks and %ld bytes of mappings are not given back",
                 t->name, n, onwards ? " and all later ones" : "", ok ? "it succeeded" : err.msg,
                 now.blocks - before->blocks, now.mapped - before->mapped);
    if (t->verify && !t->verify())
        fail_msg("%s: after allocation %ld was refused (%s) things are not as before", t->name, n, err.msg);
}

void sweep(const trial *t)
{
    carat_err err;
    for (int i = 0; i < 3; i++) /* what is made once and kept is there */
        if (!t->run(&err))
            fail_msg("%s: %s", t->name, err.msg);
    fail_live before = fail_now(), now;
    fail_at(0, false);
    if (!t->run(&err))
        fail_msg("%s: %s", t->name, err.msg);
    long n_calls = fail_calls();
    if (!is_given_back(&before, &now))
        fail_msg("%s: %ld blocks and %ld bytes of mappings are not given back, and nothing was refused", t->name,
                 now.blocks - before.blocks, now.mapped - before.mapped);
    long step = sweep_takes_all || t->most == 0 ? 1 : (n_calls + t->most - 1) / t->most;
    step *= sweep_takes_third && t->most ? 3 : 1;
    for (int onwards = 0; onwards < 2; onwards++)
        for (long n = 1 + (onwards ? step / 2 : 0); n <= n_calls; n += step)
            try_one(t, n, onwards, &before);
    printf("%-24s %5ld allocations, %ld of them refused\n", t->name, n_calls, (n_calls + step - 1) / step);
}
