"""carat run --batch: lines that are wrong or odd. Usage: test_batch_lines.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import subprocess

from batching import CARAT, CHAT, TINY, Case, chat, line, long, main, text


class BadLines(Case):
    def test_each_is_reported_and_the_others_answered(self):
        good = [chat("good", max_tokens=2), text("good too", max_tokens=2)]
        none = [  # no custom_id: reported only
            ("{", "not valid JSON"), ("[1]", "expected an object"), ("null", "expected an object"), ("{}", "'custom_id' is missing"),
            ('{"custom_id": 7}', "'custom_id' is an integer"), ('{"custom_id": ""}', "'custom_id' is empty"),
            ('{"custom_id": "a\\u0000b"}', "NUL"), ('{"custom_id": "a", "custom_id": "b"}', "duplicate"),
            (b'{"custom_id": "\xff\xfe"}', "not valid JSON"), ("[" * 5000, "not valid JSON"),
            (chat("cut")[:-9], "not valid JSON"), (b"\x00\x01", "not valid JSON"),
        ]
        def raw(i, **kw):
            return json.dumps({"custom_id": i, **kw})
        lines = [  # not a request at all: "error"
            (raw("no method", url=CHAT, body={}), "invalid_method"), (raw("get", method="GET", url=CHAT, body={}), "invalid_method"),
            (raw("no url", method="POST", body={}), "invalid_url"), (raw("url", method="POST", url="/v1/embeddings", body={}), "invalid_url"),
            (raw("no body", method="POST", url=CHAT), "missing_required_parameter"),
            (raw("body", method="POST", url=CHAT, body=[1]), "missing_required_parameter"),
        ]
        long = "word " * 400
        requests = [  # a request that is refused: a response of 400
            (line("none", CHAT), "messages", "missing_required_parameter"), (line("empty", CHAT, messages=[]), "messages", None),
            (line("text", CHAT, messages="hi"), "messages", None), (line("number", CHAT, messages=[1]), "messages[0].role", None),
            (line("role", CHAT, messages=[{"content": "x"}]), "messages[0].role", None),
            (chat("content", 5), "messages[0].content", None), (chat("nul", "a\0b"), "messages[0].content", None),
            (chat("part", [5]), "messages[0].content[0]", None), (chat("audio", [{"type": "input_audio"}]), "messages[0].content[0]", "unsupported_value"),
            (chat("no image", [{"type": "image_url"}]), "messages[0].content[0]", None),
            (chat("long", long), "messages", "context_length_exceeded"), (text("long too", long), "prompt", "context_length_exceeded"),
            (line("no prompt"), "prompt", "missing_required_parameter"), (text("prompt", 5), "prompt", None),
            (text("two", ["a", "b"]), "prompt", "unsupported_value"), (text("ids", [2, -1]), "prompt", None),
            (text("far", [2, 1 << 40]), "prompt", None), (text("past", [2, 400000]), "prompt", None),
            (text("mixed", [2, "a"]), "prompt", None), (text("nothing", []), "prompt", None),
            (chat("tools", tools=[{"type": "function"}]), "tools[0].function", "invalid_value"),
            (chat("choice", tool_choice="required"), "tool_choice", "invalid_value"),
            (chat("format", response_format={"type": "grammar"}), "response_format", "unsupported_value"),
            (chat("schema", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"unevaluatedItems": {}}}}),
             "response_format.json_schema.schema", "invalid_value"),
            (chat("modalities", modalities=["text", "audio"]), "modalities", "unsupported_value"),
            (chat("stream", stream=True), "stream", "unsupported_parameter"), (chat("echo", echo=True), "echo", "unsupported_parameter"),
            (text("suffix", suffix="x"), "suffix", "unsupported_parameter"), (text("best", n=1, best_of=3), "best_of", "unsupported_value"),
            (chat("grammar", grammar="root ::= x"), "grammar", "invalid_value"),
            (chat("tags", structural_tag={"a": 1}), "structural_tag", "unsupported_parameter"),
            (line("calls", CHAT, messages=[{"role": "assistant", "tool_calls": [{}]}]), "messages[0].tool_calls[0]", "invalid_value"),
            (chat("warm", temperature=101), "temperature", "invalid_value"), (chat("warm?", temperature="hot"), "temperature", None),
            (chat("huge", temperature=1e300), "temperature", None), (chat("p", top_p=-1), "top_p", None),
            (chat("k", top_k=1.5), "top_k", None), (chat("max", max_tokens=0), "max_tokens", None),
            (chat("min", max_tokens=3, min_tokens=4), "min_tokens", "invalid_value"), (text("min 16", min_tokens=17), "min_tokens", None),
            (chat("min -1", min_tokens=-1), "min_tokens", None),
            (chat("n0", n=0), "n", None), (chat("n9", n=9), "n", None), (chat("stop", stop=[""]), "stop", None),
            (chat("stops", stop=["a"] * 17), "stop", None), (chat("stop?", stop=3), "stop", None), (chat("stop0", stop="a\0"), "stop", None),
            (chat("stop long", stop="a" * 5000), "messages", None),
            (chat("bias", logit_bias={"x": 1}), "logit_bias", None), (chat("bias1", logit_bias={"1": "x"}), "logit_bias", None),
            (chat("bias2", logit_bias={"1": 101}), "logit_bias", None), (chat("bias3", logit_bias={"99999999": 1}), "logit_bias", None),
            (chat("bias4", logit_bias=[]), "logit_bias", None), (chat("top", top_logprobs=2), "top_logprobs", None),
            (chat("top2", logprobs=True, top_logprobs=21), "top_logprobs", None), (chat("lp", logprobs=3), "logprobs", None),
            (text("lp2", logprobs=21), "logprobs", None), (chat("seed", seed="x"), "seed", None),
            (chat("wide ü" + "é" * 60, [{"type": "ü" * 100}]), "messages[0].content[0]", None),
        ]
        everything = none + lines + [(r, None) for r, _, _ in requests]
        self.write(["", "  \r"] + good + [s for s, _ in everything])
        self.batch(code=1)
        got = self.answers()
        for i, (s, says) in enumerate(everything):
            self.assertRegex(self.stderr, f"(?m)^carat: {re.escape(self.src)}:{i + 5}: ", s)
            if i < len(none):
                self.assertRegex(self.stderr, f"(?m):{i + 5}: .*{re.escape(says)}", s)
        self.assertEqual(len(got), len(good) + len(lines) + len(requests))
        for s, code in lines:
            row = got[json.loads(s)["custom_id"]]
            self.assertIsNone(row["response"])
            self.assertEqual(row["error"]["code"], code)
            self.assertTrue(row["error"]["message"])
        for s, param, code in requests:
            row = got[json.loads(s)["custom_id"]]
            self.assertIsNone(row["error"], s)
            self.assertEqual(row["response"]["status_code"], 400, s)
            e = row["response"]["body"]["error"]
            self.assertEqual((e["type"], e["param"]), ("invalid_request_error", param), s)
            self.assertEqual(e["code"], code or e["code"], s)
        self.assertIn("256", got["long"]["response"]["body"]["error"]["message"])
        for k in ["good", "good too"]:
            self.assertEqual(got[k]["response"]["status_code"], 200)
        with open(self.out, "rb") as f:
            before = f.read()
        self.batch(code=1)  # again: the errors are there already, and still errors
        with open(self.out, "rb") as f:
            self.assertEqual(f.read(), before)
        self.assertIn(f"0 answered, {len(none)} failed, {len(got)} skipped (already answered, some with errors)", self.stderr)

    def test_what_nobody_knows_is_refused_by_name(self):
        """Fields of other servers, and typing errors: none is dropped without a word."""
        fields = {"stop_token_ids": [440], "repeat_last_n": 256, "typical_p": 0.5, "max_new_tokens": 2, "num_predict": 2,
                  "options": {"temperature": 1}, "format": "json", "system": "Answer in French.", "chat_template_kwargs": {"a": 1},
                  "prefill": "It is", "no_repeat_ngram_size": 2, "use_beam_search": True,
                  "truncate_prompt_tokens": 2, "allowed_token_ids": [5], "temprature": 0.7}
        user = {"role": "user", "content": "Which one is it?"}
        url = {"url": "data:image/png;base64,iVBO"}
        inside = {
            "messages[0].images": [{**user, "images": ["iVBO"]}],
            "messages[0].content[0].image": [{"role": "user", "content": [{"type": "text", "text": "a", "image": "iVBO"}]}],
            "messages[0].content[0].detail": [{"role": "user", "content": [{"type": "image_url", "image_url": url, "detail": "low"}]}],
            "messages[1].content[0].image_url.size": [user, {"role": "user", "content": [{"type": "image_url", "image_url": {**url, "size": 9}}]}],
        }
        got = self.ask([chat("good", max_tokens=2)] + [chat(k, max_tokens=2, **{k: v}) for k, v in fields.items()] +
                       [line(k, CHAT, max_tokens=2, messages=v) for k, v in inside.items()], code=1)
        self.assertIn("choices", got["good"])
        for k in [*fields, *inside]:
            self.assertEqual(got[k]["error"]["param"], k)
            self.assertIn(f"'{k.split('.')[-1]}'", got[k]["error"]["message"])
        self.assertIn("use max_tokens", got["num_predict"]["error"]["message"])
        self.assertIn("did you mean 'temperature'?", got["temprature"]["error"]["message"])
        self.assertEqual(self.stderr.count("in.jsonl:"), len(fields) + len(inside))

    def test_biases_that_forbid_everything(self):
        """The caller's mistake, not ours: 400, and no word of a damaged model."""
        info = json.loads(subprocess.run([CARAT, "info", TINY, "--json"], capture_output=True, check=True).stdout)
        none = {str(i): -100 for i in range(info["vocabulary_rows"])}
        one = {k: v for k, v in none.items() if k != "30"}
        got = self.ask([text("none", max_tokens=2, logit_bias=none), text("one", max_tokens=2, logit_bias=one, logprobs=0),
                        text("end", max_tokens=9, min_tokens=2, logit_bias={k: v for k, v in none.items() if k != "1"})], code=1)
        for k, says in [("none", "forbid all"), ("end", "min_tokens is 2")]:
            self.assertEqual(self.answers()[k]["response"]["status_code"], 400)
            self.assertEqual(got[k]["error"]["type"], "invalid_request_error")
            self.assertIn(says, got[k]["error"]["message"])
        self.assertEqual(len(set(got["one"]["choices"][0]["logprobs"]["tokens"])), 1)

    def test_a_second_custom_id(self):
        self.write([text("a", max_tokens=2), text("b", max_tokens=2), text("a", "other", max_tokens=3)])
        for _ in range(2):
            self.batch(code=1)
            self.assertIn("in.jsonl:3: custom_id 'a' occurs a second time, after line 1; this line is not answered", self.stderr)
            self.assertIn(" 1 failed", self.stderr)
            self.assertEqual(set(self.answers()), {"a", "b"})
            self.assertEqual(self.answers()["a"]["response"]["body"]["usage"]["completion_tokens"], 2)

    def test_half_an_emoji_is_answered(self):
        """Text that was cut at so many UTF-16 units: the half is U+FFFD, whatever it is a part of."""
        raw = [chat("cut", "cut in the middle HALF", max_tokens=4), chat("same", "cut in the middle \ufffd", max_tokens=4),
               text("HALF", max_tokens=2), chat("reversed", "OTHERHALF", max_tokens=4), chat("two", "\ufffd\ufffd", max_tokens=4)]
        got = self.ask([s.replace("OTHER", "\\ude00").replace("HALF", "\\ud83d") for s in raw])
        self.assertEqual(set(got), {"cut", "same", "\ufffd", "reversed", "two"})
        for a, b in [("cut", "same"), ("reversed", "two")]:
            self.assertEqual(got[a]["usage"]["prompt_tokens"], got[b]["usage"]["prompt_tokens"])
            self.assertEqual(got[a]["choices"], got[b]["choices"])

    @long
    def test_a_line_that_is_too_long(self):
        with open(self.src, "wb") as f:
            f.write(text("a", max_tokens=2).encode() + b"\n")
            f.write(b'{"custom_id": "big", "method": "' + b"x" * (64 << 20) + b'"}\n')
            f.write(text("b", max_tokens=2).encode())  # and no newline at the end
        self.batch(code=1)
        self.assertIn("in.jsonl:2: the line is longer than 64 MiB", self.stderr)
        self.assertEqual(set(self.answers()), {"a", "b"})

    def test_byte_order_mark_and_crlf(self):
        self.write([b"\xef\xbb\xbf" + text("a", max_tokens=2).encode() + b"\r", text("b", max_tokens=2).encode() + b"\r"])
        self.batch()
        self.assertEqual(set(self.answers()), {"a", "b"})


if __name__ == "__main__":
    main()
