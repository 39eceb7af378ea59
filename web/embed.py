"""Makes a C table of the page's files, each as it is and gzipped. Usage: embed.py FILE... > page_data.c

SPDX-License-Identifier: Apache-2.0
"""
import gzip
import hashlib
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def array(name, data):
    lines = (",".join(map(str, data[i : i + 32])) for i in range(0, len(data), 32))
    return f"static const uint8_t {name}[] = {{\n" + ",\n".join(lines) + "\n};\n"


def main():
    arrays, rows = [], []
    for i, path in enumerate(sys.argv[1:]):
        with open(path, "rb") as f:
            data = f.read()
        packed = gzip.compress(data, 9, mtime=0)
        name = os.path.basename(path)
        arrays += [array(f"bytes_{i}", data), array(f"gzip_{i}", packed)]
        etag = f'W/\\"{hashlib.sha256(data).hexdigest()[:24]}\\"'
        kind = TYPES[os.path.splitext(name)[1]]
        rows.append(f'    {{ "{name}", "{kind}", "{etag}", bytes_{i}, {len(data)}, gzip_{i}, {len(packed)} }},')
    print("/* Made by web/embed.py. */\n#include \"web/page_data.h\"\n")
    print("\n".join(arrays))
    print("const ct_page_file ct_page_data[] = {\n" + "\n".join(rows) + "\n};")
    print(f"const size_t ct_page_data_n = {len(rows)};")


if __name__ == "__main__":
    main()
