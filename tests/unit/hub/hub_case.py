"""What the tests of pulling share: a stand-in of the hub, a store of their own. Their arguments are CARAT DATA.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from program import CARAT, SLOWER, Folder  # noqa: E402
from stand_in import Hub  # noqa: E402

REPO = "o/gemma-3-270m-it-GGUF"


def data(n, seed=1):
    return random.Random(seed).randbytes(n)


class Case(Folder):
    def setUp(self):
        super().setUp()
        self.hub = Hub()
        self.addCleanup(self.hub.close)
        self.store = self.path("store/models")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_", "SSL_", "CURL_")) and not k.lower().endswith("_proxy")}
        self.env.update(HOME=self.dir.name, CARAT_MODELS=self.store, HF_ENDPOINT=self.hub.url())

    def run_(self, *args, **kw):
        env = dict(self.env, **kw.pop("env", {}))
        return subprocess.run([CARAT, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60 * SLOWER, env=env, text=True, **kw)

    def pull(self, *args, **kw):
        r = self.run_("pull", *args, **kw)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r

    def fails(self, *args, says, code=1, **kw):
        r = self.run_(*args, **kw)
        self.assertEqual(r.returncode, code, r.stderr)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, r.stderr)
        return r.stderr

    def at(self, *parts):
        return os.path.join(self.store, *parts)

    def read(self, *parts):
        with open(self.at(*parts), "rb") as f:
            return f.read()

    def files(self, repo=REPO):
        """What is in a repository's folder, but for what is always there."""
        out = set()
        for folder, _, names in os.walk(self.at(repo)):
            out |= {os.path.relpath(os.path.join(folder, n), self.at(repo)) for n in names}
        return out - {".lock", "carat-manifest.json"}

    def models(self):
        return json.loads(self.run_("list", "--json").stdout)["models"]

    def asked(self, part, where=None):
        return [h for path, h in (self.hub.seen if where is None else where) if part in path]

    def add(self, n=300000, repo=REPO, **more):
        self.hub.add(repo, {"m-Q4_K_M.gguf": data(n), "README.md": b"x"}, **more)
        return data(n)
