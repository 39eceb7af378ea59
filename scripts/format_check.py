#!/usr/bin/env python3
"""Answers of a given form from models of random weights, judged by other programs: Python's json, re and jsonschema.

    format_check.py CARAT MODEL [N]       pip install 'jsonschema[format-nongpl]'; MODEL: a model with a vocabulary, best one of random weights;
                                          N: answers of each form (default: 160)

Random weights say nothing of sense, so whatever is right in an answer is the form's doing. Answers are drawn at
temperature 1.5, many in a batch, with penalties and without. Those that max_tokens cut off are only counted. Prints a Markdown table; exits with 1 if an answer is wrong.
"""
import json
import re
import subprocess
import sys
import tempfile
from fractions import Fraction

import jsonschema

OBJ = {"type": "object", "additionalProperties": False}
TEXT = {"type": "string", "maxLength": 20}

SCHEMAS = {
    "flat": {**OBJ, "properties": {"name": TEXT, "age": {"type": "integer", "minimum": 0, "maximum": 150}, "is new": {"type": "boolean"}},
             "required": ["name", "age"]},
    "enumerations": {**OBJ, "properties": {"a": {"enum": ["x", "xy", 1, 1.5, None, [1, {"b": "é\n"}]]}, "b": {"const": {"c": [True]}}},
                     "required": ["b", "a"]},
    "numbers": {**OBJ, "properties": {"x": {"type": "number", "minimum": -2.5, "exclusiveMaximum": 1000},
                                      "y": {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 9},
                                      "z": {"type": "integer", "exclusiveMinimum": -7, "maximum": 12345, "multipleOf": 3},
                                      "any": {"type": "number", "maximum": 1e6, "minimum": -1e6}}, "required": ["x", "y", "z"]},
    "strings": {**OBJ, "properties": {"p": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3,5}$"},
                                      "q": {"type": "string", "pattern": "[ab]c", "minLength": 3, "maxLength": 9},
                                      "r": {"type": "string", "minLength": 2, "maxLength": 4}}, "required": ["p", "q", "r"]},
    "formats": {**OBJ, "properties": {k: {"type": "string", "format": k} for k in ("date", "time", "date-time", "uuid", "ipv4", "ipv6", "duration")},
                "required": ["date", "date-time", "uuid", "ipv4", "ipv6"]},
    "arrays": {**OBJ, "properties": {"a": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "minItems": 2, "maxItems": 5},
                                     "b": {"type": "array", "prefixItems": [{"const": 1}, TEXT], "items": {"type": "null"}, "maxItems": 4},
                                     "c": {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "maxItems": 1}}, "required": ["a", "b", "c"]},
    "nested": {**OBJ, "properties": {"o": {**OBJ, "properties": {"p": {**OBJ, "properties": {"q": {"type": "null"}}, "required": ["q"]}}, "required": ["p"]},
                                     "list": {"type": "array", "items": {**OBJ, "properties": {"id": {"type": "integer", "minimum": 1, "maximum": 9}},
                                                                         "required": ["id"]}, "maxItems": 3}}, "required": ["o", "list"]},
    "recursive": {"$ref": "#/$defs/t", "$defs": {"t": {**OBJ, "properties": {"v": {"enum": [0, 1]}, "n": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/t"}]}},
                                                       "required": ["v", "n"]}}},
    "alternatives": {"oneOf": [{**OBJ, "properties": {"kind": {"const": "circle"}, "r": {"type": "integer", "minimum": 0, "maximum": 50}}, "required": ["kind", "r"]},
                               {**OBJ, "properties": {"kind": {"const": "box"}, "w": {"enum": [1, 2]}, "h": {"enum": [1, 2]}}, "required": ["kind", "w", "h"]},
                               {"type": "array", "items": {"type": "boolean"}, "maxItems": 2}]},
    "all of": {"allOf": [{"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]},
                         {"properties": {"a": {"maximum": 30}, "b": {"type": "boolean"}}, "required": ["b"]}],
               "properties": {"a": {"multipleOf": 2}, "b": True}, "additionalProperties": False},
    "names": {"type": "object", "patternProperties": {"^n_": {"type": "integer", "minimum": 0, "maximum": 9}}, "propertyNames": {"maxLength": 6},
              "additionalProperties": {"type": "boolean"}, "maxProperties": 3},
    "nullable": {**OBJ, "properties": {"a": {"type": ["string", "null"], "maxLength": 3}, "b": {"type": "integer", "nullable": True, "minimum": 0, "maximum": 3}},
                 "required": ["a", "b"]},
    "counts": {"type": "object", "properties": {c: {"type": "boolean"} for c in "abcdef"}, "minProperties": 2, "maxProperties": 4, "additionalProperties": False},
    "draft 7": {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"p": {"type": "integer", "minimum": 1, "maximum": 5}}, "type": "array",
                "items": [{"$ref": "#/definitions/p"}, {"type": "string", "enum": ["s"]}], "additionalItems": False, "minItems": 1},
    "untyped": {"enum": ["a", {"b": 1}], "type": ["string", "object"]},
}
REGEX = r"(?:ab+c?|[0-9]{2,4}-\d\d|é{1,3}|x[^a-y]{0,3}z)"
CHOICES = ["red", "light", "light blue", "grün"]
GBNF = 'root ::= "(" item (", " item){0,4} ")"\nitem ::= "one" | "two" | "(" item ")"\n'


