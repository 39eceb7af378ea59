"""Makes a C array of a file's bytes. Usage: embed.py FILE NAME > out.c

SPDX-License-Identifier: Apache-2.0
"""
import sys

path, name = sys.argv[1:]
with open(path, "rb") as f:
    data = f.read()
print(f"/* Made from {path.rsplit('/', 1)[-1]} by scripts/embed.py. */\n#include <stddef.h>\n")
print(f"extern char {name}[];\nextern const size_t {name}_len;\n")
print(f"char {name}[] = {{")
for i in range(0, len(data), 16):
    print("    " + ", ".join(str(b) for b in data[i : i + 16]) + ",")
print("    0,\n};")
print(f"const size_t {name}_len = {len(data)};")
