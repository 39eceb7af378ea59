#!/usr/bin/env python3
"""Checks of text: every C file begins by saying what it is and calls no banned function, and what the documentation points
to exists.

    check_text.py [FOLDER]        the repository; without FOLDER, the one this script belongs to

A C file begins with a comment that holds a sentence and, as its last line, the licence. A comment that begins with a
file's name ("pack.h - the packed form ...") begins with this file's, so that a renamed file cannot keep the old one.
Banned is what writes without a bound (strcpy) or reads a number without an error (atoi). In Markdown, relative links and files of the repository in `backquotes` exist; in docs/PITFALLS.md the tests that guard a
row do.

Prints one line a fault, FILE:LINE: what; exits with 1 if there was one.
"""
import os
import re
import sys

SPDX = "SPDX-License-Identifier: Apache-2.0"


def files(root):
    """The repository's files; build folders, hidden folders, models and packages are none of them."""
    for folder, names, found in os.walk(root):
        names[:] = sorted(n for n in names if not n.startswith((".", "build")) and n not in ("models", "shared", "node_modules"))
        for name in sorted(found):
            yield os.path.join(folder, name)


BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|atoi|atol|atof|gets|strtok) ?\(")


def banned_faults(text):
    for number, line in enumerate(text.split("\n"), 1):
        for name in BANNED.findall(line):
            yield number, f"{name} is banned: use what is bounded"


def head_fault(path, text):
    match = re.match(r"/\*(.*?)\*/\n", text, re.S)
    if not match:
        return "does not begin with a comment that says what the file is"
    lines = [re.sub(r"^ ?\*?", "", line).strip() for line in match[1].split("\n")]
    if lines[-1] != SPDX:
        return f"the first comment does not end with '{SPDX}'"
    sentence = " ".join(lines[:-1]).strip()
    if len(sentence.split()) < 2:
        return "the first comment does not say what the file is"
    named = re.match(r"([\w.-]+\.[ch]) - ", sentence)
    if named and named[1] != os.path.basename(path):
        return f"the first comment says '{named[1]}'"
    return None


def anchors(path):
    """The names that headings of a Markdown file get, as GitHub makes them."""
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"```.*?```", "", f.read(), flags=re.S)
    for heading in re.findall(r"^#+ +(.*)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def link_faults(path):
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    is_code = False
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            is_code = not is_code
        for target in [] if is_code else re.findall(r"\]\(([^)\s]+)\)", line):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            at = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
            if not os.path.exists(at):
                yield number, f"'{target}' is a link to nothing"
            elif anchor and at.endswith(".md") and anchor not in anchors(at):
                yield number, f"'{target}': {os.path.basename(at)} has no such heading"


TOP = "bench|cli|data|docs|examples|fuzz|include|openai|scripts|src|tests|web"


def path_faults(path, root):
    """Files in backquotes, from the repository's root: `src/kv/kv.h`, `tests/golden/`. Patterns are not checked: a * or a
    word in capitals (`src/ROOM/NAME.c`)."""
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            for named in re.findall(rf"`((?:{TOP})/[\w./-]*)`", line):
                is_pattern = re.search(r"[A-Z]{3,}(?!.*\.md)", named)
                if not is_pattern and not os.path.exists(os.path.join(root, named)):
                    yield number, f"`{named}` does not exist"


def guard_faults(path, tests):
    """The rows of PITFALLS.md name tests: a function of a C or Python test, or a test's file."""
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            guards = line.split("|")[3] if line.startswith("| B") else ""
            for name in re.findall(r"`(\w+)`", guards):
                if name not in tests:
                    yield number, f"no test `{name}`"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    n_c = n_md = n_faults = 0
    tests = set()
    for path in files(os.path.join(root, "tests")):
        if path.endswith((".c", ".py")):
            tests.add(os.path.splitext(os.path.basename(path))[0])
            with open(path, encoding="utf-8") as f:
                tests.update(re.findall(r"\w+", f.read()))
    for path in files(root):
        faults = []
        if path.endswith((".c", ".h")):
            n_c += 1
            with open(path, encoding="utf-8") as f:
                text = f.read()
            fault = head_fault(path, text)
            faults = [(1, fault)] if fault else []
            faults += banned_faults(text)
        elif path.endswith(".md"):
            n_md += 1
            faults = list(link_faults(path)) + list(path_faults(path, root))
            if os.path.basename(path) == "PITFALLS.md":
                faults += guard_faults(path, tests)
        for number, fault in faults:
            print(f"{os.path.relpath(path, root)}:{number}: {fault}")
        n_faults += len(faults)
    if not n_c or not n_md:
        print(f"{root}: {n_c} C files and {n_md} Markdown files, expected some of each")
        return 1
    return 1 if n_faults else 0


if __name__ == "__main__":
    sys.exit(main())
