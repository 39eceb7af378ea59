/* rng.h - random numbers from a seed, the same on every machine.
 *
 * splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014): a counter through a
 * mixing function, so every seed, also 0 and neighbours, gives an unrelated stream.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_RNG_H
#define CT_BASE_RNG_H

#include <stdint.h>

static inline uint64_t ct_rng_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Uniform in [0, 1), 53 bits. */
static inline double ct_rng_unit(uint64_t *state)
{
    return (double)(ct_rng_next(state) >> 11) * 0x1p-53;
}

#endif
