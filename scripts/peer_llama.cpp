// llama.cpp's side of scripts/peer_llama.py: loads a file and writes its logits, or what its tower makes of an image.
//     peer_llama text MODEL OUT.f32 ID...                            logits of every position, float32 [n, vocab]
//     peer_llama see MODEL MMPROJ WIDTH HEIGHT PIXELS.rgb OUT.f32    soft tokens, float32 [n, hidden]
// One thread, keys and values in float32, no repacked weights: as close to the written formulas as it goes.
//
// SPDX-License-Identifier: Apache-2.0
#include "ggml.h"
#include "llama.h"
#include "mtmd.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

static int complain(const char *what)
{
    fprintf(stderr, "peer_llama: %s\n", what);
    return 1;
}

static void warnings_only(ggml_log_level level, const char *text, void *)
{
    if (level >= GGML_LOG_LEVEL_WARN)
        fputs(text, stderr);
}

static int write_floats(const char *path, const std::vector<float> &v)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(v.data(), sizeof(float), v.size(), f) == v.size();
    ok = f && fclose(f) == 0 && ok;
    return ok ? 0 : complain("the output cannot be written");
}

static int text(llama_model *model, const char *out, const std::vector<llama_token> &ids)
{
    llama_context_params p = llama_context_default_params();
    p.n_ctx = p.n_batch = p.n_ubatch = 512;
    p.n_threads = p.n_threads_batch = 1;
    p.type_k = p.type_v = GGML_TYPE_F32;
    p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    llama_context *context = llama_init_from_model(model, p);
    if (!context || ids.size() > 512)
        return complain("no context, or more than 512 ids");
    llama_batch b = llama_batch_init((int)ids.size(), 0, 1);
    b.n_tokens = (int)ids.size();
    for (int i = 0; i < b.n_tokens; i++) {
        b.token[i] = ids[i];
        b.pos[i] = i;
        b.n_seq_id[i] = 1;
        b.seq_id[i][0] = 0;
        b.logits[i] = 1;
    }
    if (llama_decode(context, b))
        return complain("llama_decode failed");
    const int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
    std::vector<float> all;
    for (int i = 0; i < b.n_tokens; i++) {
        const float *row = llama_get_logits_ith(context, i);
        all.insert(all.end(), row, row + n_vocab);
    }
    return write_floats(out, all);
}

static int see(llama_model *model, char **arg)
{
    mtmd_context_params p = mtmd_context_params_default();
    p.use_gpu = false;
    p.n_threads = 1;
    p.warmup = false;
    mtmd_context *context = mtmd_init_from_file(arg[0], model, p);
    if (!context)
        return complain("the mmproj file was refused");
    const unsigned width = (unsigned)atoi(arg[1]), height = (unsigned)atoi(arg[2]);
    std::vector<unsigned char> pixels((size_t)width * height * 3);
    FILE *f = fopen(arg[3], "rb");
    if (!f || fread(pixels.data(), 1, pixels.size(), f) != pixels.size())
        return complain("the pixels cannot be read");
    fclose(f);
    const mtmd_bitmap *bitmap = mtmd_bitmap_init(width, height, pixels.data());
    mtmd_input_text prompt = {};
    prompt.text = mtmd_default_marker();
    prompt.text_len = strlen(prompt.text);
    prompt.parse_special = true;
    mtmd_input_chunks *chunks = mtmd_input_chunks_init();
    if (mtmd_tokenize(context, chunks, &prompt, &bitmap, 1))
        return complain("mtmd_tokenize failed");
    std::vector<float> all;
    for (size_t i = 0; i < mtmd_input_chunks_size(chunks); i++) {
        const mtmd_input_chunk *chunk = mtmd_input_chunks_get(chunks, i);
        if (mtmd_input_chunk_get_type(chunk) != MTMD_INPUT_CHUNK_TYPE_IMAGE)
            continue;
        if (mtmd_encode_chunk(context, chunk))
            return complain("mtmd_encode_chunk failed");
        const float *rows = mtmd_get_output_embd(context);
        all.insert(all.end(), rows, rows + mtmd_input_chunk_get_n_tokens(chunk) * llama_model_n_embd(model));
    }
    return write_floats(arg[4], all);
}

int main(int argc, char **argv)
{
    const bool is_text = argc > 4 && strcmp(argv[1], "text") == 0;
    if (!is_text && (argc != 8 || strcmp(argv[1], "see") != 0))
        return complain("usage: peer_llama text MODEL OUT ID... | see MODEL MMPROJ WIDTH HEIGHT PIXELS OUT");
    llama_log_set(warnings_only, nullptr);
    llama_model_params p = llama_model_default_params();
    p.n_gpu_layers = 0;
    p.use_extra_bufts = false;
    llama_model *model = llama_model_load_from_file(argv[2], p);
    if (!model)
        return complain("the model file was refused");
    std::vector<llama_token> ids;
    for (int i = 4; is_text && i < argc; i++)
        ids.push_back(atoi(argv[i]));
    return is_text ? text(model, argv[3], ids) : see(model, argv + 3);
}
