"""The real model with its chat adapter: the reference's answers, calls that must be, calls that may be. Usage:
test_chat_model.py CARAT DATA, with CARAT_TEST_CHAT_MODEL in the environment. Prints figures.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

CARAT, DATA = sys.argv[1:3]
MODEL = os.environ.get("CARAT_TEST_CHAT_MODEL")
# The reference's answers are of float32 weights, those here of Q8_0 and int8 activations: where its best and second logit lie
# nearer than this, another token may win.
CLEAR = 1.0


def lines(*path):
    with open(os.path.join(DATA, *path), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def batch(bodies):
    """{id: body} -> {id: the reply's only choice}, and how many tokens each prompt had."""
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/in", "w", encoding="utf-8") as f:
            for key, body in bodies.items():
                f.write(json.dumps({"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n")
        r = subprocess.run([CARAT, "run", MODEL, "-t", "1", "--batch", d + "/in", "-o", d + "/out", "--quiet"], capture_output=True)
        assert r.returncode == 0, r.stderr
        with open(d + "/out", encoding="utf-8") as f:
            replies = {o["custom_id"]: o["response"]["body"] for o in map(json.loads, f)}
    failed = {k: v["error"]["message"] for k, v in replies.items() if "error" in v}
    assert not failed and replies.keys() == bodies.keys(), failed
    return {k: v["choices"][0] for k, v in replies.items()}, {k: v["usage"]["prompt_tokens"] for k, v in replies.items()}


def calls_of(text):
    """The calls that an answer makes in the form that the model was taught; None: it makes none."""
    try:
        v = json.loads(text)
    except ValueError:
        return None
    v = v if isinstance(v, list) else [v]
    ok = v and all(isinstance(c, dict) and c.keys() == {"name", "parameters"} for c in v)
    return [(c["name"], c["parameters"]) for c in v] if ok else None


def calls_in(choice):
    calls = choice["message"].get("tool_calls")
    return calls and [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in calls]


def violation(schema, v):
    """What of the schema the value does not satisfy, of the keywords that these tools use; None: it is valid."""
    known = {"type", "properties", "required", "description", "enum", "items", "default"}
    assert schema.keys() <= known, schema.keys() - known
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
    kind = schema.get("type")
    if kind and (not isinstance(v, kinds[kind]) or (isinstance(v, bool) and kind != "boolean")):
        return "%r is no %s" % (v, kind)
    if "enum" in schema and v not in schema["enum"]:
        return "%r is none of %r" % (v, schema["enum"])
    if kind == "array":
        return next(filter(None, (violation(schema.get("items", {}), x) for x in v)), None)
    if kind != "object":
        return None
    missing = set(schema.get("required", [])) - v.keys()
    if missing:
        return "without %s" % missing
    return next(filter(None, (violation(schema.get("properties", {}).get(k, {}), x) for k, x in v.items())), None)


class ChatModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cases = {c["id"]: c for c in lines("chat", "calls.jsonl")}
        cls.answers = {a["id"]: a for a in lines("models", "chat-270m", "answers.jsonl")}

    def body(self, case, **more):
        tools = {"tools": case["tools"]} if case.get("tools") else {}
        return dict({"messages": case["messages"], "max_tokens": 160, "temperature": 0}, **tools, **more)

    def schemas(self, case):
        return {t["function"]["name"]: t["function"]["parameters"] for t in case["tools"]}

    def check_calls(self, case, calls):
        for name, arguments in calls:
            self.assertIn(name, self.schemas(case))
            self.assertIsNone(violation(self.schemas(case)[name], arguments), (case["id"], name, arguments))

    def test_the_references_answers(self):
        choices, n_prompt = batch({k: self.body(c) for k, c in self.cases.items()})
        n = dict.fromkeys(["same", "clear", "calls", "begun", "free"], 0)
        for key, case in self.cases.items():
            self.assertEqual(n_prompt[key], len(case["prompt_ids"]), key)
            answer, choice = self.answers[key], choices[key]
            calls, wanted = calls_in(choice), calls_of(answer["answer"]) if case.get("tools") else None
            begun = bool(case.get("tools")) and answer["answer"].startswith(('{"name": "', '[{"name": "'))
            if calls:
                self.check_calls(case, calls)
                self.assertEqual(choice["finish_reason"], "tool_calls")
            same = calls == wanted if wanted else choice["message"]["content"] == answer["answer"]
            # What the reference begins as a call, but breaks off or fills with what its schema forbids, is here another one.
            free = bool(wanted) and all(f in self.schemas(case) and not violation(self.schemas(case)[f], a) for f, a in wanted)
            for what, yes in ("same", same), ("calls", calls), ("begun", begun), ("free", free):
                n[what] += bool(yes)
            if answer["margin"] > CLEAR and (free or not begun):
                n["clear"] += 1
                self.assertTrue(same, (key, answer, choice))
        print("auto: %d of %d answers are the reference's, among them all %d with a clear margin; %d make calls; the "
              "reference begins %d, of which %d need no mask" %
              (n["same"], len(self.cases), n["clear"], n["calls"], n["begun"], n["free"]))

    def test_required_calls_are_valid(self):
        """200 under a temperature that makes nonsense of everything else."""
        tools = [c for c in self.cases.values() if c.get("tools")]
        bodies = {"%d" % i: self.body(tools[i % len(tools)], tool_choice="required", seed=i) for i in range(200)}
        for i, b in enumerate(bodies.values()):  # a fifth of them from the whole vocabulary
            b.update(temperature=1.5, top_k=64 if i % 5 else 0, top_p=1, max_tokens=300)
        choices, _ = batch(bodies)
        n_cut = n_calls = 0
        for i in range(200):
            choice, case = choices["%d" % i], tools[i % len(tools)]
            if choice["finish_reason"] == "length":  # its last call is the beginning of one, as OpenAI has it
                n_cut += 1
                continue
            calls = calls_in(choice)
            self.assertEqual(choice["finish_reason"], "tool_calls")
            self.assertIsNone(choice["message"]["content"])
            n_calls += len(calls)
            self.check_calls(case, calls)
        print("required, temperature 1.5: %d answers, %d calls, all valid; %d cut at 300 tokens" % (200 - n_cut, n_calls, n_cut))
        self.assertLess(n_cut, 20)

    def test_one_function_by_name(self):
        case = next(c for c in self.cases.values() if len(c.get("tools", [])) > 2)
        bodies = {name: self.body(case, tool_choice={"type": "function", "function": {"name": name}})
                  for name in self.schemas(case)}
        choices, _ = batch(bodies)
        for name, choice in choices.items():
            calls = calls_in(choice)
            self.assertEqual([n for n, _ in calls], [name])
            self.check_calls(case, calls)

    def test_none_is_no_call(self):
        cases = [c for c in self.cases.values() if c.get("tools")][:20]
        choices, _ = batch({c["id"]: self.body(c, tool_choice="none") for c in cases})
        for choice in choices.values():
            self.assertNotIn("tool_calls", choice["message"])


if __name__ == "__main__":
    if not MODEL:
        print("CARAT_TEST_CHAT_MODEL names no model: skipped")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
