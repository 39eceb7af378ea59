"""Makes the small embedding model beside this file, in EmbeddingGemma's architecture with random weights, as a folder and as GGUF, and
its golden values in float64:  python make.py  (numpy; the gguf package to write GGUF). Vocabulary: tiny-text's.

    folder   config.json, model.safetensors, modules.json, 1_Pooling, 2_Dense, 3_Dense, config_sentence_transformers.json, tokenizer.json
    gguf     tiny-encoder-f32.gguf: the same weights, names and keys as llama.cpp's converter writes them
    golden   ids, ids_offset; pooled (mean of the final-norm states), dense_out, embedding; wrong.*: embeddings with a mistake
"""
import json, os, shutil, struct
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = os.path.join(HERE, "..", "tiny-text")
LAYERS, WIDTH, FFN, HEADS, DIM, VOCAB, WINDOW, CONTEXT, DENSE, EPS = 7, 64, 96, 3, 32, 512, 16, 256, 128, 1e-6
LENGTHS = [2, 3, 8, 9, 10, 11, 17, 18, 40, 64, 65, 130, 256]
rng = np.random.default_rng(300)


def draw(rows, cols, gain=1.0):
    return (rng.standard_normal((rows, cols)) * gain / np.sqrt(cols)).astype(np.float32)


def norm_weight(n):
    return (0.3 * rng.standard_normal(n)).astype(np.float32)


def weights():
    w = {"embed_tokens.weight": draw(VOCAB, WIDTH, 8), "norm.weight": norm_weight(WIDTH)}
    for i in range(LAYERS):
        p = "layers.%d." % i
        for n in ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"):
            w[p + n + ".weight"] = norm_weight(WIDTH)
        w[p + "self_attn.q_norm.weight"], w[p + "self_attn.k_norm.weight"] = norm_weight(DIM), norm_weight(DIM)
        w[p + "self_attn.q_proj.weight"] = draw(HEADS * DIM, WIDTH)
        w[p + "self_attn.k_proj.weight"], w[p + "self_attn.v_proj.weight"] = draw(DIM, WIDTH), draw(DIM, WIDTH)
        w[p + "self_attn.o_proj.weight"] = draw(WIDTH, HEADS * DIM)
        w[p + "mlp.gate_proj.weight"], w[p + "mlp.up_proj.weight"] = draw(FFN, WIDTH), draw(FFN, WIDTH)
        w[p + "mlp.down_proj.weight"] = draw(WIDTH, FFN)
    return w, draw(DENSE, WIDTH), draw(WIDTH, DENSE)


# ---- the model, in float64 ----

