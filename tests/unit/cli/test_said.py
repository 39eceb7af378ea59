"""What a model's files say about its use: end tokens, templates, sampling. Usage: test_said.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import os

from models import F32, I32, LIST, TEXT, U32, Copy, Gguf
from program import SIGHT, TINY, TINY_GGUF, Folder, long, main

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

    @long
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
        g = Gguf(TINY_GGUF)
        g.list("tokenizer.ggml.tokens")[419] = "\x9b31m\x1b\u202e".encode()
        g.keys["tokenizer.ggml.eot_token_id"] = (U32, 419)
        self.assertIn("names 419 '?31m??'", self.ok("info", g.save(self.path("c.gguf"))).stdout.decode())
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


class Sampling(Said):
    """Row C04: request > command line > generation_config.json > general.sampling > built-in."""

    def tokens(self, model, seed, *args):
        return json.loads(self.ok("run", model, "hi", "-n", "6", "-s", str(seed), "--json", *args).stdout)["tokens"]

    def origin(self, model):
        j = json.loads(self.ok("info", model, "--json").stdout)
        return j["sampling"], {k: v for k, v in j["sampling_from"].items() if v != "built-in"}, j["contradictions"]

    def models(self):
        m = self.folder()
        m.update("generation_config.json", do_sample=False, temperature=0.7, top_k=3)
        return [(m.path, "generation_config.json"),
                (self.gguf(general__sampling__temp=(F32, 0.0), general__sampling__top_k=(I32, 3)), "general.sampling")]

    def test_c04_what_a_file_recommends_is_used(self):
        for path, place in self.models():
            want = self.tokens(path, 1, "--temp", "0")
            self.assertEqual([self.tokens(path, s) for s in range(5)], [want] * 5)
            values, places, warnings = self.origin(path)
            self.assertEqual((values["temperature"], values["top_k"], values["min_p"]), (0.0, 3, 0.0))
            self.assertEqual((places["temperature"], places["top_k"]), (place, place))
            self.assertEqual(warnings, [])
            self.assertIn(f"from {place}: temp, top-k", self.ok("info", path).stdout.decode())

    @long
    def test_c04_the_command_line_and_the_request_win(self):
        for path, place in self.models():
            for args in ["--temp", "1"], ["--temp", "1", "--top-k", "0", "--top-p", "1"]:
                self.assertGreater(len({tuple(self.tokens(path, s, *args)) for s in range(8)}), 1)
            talk = b"/show\n/set min-p 0.5\n/show\n"
            out = self.ok("chat", path, "--top-p", "0.5", stdin=talk).stdout.decode().split("\n")
            self.assertIn("  temp 0, top-k 3, top-p 0.5, min-p 0, seed", "\n".join(out))
            self.assertIn("  the command line: top-p", out)
            self.assertIn("  /set: min-p", out)
            self.assertTrue(any(x.startswith(f"  {place}: temp, top-k") for x in out), out)
            self.assertTrue(any(x.startswith("  built in: min-p") for x in out), out)
            body = {"prompt": "hi", "max_tokens": 6}
            lines = [{"custom_id": str(i), "method": "POST", "url": "/v1/completions",
                      "body": {**body, "seed": i, **({"temperature": 1} if i > 4 else {})}} for i in range(12)]
            file = self.path("in.jsonl", "\n".join(map(json.dumps, lines)).encode())
            self.ok("run", path, "--batch", file, "-o", self.path("out" + place))
            with open(self.path("out" + place)) as f:
                texts = {o["custom_id"]: o["response"]["body"]["choices"][0]["text"] for o in map(json.loads, f)}
            self.assertEqual(len({texts[str(i)] for i in range(5)}), 1)
            self.assertGreater(len({texts[str(i)] for i in range(5, 12)}), 1)

    def test_c04_every_field_of_either_file(self):
        m = self.folder()
        m.update("generation_config.json", temperature=0.5, top_k=7, top_p=0.25, min_p=0.125, repetition_penalty=1.5)
        values, places, _ = self.origin(m.path)
        self.assertEqual(values, {"temperature": 0.5, "top_k": 7, "top_p": 0.25, "min_p": 0.125, "repetition_penalty": 1.5,
                                  "penalty_window": 64})
        self.assertEqual(len(places), 5)
        g = self.gguf(**{"general__sampling__" + k: (F32 if isinstance(v, float) else I32, v) for k, v in
                         dict(temp=0.5, top_k=7, top_p=0.25, min_p=0.125, penalty_repeat=1.5, penalty_last_n=9).items()})
        values, places, _ = self.origin(g)
        self.assertEqual(list(values.values()), [0.5, 7, 0.25, 0.125, 1.5, 9])
        self.assertEqual(set(places.values()), {"general.sampling"})
        values = self.origin(self.gguf(general__sampling__penalty_last_n=(I32, -1)))[0]
        self.assertEqual(values["penalty_window"], json.loads(self.ok("info", TINY_GGUF, "--json").stdout)["context"])

    def test_c04_what_cannot_be_is_ignored_aloud(self):
        m = self.folder()
        m.update("generation_config.json", temperature=-1, top_k=1.5, top_p="high", do_sample="yes", typical_p=0.2, num_beams=1)
        values, places, warnings = self.origin(m.path)
        self.assertEqual((values["temperature"], values["top_k"], places), (1.0, 64, {}))
        for says in ("temperature is -1", "top-k is", "'top_p' is a string", "'do_sample' is a string", "'typical_p'"):
            self.assertEqual(sum(says in w for w in warnings), 1, (says, warnings))
        self.assertEqual(len(warnings), 5)
        self.assertIn("temperature is -1", self.ok("run", m.path, "a", "-n", "1").stderr.decode())
        g = self.gguf(general__sampling__temp=(F32, float("nan")), general__sampling__top_p=(TEXT, b"x"),
                      general__sampling__top_k=None,
                      general__sampling__mirostat=(I32, 2), general__sampling__sequence=(TEXT, b"top_k;temp"),
                      general__sampling__xtc_probability=(F32, 0.0))
        values, places, warnings = self.origin(g)
        self.assertEqual((values["temperature"], places, len(warnings)), (1.0, {}, 4), warnings)


class SlowTokenizers(Said):
    """Folders with a tokenizer.model and no tokenizer.json."""

    def slow(self, source=TINY):
        m = self.folder(source)
        m.remove("tokenizer.json")
        return m

    def ids(self, path, *texts):
        lines = "\n".join(json.dumps({"text": t, "parse_special": True}) for t in texts)
        return [json.loads(x)["ids"] for x in self.ok("tokenize", path, "--jsonl", stdin=lines.encode()).stdout.splitlines()]

    def test_added_tokens_count(self):
        texts = ["a <unused2> red<mask>", "x<|im_end|>y<image_soft_token>", "<table>\n\n\n  \u2581\u2581 b"]
        m = self.slow()
        self.assertEqual(self.ids(m.path, *texts), self.ids(TINY, *texts))
        self.assertEqual(self.answer(m.path)["tokens"], self.answer(TINY)["tokens"])
        decoder = json.loads(m.read("tokenizer_config.json"))["added_tokens_decoder"]
        decoder["8"] = {**decoder["8"], "content": END, "special": True}
        m.update("tokenizer_config.json", added_tokens_decoder=decoder, eos_token=END)
        self.assertIn(8, self.ids(m.path, END + "y")[0])
        r = self.answer(m.path, "-l", "8=1000")
        self.assertEqual((r["finish_reason"], r["text"]), ("stop", ""))
        self.assertNotIn(8, json.loads(self.ok("run", m.path, END, "--json", "-n", "0").stdout)["prompt_tokens"])

    def test_added_tokens_json(self):
        m = self.slow()
        m.update("tokenizer_config.json", added_tokens_decoder=None)
        m.update("added_tokens.json", **{"<mark>": 9, "<image_soft_token>": 512})
        self.assertEqual(self.ids(m.path, "<mark><image_soft_token>")[0][1:], [9, 512])
        want = self.ids(TINY, "a red star")
        self.assertEqual(self.ids(m.path, "a red star"), want)
        m.write("added_tokens.json", '{"<image_soft_token>": 512}')  # as published
        self.assertEqual(self.ids(m.path, "<image_soft_token>")[0][1:], [512])
        self.answer(m.path)

    def test_what_is_wrong_is_named(self):
        entry = {"content": "<x>", "special": True}
        for file, fields, says in [
                ("added_tokens.json", {"<x>": -1}, "has the id -1, expected 0 to"),
                ("added_tokens.json", {"<x>": 1 << 40}, "expected 0 to 1048575"),
                ("added_tokens.json", {"<x>": "9"}, "'<x>' is a string, expected an id"),
                ("tokenizer_config.json", {"added_tokens_decoder": {"9x": entry}}, "has the id -1"),
                ("tokenizer_config.json", {"added_tokens_decoder": {"": entry}}, "has the id -1"),
                ("tokenizer_config.json", {"added_tokens_decoder": {"9": {"special": True}}}, "'9' has no content"),
                ("tokenizer_config.json", {"added_tokens_decoder": {"9": {**entry, "lstrip": True}}}, "matching rules"),
                ("tokenizer_config.json", {"added_tokens_decoder": [entry]}, "expected an object"),
                ("tokenizer_config.json", {"added_tokens_decoder": {"9": {"content": "x" * 2000}}}, "2000 bytes")]:
            with self.subTest(says=says):
                self.dir.cleanup(), self.setUp()
                m = self.slow()
                m.update(file, **fields)
                self.refused("run", m.path, "a", says=says)
        m.write("added_tokens.json", "{")
        m.update("tokenizer_config.json", added_tokens_decoder=None)
        self.refused("run", m.path, "a", says="added_tokens.json")


class Tables(Said):
    """The vocabulary of a GGUF whose tables are missing, too short, or say nothing."""

    TEXTS = ["a red star", "The small town in the middle of  nowhere\n\n", "d\u00e9j\u00e0 vu \U0001F31F", "<table> x</table>",
             "".join(map(chr, range(32, 127)))]

    def ids(self, path):
        lines = "\n".join(json.dumps({"text": t}) for t in self.TEXTS)
        r = self.ok("tokenize", path, "--jsonl", stdin=lines.encode())
        return r.stdout, r.stderr.decode()

    def table(self, name, change):
        g = Gguf(TINY_GGUF)
        key = "tokenizer.ggml." + name
        kind, (inner, values) = g.keys.pop(key)
        new = change(values)
        if new is not None:
            g.keys[key] = (kind, (inner, new))
        return g.save(self.path("t.gguf"))

    def test_tables_that_say_nothing_are_done_without(self):
        want, says = self.ids(TINY_GGUF)
        self.assertEqual(says, "")
        for name, change, says in [("scores", lambda v: None, "scores is missing"),
                                   ("scores", lambda v: [0.0] * len(v), "scores is the same for all tokens"),
                                   ("token_type", lambda v: None, "token_type is missing"),
                                   ("token_type", lambda v: [3] * len(v), "token_type is the same for all tokens"),
                                   ("token_type", lambda v: [1] * len(v), "token_type is the same for all tokens")]:
            with self.subTest(name=name, says=says):
                got, err = self.ids(self.table(name, change))
                self.assertEqual(got, want)
                self.assertEqual(err.count(says), 1, err)

    def test_tables_of_another_length_are_refused(self):
        for name in "scores", "token_type":
            for change in lambda v: v[:-1], lambda v: v + v[-1:], lambda v: []:
                self.refused("run", self.table(name, change), "a", says=["tokenizer.ggml." + name, "as tokens"])
        self.refused("run", self.table("tokens", lambda v: None), "a", says="tokenizer.ggml.tokens has 0 entries")
        self.refused("run", self.table("tokens", lambda v: v[:-1]), "a", says="entries, expected")


LOOP = ("{{ bos_token }}{% for m in messages %}{{ START + m['role'] + '\n' + m['content'] | trim + END + '\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ START + 'model\n' }}{% endif %}")
OWN_ROLES = LOOP.replace("START", "'<start_of_turn>'").replace("END", "'<end_of_turn>'")  # nobody's: "assistant" as it is
GEMMA = OWN_ROLES.replace("m['role']", "('model' if m['role'] == 'assistant' else m['role'])")
CHATML = LOOP.replace("START", "'<|im_start|>'").replace("END", "'<|im_end|>'").replace("model", "assistant")
FUNCTION = GEMMA + "{% if tools %}{{ '<start_function_declaration>' }}{% endif %}"
TRANSLATE = GEMMA + "{{ 'from ' + m['source_lang_code'] + ' to ' + m['target_lang_code'] }}"
MISTRAL = "{% for m in messages %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% endfor %}"


class Templates(Said):
    """Rows C02 and C03."""

    def prompt(self, model, *args, text="Hello"):
        return json.loads(self.ok("run", model, text, "--json", "-n", "1", *args).stdout)["prompt_tokens"]

    def with_template(self, template, name="m.gguf"):
        return self.gguf(name, tokenizer__chat_template=None if template is None else (TEXT, template.encode()))

    def text_of(self, model, ids):
        return self.ok("detokenize", model, "--special", " ".join(map(str, ids))).stdout.decode().rstrip("\n")

    @long
    def test_c02_a_file_without_a_template_says_so_and_takes_one(self):
        healthy, bare = self.prompt(TINY_GGUF), self.with_template(None)
        r = self.ok("run", bare, "Hello", "--system", "Briefly", "-n", "2")
        self.assertIn("has no chat template", r.stderr.decode())
        self.assertIn("--system is ignored", r.stderr.decode())
        self.assertEqual(self.prompt(bare, "--chat-template", "gemma"), healthy)
        self.assertEqual(self.ok("run", bare, "Hello", "-n", "2", "--chat-template", "Gemma").stderr, b"")
        self.assertEqual(self.prompt(bare), self.prompt(TINY_GGUF, "--raw"))
        self.assertEqual(self.prompt(TINY_GGUF, "--chat-template", "none"), self.prompt(TINY_GGUF, "--raw"))
        r = self.ok("chat", bare, "-n", "2", "--chat-template", "gemma", stdin=b"Hello\n")
        self.assertNotIn("base model", r.stderr.decode())
        self.assertIn("base model", self.ok("chat", bare, "-n", "2", stdin=b"Hello\n").stderr.decode())
        for path in self.with_template("", "empty.gguf"), self.with_template(" \n", "blank.gguf"):
            self.assertEqual(self.prompt(path), self.prompt(bare))

    def test_c02_a_name_that_promises_a_template_is_a_hint(self):
        note = lambda path: json.loads(self.ok("info", path, "--json").stdout)["chat_template_note"]
        self.assertIn("named like an instruction-tuned model", note(self.with_template(None, "gemma-3-4b-it-Q4_0.gguf")))
        self.assertIsNone(note(self.with_template(None, "gemma-3-4b-pt.gguf")))
        self.assertIn("named like", note(self.gguf(tokenizer__chat_template=None, general__name=(TEXT, b"Some Instruct"))))

    def test_c02_of_named_templates_the_default_is_taken(self):
        want = self.prompt(TINY)
        m = self.folder()
        template = json.loads(m.read("tokenizer_config.json"))["chat_template"]
        other = {"name": "tool_use", "template": MISTRAL}
        for value in ([other, {"name": "default", "template": template}], [{"name": "only", "template": template}],
                      {"tool_use": MISTRAL, "default": template}):
            m.update("tokenizer_config.json", chat_template=value)
            r = self.ok("run", m.path, "Hello", "-n", "1", "--json")
            self.assertEqual((json.loads(r.stdout)["prompt_tokens"], r.stderr), (want, b""))
        m.update("tokenizer_config.json", chat_template=[])
        self.assertIn(b"no chat template", self.ok("run", m.path, "Hello", "-n", "1").stderr)
        g = self.gguf(tokenizer__chat_template=None, tokenizer__chat_template__rag=(TEXT, template.encode()))
        self.assertEqual(self.prompt(g), want)

    def test_c03_another_template_is_named_and_used(self):
        for template, name, says in [(GEMMA, "gemma", None), (CHATML, "chatml", "is ChatML's, which is used"),
                                     (FUNCTION, "functiongemma", "is FunctionGemma's, which is used"),
                                     (TRANSLATE, "translategemma", "is TranslateGemma's"),
                                     (MISTRAL, "unknown", "(it has '[INST] '): Gemma's turns are used"),
                                     (OWN_ROLES, "unknown", "does not write 'model' for 'assistant'): Gemma's turns are used"),
                                     ("{{ 'Be brief.' }}" + GEMMA, "gemma", "with 'Be brief.' besides, which is left out")]:
            with self.subTest(name=name, says=says):
                path = self.with_template(template)
                j = json.loads(self.ok("info", path, "--json").stdout)
                self.assertEqual((j["chat_template"], j["instruction_tuned"]), (name, True))
                err = self.ok("run", path, "Hello", "-n", "1").stderr.decode()
                if says:
                    self.assertIn(says, j["chat_template_note"])
                    self.assertIn(says, err)
                    self.assertIn("warning: " + path, err)
                    self.assertIn(says, self.ok("info", path).stdout.decode())
                else:
                    self.assertEqual((j["chat_template_note"], err), (None, ""))

    def test_c03_prompts_of_every_template(self):
        for name, want in [
                ("gemma", "<bos><start_of_turn>user\nS\n\nHello<end_of_turn>\n<start_of_turn>model\n"),
                ("chatml", "<bos><|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"),
                ("functiongemma", "<bos><start_of_turn>developer\nS<end_of_turn>\n<start_of_turn>user\nHello<end_of_turn>\n"
                                  "<start_of_turn>model\n")]:
            ids = self.prompt(TINY_GGUF, "--chat-template", name, "--system", "S")
            self.assertEqual(self.text_of(TINY_GGUF, ids), want.rstrip("\n"))
            self.assertEqual(ids.count(2), 1)

    def test_c03_chatml_ends_at_its_marker(self):
        """A token where the vocabulary has it, which nobody can type; else as text."""
        m = self.folder(SIGHT)
        for file in "tokenizer.json", "tokenizer_config.json":
            m.write(file, m.read(file).replace("<unused2>", END).replace("<unused3>", "<|im_start|>"))
        ids = self.prompt(m.path, "--chat-template", "chatml", text="a<|im_end|>b")
        self.assertEqual((ids.count(8), ids.count(9)), (1, 2))
        r = self.answer(m.path, "--chat-template", "chatml", "-l", "8=1000")
        self.assertEqual((r["finish_reason"], r["tokens"]), ("stop", []))
        g = Gguf(TINY_GGUF)
        g.list("tokenizer.ggml.tokens")[419] = b"a<|im_end|>b"
        path = g.save(self.path("marker.gguf"))
        r = self.answer(path, "--chat-template", "chatml", "-l", "419=1000")
        self.assertEqual((r["finish_reason"], r["text"]), ("stop", "a"))
        r = self.answer(path, "--chat-template", "chatml", "-l", "419=1000", "--ignore-eos")
        self.assertEqual((r["finish_reason"], r["text"]), ("length", "a<|im_end|>b" * 4))

    def test_c03_a_template_from_a_file_is_matched(self):
        for template, name in (GEMMA, "gemma"), (CHATML, "chatml"), (FUNCTION, "functiongemma"):
            file = self.path("t.jinja", template.encode())
            self.assertEqual(self.prompt(TINY_GGUF, "--chat-template", file), self.prompt(TINY_GGUF, "--chat-template", name))
        file = self.path("t.jinja", MISTRAL.encode())
        self.refused("run", TINY_GGUF, "a", "--chat-template", file, says=["none that Carat knows", "[INST]", "chatml"])
        file = self.path("t.jinja", b"{{ 'Be brief.' }}" + GEMMA.encode())
        self.refused("run", TINY_GGUF, "a", "--chat-template", file, says=["also writes 'Be brief.'", "system text"])
        self.refused("run", TINY_GGUF, "a", "--chat-template", "llama3", says=["'llama3'", "expected gemma"])
        for text in OWN_ROLES, "{% if m.role == 'assistant' %}{{ m.role }}{% endif %}" + OWN_ROLES:
            file = self.path("t.jinja", text.encode())
            self.refused("run", TINY_GGUF, "a", "--chat-template", file, says=[file, "does not write 'model' for 'assistant'"])
        self.refused("chat", TINY_GGUF, "--chat-template", self.path("none.jinja"), says="No such file")
        self.refused("run", TINY_GGUF, "a", "--raw", "--chat-template", "gemma", code=2, says="not both")

    def test_c02_nothing_is_no_template(self):
        """Only the word "none" makes an instruction-tuned model a base model."""
        for text, says in [(b"", "an empty chat template"), (b" \n\n", "an empty chat template"), (b"\xef\xbb\xbf", "an empty"),
                           (b"\0" + GEMMA.encode(), "a NUL character at byte 0"), (GEMMA.encode() + b"\0x", "a NUL character"),
                           (b"none", "not a chat template, expected a Jinja template"), (b"gemma\n", "not a chat template")]:
            file = self.path("t.jinja", text)
            self.refused("run", TINY_GGUF, "a", "--chat-template", file, says=[file, says])
        for blank in "", " ", "\n":
            self.refused("run", TINY_GGUF, "a", "--chat-template", blank, says=["chat template '", "expected gemma"])
        m = self.folder()
        m.write("chat_template.jinja", "\0" + GEMMA)
        self.refused("run", m.path, "a", says=["chat_template.jinja", "a NUL character at byte 0"])
        self.refused("run", self.with_template(GEMMA + "\0"), "a", says=["a chat template", "a NUL character"])

    def test_c03_a_templates_file_is_as_editors_write_it_and_is_named(self):
        for text in b"\xef\xbb\xbf" + CHATML.encode(), ("\ufeff" + CHATML).encode("utf-16-le"):
            file = self.path("gemma", text)
            self.assertEqual(self.prompt(TINY_GGUF, "--chat-template", file), self.prompt(TINY_GGUF, "--chat-template", "chatml"))
        m = self.folder()
        m.write("chat_template.jinja", "\ufeff" + GEMMA)
        self.assertEqual(self.ok("run", m.path, "a", "-n", "1").stderr, b"")
        self.path("gemma", MISTRAL.encode())
        self.refused("run", TINY_GGUF, "a", "--chat-template", "./gemma", cwd=self.dir.name,
                     says=["carat: ./gemma: the chat template is none that Carat knows", "[INST]"])
        r = self.ok("run", TINY_GGUF, "a", "-n", "1", "--chat-template", "gemma", cwd=self.dir.name)
        self.assertEqual(r.stderr, b"")

    def test_c03_translategemma_leaves_its_instruction_to_the_user(self):
        says = "the instruction that names the languages is to be part of the text"
        self.assertIn(says, self.ok("run", TINY_GGUF, "a", "-n", "1", "--chat-template", "translategemma").stderr.decode())
        file = self.path("t.jinja", TRANSLATE.encode())
        self.assertIn(says, self.ok("chat", TINY_GGUF, "-n", "1", "--chat-template", file, stdin=b"a\n").stderr.decode())

    def test_c02_batches_say_that_chats_are_gemmas(self):
        bare, body = self.with_template(None), {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
        lines = [{"custom_id": str(i), "method": "POST", "url": "/v1/chat/completions", "body": body} for i in range(2)]
        file = self.path("in.jsonl", "\n".join(map(json.dumps, lines)).encode())
        r = self.ok("run", bare, "--batch", file, "-o", self.path("out"))
        self.assertEqual(r.stderr.decode().count("put into Gemma's turns"), 1)
        r = self.ok("run", bare, "--batch", file, "-o", self.path("out2"), "--chat-template", "chatml")
        self.assertNotIn("Gemma", r.stderr.decode())


if __name__ == "__main__":
    main()
