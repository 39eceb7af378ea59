"""Pulled models in a server, and pulling over HTTP, against the stand-in of the hub; Ollama's address.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../unit/hub"))
from served import TINY, Server, main  # noqa: E402
from stand_in import Hub  # noqa: E402

REPO = "o/gemma-3-270m-it-GGUF"
NAME = REPO + ":F32"


class Pulled(unittest.TestCase):
    def setUp(self):
        self.hub = Hub()
        self.addCleanup(self.hub.close)
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_")) and not k.lower().endswith("_proxy")}
        self.env.update(HOME=self.dir.name, CARAT_MODELS=self.dir.name + "/models", HF_ENDPOINT=self.hub.url())
        with open(TINY + "/gguf/tiny-text-f32.gguf", "rb") as f:
            self.hub.add(REPO, {"tiny-F32.gguf": f.read()})

    def ask(self, server, name):
        return server.post("/api/generate", {"model": name, "prompt": "a", "stream": False, "options": {"num_predict": 3}})

    def test_pull_list_answer_delete(self):
        server = Server("--allow-pull", "--log", "none", env=self.env)
        self.assertEqual(self.ask(server, NAME).status, 404)
        r = server.post("/api/pull", {"model": NAME})
        lines = [json.loads(l) for l in r.body.splitlines()]
        self.assertEqual((r.status, lines[-1]), (200, {"status": "success"}), lines)
        self.assertIn(NAME, [m["name"] for m in server.get("/api/tags").json()["models"]])
        self.assertEqual(self.ask(server, NAME).status, 200)
        self.assertEqual(server.post("/api/pull", {"model": NAME, "stream": False}).json(), {"status": "success"})
        r = server.send("DELETE", "/api/delete", {"model": NAME})
        self.assertEqual(r.status, 200)
        self.assertEqual([m["name"] for m in server.get("/api/tags").json()["models"]], ["tiny-text:latest"])
        self.assertFalse([f for _, _, files in os.walk(self.env["CARAT_MODELS"]) for f in files if f.endswith(".gguf")])
        self.assertEqual(self.ask(server, NAME).status, 404)
        self.assertEqual(server.send("DELETE", "/api/delete", {"model": "tiny-text"}).status, 400)  # it was not pulled
        self.assertTrue(os.path.exists(TINY + "/config.json"))
        self.assertEqual(server.stop(), 0)

    def test_what_cannot_be_pulled(self):
        server = Server("--allow-pull", "--log", "none", env=self.env)
        for name in "o/nothing", "../../etc/passwd", "a" * 600, "":
            r = server.post("/api/pull", {"model": name, "stream": False})
            self.assertEqual(r.status, 400, name)
            self.assertTrue(r.json()["error"])
        r = server.post("/api/pull", {"model": "o/nothing"})
        self.assertIn("error", json.loads(r.body.splitlines()[-1]))
        self.assertEqual(server.stop(), 0)

    def test_not_without_the_operator(self):
        server = Server("--log", "none", env=self.env)
        self.assertEqual(server.post("/api/pull", {"model": NAME}).status, 403)
        self.assertEqual(server.send("DELETE", "/api/delete", {"model": "tiny-text"}).status, 403)
        self.assertEqual(self.hub.seen, [])
        self.assertEqual(server.stop(), 0)

    def test_all_that_was_pulled_is_served(self):
        r = Server(model=None, wait=False, ready=False, env=self.env, cwd=self.dir.name)
        self.assertEqual(r.process.wait(20), 1)
        self.assertIn("none was pulled", r.said())
        r.log.close()
        os.spawnve(os.P_WAIT, sys.argv[1], ["carat", "pull", "-q", NAME], self.env)
        server = Server("--log", "none", model=None, wait=False, env=self.env, cwd=self.dir.name)
        self.assertEqual([m["id"] for m in server.get("/v1/models").json()["data"]], [NAME])
        self.assertEqual(server.get("/ready").status, 200)
        self.assertEqual(self.ask(server, "gemma-3-270m-it-GGUF").status, 404)  # names are whole here
        self.assertEqual(self.ask(server, NAME).status, 200)
        self.assertEqual(server.stop(), 0)

    def test_by_the_name_it_was_pulled_under(self):
        os.spawnve(os.P_WAIT, sys.argv[1], ["carat", "pull", "-q", NAME], self.env)
        server = Server("--log", "none", model=REPO, env=self.env)
        self.assertEqual([m["id"] for m in server.get("/v1/models").json()["data"]], [REPO])
        self.assertEqual(server.stop(), 0)

    def test_errors_of_ollamas_paths_are_ollamas(self):
        server = Server("--log", "none", env=self.env)
        self.assertIsInstance(server.post("/api/copy", {"source": "a", "destination": "b"}).json()["error"], str)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    main()