def rms(x, w):
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + EPS) * (1 + w.astype(np.float64))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def rotate(x, base):
    """x: [tokens, heads, DIM]; half-split pairs; frequencies rounded to float32 as the reference has them."""
    inv = (np.float32(1) / np.float32(base) ** (np.arange(0, DIM, 2, dtype=np.float32) / np.float32(DIM))).astype(np.float64)
    angle = np.arange(x.shape[0])[:, None, None] * inv
    a, b = x[..., : DIM // 2], x[..., DIM // 2:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], -1)


def attend(q, k, v, reach):
    n = len(q)
    far = np.abs(np.arange(n)[:, None] - np.arange(n)[None]) > reach
    out = np.empty_like(q)
    for h in range(HEADS):
        s = np.where(far, -np.inf, q[:, h] @ k.T / np.sqrt(DIM))
        e = np.exp(s - s.max(-1, keepdims=True))
        out[:, h] = e / e.sum(-1, keepdims=True) @ v
    return out.reshape(n, -1)


def embed(w, d1, d2, ids, reach=WINDOW // 2, dense=True):
    g = lambda i, n: w["layers.%d.%s.weight" % (i, n)].astype(np.float64)
    x = w["embed_tokens.weight"][ids].astype(np.float64) * np.float64(np.float32(np.sqrt(WIDTH)))
    n = len(ids)
    for i in range(LAYERS):
        is_global = (i + 1) % 6 == 0
        h = rms(x, g(i, "input_layernorm"))
        q = rms((h @ g(i, "self_attn.q_proj").T).reshape(n, HEADS, DIM), g(i, "self_attn.q_norm"))
        k = rms((h @ g(i, "self_attn.k_proj").T).reshape(n, 1, DIM), g(i, "self_attn.k_norm"))
        base = 1e6 if is_global else 1e4
        a = attend(rotate(q, base), rotate(k, base)[:, 0], h @ g(i, "self_attn.v_proj").T, n if is_global else reach)
        x = x + rms(a @ g(i, "self_attn.o_proj").T, g(i, "post_attention_layernorm"))
        h = rms(x, g(i, "pre_feedforward_layernorm"))
        h = (gelu(h @ g(i, "mlp.gate_proj").T) * (h @ g(i, "mlp.up_proj").T)) @ g(i, "mlp.down_proj").T
        x = x + rms(h, g(i, "post_feedforward_layernorm"))
    pooled = rms(x, w["norm.weight"]).mean(0)
    out = d2.astype(np.float64) @ (d1.astype(np.float64) @ pooled) if dense else pooled
    return pooled, out, out / np.linalg.norm(out)


# ---- files ----

def save_tensors(path, tensors):
    header, at = {}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(t.tobytes() for t in tensors.values()))


def save_json(name, value):
    os.makedirs(os.path.dirname(os.path.join(HERE, name)), exist_ok=True)
    with open(os.path.join(HERE, name), "w") as f:
        json.dump(value, f, indent=1)
        f.write("\n")


def save_folder(w, d1, d2):
    save_tensors(os.path.join(HERE, "model.safetensors"), w)
    save_tensors(os.path.join(HERE, "2_Dense", "model.safetensors"), {"linear.weight": d1})
    save_tensors(os.path.join(HERE, "3_Dense", "model.safetensors"), {"linear.weight": d2})
    save_json("config.json", {
        "architectures": ["Gemma3TextModel"], "model_type": "gemma3_text", "dtype": "float32", "use_bidirectional_attention": True,
        "_sliding_window_pattern": 6, "attention_bias": False, "hidden_activation": "gelu_pytorch_tanh", "vocab_size": VOCAB,
        "hidden_size": WIDTH, "intermediate_size": FFN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": 1, "head_dim": DIM, "sliding_window": WINDOW, "query_pre_attn_scalar": DIM, "rms_norm_eps": EPS,
        "max_position_embeddings": CONTEXT, "rope_theta": 1e6, "rope_local_base_freq": 1e4, "rope_scaling": None,
        "layer_types": ["full_attention" if (i + 1) % 6 == 0 else "sliding_attention" for i in range(LAYERS)],
        "attn_logit_softcapping": None, "final_logit_softcapping": None, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2})
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_Dense", "Dense"), ("4_Normalize", "Normalize")]
    save_json("modules.json", [{"idx": i, "name": str(i), "path": p, "type": "sentence_transformers.models." + k}
                               for i, (p, k) in enumerate(kinds)])
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
    save_json("1_Pooling/config.json", {"word_embedding_dimension": WIDTH, "include_prompt": True,
                                        **{"pooling_mode_" + m: m == "mean_tokens" for m in modes}})
    for name, a, b in (("2_Dense", WIDTH, DENSE), ("3_Dense", DENSE, WIDTH)):
        save_json(name + "/config.json", {"in_features": a, "out_features": b, "bias": False,
                                          "activation_function": "torch.nn.modules.linear.Identity"})
    save_json("sentence_bert_config.json", {"max_seq_length": CONTEXT, "do_lower_case": False})
    save_json("config_sentence_transformers.json", {
        "model_type": "SentenceTransformer", "default_prompt_name": None, "similarity_fn_name": "cosine",
        "prompts": {"query": "task: search result | query: ", "document": "title: none | text: ", "Clustering": "sort: "}})
    shutil.copyfile(os.path.join(TEXT, "tokenizer.json"), os.path.join(HERE, "tokenizer.json"))


GGUF_NAMES = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
              "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "self_attn.o_proj": "attn_output",
              "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
              "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "post_feedforward_layernorm": "post_ffw_norm"}


def gguf_name(name):
    outer = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
    if name in outer:
        return outer[name]
    _, i, rest = name.split(".", 2)
    return "blk.%s.%s.weight" % (i, GGUF_NAMES[rest.removesuffix(".weight")])


def save_gguf(w, d1, d2):
    import gguf
    old = gguf.GGUFReader(os.path.join(TEXT, "gguf", sorted(n for n in os.listdir(os.path.join(TEXT, "gguf")) if n.endswith(".gguf"))[0]))
    os.makedirs(os.path.join(HERE, "gguf"), exist_ok=True)
    out = gguf.GGUFWriter(os.path.join(HERE, "gguf", "tiny-encoder-f32.gguf"), "gemma-embedding")
    p = "gemma-embedding."
    for key, value in (("block_count", LAYERS), ("context_length", CONTEXT), ("embedding_length", WIDTH), ("feed_forward_length", FFN),
                       ("attention.head_count", HEADS), ("attention.head_count_kv", 1), ("attention.key_length", DIM),
                       ("attention.value_length", DIM), ("attention.sliding_window", WINDOW), ("pooling_type", 1),
                       ("dense_2_feat_in", WIDTH), ("dense_2_feat_out", DENSE), ("dense_3_feat_in", DENSE), ("dense_3_feat_out", WIDTH)):
        out.add_uint32(p + key, value)
    for key, value in (("attention.layer_norm_rms_epsilon", EPS), ("rope.freq_base", 1e6), ("rope.freq_base_swa", 1e4)):
        out.add_float32(p + key, value)
    for name, field in old.fields.items():
        if name.startswith("tokenizer.ggml."):
            kind = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            out.add_key_value(name, field.contents(), field.types[0], sub_type=kind)
    for name, t in w.items():
        out.add_tensor(gguf_name(name), t + np.float32(1) if "norm" in name else t)
    out.add_tensor("dense_2.weight", d1)
    out.add_tensor("dense_3.weight", d2)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def save_golden(w, d1, d2):
    texts = [[2] + [int(x) for x in rng.integers(6, VOCAB, n - 2)] + [1] for n in LENGTHS]
    right = [embed(w, d1, d2, t) for t in texts]
    arrays = {"ids": np.array(sum(texts, []), np.int32), "ids_offset": np.cumsum([0] + LENGTHS).astype(np.int32)}
    for i, name in enumerate(("pooled", "dense_out", "embedding")):
        arrays[name] = np.array([r[i] for r in right], np.float32)
    mistakes = {"window_smaller": {"reach": WINDOW // 2 - 1}, "window_larger": {"reach": WINDOW // 2 + 1}, "no_window": {"reach": CONTEXT},
                "no_dense": {"dense": False}}
    for name, how in mistakes.items():
        arrays["wrong." + name] = np.array([embed(w, d1, d2, t, **how)[2] for t in texts], np.float32)
    os.makedirs(os.path.join(HERE, "golden"), exist_ok=True)
    entries, at = {}, 0
    with open(os.path.join(HERE, "golden", "golden.bin"), "wb") as f:
        for name, a in arrays.items():
            entries[name] = {"file": "golden.bin", "offset": at, "dtype": str(a.dtype), "shape": list(a.shape)}
            at += f.write(a.tobytes() + bytes(-a.nbytes % 64))
    save_json("golden/manifest.json", {"reference": "make.py, float64", "texts": len(LENGTHS), "arrays": entries})


def main():
    w, d1, d2 = weights()
    save_folder(w, d1, d2)
    save_gguf(w, d1, d2)
    save_golden(w, d1, d2)


if __name__ == "__main__":
    main()