def nullable(s):
    """OpenAPI's word, which jsonschema does not know."""
    if isinstance(s, list):
        return [nullable(x) for x in s]
    if not isinstance(s, dict):
        return s
    out = {k: nullable(v) for k, v in s.items() if k != "nullable"}
    return {"anyOf": [out, {"type": "null"}]} if s.get("nullable") is True else out


def multiple_of(validator, of, instance, schema):
    """In decimals, as they are written: jsonschema divides doubles, by which 0.07 is no multiple of 0.01."""
    if validator.is_type(instance, "number") and Fraction(repr(instance)) % Fraction(repr(of)):
        yield jsonschema.ValidationError(f"{instance!r} is no multiple of {of!r}")


def is_value(schema, text):
    try:
        value = json.loads(text)
        cls = jsonschema.Draft7Validator if "draft-07" in schema.get("$schema", "") else jsonschema.Draft202012Validator
        exact = jsonschema.validators.extend(cls, {"multipleOf": multiple_of})
        exact(nullable(schema), format_checker=cls.FORMAT_CHECKER).validate(value)
    except (ValueError, jsonschema.ValidationError) as e:
        return str(e).split("\n")[0]
    return None


def is_list(text):
    items = text[1:-1].split(", ")
    while any(i.startswith("(") and i.endswith(")") for i in items):
        items = [i[1:-1] if i.startswith("(") and i.endswith(")") else i for i in items]
    return None if text[0] + text[-1] == "()" and len(items) <= 5 and set(items) <= {"one", "two"} else "no list"


def batch(carat, model, form, n):
    """Answers as (text, finish)."""
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/in", "w", encoding="utf-8") as f:
            for i in range((n + 7) // 8):
                body = {"messages": [{"role": "user", "content": f"Question {i}."}], "n": 8, "temperature": 1.5, "top_p": 1, "top_k": 0, "max_tokens": 300,
                        "response_format": form}
                if i % 3 == 1:
                    body.update(presence_penalty=1.5, repeat_penalty=1.2)
                if i % 3 == 2:
                    body.update(logprobs=True, top_logprobs=2)
                f.write(json.dumps({"custom_id": str(i), "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n")
        r = subprocess.run([carat, "run", model, "--batch", d + "/in", "-o", d + "/out", "-c", "512", "--parallel", "8", "--seed", "1", "-q"],
                           capture_output=True, text=True)
        if r.returncode:
            raise SystemExit(r.stderr)
        with open(d + "/out", encoding="utf-8") as f:
            for line in f:
                for c in json.loads(line)["response"]["body"]["choices"]:
                    yield c["message"]["content"], c["finish_reason"]


def single(carat, model, options, n):
    for seed in range(n):
        r = subprocess.run([carat, "run", model, "Say it.", "--temp", "1.5", "--top-k", "0", "--top-p", "1", "--seed", str(seed), "-n", "200", "--json", "-q", *options],
                           capture_output=True, text=True)
        if r.returncode:
            raise SystemExit(r.stderr)
        out = json.loads(r.stdout)
        yield out["text"], out["finish_reason"]


def report(name, answers, fault):
    n = whole = wrong = 0
    kinds = set()
    for text, finish in answers:
        n += 1
        if finish != "stop":
            continue
        whole += 1
        kinds.add(text)
        why = fault(text)
        if why:
            wrong += 1
            print(f"WRONG {name}: {text!r}: {why}", file=sys.stderr)
    print(f"| {name} | {n} | {whole} | {len(kinds)} | {wrong} |", flush=True)
    return wrong or not whole


def main():
    carat, model = sys.argv[1:3]
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 160
    bad = 0
    print("| form | answers | complete | different | wrong |\n| --- | --- | --- | --- | --- |")
    for name, schema in SCHEMAS.items():
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        bad += bool(report(name, batch(carat, model, form, n), lambda t, s=schema: is_value(s, t)))
    few = max(n // 4, 1)
    bad += bool(report("a regular expression", single(carat, model, ["--regex", REGEX], few),
                       lambda t: None if re.fullmatch(REGEX, t) else "no match"))
    bad += bool(report("a choice", single(carat, model, ["--choice", ",".join(CHOICES)], few), lambda t: None if t in CHOICES else "no choice"))
    with tempfile.NamedTemporaryFile("w", suffix=".gbnf") as f:
        f.write(GBNF)
        f.flush()
        bad += bool(report("a grammar", single(carat, model, ["--grammar", f.name], few), is_list))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
