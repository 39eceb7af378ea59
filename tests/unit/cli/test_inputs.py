"""What a command reads it does not write over. Usage: test_inputs.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import os
import shutil

from models import Gguf
from program import DATA, TINY, TINY_GGUF, Folder, main

ENCODER = DATA + "/models/tiny-encoder"
ADAPTER = DATA + "/models/chat-270m/adapter.gguf"


class Inputs(Folder):
    def kept(self, kept, *args):
        """The command is refused, and the file is as it was."""
        with open(kept, "rb") as f:
            before = f.read()
        self.refused(*args, says=[kept, "choose another file"])
        with open(kept, "rb") as f:
            self.assertEqual(f.read(), before)
        self.assertEqual([n for n in os.listdir(self.dir.name) if ".tmp-" in n], [])

    def model(self, name="m.gguf"):
        return shutil.copy(TINY_GGUF, self.path(name))

    def folder(self, source=TINY):
        to = self.path("folder")
        shutil.copytree(source, to, ignore=lambda d, names: [n for n in names if os.path.isdir(os.path.join(d, n))])
        return to

    def split(self):
        """Two parts of a model, as far as their names go."""
        return [self.model("x-0000%d-of-00002.gguf" % i) for i in (1, 2)]

    def test_quantize(self):
        model, folder = self.model(), self.folder()
        self.kept(model, "quantize", model, model, "--type", "q8_0")
        os.symlink(model, self.path("link.gguf"))
        self.kept(self.path("link.gguf"), "quantize", model, self.path("link.gguf"), "--type", "q8_0")
        for name in "model.safetensors", "config.json", "tokenizer.model":
            self.kept(folder + "/" + name, "quantize", folder, folder + "/" + name, "--type", "q8_0")
        self.ok("imatrix", model, "--text", self.path("t.txt", b"a red star " * 40), "-o", self.path("i.gguf"), "-t", "1")
        self.kept(self.path("i.gguf"), "quantize", model, self.path("i.gguf"), "--type", "q4_0", "--imatrix", self.path("i.gguf"))
        one, two = self.split()
        self.kept(two, "quantize", one, two, "--type", "q8_0")
        for _ in range(2):  # a file of the folder that is no part of the model is replaced like any
            self.ok("quantize", folder, folder + "/own.gguf", "--type", "q8_0", "-t", "1")

    def test_merge(self):
        self.kept(self.model(), "merge", self.path("m.gguf"), ADAPTER, "-o", self.path("m.gguf"))
        self.kept(self.path("t.jinja", b"{{ x }}"), "merge", self.path("m.gguf"), ADAPTER, "-o", self.path("t.jinja"), "--chat-template",
                  self.path("t.jinja"))
        one, two = self.split()
        self.kept(two, "merge", one, ADAPTER, "-o", two)

    def test_imatrix(self):
        model, text, other = self.model(), self.path("t.txt", b"a red star " * 40), self.path("o.gguf")
        self.kept(model, "imatrix", model, "--text", text, "-o", model)
        self.kept(text, "imatrix", model, "--text", text, "-o", text)
        shutil.copy(TINY_GGUF, other)  # nor is any file that is no importance matrix
        for path in other, self.path("n.txt", b"notes"):
            size = os.path.getsize(path)
            self.refused("imatrix", model, "--text", text, "-o", path, "-t", "1", says=[path, "something else than an importance matrix"])
            self.assertEqual(os.path.getsize(path), size)
        for _ in range(2):
            self.ok("imatrix", model, "--text", text, "-o", self.path("i.gguf"), "-t", "1")

    def test_embed(self):
        self.kept(self.path("t.jsonl", b'{"text": "a"}\n'), "embed", ENCODER, "--jsonl", self.path("t.jsonl"), "-o", self.path("t.jsonl"))
        model = shutil.copy(ENCODER + "/gguf/tiny-encoder-f32.gguf", self.path("m.f32"))
        self.kept(model, "embed", model, "a", "-o", model)

    def test_logits(self):
        model, ids = self.model(), self.path("ids", b"2 3 4")
        self.kept(model, "logits", model, "--ids", "2,3", "-o", model)
        self.kept(ids, "logits", model, "--ids-file", ids, "-o", ids)

    def test_synth(self):
        model = self.model()
        self.kept(model, "synth", "270m", "--vocab-from", model, "-o", model)

    def test_see(self):
        picture = shutil.copy(DATA + "/images/in/rgb8.png", self.path("p-0.png"))
        self.kept(picture, "see", picture, "-o", self.path("p"))

    def test_parts_are_told_by_their_names(self):
        model = self.model("a-00001-of-00002.gguf")
        for name in "a-00001-of-00003.gguf", "b-00002-of-00002.gguf", "a-0001-of-00002.gguf":
            shutil.copy(TINY_GGUF, self.path(name))
            self.ok("quantize", model, self.path(name), "--type", "q8_0", "-t", "1")
        self.assertEqual(len(Gguf(self.path(name)).tensors), 158)


if __name__ == "__main__":
    main()
