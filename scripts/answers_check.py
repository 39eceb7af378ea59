#!/usr/bin/env python3
"""Answers under twenty JSON Schemas and calls of ten sets of tools at temperature 1.5, each judged by Python's jsonschema.

    answers_check.py CARAT MODEL [N]      pip install 'jsonschema[format-nongpl]' (in a venv); MODEL: a trained one, best a base model, which does
                                          not know what it is asked for; N: answers of it in all (default: 1000)

Half of the schemas are those of format_check.py; tools are called with tool_choice "required". The same is asked of a model of random
weights with MODEL's vocabulary (carat synth). Everything goes through `carat run --batch`, top_p 1, top_k 0. Answers that max_tokens
cut off are counted; all others must be valid, and of calls the name, the arguments and that no member comes twice. Prints a Markdown table
(docs/measured/answers-2026-11.md); exits with 1 if one is not.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys
import tempfile

import jsonschema

import format_check

OBJ, TEXT = format_check.OBJ, format_check.TEXT
SMALL = {"type": "integer", "minimum": 0, "maximum": 99}
SCHEMAS = {
    **{k: format_check.SCHEMAS[k] for k in ("flat", "enumerations", "numbers", "strings", "formats", "arrays", "nested", "recursive", "alternatives", "all of",
                                            "names", "counts")},
    "if then else": {**OBJ, "properties": {"kind": {"enum": ["card", "cash"]}, "number": {"type": "string", "pattern": "^[0-9]{4}$"}, "coins": SMALL},
                     "required": ["kind"], "if": {"properties": {"kind": {"const": "card"}}}, "then": {"required": ["number"], "properties": {"coins": False}},
                     "else": {"required": ["coins"], "properties": {"number": False}}},
    "not": {**OBJ, "properties": {"word": {"type": "string", "maxLength": 6, "not": {"enum": ["", "a", "I", "the"]}},
                                  "number": {"type": "number", "minimum": -3, "maximum": 3, "not": {"enum": [0, 1.5, -1]}},
                                  "half": {"type": "number", "minimum": 0, "maximum": 9, "not": {"type": "integer"}}}, "required": ["word", "number", "half"]},
    "not both": {"type": "object", "properties": {"a": SMALL, "b": SMALL}, "not": {"required": ["a", "b"]}, "additionalProperties": {"type": "boolean"}, "propertyNames": {"maxLength": 8},
                 "maxProperties": 3},
    "dependencies": {**OBJ, "properties": {c: {"type": "boolean"} for c in "abcd"}, "dependentRequired": {"a": ["b"], "c": ["a", "d"]},
                     "dependentSchemas": {"b": {"properties": {"d": {"const": True}}}}},
    "contains": {"type": "array", "items": SMALL, "contains": {"minimum": 90}, "maxContains": 2, "minItems": 2, "maxItems": 6},
    "unique items": {**OBJ, "properties": {"days": {"type": "array", "items": {"enum": ["mon", "tue", "wed", "thu", "fri"]}, "uniqueItems": True, "minItems": 2}},
                     "required": ["days"]},
    "one of two": {"type": "object", "properties": {"mail": TEXT, "phone": TEXT, "name": TEXT}, "required": ["name"],
                   "oneOf": [{"required": ["mail"]}, {"required": ["phone"]}], "additionalProperties": False},
    "one of ranges": {"type": "array", "maxItems": 4, "items": {"type": "integer", "minimum": 0, "maximum": 50, "oneOf": [{"maximum": 20}, {"minimum": 10}]}},
}


def tool(name, parameters=None, **more):
    return {"type": "function", "function": {"name": name, **({"parameters": parameters} if parameters else {}), **more}}


def parameters(required="", **properties):
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


TOOLS = {
    "one": [tool("get_time", parameters("city", city=TEXT), description="The time in a city")],
    "without arguments": [tool("now"), tool("stop", parameters())],
    "numbers": [tool("move", parameters("x y", x={"type": "number", "minimum": -1, "maximum": 1}, y=SMALL, fast={"type": "boolean"}))],
    "enumerations": [tool("set_light", parameters("room state", room={"enum": ["kitchen", "hall", "garage"]}, state={"enum": ["on", "off", 0.5]}))],
    "lists": [tool("order", parameters("items", items={"type": "array", "minItems": 1, "maxItems": 3, "items": parameters("id", id=SMALL, note=TEXT)}))],
    "formats": [tool("book", parameters("on", on={"type": "string", "format": "date"}, at={"type": "string", "format": "time"}, id={"type": "string", "format": "uuid"}))],
    "shared beginnings": [tool("get", parameters("a", a=SMALL)), tool("get_all", parameters("b", b=SMALL)), tool("get_all_of", parameters("c", c=SMALL))],
    "alternatives": [tool("pay", {**parameters("amount", amount={"type": "number", "exclusiveMinimum": 0, "maximum": 500, "multipleOf": 0.01}, card=TEXT, cash=SMALL),
                                  "oneOf": [{"required": ["card"]}, {"required": ["cash"]}]})],
    "references": [tool("draw", {"$defs": {"p": {"type": "array", "prefixItems": [SMALL, SMALL], "items": False, "minItems": 2}},
                                 **parameters("points", points={"type": "array", "items": {"$ref": "#/$defs/p"}, "minItems": 2, "maxItems": 4})})],
    "many": [tool(f"tool_{i}", parameters("v", v=({"const": i} if i % 2 else {"type": "string", "pattern": f"^v{i}[a-f]{{1,{i + 1}}}$"}))) for i in range(12)],
}
PROMPTS = ["Go on.", "What do you know of the sea?", "Write one, please.", "{\"a\": [1, 2", "Antworte kurz: wie spät ist es?", "1 2 3 4 5", "<b>no</b>", "Say it in JSON, with ```."]


def once(pairs):
    if len({k for k, _ in pairs}) != len(pairs):
        raise ValueError("a member comes twice")
    return dict(pairs)


def fault_of_value(schema, text):
    """None, or what is wrong with it. Where names are free, the last of equal ones counts."""
    if schema.get("additionalProperties") is False:
        try:
            json.loads(text, object_pairs_hook=once)
        except ValueError as e:
            return str(e)
    return format_check.is_value(schema, text)


def fault_of_calls(tools, message):
    known = {t["function"]["name"]: t["function"].get("parameters", parameters()) for t in tools}
    calls = message.get("tool_calls")
    if not calls or message.get("content"):
        return "no calls, or text beside them"
    for c in calls:
        f = c["function"]
        if f["name"] not in known or c["type"] != "function" or not c["id"]:
            return "an unknown function"
        why = fault_of_value(known[f["name"]], f["arguments"])
        if why:
            return why
    return None


def batch(carat, model, bodies):
    """Choices of answers, in the order of the bodies."""
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/in", "w", encoding="utf-8") as f:
            for i, body in enumerate(bodies):
                f.write(json.dumps({"custom_id": str(i), "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n")
        r = subprocess.run([carat, "run", model, "--batch", d + "/in", "-o", d + "/out", "-c", "2048", "--parallel", "8", "--seed", "1", "-q"],
                           capture_output=True, text=True)
        if r.returncode:
            raise SystemExit(r.stderr)
        with open(d + "/out", encoding="utf-8") as f:
            lines = {int(x["custom_id"]): x["response"]["body"] for x in map(json.loads, f)}
    return [lines[i]["choices"] for i in range(len(bodies))]


def bodies_of(n):
    """n answers in all, as (form's name, how to judge a choice, body)."""
    forms = [(k, lambda m, s=s: fault_of_value(s, m["content"]), {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": s}}})
             for k, s in SCHEMAS.items()]
    forms += [("calls: " + k, lambda m, t=t: fault_of_calls(t, m), {"tools": t, "tool_choice": "required"}) for k, t in TOOLS.items()]
    for i in range(n):
        name, judge, form = forms[i % len(forms)]
        yield name, judge, {"messages": [{"role": "user", "content": PROMPTS[i // len(forms) % len(PROMPTS)]}], "temperature": 1.5, "top_p": 1, "top_k": 0,
                            "max_tokens": 200, "seed": i, **form}


def check(carat, name, model, n):
    rows, wrong = {}, 0
    asked = list(bodies_of(n))
    for (form, judge, _), choices in zip(asked, batch(carat, model, [body for _, _, body in asked])):
        row = rows.setdefault(form, [0, 0, 0, 0])
        for c in choices:
            cut = c["finish_reason"] == "length"
            why = None if cut else judge(c["message"])
            row[0] += 1
            row[1] += not cut
            row[2] += cut
            row[3] += why is not None
            wrong += why is not None
            if why:
                print(f"WRONG {name}: {form}: {json.dumps(c['message'])}: {why}", file=sys.stderr)
    for form, row in rows.items():
        print(f"| {name} | {form} | {' | '.join(map(str, row))} |", flush=True)
    print(f"| {name} | all | {' | '.join(str(sum(r[k] for r in rows.values())) for k in range(4))} |", flush=True)
    return wrong


def main():
    carat, model = sys.argv[1:3]
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    for s in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema({k: v for k, v in s.items() if k != "$schema"})
    print("| model | form | answers | complete | cut | invalid |\n| --- | --- | ---: | ---: | ---: | ---: |")
    wrong = check(carat, "trained", model, n)
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "random.gguf")
        subprocess.run([carat, "synth", "270m", "--layers", "2", "--hidden", "128", "--ffn", "256", "--vocab-from", model, "-q", "-o", path], check=True)
        wrong += check(carat, "random weights", path, n)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
