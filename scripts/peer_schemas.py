#!/usr/bin/env python3
"""JSON Schemas from elsewhere: what Carat's automata accept, beside jsonschema's verdict and llguidance's automata.

    peer_schemas.py VERDICTS PATH...      VERDICTS: build/tests/unit/grammar/schema_verdicts; PATH: a folder or file of *.json (a schema, or
                                          {"schema": ..., "tests": [{"data": ...}]}) or *.jsonl (lines of the latter)
      --take N      that many schemas of each path, drawn with a fixed seed (default: all)
      --draw N      random texts of each automaton (default: 10)
      --name NAME   of the next path, in the table
      --log FILE    every disagreement, as JSON lines
      --combine     the schemas below not, if, oneOf, contains and dependentSchemas
      --jobs N      processes (default: one a processor)

    pip install llguidance regress 'jsonschema[format-nongpl]'

For each schema: the instances that stand beside it, texts drawn at random from both automata, and changes to all of these, each
labelled by jsonschema (with formats, patterns as ECMA-262 has them, multiples in decimals). Where an automaton asks for an order of members, any order
that it accepts will do. Prints tables (docs/measured/schemas-2026-11.md); exits with 1 if something was accepted that is invalid, or a valid
value was rejected for no reason that docs/GRAMMAR.md gives.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import collections
import concurrent.futures
import copy
import glob
import json
import os
import random
import re
import subprocess
import sys
from fractions import Fraction

import jsonschema
import llguidance
import regress

sys.setrecursionlimit(3000)
TOKENIZER = llguidance.LLTokenizer("byte")
COMPILER = llguidance.JsonCompiler(separators=(",", ":"), whitespace_flexible=False)
MOST_SCHEMA = 200_000  # bytes
MOST_VALUE = 20_000


# ---- the judge ----

def matches(pattern, text):
    try:
        return regress.Regex(pattern, "u").find(text) is not None
    except regress.RegressError:
        return re.search(pattern, text) is not None


def pattern_of(validator, pattern, instance, schema):
    if validator.is_type(instance, "string") and not matches(pattern, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def pattern_properties(validator, patterns, instance, schema):
    if validator.is_type(instance, "object"):
        for pattern, sub in patterns.items():
            for k, v in instance.items():
                if matches(pattern, k):
                    yield from validator.descend(v, sub, path=k, schema_path=pattern)


def additional_properties(validator, others, instance, schema):
    if not validator.is_type(instance, "object"):
        return
    for k, v in instance.items():
        if k not in schema.get("properties", {}) and not any(matches(p, k) for p in schema.get("patternProperties", {})):
            if others is False:
                yield jsonschema.ValidationError(f"{k!r} is one too many")
            else:
                yield from validator.descend(v, others, path=k)


def multiple_of(validator, of, instance, schema):
    if validator.is_type(instance, "number") and Fraction(repr(instance)) % Fraction(repr(of)):
        yield jsonschema.ValidationError(f"{instance!r} is no multiple of {of!r}")


JUDGES = {}


def judge(schema):
    """A validator as Carat understands the schema; None if jsonschema cannot take it."""
    cls = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    if cls not in JUDGES:
        plain = cls.VALIDATORS["type"]

        def type_of(validator, types, instance, schema):  # OpenAPI's nullable adds a type
            if not (instance is None and schema.get("nullable") is True):
                yield from plain(validator, types, instance, schema)
        JUDGES[cls] = jsonschema.validators.extend(cls, {
            "type": type_of, "pattern": pattern_of, "patternProperties": pattern_properties,
            "additionalProperties": additional_properties, "multipleOf": multiple_of})
    try:
        cls.check_schema(schema)
    except (jsonschema.SchemaError, re.error, RecursionError):
        return None
    return JUDGES[cls](schema, format_checker=cls.FORMAT_CHECKER)


def is_valid(validator, value):
    """None: jsonschema cannot say."""
    try:
        return validator.is_valid(value)
    except Exception:  # noqa: BLE001 - a reference to elsewhere, a pattern that it cannot read, recursion: many kinds, one meaning
        return None


# ---- llguidance ----

class Peer:
    def __init__(self, schema):
        self.matcher = None
        try:
            m = llguidance.LLMatcher(TOKENIZER, COMPILER.compile(json.dumps(schema)), log_level=0)
            self.why = m.get_error()
            self.matcher = None if m.is_error() else m
        except BaseException as e:  # noqa: BLE001 - whatever it raises is its refusal, and it panics
            self.why = str(e)

    def begins(self, text):
        ids = list(text.encode())
        return self.matcher.validate_tokens(ids) == len(ids)

    def accepts(self, text):
        m = self.matcher
        m.reset()
        ids = list(text.encode())
        return m.validate_tokens(ids) == len(ids) and m.try_consume_tokens(ids) == len(ids) and m.is_accepting()

    def draw(self, rng, most):
        """A random text that it accepts, or None."""
        m, out = self.matcher, bytearray()
        m.reset()
        while len(out) < 4 * most + 400:
            if m.is_accepting() and (m.is_stopped() or rng.random() < 0.25 or len(out) > most):
                return out.decode()
            mask = m.compute_bitmask()
            ways = [b for b in range(256) if mask[b >> 3] >> (b & 7) & 1]
            if not ways or m.is_error():
                return None
            ends = [b for b in ways if b in b"\"]}"]
            plain = [b for b in ways if b < 128]
            b = rng.choice(ends if ends and (len(out) > most or rng.random() < 0.2) else plain if plain and rng.random() < 0.95 else ways)
            if not m.consume_token(b):
                return None
            out.append(b)
        return None

    def accepts_value(self, value):
        """In any order of members; None: too many."""
        self.matcher.reset()
        self.steps = 0
        try:
            return self.go("", [value])
        except OverflowError:
            return None

    def go(self, text, rest):
        """rest: what is still to be written, as values, texts wrapped in a tuple, and (members, written)."""
        self.steps += 1
        if self.steps > 3000:
            raise OverflowError
        if not self.begins(text):
            return False
        if not rest:
            ok = self.accepts(text)
            self.matcher.reset()
            return ok
        first, rest = rest[0], rest[1:]
        if isinstance(first, tuple) and len(first) == 1:
            return self.go(text + first[0], rest)
        if isinstance(first, tuple):
            members, is_first = first
            return not members and self.go(text + "}", rest) or any(
                self.go(text + ("" if is_first else ",") + canonical(k) + ":", [v, ({a: b for a, b in members.items() if a != k}, False), *rest])
                for k, v in members.items())
        if isinstance(first, dict):
            return self.go(text + "{", [(first, True), *rest])
        if isinstance(first, list):
            inside = [x for i, v in enumerate(first) for x in (([(",",)] if i else []) + [v])]
            return self.go(text + "[", [*inside, ("]",), *rest])
        return self.go(text + canonical(first), rest)


def canonical(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# ---- instances ----

def places(value, at=()):
    yield at
    for k, v in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(v, (*at, k))


def changed(rng, value, schema_words):
    """A copy with one thing changed."""
    value = copy.deepcopy(value)
    at = rng.choice(list(places(value)))
    parent, v = None, value
    for k in at:
        parent, v = v, v[k]
    ways = [None, True, 0, -1, 1.5, "", "x", [], {}, rng.choice(schema_words)]
    if isinstance(v, str):
        ways += [v + "a", v[:-1], v.upper(), v * 3]
    elif isinstance(v, (int, float)) and not isinstance(v, bool):
        ways += [v + 1, v - 1, v + 0.5, -v, v * 1000]
    elif isinstance(v, list):
        ways += [v[:-1], v + v[-1:], v + v, v + [None], v[1:]] * 2
    elif isinstance(v, dict):
        names = list(v)
        ways += [{k: v[k] for k in names if k != gone} for gone in rng.sample(names, min(3, len(names)))] * 2
        ways += [{**v, "another": 1}, {**v, rng.choice(schema_words): "x"}]
    new = rng.choice(ways)
    if parent is None:
        return new
    parent[at[-1]] = new
    return value


def words(schema, out):
    """Names and values that the schema mentions."""
    for k, v in schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ():
        if isinstance(k, str) and k[:1] != "$":
            out.append(k)
        if isinstance(v, str) and len(v) < 60:
            out.append(v)
        words(v, out)
    return out


def parts(value):
    """The value's numbers and texts, names too."""
    if isinstance(value, (dict, list)):
        for k, v in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(k, str):
                yield k
            yield from parts(v)
    elif not isinstance(value, bool) and value is not None:
        yield value


