"""What a model's files say about its use: end tokens, templates, sampling. Usage: test_said.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import os

from models import I32, LIST, TEXT, U32, Copy, Gguf
from program import SIGHT, TINY, TINY_GGUF, Folder, main

END = "<|im_end|>"  # in place of <unused2>, 8


class Said(Folder):
    def gguf(self, name="m.gguf", **keys):
        """The tiny model with keys set (dots as double underscores), or taken out by None."""
        g = Gguf(TINY_GGUF)
        for key, v in keys.items():
            key = key.replace("__", ".")
            g.keys.pop(key, None)
            if v is not None:
                g.keys[key] = v
        return g.save(self.path(name))

    def folder(self, source=TINY, name="m"):
        return Copy(source, self.path(name))

    def answer(self, model, *args, prompt="a red star"):
        return json.loads(self.ok("run", model, prompt, "--temp", "0", "--json", "-n", "4", *args).stdout)

    def warnings(self, model):
        return json.loads(self.ok("info", model, "--json").stdout)["contradictions"]


class Ends(Said):
    """Row C09."""

    def ends_with(self, model, token):
        r = self.answer(model, "-l", f"{token}=1000")
        return r["finish_reason"] == "stop" and r["tokens"] == [] and r["text"] == "" and r["stop_token"] == token

    def with_end(self, **config):
        m = self.folder(SIGHT)
        for file in "tokenizer.json", "tokenizer_config.json":
            m.write(file, m.read(file).replace("<unused2>", END))
        m.update("tokenizer_config.json", **config)
        return m

    def test_c09_the_tokenizers_own_end_token_ends(self):
        for eos in END, {"content": END, "special": True, "__type": "AddedToken"}:
            with self.subTest(eos=eos):
                self.dir.cleanup(), self.setUp()
                m = self.with_end(eos_token=eos)
                self.assertTrue(all(self.ends_with(m.path, i) for i in (1, 8, 11)))
                self.assertEqual(self.warnings(m.path), [])

    def test_c09_special_tokens_map_counts_where_the_configuration_names_none(self):
        m = self.with_end(eos_token=None)
        self.assertFalse(self.ends_with(m.path, 8))
        m.update("special_tokens_map.json", eos_token={"content": END})
        self.assertTrue(self.ends_with(m.path, 8))

    def test_c09_every_file_adds_its_ends(self):
        m = self.folder()
        m.update("config.json", eos_token_id=[1, 9])
        m.update("generation_config.json", eos_token_id=10)
        self.assertTrue(all(self.ends_with(m.path, i) for i in (1, 9, 10, 11)))
        g = self.gguf(tokenizer__ggml__eos_token_id=(U32, 9), tokenizer__ggml__eom_token_id=(U32, 10),
                      tokenizer__ggml__eos_token_ids=(LIST, (I32, [1, 8])))
        self.assertTrue(all(self.ends_with(g, i) for i in (1, 8, 9, 10, 11)))
        self.assertEqual(self.warnings(g), [])

    def test_c09_ordinary_text_is_no_end(self):
        ids = json.loads(self.ok("tokenize", TINY, "--json", "--no-bos", "a\n\n").stdout)["ids"]
        self.assertEqual(len(ids), 2)
        m = self.folder()
        m.update("generation_config.json", eos_token_id=[1, *ids, 700])
        for i in ids:
            self.assertFalse(self.ends_with(m.path, i))
        texts = self.warnings(m.path)
        self.assertEqual(len(texts), 3, texts)
        self.assertIn(f"generation_config.json names {ids[0]} 'a', which is ordinary text; ignored", texts[0])
        self.assertIn("names 700, the vocabulary has 0 to 511; ignored", texts[2])
        m.update("generation_config.json", eos_token_id=None)
        m.update("tokenizer_config.json", eos_token="<|never|>")
        self.assertIn("eos_token is '<|never|>', which the vocabulary does not have", self.warnings(m.path)[0])
        self.assertEqual(self.warnings(self.gguf(tokenizer__ggml__eos_token_id=(U32, 0xFFFFFFFF))), [])
        self.assertIn("names 511", self.warnings(self.gguf(tokenizer__ggml__eot_token_id=(I32, 511)))[0])

    def test_what_is_no_id_is_refused(self):
        for name, field, value, says in [("generation_config.json", "eos_token_id", "<eos>", "is a string, expected token ids"),
                                         ("generation_config.json", "eos_token_id", [1, None], "has null, expected token ids"),
                                         ("config.json", "eos_token_id", 1.5, "expected token ids"),
                                         ("tokenizer_config.json", "eos_token", 1, "'eos_token' is"),
                                         ("tokenizer_config.json", "chat_template", 7, "'chat_template' is")]:
            with self.subTest(field=field, value=value):
                self.dir.cleanup(), self.setUp()
                m = self.folder()
                m.update(name, **{field: value})
                self.refused("run", m.path, "a", says=[name, says])
        self.refused("run", self.gguf(tokenizer__chat_template=(U32, 1)), "a", says="tokenizer.chat_template")

    def test_f3_files_that_cannot_be_read_are_errors(self):
        for name in "tokenizer_config.json", "generation_config.json", "chat_template.jinja", "special_tokens_map.json":
            with self.subTest(name=name):
                self.dir.cleanup(), self.setUp()
                m = self.folder()
                m.update("tokenizer_config.json", eos_token=None)
                if os.path.exists(m.file(name)):
                    m.remove(name)
                os.symlink("gone", m.file(name))
                self.refused("run", m.path, "a", says=[name, "No such file"])
                m.remove(name)
                m.write(name, '{"chat_template": "x"' if name.endswith("json") else "")
                if name.endswith("json"):
                    self.refused("run", m.path, "a", says=[name, "not valid JSON"])


if __name__ == "__main__":
    main()
