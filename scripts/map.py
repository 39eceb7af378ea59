"""The rooms and what they include, against the table in docs/ARCHITECTURE.md; circles of files. Usage: map.py [ROOT]

The table's first column names the rooms, top to bottom; its last one what each may include: names of rooms, public
headers, or "all above". A room must not include what its row does not allow, and no row may allow a room below itself.
The public headers are free to all of src/: their types are shared. Public functions are defined in src/api/ alone.

A circle is a group of files in which each reaches every other, by includes or by using what the other defines. In the
rooms of NO_CIRCLES it is a fault, elsewhere it is shown.

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import sys

NO_CIRCLES = ("cli", "openai")
UNCHECKED = ("tests", "fuzz", "bench", "docs", "scripts", "data")  # they may reach anything
PUBLIC = ("carat.h", "carat_weigh.h")


def read_table(path):
    """[(folder, what it may include as words)], top to bottom."""
    rows = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            room = re.fullmatch(r"`((?:\w+/)+)`", cells[0])
            if line.startswith("|") and room and len(cells) >= 3:
                rows.append((room.group(1).rstrip("/"), cells[-1].replace("`", "")))
    return rows


def allowed_of(rows, faults):
    """{room: names it may include}, by the room's last word ("kv" for src/kv)."""
    names = [os.path.basename(folder) for folder, _ in rows]
    allowed = {}
    for i, (folder, text) in enumerate(rows):
        words = set(re.findall(r"[\w.]+", text))
        may = set(names[:i]) if text.startswith("all above") else words & (set(names) | set(PUBLIC))
        below = sorted(may & set(names[i:]))
        if below:
            faults.append(f"the table lets {folder} include {' '.join(below)}, which is not above it")
        allowed[names[i]] = may
    return allowed


def sources(folder):
    return sorted(os.path.join(d, f) for d, _, files in os.walk(folder) for f in files if f.endswith((".c", ".h")))


def resolve(root, path, name):
    """The file of the tree that an include means, or None: a system header, or one the build makes."""
    for base in (os.path.dirname(path), root + "/src", root + "/include", root):
        file = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(file):
            return file
    return None


def includes(root, path):
    with open(path, encoding="utf-8", errors="replace") as f:
        found = [resolve(root, path, name) for name in re.findall(r'^\s*#\s*include\s+["<]([^">]+)[">]', f.read(), re.M)]
    return {f for f in found if f}


def room_of(root, file, folders):
    rel = os.path.relpath(file, root)
    if rel.startswith("include/"):
        return os.path.basename(rel)
    for folder in folders:
        if rel.startswith(folder + "/"):
            return os.path.basename(folder)
    return rel.split("/")[0]


# ---- circles ----


def strip(text):
    """C without comments, strings and preprocessor lines."""
    text = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', " ", text, flags=re.S)
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", "", text, flags=re.M)


def top_level(text):
    """The text outside of all braces, each pair of them left as "{}"."""
    out, depth = [], 0
    for c in text:
        if c == "}":
            depth -= 1
        if depth == 0 or (c == "{" and depth == 0):
            out.append(c)
        if c == "{":
            depth += 1
    return "".join(out)


def defines(text):
    """Functions and objects: those other files can link to, and those of this file alone."""
    linked, own = set(), set()
    for part in re.split(r";|(?<=\})(?!\s*[;,])", top_level(text)):
        part = part.strip()
        before = part.split("=")[0] if re.match(r"[^({]*=", part) else part.split("(")[0]
        if re.search(r"\b(typedef|extern)\b", before) or not re.search(r"=|\)\s*\{", part):
            continue
        found = re.findall(r"[A-Za-z_]\w*", re.sub(r"\[[^\]]*\]", "", before))
        if len(found) > 1:
            (own if re.search(r"\b(static|[A-Z_]*INLINE)\b", before) else linked).add(found[-1])
    return linked, own


def linked_names(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return defines(strip(f.read()))[0]


def groups(graph):
    """The strongly connected components of two nodes or more (Tarjan)."""
    number, low, stack, out = {}, {}, [], []

    def visit(v):
        number[v] = low[v] = len(number)
        stack.append(v)
        for w in sorted(graph[v]):
            if w not in number:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in stack:
                low[v] = min(low[v], number[w])
        if low[v] == number[v]:
            at = stack.index(v)
            if len(stack) - at > 1:
                out.append(sorted(stack[at:]))
            del stack[at:]

    for v in sorted(graph):
        if v not in number:
            visit(v)
    return out


def circles(root, files):
    """Groups of .c files that use one another, and of files that include one another."""
    text = {}
    for path in files:
        if path.endswith(".c"):
            with open(path, encoding="utf-8", errors="replace") as f:
                text[path] = strip(f.read())
    defined = {path: defines(t) for path, t in text.items()}
    home = {name: path for path in text for name in defined[path][0]}
    uses = {path: {home[w] for w in set(re.findall(r"[A-Za-z_]\w*", t)) - defined[path][1] if w in home} - {path}
            for path, t in text.items()}
    return groups({f: includes(root, f) & set(files) for f in files}) + groups(uses)


def main():
    root = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), ".."))
    faults = []
    rows = read_table(root + "/docs/ARCHITECTURE.md")
    allowed = allowed_of(rows, faults)
    folders = [folder for folder, _ in rows]
    there = [f"src/{d}" for d in sorted(os.listdir(root + "/src")) if sources(f"{root}/src/{d}")]
    there += [d for d in sorted(os.listdir(root)) if not d.startswith(("build", ".")) and d not in ("src", "include")
              and d not in UNCHECKED and sources(f"{root}/{d}")]
    faults += [f"{d} is not in the table of docs/ARCHITECTURE.md" for d in there if d not in folders]
    faults += [f"the table has {d}, which is not there" for d in folders if not os.path.isdir(f"{root}/{d}")]

    for folder in folders:
        room = os.path.basename(folder)
        if room in UNCHECKED:
            continue
        files = sources(f"{root}/{folder}")
        arrows = {}
        for path in files:
            for file in includes(root, path):
                arrows.setdefault(room_of(root, file, folders), []).append(os.path.relpath(path, root))
        arrows.pop(room, None)
        if folder.startswith("src/"):
            for header in PUBLIC:
                arrows.pop(header, None)
        if folder.startswith("src/") and room != "api":
            faults += [f"{os.path.relpath(path, root)} defines {name}(): public functions live in src/api/"
                       for path in files if path.endswith(".c") for name in sorted(linked_names(path))
                       if name.startswith("carat_")]
        wrong = sorted(set(arrows) - allowed[room])
        faults += [f"{path} includes {w}/, which {folder} may not" for w in wrong for path in sorted(set(arrows[w]))]
        shown = [a + "(!)" if a in wrong else a for a in sorted(arrows)]
        print(f"{folder.removeprefix('src/'):<10} -> {' '.join(shown) or 'nothing'}")
        for group in circles(root, files):
            names = " ".join(os.path.relpath(f, f"{root}/{folder}") for f in group)
            print(f"{'':<13} circle: {names}")
            if room in NO_CIRCLES:
                faults.append(f"{folder}: a circle of files: {names}")

    for f in faults:
        print("map: " + f, file=sys.stderr)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
