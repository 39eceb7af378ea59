"""docs/openapi.json: it names every route of the server's table and no other, and what the server replies is what it says.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import unittest

from served import Case, SIGHT, main

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROW = re.compile(r'^    \{ "([A-Z]+)", "([^"]+)", .*\},$')
# What follows the last part of a path is the handler's affair.
BEHIND = {("POST", "/v1/responses/{id}"): "/v1/responses/{id}/cancel"}


def load(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def fits(schema, v, doc, where="reply"):
    """What is wrong with a value by a schema of the few keywords that the description uses; None: nothing is."""
    if "$ref" in schema:
        return fits(look_up(doc, schema["$ref"]), v, doc, where)
    for kind in ("anyOf", "oneOf"):
        if kind in schema:
            found = [fits(s, v, doc, where) for s in schema[kind]]
            return None if None in found else f"{where}: none of {kind}: {found}"
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    is_of = {"object": isinstance(v, dict), "array": isinstance(v, list), "string": isinstance(v, str), "null": v is None,
             "boolean": isinstance(v, bool), "integer": isinstance(v, int) and not isinstance(v, bool),
             "number": isinstance(v, (int, float)) and not isinstance(v, bool)}
    if types and not any(is_of[t] for t in types):
        return f"{where} is {v!r}, expected {types}"
    if "enum" in schema and v not in schema["enum"]:
        return f"{where} is {v!r}, expected one of {schema['enum']}"
    if isinstance(v, dict):
        missing = [k for k in schema.get("required", []) if k not in v]
        if missing:
            return f"{where} lacks {missing}"
        more = schema.get("additionalProperties", {})
        for k, x in v.items():
            wrong = fits(schema.get("properties", {}).get(k, more if isinstance(more, dict) else {}), x, doc, f"{where}.{k}")
            if wrong:
                return wrong
    if isinstance(v, list):
        for i, x in enumerate(v):
            wrong = fits(schema.get("items", {}), x, doc, f"{where}[{i}]")
            if wrong:
                return wrong
    return None


def look_up(doc, ref):
    at = doc
    for part in ref.removeprefix("#/").split("/"):
        at = at[part]
    return at


def refs(v):
    if isinstance(v, dict):
        if "$ref" in v:
            yield v["$ref"]
        for x in v.values():
            yield from refs(x)
    elif isinstance(v, list):
        for x in v:
            yield from refs(x)


class Description(unittest.TestCase):
    def setUp(self):
        self.doc = json.loads(load("docs", "openapi.json"))

    def operations(self):
        return {(m.upper(), p): o for p, of in self.doc["paths"].items() for m, o in of.items()}

    def test_every_route_is_there_and_no_other(self):
        rows = [m.groups() for m in map(ROW.match, load("server", "routes.c").split("\n")) if m]
        self.assertGreater(len(rows), 40)
        self.assertEqual(sorted((m, BEHIND.get((m, p), p)) for m, p in rows), sorted(self.operations()))

    def test_it_is_consistent(self):
        self.assertEqual(self.doc["openapi"], "3.1.0")
        names = [o["operationId"] for o in self.operations().values()]
        self.assertEqual(sorted(names), sorted(set(names)))
        used = set(refs(self.doc))
        for ref in used:
            look_up(self.doc, ref)
        for kind in ("schemas", "responses"):
            for name in self.doc["components"][kind]:
                self.assertIn(f"#/components/{kind}/{name}", used)
        tags = {t["name"] for t in self.doc["tags"]}
        for (method, path), o in self.operations().items():
            self.assertTrue(o["summary"] and set(o["tags"]) <= tags and "200" in o["responses"], path)
            self.assertEqual(re.findall(r"\{(\w+)\}", path), [p["name"] for p in o.get("parameters", []) if p["in"] == "path"], path)


class Replies(Case):
    model = SIGHT

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.doc = cls.server.get("/openapi.json").json()

    def check(self, r, method, path):
        response = self.doc["paths"][path][method.lower()]["responses"][str(r.status)]
        if "$ref" in response:
            response = look_up(self.doc, response["$ref"])
        kind = r.headers["Content-Type"].split(";")[0]
        self.assertIn(kind, response["content"], path)
        if kind == "application/json":
            self.assertIsNone(fits(response["content"][kind]["schema"], r.json(), self.doc))

    def test_it_is_handed_out(self):
        self.assertEqual(self.doc, json.loads(load("docs", "openapi.json")))

    def test_what_is_got(self):
        for path, of in self.doc["paths"].items():
            if "get" in of:
                r = self.server.get(path.replace("{model}", "tiny-sight").replace("{id}", "resp_none"))
                self.check(r, "GET", path)
                self.assertEqual(r.status, 404 if "{id}" in path else 200, path)

    @staticmethod
    def bodies():
        """Of each route that is posted to, a request."""
        chat = {"model": "tiny-sight", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3, "ignore_eos": True}
        return {
            "/v1/chat/completions": chat | {"logprobs": True, "top_logprobs": 2},
            "/v1/completions": {"prompt": "a", "max_tokens": 3, "logprobs": 1, "echo": True},
            "/v1/embeddings": {"input": "a"},
            "/v1/responses": {"input": "hi", "max_output_tokens": 3},
            "/v1/responses/input_tokens": {"input": "hi"},
            "/v1/chat/completions/input_tokens": chat,
            "/v1/messages": chat,
            "/v1/messages/count_tokens": {k: chat[k] for k in ("model", "messages")},
            "/v1/systemone": {"state": "a", "questions": {"a": {"type": "noul", "instructions": "b"},
                                                          "c": {"type": "choice", "criteria": {"d": None}},
                                                          "s": {"type": "score", "criteria": ["d", "e"]}}},
            "/api/chat": chat | {"stream": False, "options": {"num_predict": 3}},
            "/api/generate": {"model": "tiny-sight", "prompt": "a", "stream": False, "options": {"num_predict": 3}},
            "/api/embed": {"model": "tiny-sight", "input": "a"},
            "/api/embeddings": {"model": "tiny-sight", "prompt": "a"},
            "/api/show": {"model": "tiny-sight"},
            "/completion": {"prompt": "a", "n_predict": 3, "n_probs": 2},
            "/completions": {"prompt": ["a", [5, 6]], "n_predict": 3},
            "/tokenize": {"content": "a b", "with_pieces": True, "return_token_strs": True},
            "/detokenize": {"tokens": [5, 6]},
            "/apply-template": chat,
            "/lora-adapters": [],
            "/models/load": {"model": "tiny-sight"},
            "/models/unload": {"model": "tiny-sight"},
        }

    def test_what_is_posted(self):
        bodies = self.bodies()
        others = {"/api/pull", "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/v1/responses/{id}/cancel", "/carat/crops", "/carat/weigh"} # which need more than a body
        posts = {p for p, of in self.doc["paths"].items() if "post" in of}
        self.assertEqual(posts, set(bodies) | others)
        for path, body in bodies.items():
            r = self.server.post(path, body)
            self.assertEqual(r.status, 200, (path, r.body))
            self.check(r, "POST", path)

    def request_schema(self, path):
        schema = self.doc["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        while "$ref" in schema:
            schema = look_up(self.doc, schema["$ref"])
        return schema

    def resolve(self, schema, v):
        """The schema of an object that a value has, of those a schema allows."""
        while "$ref" in schema:
            schema = look_up(self.doc, schema["$ref"])
        for kind in ("anyOf", "oneOf"):
            for s in schema.get(kind, []):
                if not fits(s, v, self.doc):
                    return self.resolve(s, v)
        return schema

    def nulls(self, schema, v):
        """Of a value the same with one member null each, where it is, and whether the description allows that."""
        schema = self.resolve(schema, v)
        if isinstance(v, dict):
            for name, of in schema.get("properties", {}).items():
                yield f".{name}", v | {name: None}, name not in schema.get("required", []) and not fits(of, None, self.doc)
                if name in v:
                    for where, x, ok in self.nulls(of, v[name]):
                        yield f".{name}{where}", v | {name: x}, ok
        elif isinstance(v, list):
            for i, one in enumerate(v):
                for where, x, ok in self.nulls(schema.get("items", {}), one):
                    yield f"[{i}]{where}", v[:i] + [x] + v[i + 1:], ok

    def test_null_is_what_the_description_says(self):
        """Many clients send null for what they leave out, in objects of any depth."""
        tools = [{"type": "function", "function": {"name": "f", "description": "d", "strict": False,
                                                   "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}]
        call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        bodies = self.bodies()
        bodies["/v1/chat/completions"] = bodies["/v1/chat/completions"] | {"logprobs": None, "top_logprobs": None, "tools": tools, "tool_choice": "none", "stream_options": {"include_usage": True}, "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "name": "f", "content": "b"}]}
        bodies["/v1/messages"] = bodies["/v1/messages"] | {"tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}]}
        bodies["/api/chat"] = bodies["/api/chat"] | {"tools": tools}
        n = 0
        for path, body in bodies.items():
            schema = self.doc["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
            for where, changed, ok in self.nulls(schema, body):
                r = self.server.post(path, changed)
                self.assertEqual(r.status, 200 if ok else 400, (path, where, r.body))
                n += 1
        self.assertGreater(n, 300)

    def test_what_is_refused(self):
        for path, of in self.doc["paths"].items():
            for method in of:
                if method == "post" and path != "/carat/weigh":
                    for body in b"5", b"{", b'{"model": 7}':
                        r = self.server.send("POST", path.replace("{id}", "resp_none"), body)
                        self.assertGreaterEqual(r.status, 400, (path, body))
                        self.check(r, "POST", path)


if __name__ == "__main__":
    main()
