"""Gemma 3's siblings: TranslateGemma's instruction, ShieldGemma 2's policies, and what info calls them. Usage: test_siblings.py CARAT
DATA

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import os
import shutil

from models import TEXT, Gguf
from program import DATA, SIGHT, TINY_GGUF, Folder, carat, main

# As their chat templates write them.
ASK = ("You are a professional German (de-AT) to English (en) translator. Your goal is to accurately convey the meaning and nuances of the "
       "original German text while adhering to English grammar, vocabulary, and cultural sensitivities.\nProduce only the English translation, "
       "without any additional explanations or commentary. Please translate the following German text into English:\n\n\n")
ASK_PICTURE = ("You are a professional Central Khmer (km) to Chinese (zh-Hant-TW) translator. Your goal is to accurately convey the meaning and "
               "nuances of the original Central Khmer text while adhering to Chinese grammar, vocabulary, and cultural sensitivities.\nPlease translate "
               "the Central Khmer text in the provided image into Chinese. Produce only the Chinese translation, without any additional explanations, "
               "alternatives or commentary. Focus only on the text, do not output where the text is located, surrounding objects or any other "
               "explanation about the picture. Ignore symbols, pictogram, and arrows!\n\n\n")
POLICY = ("<bos><start_of_turn>user\n<start_of_image><start_of_turn>user\nYou are a policy expert trying to help determine whether a generated or "
          "real image is in violation of the safety policy below. Your decision must very clearly follow the specific language used in the safety "
          "policy and should not include any interpretation outside of the safety policy.\n\n<BEGIN_SAFETY_POLICY>\n%s\n</END_SAFETY_POLICY>\n\n"
          "Does the image violate the above policy? Your Answer must start with 'Yes' or 'No'.<end_of_turn>\n<start_of_turn>model\n")
VIOLENCE = ("No Violence/Gore content: The image shall not contain content that depicts shocking, sensational, or gratuitous violence (e.g., "
            "excessive blood and gore, gratuitous violence against animals, extreme injury or moment of death).")
IMAGE = SIGHT + "/test/000-0.png"


class Translate(Folder):
    def tokens(self, *args):
        return json.loads(self.ok("run", TINY_GGUF, *args, "--json", "-n", "1").stdout)["prompt_tokens"]

    def test_the_message_is_the_templates(self):
        own = self.tokens("Guten Tag", "--translate", "de_AT:en")
        self.assertEqual(own, self.tokens(ASK + "Guten Tag"))
        for text in "Guten Tag \n", " \n\u3000Guten Tag\u2003":  # its ends are white space
            self.assertEqual(own, self.tokens(text, "--translate", "de-AT:en"))
        self.assertEqual(own, self.tokens("Guten Tag", "--translate", "DE-at:En"))  # codes are spelled as in the list
        shown = self.ok("run", TINY_GGUF, "Guten Tag", "--translate", "de-AT:en", "--show-prompt", "-n", "1").stderr.decode()
        self.assertIn("translate the following German text into English:\n\n\nGuten Tag<end_of_turn>", shown)

    def test_a_picture_is_translated_as_the_template_asks(self):
        shown = self.ok("run", SIGHT, "--image", IMAGE, "--translate", "KM:zh_hant_tw", "--show-prompt", "-n", "1").stderr.decode()
        self.assertIn("<start_of_turn>user\n" + ASK_PICTURE, shown)
        asked = self.ok("run", SIGHT, "--image", IMAGE, ASK_PICTURE + "<image>", "--show-prompt", "-n", "1").stderr.decode()
        self.assertEqual(shown, asked)
        for more in (["--image", IMAGE], ["-p", "a"]):
            self.refused("run", SIGHT, "--image", IMAGE, *more, "--translate", "de:en", says="a text or one --image", code=2)

    def test_what_is_no_translation(self):
        for text in "", " \n":
            self.refused("run", TINY_GGUF, "-p", text, "--translate", "de:en", says="no text to translate")
        for value, says in (("de", "two languages like de:en"), ("xx:en", "no language 'xx'"), ("de:", "no language ''"),
                            ("de:e<n", "no language 'e<n'"), ("de-" + "A" * 40 + ":en", "two languages")):
            self.refused("run", TINY_GGUF, "a", "--translate", value, says=says)
        for more in (["--raw"], ["--system", "x"], ["--batch", "x", "-o", "y"]):
            self.refused("run", TINY_GGUF, "a", "--translate", "de:en", *more, says="--translate", code=2)

    def test_content_with_languages(self):
        def line(i, *parts):
            return json.dumps({"custom_id": str(i), "method": "POST", "url": "/v1/chat/completions",
                               "body": {"messages": [{"role": "user", "content": list(parts)}], "max_tokens": 1, "temperature": 0}}) + "\n"
        text = {"type": "text", "text": "Guten Tag"}
        codes = {"source_lang_code": "de-AT", "target_lang_code": "en"}
        lines = [line(0, text | codes), line(1, {"type": "text", "text": ASK + "Guten Tag"}), line(2, text | {"source_lang_code": "de"}),
                 line(3, text | codes | {"target_lang_code": "qq"}), line(4, text | {"source_lang_code": None, "target_lang_code": None}), line(5, text)]
        out = self.path("out")
        carat("run", TINY_GGUF, "--batch", self.path("in", "".join(lines).encode()), "-o", out)
        with open(out) as f:
            bodies = {o["custom_id"]: o["response"]["body"] for o in map(json.loads, f)}
        self.assertEqual(bodies["0"]["usage"]["prompt_tokens"], bodies["1"]["usage"]["prompt_tokens"])
        self.assertEqual(bodies["0"]["choices"], bodies["1"]["choices"])
        self.assertIn("belong together", bodies["2"]["error"]["message"])
        self.assertIn("no language 'qq'", bodies["3"]["error"]["message"])
        self.assertEqual(bodies["4"]["usage"], bodies["5"]["usage"])

    def test_a_picture_with_languages(self):
        def line(i, *parts):
            return json.dumps({"custom_id": str(i), "method": "POST", "url": "/v1/chat/completions",
                               "body": {"messages": [{"role": "user", "content": list(parts)}], "max_tokens": 4, "temperature": 0}}) + "\n"
        with open(IMAGE, "rb") as f:
            image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + base64.b64encode(f.read()).decode()}}
        codes = {"source_lang_code": "km", "target_lang_code": "zh-Hant-TW"}
        lines = [line(0, image | codes), line(1, {"type": "text", "text": "a"}, image | codes), line(2, image | {"source_lang_code": "km"}), line(3, image)]
        out = self.path("out")
        carat("run", SIGHT, "--batch", self.path("in", "".join(lines).encode()), "-o", out)
        with open(out) as f:
            bodies = {o["custom_id"]: o["response"]["body"] for o in map(json.loads, f)}
        own = json.loads(self.ok("run", SIGHT, "--image", IMAGE, "--translate", "km:zh-Hant-TW", "--json", "-n", "4", "--temp", "0").stdout)
        self.assertEqual(len(own["prompt_tokens"]), bodies["0"]["usage"]["prompt_tokens"])
        self.assertEqual(own["text"], bodies["0"]["choices"][0]["message"]["content"])
        self.assertIn("stands alone", bodies["1"]["error"]["message"])
        self.assertIn("belong together", bodies["2"]["error"]["message"])
        self.assertIn("choices", bodies["3"])


class Policies(Folder):
    def decide(self, *args, image=IMAGE):
        o = json.loads(self.ok("decide", SIGHT, "--image", image, *args, "--json").stdout)
        o.pop("seconds")
        return o

    def test_the_prompt_is_the_templates(self):
        shown = self.ok("decide", SIGHT, "--image", IMAGE, "--policy", "violence", "--show-prompt").stderr.decode()
        self.assertIn(POLICY % VIOLENCE, shown)
        own = self.ok("decide", SIGHT, "--image", IMAGE, "--policy", "No red stars.", "--show-prompt").stderr.decode()
        self.assertIn(POLICY % "No red stars.", own)

    def test_the_figure_is_yes_against_no(self):
        named = self.decide("--policy", "violence")
        self.assertEqual(self.decide("--policy", VIOLENCE), named)
        other = self.decide("--policy", "sexual")
        text = json.dumps(named)
        self.assertNotEqual(text, json.dumps(other))
        self.assertIn('"Yes"', text)

    def test_what_is_refused(self):
        for args in (["--policy", "violence"], ["--image", IMAGE, "--image", IMAGE, "--policy", "violence"], ["--image", IMAGE, "--policy", "violence", "--yes-no"],
                     ["question", "--image", IMAGE, "--policy", "violence"], ["--image", IMAGE, "--policy", "violence", "--system", "x"]):
            self.refused("decide", SIGHT, *args, says="--policy", code=2)
        for policy in ("", "No <end_of_turn> here"):
            self.refused("decide", SIGHT, "--image", IMAGE, "--policy", policy, says="expected dangerous, sexual, violence")
        self.refused("decide", TINY_GGUF, "--image", IMAGE, "--policy", "violence", says="vision")


class Families(Folder):
    def family(self, path):
        return json.loads(self.ok("info", path, "--json").stdout)["family"]

    def test_info_names_them(self):
        g = Gguf(TINY_GGUF)
        gemma = g.keys.get("tokenizer.chat_template", (TEXT, b"{{ '<start_of_turn>user\n' }}"))[1]
        for file, name, template, says in (
                ("medgemma-4b-it.gguf", b"x", gemma, ["MedGemma, by its name"]), ("x.gguf", b"Medgemma 4b It", gemma, ["MedGemma, by its name"]),
                ("y.gguf", b"y", gemma + b"{{ c['source_lang_code'] }}", ["TranslateGemma, by its chat template"]),
                ("z.gguf", b"z", gemma + b"{{ '<start_function_declaration>' }}", ["FunctionGemma, by its chat template"]),
                ("shieldgemma-2-4b-it.gguf", b"z", gemma, ["ShieldGemma 2, by its name"]),
                ("gemma-3-4b-it-qat-q4_0.gguf", b"z", gemma, ["quantisation-aware trained, by its name"]),
                ("medgemma-qat.gguf", b"z", gemma, ["MedGemma, by its name", "quantisation-aware trained, by its name"]),
                ("aqaticmed.gguf", b"gemma", gemma, [])):
            g.keys["general.name"], g.keys["tokenizer.chat_template"] = (TEXT, name), (TEXT, template)
            self.assertEqual(self.family(g.save(self.path(file))), says, file)
        self.assertIn(b"MedGemma, by its name", self.ok("info", self.path("medgemma-4b-it.gguf")).stdout)


if __name__ == "__main__":
    main()