def is_writable(value):
    """Numbers within 64 bits or a double, whole characters: what every reader of JSON keeps, and so what Carat reads."""
    for p in parts(value):
        if isinstance(p, str) and (any("\ud800" <= c <= "\udfff" for c in p) or "\0" in p):
            return False
        if isinstance(p, int) and not -2**63 < p < 2**63 or isinstance(p, float) and not abs(p) < 2**63:
            return False
    return len(canonical(value)) <= MOST_VALUE


# ---- why a valid value is rejected ----

def without(schema, keyword):
    if isinstance(schema, list):
        return [without(s, keyword) for s in schema]
    return {k: without(v, keyword) for k, v in schema.items() if k != keyword} if isinstance(schema, dict) else schema


NEWER = ("const", "contains", "propertyNames", "if", "then", "else", "prefixItems", "$defs")


def cause(verdicts, schema, value):
    """The rule of docs/GRAMMAR.md that rejects this valid value; None: there is none."""
    def accepts(s):
        return isinstance(verdicts.ask({"schema": s, "values": [value]}).get("accepts", [None])[0], str)
    if any(isinstance(p, float) and ("e" in repr(p) or len(re.sub(r"^-?0*|\.", "", repr(p)).lstrip("0")) > 15) for p in parts(value)):
        return "a number with an exponent, or of too many digits"
    if "format" in canonical(schema) and accepts(without(schema, "format")):
        return "a format's narrower form"
    newest = {**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"} if isinstance(schema, dict) else schema
    v = judge(newest)
    if v and is_valid(v, value) is False:
        return "a keyword that is newer than the draft that the schema names"
    return None


class Verdicts:
    def __init__(self, program):
        self.program, self.pipe = program, None

    def ask(self, question):
        if not self.pipe or self.pipe.poll() is not None:
            self.pipe = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self.pipe.stdin.write(json.dumps(question) + "\n")
        self.pipe.stdin.flush()
        line = self.pipe.stdout.readline()
        if not line:
            raise SystemExit(f"{self.program} ended at {json.dumps(question)[:2000]}")
        return json.loads(line)


# ---- one schema ----

def read(path):
    """(schema, instances) of a file or folder."""
    names = sorted(glob.glob(path + "/**/*.json*", recursive=True)) if os.path.isdir(path) else [path]
    for name in names:
        with open(name, encoding="utf-8") as f:
            try:
                documents = [json.loads(line) for line in f] if name.endswith("l") else [json.load(f)]
            except (ValueError, UnicodeDecodeError):
                continue
        for d in documents:
            if isinstance(d, dict) and "schema" in d and "tests" in d:
                yield name, d["schema"], [t["data"] for t in d["tests"]]
            elif isinstance(d, dict) and ("$schema" in d or "properties" in d):
                yield name, d, []


def keyword_of(message):
    """'the schema: '/a/not': cannot be enforced' -> 'not: cannot be enforced', with what is the schema's own left out."""
    m = re.match(r"the schema: '(.*?)': (.*)", message, re.S)
    if not m:
        return re.sub(r"^the schema: ", "", message)[:60]
    last = m[1].rsplit("/", 1)[-1]
    why = m[2]
    return f"`{last}`: {why}" if not last.isdigit() and "no keyword" not in why and why.count(" ") < 30 else why


def compare(name, schema, instances, verdicts, n_draw, rng, count, log):
    if len(json.dumps(schema)) > MOST_SCHEMA or not isinstance(schema, (dict, bool)):
        return
    validator = judge(schema)
    if validator is None:
        count["no valid schema"] += 1
        return
    count["schemas"] += 1
    peer = Peer(schema)
    vocabulary = words(schema, ["x"])
    values = [v for v in instances if is_writable(v)]
    if peer.matcher:
        count["theirs"] += 1
        for i in range(n_draw // 2):
            text = peer.draw(rng, (20, 200, 2000)[i % 3])
            try:
                if text is not None and is_writable(json.loads(text)):
                    values.append(json.loads(text))
            except ValueError:
                pass
    first = verdicts.ask({"schema": schema, "values": [], "draw": n_draw, "seed": rng.randrange(1 << 30)})
    why = first.get("refused") or first.get("unread")
    if why:
        count["refused: " + keyword_of(why)] += 1
        count["neither"] += peer.matcher is None
        log("refused", name, why, peer.matcher is not None)
        return
    count["ours"] += 1
    count["both"] += peer.matcher is not None
    for text in first.get("drawn", []):
        value = json.loads(text)
        valid = is_valid(validator, value)
        count[f"drawn {valid}"] += 1
        if valid is False:
            log("WRONG: drawn", name, text, next((e.message for e in validator.iter_errors(value)), ""))
        if peer.matcher and valid:
            count[f"drawn, theirs {peer.accepts(text)}"] += 1
        if is_writable(value):
            values.append(value)
    for v in list(values)[:20]:
        for _ in range(3):
            w = changed(rng, v, vocabulary)
            if is_writable(w):
                values.append(w)
    labels = [is_valid(validator, v) for v in values]
    answer = verdicts.ask({"schema": schema, "values": values})
    if answer.get("failed"):
        log("failed", name, answer["failed"])
    for value, valid, text in zip(values, labels, answer.get("accepts", [None] * len(values))):
        if valid is None or text is False:
            count["jsonschema cannot say" if valid is None else "too many orders"] += 1
            continue
        if text is not None and canonical(json.loads(text)) != canonical(value):  # 10.0 is written as 10, which draft 4 tells apart
            valid = is_valid(validator, json.loads(text))
        word = "valid" if valid else "invalid"
        theirs = None
        if peer.matcher:
            theirs = peer.accepts(text) if text else peer.accepts_value(value)
        count[f"{word}"] += 1
        count[f"{word}, ours {text is not None}"] += 1
        if peer.matcher and theirs is not None:
            count[f"{word}, asked both"] += 1
            count[f"{word}, both {text is not None} {theirs}"] += 1
        if text is not None and not valid:
            log("WRONG", name, text, next((e.message for e in validator.iter_errors(value)), ""), theirs)
        if text is None and valid:
            reason = cause(verdicts, schema, value)
            count["rejected: " + str(reason)] += 1
            log("rejected" if reason else "UNEXPLAINED", name, canonical(value), reason, theirs)
        if valid is False and theirs and text is None:
            log("theirs is wrong", name, canonical(value))


def report(sets):
    print("| schemas | number | Carat | llguidance | both | neither |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, c in sets:
        print(f"| {name} | {c['schemas']} | {c['ours']} | {c['theirs']} | {c['both']} | {c['neither']} |")
    c = sum((c for _, c in sets), collections.Counter())
    print("\n| values | number | Carat accepts | asked both | Carat | llguidance |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    for word in ("valid", "invalid"):
        ours, theirs = (sum(c[f"{word}, both {a} {b}"] for a, b in pairs) for pairs in
                        (((True, True), (True, False)), ((True, True), (False, True))))
        print(f"| {word} | {c[word]} | {c[word + ', ours True']} | {c[word + ', asked both']} | {ours} | {theirs} |")
    print(f"| drawn from Carat's automata | {c['drawn True'] + c['drawn False'] + c['drawn None']} | | valid {c['drawn True']} | invalid {c['drawn False']} | "
          f"llguidance accepts {c['drawn, theirs True']} of {c['drawn, theirs True'] + c['drawn, theirs False']} |")
    for kind in ("rejected: ", "refused: "):
        print(f"\n| {kind[:-2]} | number |\n| --- | ---: |")
        for k, n in sorted(c.items(), key=lambda x: -x[1])[:]:
            if k.startswith(kind):
                print(f"| {k[len(kind):]} | {n} |")
    print(f"\nNot compared: {c['no valid schema']} that jsonschema takes for no schemas; {c['jsonschema cannot say']} values of which it cannot say; "
          f"{c['too many orders']} values with too many orders of members.")
    return c["invalid, ours True"] or c["drawn False"] or c["rejected: None"]


def combined(cases):
    """The schemas below each other's not, if, oneOf and contains: with their instances, as real as they are."""
    plain = [(name, {k: v for k, v in s.items() if k not in ("$schema", "id", "$id")}, values) for name, s, values in cases
             if isinstance(s, dict) and '"$ref"' not in json.dumps(s)]
    for i, ((name, s, values), (_, t, others)) in enumerate(zip(plain, plain[1:])):
        yield (name, *[
            ({"not": s}, values),
            ({"if": s, "then": {"not": t}, "else": t}, values + others),
            ({"oneOf": [s, t]}, values + others),
            ({"allOf": [t, {"not": s}]}, values + others),
            ({"type": "array", "contains": s, "maxContains": 1}, [[v, w] for v in values for w in others]),
            ({"type": "object", "dependentSchemas": {"a": {"properties": {"b": s}}}, "required": ["b"]}, [{"b": v, "a": w} for v in values for w in others]),
        ][i % 6])


def part(program, cases, n_draw, seed):
    """Counts and disagreements of some schemas: what one process does."""
    verdicts, rng, count, rows = Verdicts(program), random.Random(seed), collections.Counter(), []
    for case in cases:
        compare(*case, verdicts, n_draw, rng, count, lambda *row: rows.append(row))
    return count, rows


def main():
    p = argparse.ArgumentParser()
    p.add_argument("verdicts")
    p.add_argument("paths", nargs="+")
    p.add_argument("--take", type=int)
    p.add_argument("--draw", type=int, default=10)
    p.add_argument("--name", action="append", default=[])
    p.add_argument("--log")
    p.add_argument("--combine", action="store_true")
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    o = p.parse_args()
    sets, log = [], open(o.log or os.devnull, "w", encoding="utf-8")
    with concurrent.futures.ProcessPoolExecutor(o.jobs) as pool:
        for i, path in enumerate(o.paths):
            cases, count = list(read(path)), collections.Counter()
            if o.take and o.take < len(cases):
                cases = random.Random(1).sample(cases, o.take)
            if o.combine:
                cases = list(combined(cases))
            for done in concurrent.futures.as_completed([pool.submit(part, o.verdicts, cases[k:k + 20], o.draw, k) for k in range(0, len(cases), 20)]):
                count += done.result()[0]
                for row in done.result()[1]:
                    print(json.dumps(row), file=log, flush=True)
                    if row[0] in ("WRONG", "WRONG: drawn", "UNEXPLAINED"):
                        print(*(str(x)[:300] for x in row), file=sys.stderr, flush=True)
            sets.append((o.name[i] if i < len(o.name) else os.path.basename(path.rstrip("/")), count))
    return 1 if report(sets) else 0


if __name__ == "__main__":
    sys.exit(main())
