/* metrics_inside.h - what metrics.c counts and metrics_write.c writes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_METRICS_INSIDE_H
#define CT_SERVER_METRICS_INSIDE_H

#include "server/metrics.h"

#define CT_MAX_BUCKETS 20

typedef struct ct_buckets { /* upper limits, ascending; +Inf follows */
    size_t n;
    double le[CT_MAX_BUCKETS];
} ct_buckets;

extern const ct_buckets ct_buckets_requests, ct_buckets_gaps;

typedef struct ct_histogram {
    const ct_buckets *buckets;
    uint64_t n[CT_MAX_BUCKETS + 1]; /* observations of each bucket alone; the last: above all limits */
    uint64_t count;
    double sum;
} ct_histogram;

typedef struct ct_metrics_of { /* of a model */
    char *model;
    ct_histogram queue, first, gap, whole;
    uint64_t n_prompt, n_cached, n_generated;
    double reading, writing;
    struct ct_metrics_of *next;
} ct_metrics_of;

typedef struct ct_metrics_count { /* of requests */
    const char *method, *route;
    int status;
    uint64_t n;
} ct_metrics_count;

struct ct_metrics {
    ct_metrics_of *models;
    ct_metrics_count *counts; /* [n_counts] */
    size_t n_counts, cap_counts;
    uint64_t n_left, n_lost; /* whose clients left; that there was no memory to count */
};

#endif
