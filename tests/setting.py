"""What the build tells every test in Python, and which of a file's cases are run.

SPDX-License-Identifier: Apache-2.0
"""
import gc
import os
import sys
import tempfile
import unittest

SANITIZED = "CARAT_TEST_SANITIZED" in os.environ  # meson.build sets it, where -Db_sanitize says so
SLOWER = 10 if SANITIZED else 1  # times as long may take what ends in a moment
LONG = "CARAT_TEST_LONG" in os.environ


def long(case):
    """Marks a case that takes too long for make check: the entry '... long' runs those that are marked, the other all others."""
    case.is_long = True
    return case


class Folder(unittest.TestCase):
    """Cases with a folder of their own."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def path(self, name, data=None):
        """A path in it; where data is given, text or bytes, a file with them."""
        p = os.path.join(self.dir.name, name)
        if data is not None:
            with open(p, "wb") as f:
                f.write(data.encode() if isinstance(data, str) else data)
        return p


class Loader(unittest.TestLoader):
    def getTestCaseNames(self, case):
        return [name for name in super().getTestCaseNames(case) if hasattr(getattr(case, name), "is_long") == LONG]


def main(**kw):
    gc.disable()  # a test ends before its garbage matters
    unittest.main(argv=sys.argv[:1], testLoader=Loader(), **kw)
