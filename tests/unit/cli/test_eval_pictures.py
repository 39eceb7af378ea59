"""carat eval of tasks with pictures: what is asked is what carat run is shown, files that are missing or hostile are named before a model is
loaded, runs go on. Usage: test_eval_pictures.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import os
import shutil

from program import SIGHT, TINY, Folder, main
from evaluated import document, json_lines

WORDING = "\nAnswer the question using a single word or phrase."


def questions(n):
    """(question, pictures) of tiny-sight's own test, with so many pictures."""
    with open(SIGHT + "/test.jsonl") as f:
        rows = [json.loads(line) for line in f]
    return [(r["text"].replace("<image>", "").strip(), r["text"], r["images"]) for r in rows if len(r["images"]) == n]


class Pictures(Folder):
    def evaluate(self, task, data, *args, model=SIGHT):
        out = self.path("out.jsonl")
        r = json.loads(self.ok("eval", task, model, "-t", "1", "--data", data, "--json", "-o", out, *args).stdout)
        with open(out) as f:
            rows = [json.loads(line) for line in f.readlines()[1:]]
        return r, sorted(rows, key=lambda row: row["item"])

    def docvqa(self, n=4):
        """The official layout, with pictures in the folder that it names."""
        os.makedirs(self.path("documents"), exist_ok=True)
        rows = []
        for i, (question, _, images) in enumerate(questions(1)[:n]):
            shutil.copy(SIGHT + "/" + images[0], self.path("documents/p%d_1.png" % i))
            rows.append({"questionId": 100 + i, "question": question, "image": "documents/p%d_1.png" % i, "answers": ["x", "y"]})
        return rows, self.path("val_v1.0_withQT.json", document(rows, "data", dataset_name="SP-DocVQA"))

    def said(self, question, *images):
        shown = [a for i in images for a in ("--image", i)]
        return self.ok("run", SIGHT, *shown, "--temp", "0", "-n", "128", "-q", question).stdout.decode()

    def test_answers_are_those_of_carat_run(self):
        rows, data = self.docvqa()
        r, got = self.evaluate("docvqa", data)
        self.assertEqual((r["n"], r["form"], [g["id"] for g in got]), (len(rows), "chat", [str(row["questionId"]) for row in rows]))
        self.assertIn("sides of 1.2 : 1 and more", r["pan_scan"])
        for row, g in zip(rows, got, strict=True):
            self.assertEqual(g["answer"].strip(), self.said(row["question"] + WORDING, self.path(row["image"])).strip())
        rows[1]["answers"] = ["no", got[1]["answer"].upper()]
        right = self.path("right.json", document(rows, "data"))
        os.remove(self.path("out.jsonl"))
        r, got = self.evaluate("docvqa", right)
        self.assertEqual(got[1]["score"], 1)

    def test_pictures_stand_where_the_text_names_them(self):
        rows, want = [], []
        for i, (_, text, images) in enumerate(questions(2)[:3]):
            with open(SIGHT + "/" + images[1], "rb") as f:
                second = {"bytes": base64.b64encode(f.read()).decode(), "path": None}
            shutil.copy(SIGHT + "/" + images[0], self.path("%d.png" % i))
            first, rest = text.split("<image>", 1)
            marked = first + "<image 1>" + rest.replace("<image>", "<image 2>", 1)
            rows.append({"id": "validation_Math_%d" % i, "question": marked, "options": "[]", "answer": "x", "question_type": "open",
                         "image_1": "%d.png" % i, "image_2": second})
            want.append((marked, images))
        r, got = self.evaluate("mmmu", self.path("mmmu.jsonl", json_lines(rows)))
        for (marked, images), g in zip(want, got, strict=True):
            # the pieces are trimmed, as the template does it; with carat run they are one text
            a, b, c = (p.strip() for p in (marked + "\n\n" + WORDING.strip()).replace("<image 2>", "<image 1>").split("<image 1>"))
            prompt = "%s<image>%s<image>%s" % (a, b, c)
            self.assertEqual(g["answer"].strip(), self.said(prompt, *(SIGHT + "/" + i for i in images)).strip())
            self.assertIsNotNone(g["said"])

    def test_a_run_goes_on_and_pan_and_scan_is_part_of_it(self):
        _, data = self.docvqa()
        whole = self.evaluate("docvqa", data)
        out = self.path("out.jsonl")
        with open(out, "rb") as f:
            text = f.read()
        with open(out, "wb") as f:
            f.write(text[:len(text) // 2])
        self.assertEqual(self.evaluate("docvqa", data), whole)
        self.refused("eval", "docvqa", SIGHT, "--data", data, "-o", out, "--pan-scan", "off", says="'pan_scan'")
        os.remove(out)
        self.assertEqual(self.evaluate("docvqa", data, "--pan-scan", "off")[0]["pan_scan"], "off")

    def test_what_is_wrong_is_said_before_a_model_is_loaded(self):
        rows, data = self.docvqa(2)
        none = "/nonexistent.gguf"
        os.remove(self.path("documents/p1_1.png"))
        self.refused("eval", "docvqa", none, "--data", data, says=["item 1", "has no picture 'documents/p1_1.png'", "--images"])
        for name, says in (("../p.png", "leads out of the folder"), ("/etc/hostname", "another folder"), ("", "empty")):
            bad = self.path("bad.json", document([dict(rows[0], image=name)], "data"))
            self.refused("eval", "docvqa", none, "--data", bad, says=["bad.json:1", says])
        self.refused("eval", "textvqa", none, "--data", data, says="'image_id' is missing")
        # one that is missing beyond the limit is not asked for
        self.evaluate("docvqa", data, "--limit", "1")
        text = self.path("text.json", document([dict(rows[0], image="val_v1.0_withQT.json")], "data"))
        self.refused("eval", "docvqa", SIGHT, "--data", text, says="is no JPEG, PNG, WebP, GIF or BMP file")
        broken = self.path("broken.png", b"\x89PNG\r\n\x1a\nxxxxxxxxxxxxxxxx")
        data = self.path("b.json", document([dict(rows[0], image=os.path.basename(broken))], "data"))
        self.refused("eval", "docvqa", SIGHT, "--data", data, says=["item 0", "picture 1"])

    def test_usage(self):
        _, data = self.docvqa(1)
        self.refused("eval", "docvqa", TINY, "--data", data, says="vision")
        for args, says in ((("--shots", "1", "--shots-data", data), "--shots is not offered"), (("--no-vision",), "not with --no-vision"),
                           (("--url", "http://127.0.0.1:9/v1", "--pan-scan", "on"), "the server's"), (("--length", "512"), "made up")):
            self.refused("eval", "docvqa", SIGHT, "--data", data, *args, says=says, code=2)
        self.refused("eval", "gsm8k", SIGHT, "--data", data, "--images", ".", says="tasks with pictures", code=2)
        self.refused("eval", "gsm8k", SIGHT, "--data", data, "--pan-scan", "off", says="tasks with pictures", code=2)
        out = self.ok("eval", "docvqa", SIGHT, "-t", "1", "--data", data, "--pan-scan", "off").stdout.decode()
        self.assertIn("pan & scan  off", out)


if __name__ == "__main__":
    main()
