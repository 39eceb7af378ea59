"""scripts/map.py: what it lets pass and what it finds. Usage: test_map.py ROOT

SPDX-License-Identifier: Apache-2.0
"""
import os
import subprocess
import sys
import tempfile
import unittest

MAP = os.path.abspath(sys.argv[1]) + "/scripts/map.py"
TABLE = """| room | subject | includes |
| --- | --- | --- |
| `include/carat.h` | the interface | nothing of `src/` |
| `src/base/` | small things | libc |
| `src/upper/` | larger ones | base |
| `src/top/` | all of it | all above |
| `openai/` | the protocol | `carat.h` and `base` |
| `tests/` | | |
"""
GOOD = {
    "include/carat.h": "int carat_f(void);\n",
    "src/base/a.h": "int a(void);\n", "src/base/a.c": '#include "base/a.h"\nint a(void)\n{\n    return 1;\n}\n',
    "src/upper/u.c": '#include "base/a.h"\n#include "carat.h"\n#include <stdio.h>\nint u(void)\n{\n    return a();\n}\n',
    "src/upper/u.h": "int u(void);\n",
    "src/top/t.c": '#include "upper/u.h"\nint t(void)\n{\n    return u();\n}\n',
    "openai/main.c": '#include "carat.h"\n#include "main.h"\nconst int n = 3;\nint main(void)\n{\n    return carat_f() + n;\n}\n',
    "openai/main.h": "extern const int n;\n", "tests/x.c": '#include "top/t.c"\n',
}


class Map(unittest.TestCase):
    def map(self, changes, table=TABLE):
        with tempfile.TemporaryDirectory() as d:
            for name, text in {**GOOD, "docs/ARCHITECTURE.md": table, **changes}.items():
                os.makedirs(os.path.dirname(f"{d}/{name}"), exist_ok=True)
                with open(f"{d}/{name}", "w") as f:
                    f.write(text)
            r = subprocess.run([sys.executable, MAP, d], capture_output=True, text=True, timeout=60)
        self.assertEqual(r.returncode, 1 if r.stderr else 0, r.stderr)
        return r.stdout, r.stderr

    def faults(self, changes, says, **kw):
        self.assertIn(says, self.map(changes, **kw)[1])

    def test_a_good_tree(self):
        out, err = self.map({})
        self.assertEqual(err, "")
        self.assertIn("upper      -> base\n", out)
        self.assertIn("openai     -> carat.h\n", out)

    def test_arrows_that_the_table_does_not_allow(self):
        self.faults({"src/base/b.c": '#include "upper/u.h"\n'}, "src/base/b.c includes upper/, which src/base may not")
        self.faults({"src/upper/v.c": '#include "top/t.c"\n'}, "src/upper/v.c includes top/")
        self.faults({"openai/b.c": '  #  include "upper/u.h"\n'}, "openai/b.c includes upper/")
        self.faults({"openai/b.c": '#include "../src/upper/u.h"\n'}, "openai/b.c includes upper/")
        self.faults({"src/upper/deep/v.h": '#include "../../top/t.c"\n'}, "src/upper/deep/v.h includes top/")

    def test_tables_that_are_wrong(self):
        self.faults({}, "the table lets src/base include top", table=TABLE.replace("libc", "libc top"))
        self.faults({"src/new/n.c": "int n(void);\n"}, "src/new is not in the table")
        self.faults({"server/n.c": "int n(void);\n"}, "server is not in the table")
        self.faults({}, "the table has src/gone, which is not there",
                    table=TABLE.replace("| `openai/`", "| `src/gone/` | | |\n| `openai/`"))

    def test_public_functions_live_in_api(self):
        public = "int carat_f(void)\n{\n    return 1;\n}\n"
        self.faults({"src/base/f.c": public}, "src/base/f.c defines carat_f(): public functions live in src/api/")
        table = TABLE.replace("| `openai/`", "| `src/api/` | | all above |\n| `openai/`")
        self.assertEqual(self.map({"src/api/f.c": public}, table=table)[1], "")
        calls = "static int carat_f(void);\nint g(void)\n{\n    return carat_f();\n}\n"  # neither declared nor called
        self.assertEqual(self.map({"src/base/g.c": calls})[1], "")

    def test_circles(self):
        here = 'int here(int x)\n{\n    const char *s = "{";\n    return s && x ? there(x - 1) : 0;\n}\n'
        there = "int there(int x)\n{\n    return here(x);\n}\n"
        self.faults({"openai/h.c": here, "openai/t.c": there}, "openai: a circle of files: h.c t.c")
        out, err = self.map({"src/base/h.c": here, "src/base/t.c": there})  # shown, but no fault
        self.assertEqual(err, "")
        self.assertIn("circle: h.c t.c", out)
        self.faults({"openai/h.h": '#include "t.h"\n', "openai/t.h": '#include "h.h"\n'}, "circle of files: h.h t.h")
        self.faults({"openai/main.h": "extern const int n;\nint help(void);\n",
                     "openai/help.c": "int help(void)\n{\n    return n;\n}\n",
                     "openai/main.c": "const int n = 3;\nint main(void)\n{\n    return help();\n}\n"}, "help.c main.c")
        three = {f"openai/{a}.c": f"int f{a}(void)\n{{\n    return f{b}();\n}}\n" for a, b in ["12", "23", "31"]}
        self.faults(three, "circle of files: 1.c 2.c 3.c")

    def test_what_is_no_circle(self):
        """Namesakes that are static, comments, strings, and one direction alone."""
        for near, far in [("static int there(void)\n{\n    return 1;\n}\nint here(void)\n{\n    return there();\n}\n",
                           "int there(void)\n{\n    return here();\n}\n"),
                          ("int here(void)\n{\n    return 1; /* there() */\n}\n", "int there(void)\n{\n    return here();\n}\n"),
                          ('const char *here(void)\n{\n    return "there()"; // there()\n}\n',
                           "int there(void)\n{\n    return !here();\n}\n"),
                          ("INLINE int here(void)\n{\n    return there();\n}\nint one(void)\n{\n    return here();\n}\n",
                           "int there(void)\n{\n    return 1;\n}\nINLINE int here(void)\n{\n    return 2;\n}\n"
                           "int two(void)\n{\n    return here();\n}\n")]:
            self.assertEqual(self.map({"openai/n.c": near, "openai/f.c": far})[1], "", near)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
