/* devices.h - the table of devices: data/devices.tsv, compiled in.
 *
 * One device a line, ten columns divided by tabs (data/README.md), the first line names the columns. "-" is unknown.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MEASURE_DEVICES_H
#define CT_MEASURE_DEVICES_H

#include "base/err.h"
#include "carat_weigh.h"

#define CT_MAX_DEVICES 1024

/* Reads a table of len bytes; text[len] must be a NUL that may be written to. The text is cut up in place: the strings
 * of *out point into it. At most max devices. Refuses, with line, column and what was found: another header, a line of
 * too few or too many columns, an empty or unprintable field, an invalid kind or number, a figure out of range, a name
 * given twice (CARAT_EFORMAT); more than max lines (CARAT_ELIMIT). *n is then 0. */
bool ct_devices_parse(char *text, size_t len, carat_device *out, size_t max, size_t *n, carat_err *err);

/* As the public calls of these names. */
const carat_device *ct_device_at(size_t i);
bool ct_device_find(const char *name, const carat_device **out, carat_err *err);

/* As carat_weigh_speed. */
void ct_weigh_speed(const carat_estimate_result *w, const carat_device *d, carat_speed *out);

#endif
