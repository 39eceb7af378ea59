"""Checkpoints as trainers, converters and publishers leave them. Usage: test_checkpoints.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import gzip
import json
import os
import shutil
import struct

from models import BOOL, F32, LIST, TEXT, Copy, Gguf
from program import DATA, IMAGES, SIGHT, TINY, TINY_GGUF, Folder, carat, long, main

TABLE, HEAD = "model.embed_tokens.weight", "lm_head.weight"


class Checkpoints(Folder):
    def folder(self, name, source=TINY, tensors=None, **config):
        """A copy of a model's folder with its configuration changed and tensors put in."""
        m = Copy(source, self.path(name))
        m.update("config.json", **config)
        if tensors:
            m.put_tensors(tensors)
        return m

    def logits(self, model, ids="2,5,9,60"):
        """Of the last position, and the warnings."""
        r = self.ok("logits", model, "--ids", ids, "--exact", "-o", self.path("logits"))
        with open(self.path("logits"), "rb") as f:
            return f.read()[-512 * 4:], [line for line in r.stderr.decode().split("\n") if "warning" in line]

    def info(self, model):
        return json.loads(self.ok("info", model, "--json").stdout)


class Heads(Checkpoints):
    def setUp(self):
        super().setUp()
        dtype, sides, raw = self.folder("whole").tensors()[TABLE]
        self.table = (dtype, sides, raw)
        self.other = (dtype, sides, b"".join(struct.pack("<f", -x) for x, in struct.iter_unpack("<f", raw)))
        self.tied, _ = self.logits(TINY)

    def nested(self, name, outer=None, inner=None, head=HEAD):
        """An image-text model's configuration around the text model, with a flag in each."""
        m = self.folder(name, tensors={head: self.other})
        text = dict(json.loads(m.read("config.json")), model_type="gemma3_text", tie_word_embeddings=inner)
        text = {k: v for k, v in text.items() if v is not None and k != "architectures"}
        m.write("config.json", json.dumps({"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3"}))
        m.update("config.json", text_config=text, tie_word_embeddings=outer)
        return m.path

    def test_c01_a_trained_head_is_used_whatever_the_flag_says(self):
        flagged = lambda name, value: self.folder(name, tensors={HEAD: self.other}, tie_word_embeddings=value).path
        right, said = self.logits(flagged("right", False))
        self.assertEqual(said, [])
        self.assertNotEqual(right, self.tied)
        for model in [flagged("tied", True), flagged("unstated", None), self.nested("top", outer=False),
                      self.nested("neither"), self.nested("both", outer=True, inner=True)]:
            logits, said = self.logits(model)
            self.assertEqual(logits, right, model)
            self.assertEqual(len(said), 1, model)
            self.assertIn("'lm_head.weight' is not the embedding table; using 'lm_head.weight'", said[0])
            self.assertEqual([c for c in self.info(model)["contradictions"] if "output head" in c],
                             [said[0][said[0].index("output head"):]])
        self.assertEqual(self.logits(self.nested("inner", inner=False, head="language_model." + HEAD)), (right, []))

    @long
    def test_c01_a_head_that_is_the_table_is_held_once(self):
        for value in True, False:
            model = self.folder(f"equal{value}", tensors={HEAD: self.table}, tie_word_embeddings=value).path
            self.assertEqual(self.logits(model), (self.tied, []))
            self.assertEqual(self.info(model)["weight_bytes"], self.info(TINY)["weight_bytes"])
        g = Gguf(TINY_GGUF)
        sides, kind, raw = g.tensors["token_embd.weight"]
        logits, _ = self.logits(TINY_GGUF)
        for changed in 0, 0x80:  # equal, and different in the sign of the last weight only
            g.tensors["output.weight"] = (sides, kind, raw[:-1] + bytes([raw[-1] ^ changed]))
            model = g.save(self.path(f"{changed}.gguf"))
            got, said = self.logits(model)
            self.assertEqual((got == logits, said), (not changed, []))
            self.assertEqual(self.info(model)["weight_bytes"] > self.info(TINY_GGUF)["weight_bytes"], bool(changed))

    def test_c01_a_head_that_cannot_be_used_is_named(self):
        dtype, (rows, cols), raw = self.other
        wide, bytes_ = (dtype, [rows + 1, cols], raw + raw[:cols * 4]), ("U8", [rows, cols], raw[::4])
        for value in True, False:
            self.refused("run", self.folder(f"wide{value}", tensors={HEAD: wide}, tie_word_embeddings=value).path, "hi",
                         says=["lm_head.weight", "513", "512"])
            self.refused("run", self.folder(f"u8{value}", tensors={HEAD: bytes_}, tie_word_embeddings=value).path, "hi",
                         says="'lm_head.weight' is U8, expected F32, F16 or BF16")

    def test_c16_no_head_means_tied(self):
        logits, said = self.logits(self.folder("none", tie_word_embeddings=False).path)
        self.assertEqual(logits, self.tied)
        self.assertEqual(len(said), 1)
        self.assertIn("the header says untied, but there is no 'lm_head.weight'; using the embedding table", said[0])


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4216544\n"
FOREIGN = [(LFS, "it looks like a Git LFS pointer, not the file itself: git lfs pull fetches it"),
           (b"\n<!DOCTYPE html><html><head></head></html>\n", "it looks like a web page"),
           (gzip.compress(b"x" * 100, mtime=0), "it looks like gzip-compressed"),
           (b"Access to model google/gemma-3-4b-it is restricted.", "a server that refused the download"),
           (bytes(4096), "never downloaded")]


