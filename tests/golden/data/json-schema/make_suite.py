#!/usr/bin/env python3
"""Makes suite.jsonl from a copy of the JSON-Schema-Test-Suite.

    make_suite.py FOLDER > suite.jsonl        FOLDER: the suite's `tests`, or json/tests of the sources of PyPI's jsonschema

A line is a schema: {"from", "description", "schema", "tests": [{"description", "data", "valid"}]}. A test that Carat
answers differently on purpose has "ours", its answer, and "why". Draft 7's schemas get their $schema; whole numbers
written with a point are written without, as Carat writes them.
"""
import glob
import json
import os
import sys

FORMAT = "formats are enforced, here they only annotate"
VOCABULARY = "metaschemas that switch keywords off are not read"


def plain(x):
    if isinstance(x, float) and x.is_integer() and abs(x) < 1e15:
        return int(x)
    if isinstance(x, list):
        return [plain(y) for y in x]
    return {k: plain(v) for k, v in x.items()} if isinstance(x, dict) else x


def test(source, t):
    out = {"description": t["description"], "data": plain(t["data"]), "valid": t["valid"]}
    if source.endswith("/format") and t["description"].endswith("only an annotation by default"):
        out.update(ours=False, why=FORMAT)
    if t["description"] == "no validation: invalid number, but it still validates":
        out.update(ours=False, why=VOCABULARY)
    return out


for draft in ("draft2020-12", "draft7"):
    for path in sorted(glob.glob(f"{sys.argv[1]}/{draft}/*.json")):
        source = f"{draft}/{os.path.basename(path)[:-5]}"
        for case in json.load(open(path, encoding="utf-8")):
            schema = case["schema"]
            if draft == "draft7" and isinstance(schema, dict):
                schema = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
            print(json.dumps({"from": source, "description": case["description"], "schema": schema,
                              "tests": [test(source, t) for t in case["tests"]]}))
