"""From a frozen public header, C that says what must hold of it in any later one. Usage: generate.py HEADER... -o layout.inc signatures.inc

layout.inc: a line FIELD(struct, field), STRUCT(struct), FIXED(struct) or VALUE(enumerator) for all that the headers declare.
signatures.inc: their functions and callback types, declared again. A compiler that has seen today's header accepts them
only where the types are compatible.

SPDX-License-Identifier: Apache-2.0
"""
import re
import sys

FIXED = ("carat_err", "carat_bias", "carat_top", "carat_score", "carat_piece")  # never change at all


def strip(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", "", text, flags=re.M)


def fields(body):
    for declaration in body.split(";"):
        if not declaration.strip():
            continue
        function = re.search(r"\(\*(\w+)\)\s*\(", declaration)
        if function:
            yield function.group(1)
            continue
        for part in declaration.split(","):
            part = re.sub(r"\[[^\]]*\]", "", part)
            names = re.findall(r"[A-Za-z_]\w*", part)
            yield names[-1]


def layout(text):
    out = []
    for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (\w+);", text, re.S):
        out.append(f"{'FIXED' if name in FIXED else 'STRUCT'}({name})")
        out += [f"FIELD({name}, {field})" for field in fields(body)]
    for body in re.findall(r"\benum(?: \w+)? \{(.*?)\}", text, re.S):
        for value in body.split(","):
            if value.strip():
                out.append(f"VALUE({value.split('=')[0].strip()})")
    return out


def signatures(text):
    functions = [f[len("CARAT_API"):].strip() for f in re.findall(r"CARAT_API[^;]*;", text)]
    callbacks = re.findall(r"typedef \w+ \w+_fn\([^;]*;", text)
    return [" ".join(s.split()) for s in callbacks + functions]


def main():
    headers, outputs = sys.argv[1:sys.argv.index("-o")], sys.argv[sys.argv.index("-o") + 1:]
    text = ""
    for path in headers:
        with open(path, encoding="utf-8") as f:
            text += strip(f.read())
    functions = [s for s in signatures(text)]
    names = [re.search(r"(\w+)\(", s).group(1) for s in functions if not s.startswith("typedef")]
    with open(outputs[0], "w", encoding="utf-8") as f:
        f.write("\n".join(layout(text) + [f"FUNCTION({n})" for n in names]) + "\n")
    with open(outputs[1], "w", encoding="utf-8") as f:
        f.write("\n".join(functions) + "\n")


if __name__ == "__main__":
    main()
