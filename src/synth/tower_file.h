/* tower_file.h - the vision tower of a made-up model: keys, tensors and random weights, into a GGUF file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SYNTH_TOWER_FILE_H
#define CT_SYNTH_TOWER_FILE_H

#include "format/gguf_write.h"
#include "model/config.h"

typedef struct ct_synth_tower {
    ct_vision_config cfg;
    uint32_t text_width;
    ct_type type;  /* F32, BF16, F16 or Q8_0; some matrices of a quantised tower are F16 */
    bool is_alone; /* an mmproj file as llama.cpp has it; else beside the text as Ollama has it */
    uint64_t seed;
} ct_synth_tower;

/* Into a writer: first all keys and tensors (adding their bytes to *bytes), later, in the same order, their data, row
 * by row (done is called after each tensor; false cancels). Errors: CARAT_EARG (another type, rows that its blocks do
 * not divide), CARAT_EIO, CARAT_ENOMEM, CARAT_ECANCELLED. */
bool ct_synth_tower_declare(ct_gguf_writer *w, const ct_synth_tower *t, uint64_t *bytes, carat_err *err);
bool ct_synth_tower_fill(ct_gguf_writer *w, const ct_synth_tower *t, bool (*done)(void *arg, uint64_t bytes), void *arg,
                         carat_err *err);

/* A file of its own. progress as in carat_options, may be NULL. */
bool ct_synth_tower_write(const ct_synth_tower *t, const char *path, carat_progress_fn *progress, void *arg,
                          carat_err *err);

#endif
