"""--lora: adapters beside a model. Usage: test_lora.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import random
import struct

from models import F32, LIST, TEXT, U32, Gguf
from program import TINY_GGUF, Folder, long, main

PREFIXES = ["base_model.model.model.", "base_model.model.model.language_model.", "base_model.model.language_model.model.",
            "base_model.model.language_model.", "base_model.model.", "model.", "model.language_model.", ""]
NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
MATRICES = ["blk.%d.%s.weight" % (i, m) for i in range(2) for m in NAMES]
CONFIG = {"peft_type": "LORA", "base_model_name_or_path": "google/gemma-3-4b-it", "bias": "none", "lora_dropout": 0.05,
          "modules_to_save": None, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM", "use_dora": False, "inference_mode": True}


def module_of(matrix):
    _, layer, part, _ = matrix.split(".")
    return "layers.%s.%s" % (layer, NAMES[part])


class Lora(Folder):
    def setUp(self):
        super().setUp()
        self.model = Gguf(TINY_GGUF)

    def factors(self, rank=3, matrices=MATRICES, seed=7):
        """{matrix: (A's bytes, B's bytes, rank)}; ranks may be by matrix."""
        rng, out = random.Random(seed), {}
        for m in matrices:
            r = rank[m] if isinstance(rank, dict) else rank
            cols, rows = self.model.tensors[m][0]
            draw = lambda n: struct.pack("<%df" % n, *(rng.uniform(-0.2, 0.2) for _ in range(n)))
            out[m] = draw(cols * r), draw(rows * r), r
        return out

    def gguf(self, factors, name="a.gguf", alpha=6.0, **keys):
        g = Gguf(TINY_GGUF)
        g.keys = {"general.type": (TEXT, b"adapter"), "general.architecture": (TEXT, b"gemma3"), "adapter.type": (TEXT, b"lora"),
                  "adapter.lora.alpha": (F32, alpha), **keys}
        g.tensors = {}
        for m, (a, b, r) in factors.items():
            cols, rows = self.model.tensors[m][0]
            g.tensors[m + ".lora_a"] = ([cols, r], 0, a)
            g.tensors[m + ".lora_b"] = ([r, rows], 0, b)
        return g.save(self.path(name))

    def peft(self, factors, name="peft", prefix=PREFIXES[0], inner="", more=None, dtype="F32", **config):
        """A folder as PEFT writes it; more: further tensors."""
        folder = self.path(name)
        os.makedirs(folder, exist_ok=True)
        tensors = dict(more or {})
        for m, (a, b, r) in factors.items():
            cols, rows = self.model.tensors[m][0]
            module = prefix + module_of(m)
            tensors["%s.lora_A.%sweight" % (module, inner)] = (dtype, [r, cols], a)
            tensors["%s.lora_B.%sweight" % (module, inner)] = (dtype, [rows, r], b)
        head, data, at = {"__metadata__": {"format": "pt"}}, [], 0
        for key, (kind, sides, raw) in tensors.items():
            head[key] = {"dtype": kind, "shape": sides, "data_offsets": [at, at + len(raw)]}
            data.append(raw)
            at += len(raw)
        text = json.dumps(head).encode()
        text += b" " * (-len(text) % 8)
        with open(folder + "/adapter_model.safetensors", "wb") as f:
            f.writelines([struct.pack("<Q", len(text)), text, *data])
        with open(folder + "/adapter_config.json", "w") as f:
            json.dump({**CONFIG, "r": 3, "lora_alpha": 6, **config}, f)
        return folder

    def figures(self, *args, model=TINY_GGUF, exact=True):
        """Tokens and log-probabilities of an answer."""
        r = self.ok("run", model, "a red star is", "--raw", "--json", "--logprobs", "2", "-n", "5", "--temp", "0", "--ignore-eos",
                    *(["--exact"] if exact else []), *args)
        o = json.loads(r.stdout)
        return o["tokens"], [(t["logprob"], [x["logprob"] for x in t["top_logprobs"]]) for t in o["logprobs"]]

    def test_the_figures_are_those_of_the_merged_model(self):
        adapter, out = self.gguf(self.factors()), self.path("merged.gguf")
        for scale in (1, -0.5):
            self.ok("merge", TINY_GGUF, adapter, "-o", out, "--scale", str(scale), "--type", "f32")
            ids, merged = self.figures(model=out)
            own_ids, own = self.figures("--lora", "%s=%s" % (adapter, scale))
            self.assertEqual(own_ids, ids)
            for (p, top), (q, other) in zip(own, merged):
                for x, y in zip([p, *top], [q, *other]):
                    self.assertLess(abs(x - y), 2e-4)  # float32 sums in another order, as between any two runtimes

    def test_scale_0_is_no_adapter(self):
        adapter = self.gguf(self.factors())
        for exact in (True, False):
            none = self.figures(exact=exact)
            self.assertEqual(self.figures("--lora", adapter + "=0", exact=exact), none)
            self.assertNotEqual(self.figures("--lora", adapter, exact=exact), none)

    @long
    def test_every_prefix_of_peft_says_the_same(self):
        factors = self.factors()
        expected = self.figures("--lora", self.gguf(factors))
        for i, prefix in enumerate(PREFIXES):
            folder = self.peft(factors, "p%d" % i, prefix, inner="default." if i % 2 else "")
            self.assertEqual(self.figures("--lora", folder), expected, prefix)

    def test_ranks_and_scales_of_single_matrices(self):
        rank = dict.fromkeys(MATRICES, 3)
        rank["blk.1.ffn_down.weight"], rank["blk.0.attn_q.weight"] = 5, 2
        factors = self.factors(rank)
        folder = self.peft(factors, r=3, lora_alpha=6, rank_pattern={"layers.1.mlp.down_proj": 5, r".*\.0\.self_attn.q_proj": 2},
                           alpha_pattern={r"layers\.\d+.mlp.(up|gate)_proj": 12, "q_proj": 1})
        scale = {m: (12 if "gate" in m or "up" in m else 1 if "attn_q" in m else 6) / rank[m] for m in MATRICES}
        stated = {m: (a, b"".join(struct.pack("<f", x[0] * scale[m]) for x in struct.iter_unpack("<f", b)), r)
                  for m, (a, b, r) in factors.items()}
        out = self.path("x.gguf")
        self.ok("merge", TINY_GGUF, folder, "-o", out, "--type", "f32")
        merged, base = Gguf(out), self.model
        for m, (a, b, r) in stated.items():
            (cols, rows), _, raw = base.tensors[m]
            w, a, b = (struct.unpack("<%df" % (len(x) // 4), x) for x in (raw, a, b))
            found = struct.unpack_from("<%df" % (rows * cols), merged.tensors[m][2])
            for row in range(0, rows, 7):
                for c in range(0, cols, 5):
                    at = row * cols + c
                    self.assertLess(abs(w[at] + sum(b[row * r + k] * a[k * cols + c] for k in range(r)) - found[at]), 1e-5, m)
        ids, figures = self.figures("--lora", folder)
        self.assertEqual(ids, self.figures(model=out)[0])

    def test_rank_stabilised(self):
        factors = self.factors(4)
        folder = self.peft(factors, r=4, lora_alpha=6, use_rslora=True)  # 6 / sqrt(4) is 12 / 4
        self.assertEqual(self.figures("--lora", folder), self.figures("--lora", self.gguf(factors, alpha=12.0)))

    def test_types(self):
        """bfloat16 in a folder, float16 in a GGUF: numbers that both hold exactly give the same bits as float32."""
        def rounded(raw):
            return b"".join(raw[i:i + 2] + b"\0\0" if False else b"\0\0" + raw[i + 2:i + 4] for i in range(0, len(raw), 4))
        factors = {m: (rounded(a), rounded(b), r) for m, (a, b, r) in self.factors().items()}
        expected = self.figures("--lora", self.gguf(factors))
        short = {m: (b"".join(a[i + 2:i + 4] for i in range(0, len(a), 4)), b"".join(b[i + 2:i + 4] for i in range(0, len(b), 4)), r)
                 for m, (a, b, r) in factors.items()}
        self.assertEqual(self.figures("--lora", self.peft(short, dtype="BF16")), expected)
        half = self.gguf(factors, "half.gguf")
        g = Gguf(half)
        for name, (sides, _, raw) in g.tensors.items():
            n = sides[0] * sides[1]
            g.tensors[name] = (sides, 1, struct.pack("<%de" % n, *struct.unpack_from("<%df" % n, raw)))
        self.assertEqual(self.figures("--lora", g.save(half))[0], expected[0])

    @long
    def test_many_tokens_and_threads(self):
        """A prompt in chunks of any size, one thread or three: the same bits."""
        adapter = self.gguf(self.factors(19))
        text = "a red star is a small hill and a " * 12
        run = lambda *args: json.loads(self.ok("run", TINY_GGUF, text, "--raw", "--json", "--logprobs", "2", "-n", "4", "--temp", "0",
                                               "--ignore-eos", "--lora", adapter, *args).stdout)["logprobs"]
        expected = run("-t", "1")
        for args in (["-t", "1", "-b", "7"], ["-t", "3"], ["-t", "3", "-b", "5"]):
            self.assertEqual(run(*args), expected, args)

    def test_what_is_refused(self):
        factors = self.factors()
        a, b, _ = factors["blk.0.attn_q.weight"]
        cols, rows = self.model.tensors["blk.0.attn_q.weight"][0]
        p = PREFIXES[0] + "layers.0.self_attn.q_proj."

        def refused(path, *says):
            text = self.refused("run", TINY_GGUF, "hi", "-n", "1", "--lora", path, says=says)
            return text

        for more, says in (
                ({p + "lora_magnitude_vector": ("F32", [rows], bytes(4 * rows))}, "lora_magnitude_vector' is part of a DoRA"),
                ({PREFIXES[0] + "embed_tokens.weight": ("F32", [2, 2], bytes(16))}, "model.embed_tokens.weight' is no factor"),
                ({"base_model.model.lm_head.weight": ("F32", [2, 2], bytes(16))}, "lm_head.weight' is no factor"),
                ({PREFIXES[0] + "embed_tokens.lora_embedding_A": ("F32", [2, 2], bytes(16))}, "lora_embedding_A' is no factor"),
                ({"base_model.model.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.lora_A.weight": ("F32", [3, cols], a)},
                 "belongs to no matrix of a Gemma 3's language model"),
                ({PREFIXES[0] + "layers.0.self_attn.q_norm.lora_A.weight": ("F32", [3, cols], a)}, "q_norm.lora_A.weight' belongs to no matrix"),
                ({p + "lora_A.bias": ("F32", [3], bytes(12))}, "lora_A.bias' is no factor"),
                ({p + "lora_A.other.weight": ("F32", [3, cols], a)}, "the same factor"),
                ({PREFIXES[0] + "layers.99.mlp.up_proj.lora_A.weight": ("F32", [3, cols], a),
                  PREFIXES[0] + "layers.99.mlp.up_proj.lora_B.weight": ("F32", [rows, 3], b)}, "99.mlp.up_proj.lora_A.weight', but the model has"),
                ({p + "x.lora_A.weight": ("F8_E4M3", [3, cols], bytes(3 * cols))}, "is F8_E4M3, expected")):
            refused(self.peft(factors, more=more), says)
        for config, says in (
                ({"use_dora": True}, "use_dora"), ({"modules_to_save": ["lm_head"]}, "'modules_to_save' has 'lm_head'"),
                ({"bias": "all"}, "'bias'"), ({"peft_type": "IA3"}, "'peft_type' is 'IA3'"), ({"fan_in_fan_out": True}, "fan_in_fan_out"),
                ({"init_lora_weights": "pissa"}, "'pissa'"), ({"lora_bias": True}, "'lora_bias' is set"),
                ({"layer_replication": [[0, 1]]}, "layer_replication"), ({"a_new_one": 3}, "'a_new_one' is set"),
                ({"alora_invocation_tokens": [5]}, "alora_invocation_tokens"), ({"trainable_token_indices": [1]}, "trainable_token"),
                ({"r": 4}, "has a rank of 3, but adapter_config.json states 4"),
                ({"rank_pattern": {"up_proj": 2}}, "up_proj.lora_A.weight' has a rank of 3"),
                ({"rank_pattern": {"(?i)up": 2}}, "the key '(?i)up' is a regular expression beyond"),
                ({"alpha_pattern": {"(up": 2}}, "the key '(up' is no regular expression"),
                ({"alpha_pattern": {r"layers.[\d]+.mlp.up_proj": 2}}, r"the key 'layers.[\d]+.mlp.up_proj' is a regular expression beyond"), ({"alpha_pattern": [1]}, "'alpha_pattern' is an array"),
                ({"lora_alpha": 0}, "an alpha of 0"), ({"r": "3"}, "'r' is a string")):
            refused(self.peft(factors, **config), says)
        half = dict(factors)
        refused(self.peft({"blk.0.attn_q.weight": (a, b, 3)}, more={PREFIXES[0] + "layers.1.mlp.up_proj.lora_A.weight": ("F32", [3, cols], a)}),
                "blk.1.ffn_up.weight has .lora_a, but no .lora_b")
        os.unlink(self.path("peft") + "/adapter_model.safetensors")
        refused(self.path("peft"), "no adapter_model.safetensors")
        os.unlink(self.path("peft") + "/adapter_config.json")
        self.peft(half)
        os.unlink(self.path("peft") + "/adapter_config.json")
        refused(self.path("peft"), "adapter_config.json")

    def test_what_is_refused_of_a_gguf(self):
        factors = self.factors()
        path = self.gguf(factors)
        g = Gguf(path)
        good, keys = dict(g.tensors), dict(g.keys)
        one = "blk.0.attn_q.weight"
        cols, rows = self.model.tensors[one][0]

        def refused(*says):
            g.save(path)
            self.refused("run", TINY_GGUF, "hi", "-n", "1", "--lora", path, says=says)

        for name, says in (("blk.0.attn_norm.weight.lora_a", "belongs to no matrix"), ("blk.7.attn_q.weight", "belongs to no matrix"),
                           ("output.weight.lora_x", "belongs to no matrix")):
            g.tensors = {**good, name: ([cols, 3], 0, bytes(12 * cols))}
            refused(name, says)
        g.tensors = {**good, "token_embd.weight.lora_a": ([cols, 3], 0, bytes(12 * cols)), "token_embd.weight.lora_b": ([3, rows], 0, bytes(12 * rows))}
        refused("token_embd.weight.lora_a", "embedding table")
        g.tensors = {**good, one + ".lora_a": ([4, 3], 0, bytes(48))}
        refused(one + " is [", "an adapter for another model")
        g.tensors = {**good, one + ".lora_a": ([cols, 4], 0, bytes(16 * cols))}
        refused("no rank in common")
        g.tensors = {**good, one + ".lora_b": ([3, rows], 0, struct.pack("<f", float("nan")) * (3 * rows))}
        refused(one + ".lora_b", "not finite")
        g.tensors = good
        for key, value, says in (("adapter.alora.invocation_tokens", (LIST, (U32, [3])), "invocation_tokens"),
                                 ("general.architecture", (TEXT, b"gemma2"), "is 'gemma2', expected 'gemma3'"),
                                 ("adapter.type", (TEXT, b"control_vector"), "control_vector")):
            g.keys = {**keys, key: value}
            refused(says)
        self.refused("run", TINY_GGUF, "hi", "--lora", TINY_GGUF, says="general.type is 'model', expected 'adapter'")
        self.refused("run", TINY_GGUF, "hi", "--lora", self.path("none.gguf"), says="none.gguf")
        g.keys = keys
        g.save(path)
        self.refused("run", TINY_GGUF, "hi", "--lora", path, "--lora", path + "=0.5", says="two adapters are called 'a'")

    def test_names_and_scales(self):
        """A path may have a '=' in it; a name goes before it, a scale behind it."""
        factors = self.factors()
        plain = self.gguf(factors)
        odd = self.gguf(factors, "x=2.gguf")
        expected = self.figures("--lora", plain)
        self.assertEqual(self.figures("--lora", odd), expected)
        self.assertEqual(self.figures("--lora", "mine=" + plain), expected)
        half = self.figures("--lora", plain + "=0.5")
        self.assertNotEqual(half, expected)
        self.assertEqual(self.figures("--lora", "mine=%s=0.5" % plain), half)
        for scale, says in ("nan", "not a number"), ("1e39", "not a number"), ("1e-60", "a scale of 1e-60 is nothing in float32"):
            self.refused("run", TINY_GGUF, "hi", "--lora", "mine=%s=%s" % (plain, scale), says=says)
        both = self.figures("--lora", "one=" + plain, "--lora", "two=%s=-1" % plain)
        self.assertEqual(both[0], self.figures()[0])

    @long
    def test_a_batch(self):
        """Lines with an adapter by name, by number, with none: each as if it were alone."""
        paths = [self.gguf(self.factors(3 + i, seed=i), "l%d.gguf" % i) for i in range(3)]
        given = [x for p in paths for x in ("--lora", p + "=0")]
        choose = [{"model": "l0"}, {"lora": [{"id": 1, "scale": 1}]}, {"lora": [{"id": "l2", "scale": 0.5}]}, {}, {"lora": []}]
        body = lambda i: {"model": "any", "prompt": "a red star %d" % (i % 3), "max_tokens": 6, "temperature": 0, "logprobs": 1,
                          "ignore_eos": True, **choose[i % len(choose)]}

        def answers(numbers, name):
            text = "".join(json.dumps({"custom_id": str(i), "method": "POST", "url": "/v1/completions", "body": body(i)}) + "\n" for i in numbers)
            out = self.path(name)
            self.ok("run", TINY_GGUF, "--batch", self.path(name + ".in", text.encode()), "-o", out, "--parallel", "16", "-c", "256", *given)
            with open(out) as f:
                return {o["custom_id"]: o["response"]["body"]["choices"] for o in map(json.loads, f)}
        together = answers(range(16), "all")
        for i in (0, 1, 2, 3, 4):
            self.assertEqual(answers([i], "one%d" % i)[str(i)], together[str(i)], choose[i])
        self.assertEqual(together["3"], together["9"])  # none, in two ways
        self.assertEqual(len({json.dumps(together[str(i)]) for i in (0, 6, 12, 3)}), 4)
        bad = [{"lora": [{"id": 3, "scale": 1}]}, {"lora": [{"id": "x", "scale": 1}]}, {"lora": [{"id": 0}]}, {"lora": {}},
               {"lora": [{"id": 0, "scale": 1, "mood": 1}]}, {"lora": [{"id": 0, "scale": 1}] * 2}]
        lines = "".join(json.dumps({"custom_id": str(i), "method": "POST", "url": "/v1/completions",
                                    "body": {"prompt": "a", "max_tokens": 1, **b}}) + "\n" for i, b in enumerate(bad))
        r = self.run_batch(lines, given)
        for o in r:
            self.assertEqual((o["response"]["status_code"], o["response"]["body"]["error"]["param"]), (400, "lora"), o)

    def run_batch(self, lines, given):
        from program import carat
        out = self.path("bad.out")
        carat("run", TINY_GGUF, "--batch", self.path("bad.in", lines.encode()), "-o", out, *given)
        with open(out) as f:
            return list(map(json.loads, f))

    def test_other_commands(self):
        adapter = self.gguf(self.factors())

        def logits(*args):
            self.ok("logits", TINY_GGUF, "--ids", "2,30,40", "-o", self.path("logits"), *args)
            with open(self.path("logits"), "rb") as f:
                return f.read()
        self.assertNotEqual(logits("--lora", adapter), logits())
        self.assertEqual(logits("--lora", adapter + "=0"), logits())
        chat = lambda *args: self.ok("chat", TINY_GGUF, "--temp", "0", "-n", "5", *args, stdin=b"hello\n").stdout
        self.assertNotEqual(chat("--lora", adapter), chat())
        bare, with_it = (json.loads(self.ok("weigh", TINY_GGUF, "--json", *more).stdout) for more in ((), ("--lora", adapter)))
        n = 4 * 3 * sum(sum(self.model.tensors[m][0]) for m in MATRICES)  # float32, rank 3
        self.assertIn('"adapters"', json.dumps(with_it))
        find = lambda o: o["bytes"]["adapters"] if "bytes" in o else next(filter(None, map(find, (v for v in o.values() if isinstance(v, dict)))), 0) \
            if isinstance(o, dict) else 0
        self.assertTrue(n <= find(with_it) < 64 * n, (n, with_it))
        self.assertEqual(find(bare), 0)

    def test_switched_in_a_chat(self):
        """What was said before is computed anew with what counts now: the answer is that of a chat that had it all along."""
        adapter = self.gguf(self.factors())
        def chat(lines, *args):
            out = self.ok("chat", TINY_GGUF, "--temp", "0", "-n", "6", "--lora", *args, stdin=lines.encode()).stdout
            return out
        with_it, without = chat("hello\n", "a=" + adapter), chat("hello\n", "a=" + adapter + "=0")
        self.assertNotEqual(with_it, without)
        self.assertEqual(chat("/lora a=1\nhello\n", "a=" + adapter + "=0"), with_it)
        self.assertEqual(chat("/lora a=0\nhello\n", "a=" + adapter), without)
        self.assertEqual(chat("hello\n/lora a=1\n/retry\n", "a=" + adapter + "=0"), without + with_it)
        self.assertIn(b"a  scale 0.5, rank 3, 14 matrices", chat("/lora\n", "a=" + adapter + "=0.5"))
        for line, says in (("/lora b=1", b"no adapter 'b'"), ("/lora a", b"/lora NAME=SCALE"), ("/lora a=x", b"/lora NAME=SCALE")):
            from program import carat
            self.assertIn(says, carat("chat", TINY_GGUF, "--lora", "a=" + adapter, stdin=line.encode() + b"\n").stderr)

    def test_a_chat_adapter_brings_its_template(self):
        """A base model has none: with the adapter's it takes part in chats."""
        g = Gguf(TINY_GGUF)
        template = g.keys.pop("tokenizer.chat_template", (TEXT, None))[1]
        base = g.save(self.path("base.gguf"))
        if template is None:
            template = b"{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content }}<end_of_turn>\n{% endfor %}"
        folder = self.peft(self.factors())
        show = lambda *args: self.ok("run", base, "hello", "-n", "1", "--show-prompt", *args).stderr.decode()
        self.assertNotIn("<start_of_turn>", show("--lora", folder))
        with open(folder + "/chat_template.jinja", "wb") as f:
            f.write(template)
        self.assertIn("<start_of_turn>user\nhello<end_of_turn>", show("--lora", folder))
        packed = self.gguf(self.factors(), **{"tokenizer.chat_template": (TEXT, template)})
        self.assertIn("<start_of_turn>user\nhello<end_of_turn>", show("--lora", packed + "=0"))


if __name__ == "__main__":
    main()