class Downloads(Checkpoints):
    """What stands in a file's place after a clone without LFS, a login that was needed, a download that broke off."""

    def test_c13_foreign_bytes_are_named_in_every_file(self):
        files = ["model.safetensors", "tokenizer.json", "tokenizer.model", "config.json", "generation_config.json",
                 "tokenizer_config.json", "chat_template.jinja", "model.safetensors.index.json"]
        for name in files:
            m = self.folder(name)
            if name == "tokenizer.model":
                m.remove("tokenizer.json")
            if name.endswith("index.json"):
                m.remove("model.safetensors")
            for data, says in FOREIGN:
                with open(m.file(name), "wb") as f:
                    f.write(data)
                with self.subTest(name=name, says=says):
                    self.refused("run", m.path, "hi", says=[name, says])
        for data, says in FOREIGN:
            self.refused("run", self.path("m.gguf", data), "hi", says=["m.gguf", says])
            self.refused("see", self.path("p.png", data), "-o", self.path("v"), says=["p.png", says])
            self.refused("run", TINY_GGUF, "hi", "--image", IMAGES + "rgb8.png", "--mmproj", self.path("m.gguf", data),
                         says=["m.gguf", says])

    def test_a_file_that_is_cut_looks_like_an_incomplete_download(self):
        with open(TINY_GGUF, "rb") as f:
            whole = f.read()
        for n in [30, 300, 5000, len(whole) // 2, len(whole) - 1]:
            self.refused("run", self.path("cut.gguf", whole[:n]), "hi", says="it looks like an incomplete download")
        for name in "model.safetensors", "tokenizer.json", "config.json":
            m = self.folder(name)
            with open(m.file(name), "rb") as f:
                whole = f.read()
            for n in [len(whole) // 3, len(whole) - 4]:
                with open(m.file(name), "wb") as f:
                    f.write(whole[:n])
                self.refused("run", m.path, "hi", says=[name, "it looks like an incomplete download"])

    def warnings(self, model, *args):
        r = self.ok("run", model, "hi", "-n", "1", *args)
        return [line for line in r.stderr.decode().split("\n") if "warning" in line]

    def holes(self, name, *tensors, share=1):
        """The small model with the last share of these tensors' bytes never written."""
        g = Gguf(TINY + "/gguf/tiny-text-q8_0.gguf")
        for t in tensors:
            sides, kind, raw = g.tensors[t]
            g.tensors[t] = (sides, kind, raw[:len(raw) - int(len(raw) * share)] + bytes(int(len(raw) * share)))
        return g.save(self.path(name))

    def test_c12_holes_of_zeros_are_reported(self):
        question = "was the file downloaded whole?"
        for t in "output_norm.weight", "blk.1.attn_norm.weight", "blk.0.attn_q_norm.weight":
            self.refused("run", self.holes("m.gguf", t), "hi", says=[f"tensor '{t}' is all zero", question])
        for share, tensors, says in [
                (1, ["blk.1.attn_q.weight"], "tensor 'blk.1.attn_q.weight' is all zero: " + question),
                (1, ["blk.1.ffn_up.weight", "blk.0.attn_k.weight"],
                 "tensor 'blk.0.attn_k.weight' is all zero, and another tensor has zeros: " + question),
                (1 / 4, ["token_embd.weight"], "tensor 'token_embd.weight' is zero in 128 of 512 rows: " + question)]:
            said = self.warnings(self.holes("m.gguf", *tensors, share=share))
            self.assertEqual((len(said), says in said[0]), (1, True), said)

    def test_c12_holes_in_a_folder_and_its_tower(self):
        name = "vision_tower.vision_model.encoder.layers.1.mlp.fc1.weight"
        m = self.folder("sight", SIGHT)
        t = m.tensors()
        zero = lambda name: {name: (*t[name][:2], bytes(len(t[name][2])))}
        image = ["--image", IMAGES + "rgb8.png"]
        m.put_tensors(zero(name))
        self.assertEqual(self.warnings(m.path), [])  # the tower is not read
        self.assertIn(f"{m.path}: tensor '{name}' is all zero", "".join(self.warnings(m.path, *image)))
        norm = name.replace("mlp.fc1", "layer_norm1")
        m.put_tensors(zero(norm))
        self.refused("run", m.path, "hi", *image, says=f"{m.path}: tensor '{norm}' is all zero")
        one = "model.layers.0.input_layernorm.weight"
        m = self.folder("norm")
        t = m.tensors()
        m.put_tensors(zero(one))
        self.assertIn(f"'{one}' is all zero", "".join(self.warnings(m.path)))
        m.put_tensors({k: (*v[:2], bytes(len(v[2]))) for k, v in t.items() if "norm" in k})
        self.assertEqual(self.warnings(m.path), [])  # a model that was never trained

    @long
    def test_c12_whole_files_are_not_suspected(self):
        models = DATA + "/models/"
        for path in [TINY, TINY_GGUF, SIGHT, models + "odd-text", models + "seed-shape", models + "tiny-vl",
                     models + "tiny-kq/gguf/tiny-kq.gguf", models + "tiny-vl/gguf/tiny-vl-f32.gguf"]:
            image = ["--image", IMAGES + "rgb8.png"] if "vl" in path or "sight" in path else []
            self.assertEqual([w for w in self.warnings(path, *image) if "zero" in w], [], path)


class NoModels(Checkpoints):
    """What is taken for a model and is none: each with what it is and the way out."""

    def quantised(self, name, dtype, suffix, **config):
        """A folder whose projections are stored as a quantiser stores them."""
        m = self.folder(name, **config)
        t = m.tensors()
        new = {}
        for k, (_, (rows, cols), raw) in ((k, t[k]) for k in t if "proj" in k):
            new[k] = None
            new[k[:-len("weight")] + suffix] = (dtype, [rows, cols // 4], raw[:rows * (cols // 4) * (4 if dtype == "I32" else 1)])
        m.put_tensors(new)
        return m

    @long
    def test_c14_quantised_folders_are_named_with_the_way_out(self):
        way = "of folders Carat reads F32, F16 and BF16; take the model before it was quantised, or a GGUF file of it"
        for config, by, dtype, suffix in [
                ({"quant_method": "gptq", "bits": 4}, "gptq (4 bits)", "I32", "qweight"),
                ({"quant_method": "awq", "bits": 4}, "awq (4 bits)", "I32", "qweight"),
                ({"quant_method": "compressed-tensors"}, "compressed-tensors", "I32", "weight_packed"),
                ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes (4 bits)", "U8", "weight"),
                ({"quant_method": "fp8"}, "fp8", "F8_E4M3", "weight"),
                ({"quant_method": "hqq"}, "hqq", "U8", "W_q")]:
            m = self.quantised(by.split()[0], dtype, suffix, quantization_config=config)
            for command in ["run", m.path, "hi"], ["info", m.path], ["weigh", m.path]:
                self.refused(*command, says=[f"quantised by {by}: ", way])
        m = self.quantised("mlx", "U32", "weight", quantization={"bits": 4, "group_size": 64},
                           quantization_config={"bits": 4, "group_size": 64})
        self.refused("run", m.path, "hi", says=["quantised by MLX (4 bits): ", way])
        m = self.quantised("auto", "I32", "qweight")
        m.write("quantize_config.json", "{}")
        self.refused("run", m.path, "hi", says=["quantised by gptq: ", way])

    def test_c14_whole_weights_are_used_whatever_the_configuration_says(self):
        m = self.folder("whole", quantization_config={"quant_method": "gptq", "bits": 4})
        logits, said = self.logits(m.path)
        self.assertEqual(logits, self.logits(TINY)[0])
        self.assertIn("quantised by gptq (4 bits), but the weights are whole; using them", said[0])

    @long
    def test_c29_what_is_no_model_is_named_with_the_way_out(self):
        def made(name, *files):
            os.mkdir(self.path(name))
            for f in files:
                os.makedirs(os.path.dirname(self.path(name + "/" + f)), exist_ok=True)
                self.path(name + "/" + f, b"{}")
            return self.path(name)

        def typed(name, **keys):
            g = Gguf(TINY_GGUF)
            g.keys = {k.replace("__", "."): (TEXT, v) for k, v in keys.items()}
            return g.save(self.path(name))
        adapter = made("adapter", "adapter_config.json", "adapter_model.safetensors")
        self.path("adapter/adapter_config.json", b'{"base_model_name_or_path": "google/gemma-3-4b-it"}')
        bins = self.folder("bins")
        bins.remove("model.safetensors")
        bins.write("pytorch_model-00001-of-00002.bin", "PK")
        beside = self.folder("beside")
        beside.remove("model.safetensors")
        beside.write("m-q4_0.gguf", "")
        for model, says in [
                (adapter, "a LoRA adapter: merge it into its model, 'google/gemma-3-4b-it', first"),
                (typed("a.gguf", general__architecture=b"gemma3", general__type=b"adapter"), "a LoRA adapter: merge it"),
                (typed("i.gguf", general__type=b"imatrix"), "an importance matrix (imatrix)"),
                (self.path("gemma.imatrix.dat", b"\x05\0\0\0blk"), "an importance matrix"),
                (typed("c.gguf", general__architecture=b"controlvector"), "a control vector"),
                (made("models--google--gemma", "refs/main", "snapshots/0123abc/config.json"),
                 "a cache folder of the Hugging Face hub: give its snapshots/0123abc"),
                (made("hub", "models--google--gemma/refs/main"), "give the folder of one model, like models--google--gemma/"),
                (bins.path, "only pytorch_model-00001-of-00002.bin and no safetensors"),
                (beside.path, "a GGUF file is a model by itself: give the path of m-q4_0.gguf"),
                (made("empty"), "a folder without config.json"),
                ("google/gemma-3-4b-it", "carat pull google/gemma-3-4b-it would fetch it"),
                ("gemma3:4b", "carat pull gemma3:4b would fetch it"),
                ("https://huggingface.co/google/gemma-3-4b-it", "carat pull https://huggingface.co/google/gemma-3-4b-it would")]:
            for command in ["run", model, "hi"], ["info", model]:
                self.refused(*command, says=says, cwd=self.dir.name)
        self.assertNotIn("carat pull", self.refused("run", self.path("none.gguf"), "hi", says="No such file"))

    def test_c29_an_adapter_beside_a_model_is_not_applied_in_silence(self):
        m = self.folder("both")
        m.write("adapter_config.json", "{}")
        self.assertIn("a LoRA adapter (adapter_config.json) beside the weights; it is not applied", self.logits(m.path)[1][0])


VL = DATA + "/models/tiny-vl/gguf/"


class Towers(Checkpoints):
    """Folders as publishers offer them: several precisions of a projector, several models with theirs."""
    IMAGE = ["--image", IMAGES + "rgb8.png"]

    def model(self, name, folder="."):
        os.makedirs(self.path(folder), exist_ok=True)
        shutil.copy(VL + "tiny-vl-f32.gguf", self.path(folder + "/" + name))
        return self.path(folder + "/" + name)

    def tower(self, name, kind=0, width=96, folder="."):
        """A projector with its layers' matrices as F32 (0), F16 (1) or BF16 (30), and its own as wide as asked."""
        g = Gguf(VL + "mmproj-tiny-vl-f32.gguf")
        for t, (sides, was, raw) in g.tensors.items():
            if t.startswith("v.blk") and len(sides) == 2 and was == 0 and kind:
                floats = struct.unpack(f"<{len(raw) // 4}f", raw)
                raw = struct.pack(f"<{len(floats)}e", *floats) if kind == 1 else b"".join(
                    raw[i + 2:i + 4] for i in range(0, len(raw), 4))
                g.tensors[t] = (sides, kind, raw)
            if t == "mm.input_projection.weight":
                g.tensors[t] = ([width, sides[1]], was, raw * (width // 96))
        os.makedirs(self.path(folder), exist_ok=True)
        return g.save(self.path(folder + "/" + name))

    def found(self, model):
        i = self.info(model)
        return os.path.basename(i["vision_path"] or ""), "\n".join(i["contradictions"])

    def test_of_several_precisions_one_is_taken(self):
        model = self.model("gemma-3-4b-it-Q4_K_M.gguf")
        for name, kind in [("mmproj-F32.gguf", 0), ("mmproj-F16.gguf", 1), ("mmproj-BF16.gguf", 30)]:  # worst to best
            self.tower(name, kind)
            self.assertEqual(self.found(model), (name, ""))
            self.ok("run", model, "What?", *self.IMAGE, "-n", "1")
        self.path("mmproj-broken.gguf", b"<!doctype html>")
        self.assertEqual(self.found(model), ("mmproj-BF16.gguf", ""))

    def test_of_several_models_each_finds_its_own(self):
        mine, other = self.model("google_gemma-3-4b-it-Q4_K_M.gguf"), self.model("medgemma-4b-it-UD-IQ2_XXS.gguf")
        part = self.model("Gemma-3-4b-it-abliterated.q8_0.gguf")
        for kind, type_ in (1, "f16"), (0, "f32"):
            self.tower(f"mmproj-google_gemma-3-4b-it-{type_}.gguf", kind)
            self.tower(f"mmproj-medgemma-4b-it-{type_}.gguf", kind)
            self.tower(f"mmproj-gemma-3-12b-it-{type_}.gguf", kind, width=192)
        self.assertEqual(self.found(mine), ("mmproj-google_gemma-3-4b-it-f16.gguf", ""))
        self.assertEqual(self.found(other), ("mmproj-medgemma-4b-it-f16.gguf", ""))
        self.assertIn("choose one with --mmproj", self.found(part)[1])  # neither name is its own
        self.tower("gemma-3-4b-it.mmproj-bf16.gguf", 30)
        self.assertEqual(self.found(part), ("gemma-3-4b-it.mmproj-bf16.gguf", ""))

    def test_what_could_be_meant_is_named(self):
        model = self.model("m.gguf")
        self.tower("mmproj-a1.gguf"), self.tower("mmproj-b2.gguf")
        says = "several vision files beside it fit ('mmproj-a1.gguf', 'mmproj-b2.gguf'): choose one with --mmproj"
        self.refused("run", model, "What?", *self.IMAGE, says=says)
        self.assertEqual(self.found(model)[0], "")
        self.assertIn("text only: ", self.found(model)[1])
        self.assertIn(says, self.ok("chat", model, "-n", "1", stdin=b"hi\n").stderr.decode())
        self.ok("run", model, "What?", *self.IMAGE, "-n", "1", "--mmproj", self.path("mmproj-b2.gguf"))
        wide = self.model("m.gguf", "wide")
        self.tower("mmproj-a1.gguf", width=192, folder="wide")
        self.refused("run", wide, "What?", *self.IMAGE, says=["width 192", "width is 96"])
        self.tower("mmproj-b2.gguf", width=288, folder="wide")
        self.refused("run", wide, "What?", *self.IMAGE, says=["none of the 2 vision files beside it fits", "width 192"])

    @long
    def test_a_model_of_text_only_does_not_mind_its_neighbours(self):
        model = self.path("gemma-3-270m-it-q8_0.gguf")
        self.ok("synth", "270m", "--vocab", "1000", "--ffn", "64", "-o", model)
        self.tower("mmproj-gemma-3-4b-it-f16.gguf"), self.tower("mmproj-gemma-3-12b-it-f16.gguf", width=192)
        self.assertNotIn("text only", self.found(model)[1])
        r = carat("run", model, "What?", *self.IMAGE)
        self.assertIn("this model has no vision tower", r.stderr.decode())
        self.assertEqual(r.returncode, 1)

    def test_a_file_that_is_named_is_looked_at_even_without_an_image(self):
        model = self.model("m.gguf")
        for extra in [], ["--no-vision"]:
            self.refused("run", model, "hi", "--mmproj", self.path("none.gguf"), *extra, says="none.gguf: No such file")
            self.refused("run", model, "hi", "--mmproj", model, *extra, says="no vision tower")
            self.refused("run", model, "hi", "--mmproj", self.tower("wide.gguf", width=192), *extra, says="width 192")
            self.ok("run", model, "hi", "--mmproj", self.tower("right.gguf"), *extra, "-n", "1")
        with open(self.path("lines"), "w") as f:
            f.write("")
        self.refused("run", model, "--batch", self.path("lines"), "-o", self.path("out"), "--mmproj", self.path("none.gguf"),
                     says="none.gguf: No such file")


class Processors(Checkpoints):
    """How pictures are prepared is the published way, or the model does not see and says why."""
    IMAGE = ["--image", IMAGES + "rgb8.png"]

    def blind(self, model, says):
        self.refused("run", model, "hi", *self.IMAGE, says=says)
        notes = "\n".join(self.info(model)["contradictions"])
        for part in ["text only: ", *says]:
            self.assertIn(part, notes)
        self.ok("run", model, "hi", "-n", "1")

    @long
    def test_m1_what_a_folder_says_of_pictures_is_honoured_or_refused(self):
        half = [0.5, 0.5, 0.5]
        for field, value, says in [
                ("image_mean", [0.48, 0.45, 0.4], "'image_mean' is not 0.5"), ("image_std", [0.5, 0.5, 0.26], "'image_std' is not"),
                ("image_mean", [0.5, 0.5], "'image_mean'"), ("image_std", 0.25, "'image_std'"), ("image_mean", "0.5", "'image_mean'"),
                ("rescale_factor", 1, "'rescale_factor' is 1, expected 1/255"), ("rescale_factor", 1 / 127.5, "'rescale_factor'"),
                ("do_normalize", False, "'do_normalize' is false"), ("do_rescale", False, "'do_rescale' is false"),
                ("do_resize", False, "'do_resize' is false"), ("resample", 3, "'resample' is 3, expected 2"),
                ("size", {"height": 224, "width": 224}, "'size' is 224 x 224, but the vision tower's is 112 x 112"),
                ("size", {"height": 112, "width": 224}, "'size' is 224 x 112"), ("size", 896, "'size' is 896"),
                ("size", {"shortest_edge": 112}, "'size' has no height and width"),
                ("image_seq_length", 256, "'image_seq_length' is 256, but an image is 16 tokens")]:
            with self.subTest(field=field, value=value):
                self.dir.cleanup(), self.setUp()
                m = self.folder("m", SIGHT)
                m.update("preprocessor_config.json", **{field: value})
                self.blind(m.path, ["preprocessor_config.json", says])
        m = self.folder("other", SIGHT)
        m.update("preprocessor_config.json", image_mean=0.5, image_std=half, rescale_factor=0.003921569, size=112)
        self.ok("run", m.path, "hi", *self.IMAGE, "-n", "1")
        m.update("processor_config.json", image_processor={"image_std": [1, 1, 1]})
        self.blind(m.path, ["processor_config.json", "'image_std'"])
        m.update("processor_config.json", image_processor={"image_std": half, "image_mean": half}, image_seq_length=256)
        self.blind(m.path, ["processor_config.json", "'image_seq_length' is 256"])
        m.remove("processor_config.json"), m.remove("preprocessor_config.json")
        self.assertEqual(self.ok("run", m.path, "hi", *self.IMAGE, "-n", "1").stderr, b"")

    def test_m1_what_an_mmproj_says_of_pictures_is_honoured_or_refused(self):
        model = shutil.copy(VL + "tiny-vl-f32.gguf", self.path("m.gguf"))
        for key, value, says in [("clip.vision.image_mean", (LIST, (F32, [0.48, 0.45, 0.4])), "clip.vision.image_mean is not 0.5"),
                                 ("clip.vision.image_std", (LIST, (F32, [0.5, 0.5])), "clip.vision.image_std is not 0.5"),
                                 ("clip.vision.image_std", (LIST, (F32, [0.5, 0.5, float("nan")])), "clip.vision.image_std"),
                                 ("clip.use_silu", (BOOL, True), "clip.use_silu is true, expected GELU"),
                                 ("clip.use_gelu", (BOOL, False), "clip.use_gelu is false, expected GELU")]:
            with self.subTest(key=key):
                g = Gguf(VL + "mmproj-tiny-vl-f32.gguf")
                g.keys[key] = value
                path = g.save(self.path("mmproj.gguf"))
                self.refused("run", model, "hi", *self.IMAGE, "--mmproj", path, says=[path, says])
        g = Gguf(VL + "mmproj-tiny-vl-f32.gguf")
        g.keys.update({"clip.vision.image_mean": (LIST, (F32, [0.5] * 3)), "clip.use_silu": (BOOL, False)})
        self.ok("run", model, "hi", *self.IMAGE, "--mmproj", g.save(self.path("mmproj.gguf")), "-n", "1")

    def test_soft_caps_are_reported_in_both_kinds_of_files(self):
        for cap in "final_logit_softcapping", "attn_logit_softcapping":
            g = Gguf(TINY_GGUF)
            g.keys["gemma3." + cap] = (F32, 30.0)
            m = self.folder(cap)
            m.update("config.json", **{cap: 30.0})
            for path in g.save(self.path("m.gguf")), m.path:
                err = self.ok("run", path, "hi", "-n", "1").stderr.decode()
                self.assertIn(f"{cap}' ignored: Gemma 3 does not cap logits", err)
            g.keys["gemma3." + cap] = (F32, 0.0)
            self.assertEqual(self.ok("run", g.save(self.path("m.gguf")), "hi", "-n", "1").stderr, b"")


class Vocabularies(Checkpoints):
    """Trainers add tokens to the tokenizer and not to the model."""

    def added(self, name, special):
        m = self.folder(name)
        t = json.loads(m.read("tokenizer.json"))
        have = {a["id"] for a in t["added_tokens"]}
        for i, content in enumerate(["<tool_a>", "<tool_b>", "<tool_c>"]):
            t["added_tokens"].append({"id": max(512, max(have) + 1) + i, "content": content, "special": special,
                                      "normalized": False, "lstrip": False, "rstrip": False, "single_word": False})
        m.write("tokenizer.json", json.dumps(t))
        return m.path

    @long
    def test_tokens_beyond_the_table_do_no_harm_until_they_are_met(self):
        ask = lambda model, *args: json.loads(self.ok("run", model, *args, "--json", "--temp", "0", "-n", "4").stdout)
        for special in False, True:
            model = self.added(f"folder{special}", special)
            for key in "prompt_tokens", "tokens", "text":
                self.assertEqual(ask(model, "a red star")[key], ask(TINY, "a red star")[key])
            ids = json.loads(self.ok("tokenize", model, "--json", "--special", "<tool_b>").stdout)["ids"]
            says = f"token {ids[-1]} '<tool_b>' has no row in the embedding table, which has 512"
            self.refused("run", model, "--raw", "--special", "a <tool_b>", says=says)
            self.refused("logits", model, "--ids", f"2,{ids[-1]}", "-o", self.path("l"), says=says)
            if special:  # in a message it is text
                self.assertEqual(ask(model, "a <tool_b>")["tokens"], ask(TINY, "a <tool_b>")["tokens"])
            else:
                self.refused("run", model, "a <tool_b>", says=says)
            many = ask(model, "a red star", "-n", "200", "--temp", "5", "--top-k", "0", "--top-p", "1")
            self.assertTrue(all(i < 512 for i in many["tokens"]))
        for kind in 3, 4, 5:
            g = Gguf(TINY_GGUF)
            for key, more in [("tokens", [b"<tool_a>", b"<tool_b>"]), ("scores", [-1000.0] * 2), ("token_type", [kind] * 2)]:
                kind_of, values = g.keys["tokenizer.ggml." + key][1]
                g.keys["tokenizer.ggml." + key] = (LIST, (kind_of, values + more))
            model = g.save(self.path("m.gguf"))
            self.assertEqual(ask(model, "a red star")["tokens"], ask(TINY_GGUF, "a red star")["tokens"])
            if kind != 5:
                self.refused("run", model, "--raw", "--special", "a <tool_b>", says="'<tool_b>' has no row")

    def test_text_beyond_the_table_is_another_models_vocabulary(self):
        g = Gguf(TINY_GGUF)
        sides, kind, raw = g.tensors["token_embd.weight"]
        g.tensors["token_embd.weight"] = ([sides[0], 500], kind, raw[:len(raw) // 512 * 500])
        self.refused("run", g.save(self.path("m.gguf")), "hi", says="512 tokens, but the embedding table has 500 rows")


class Layouts(Checkpoints):
    def seen(self, model):
        """Logits and soft tokens of a prompt with an image."""
        self.ok("logits", model, "--ids", "2" + ",512" * 16 + ",5", "--image", IMAGES + "rgb8.png", "--exact", "-o",
                self.path("logits"), "--soft-tokens", self.path("soft"))
        with open(self.path("logits"), "rb") as a, open(self.path("soft"), "rb") as b:
            return a.read(), b.read()

    @long
    def test_c26_patch_weights_with_channels_last(self):
        name = "vision_tower.vision_model.embeddings.patch_embedding.weight"
        m = self.folder("mlx", SIGHT)
        dtype, (rows, channels, high, wide), raw = m.tensors()[name]
        at = lambda r, c, y, x: raw[2 * (((r * channels + c) * high + y) * wide + x):][:2]
        turned = b"".join(at(r, c, y, x) for r in range(rows) for y in range(high) for x in range(wide)
                          for c in range(channels))
        want = self.seen(SIGHT)
        m.put_tensors({name: (dtype, [rows, high, wide, channels], turned)})
        self.assertEqual(self.seen(m.path), want)
        for sides in [rows, wide, channels, high], [channels, high, wide, rows], [rows, high * wide * channels]:
            m.put_tensors({name: (dtype, sides, turned)})
            self.refused("run", m.path, "hi", "--image", IMAGES + "rgb8.png", says=["patch_embedding.weight", "[14, 14, 3, 96]"])


if __name__ == "__main__":
    main()
