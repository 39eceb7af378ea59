"""Images through every command that takes them: run, logits, see, chat, info. Usage: test_images.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import array
import json
import os
import struct
import tempfile

from program import DATA, IMAGES, SIGHT, TINY, Case, Golden, carat, main


def write_bmp(path, rgb, side):
    """Pixels [side][side][3], side a multiple of four, as an uncompressed BMP: bottom row first, blue first."""
    rows = [bytes(b for x in range(side) for b in rgb[(y * side + x) * 3:(y * side + x) * 3 + 3][::-1])
            for y in reversed(range(side))]
    with open(path, "wb") as f:
        f.write(struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + 3 * side * side, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0,
                            0, 0) + b"".join(rows))


class Pictures(Case):
    def ask(self, pictures, text, *extra):
        args = [a for p in pictures for a in ("--image", SIGHT + "/test/" + p)]
        return self.ok("run", SIGHT, *args, "-p", text, "--temp", "0", "--pan-scan", "off", *extra).stdout.decode()

    def test_what_the_reference_says(self):
        with open(SIGHT + "/test.jsonl") as f:
            for q in [json.loads(line) for line in f][:8]:
                self.assertEqual(self.ask([p.split("/")[1] for p in q["images"]], q["text"]), q["answer"])

    def test_order_is_kept_with_and_without_marks(self):
        q = "What are they?"
        self.assertEqual(self.ask(["001-0.png", "001-1.png"], "<image> and <image> " + q), "triangle, 0")
        self.assertEqual(self.ask(["001-1.png", "001-0.png"], "<image> and <image> " + q), "0, triangle")
        j = json.loads(self.ask(["001-0.png"], "What is in this picture?", "--json"))
        self.assertEqual(j["prompt_tokens"].count(512), 16)
        self.refused("run", SIGHT, "--image", IMAGES + "rgb8.png", "-p", "<image> <image>", says="1 images for 2 marks")

    def test_logits_equal_the_reference(self):
        for model in ["tiny-vl", "vl-small-window"]:
            g = Golden(DATA + f"/models/{model}/golden")
            pixels, side = g["images_u8_hwc"], g.manifest["arrays"]["images_u8_hwc"]["shape"][1]
            with tempfile.TemporaryDirectory() as d:
                for i in range(3):
                    write_bmp(f"{d}/{i}.bmp", pixels[i * side * side * 3:(i + 1) * side * side * 3], side)
                for n in [1, len(g.manifest["prompts"]) - 1]:
                    images = [a for i in g.manifest["prompts"][n]["images"] for a in ("--image", f"{d}/{i}.bmp")]
                    want = g[f"prompt{n}.logits"]
                    self.ok("logits", DATA + "/models/" + model, "--ids", ",".join(map(str, g[f"prompt{n}.ids"])), *images,
                            "--exact", "--embed-scale", "exact", "--chunk", "7", "-o", d + "/out", "--soft-tokens",
                            d + "/soft")
                    got = array.array("f")
                    with open(d + "/out", "rb") as f:
                        got.frombytes(f.read())
                    self.assertEqual(len(got), len(want))
                    self.assertLess(max(abs(x - y) for x, y in zip(got, want)), 5e-4)  # tests/golden/README.md
                    soft, all_soft = array.array("f"), g["projector.output"]
                    with open(d + "/soft", "rb") as f:
                        soft.frombytes(f.read())
                    each = len(all_soft) // g.manifest["arrays"]["projector.output"]["shape"][0]
                    want = [x for i in g.manifest["prompts"][n]["images"] for x in all_soft[i * each:(i + 1) * each]]
                    self.assertEqual(len(soft), len(want))
                    self.assertLess(max(abs(x - y) for x, y in zip(soft, want)), 1e-4)

    def test_what_cannot_be_seen(self):
        with tempfile.TemporaryDirectory() as d:
            with open(d + "/text.png", "w") as f:
                f.write("I am not a picture.\n")
            open(d + "/empty.jpg", "w").close()
            with open(IMAGES + "rgb8.png", "rb") as f:
                whole = f.read()
            with open(d + "/cut.png", "wb") as f:
                f.write(whole[:len(whole) // 2])
            for name, says in [("text.png", "text.png"), ("empty.jpg", "empty"), ("cut.png", "cut.png"),
                               ("none.png", "No such file"), (".", "directory")]:
                self.refused("run", SIGHT, "--image", f"{d}/{name}", "-p", "What?", says=says)
                self.refused("see", f"{d}/{name}", "-o", d + "/out", says=says)
            with open(d + "/x.tif", "wb") as f:
                f.write(b"II*\0" + bytes(60))
            self.refused("see", d + "/x.tif", says="x.tif: a TIFF, expected JPEG, PNG, WebP, GIF or BMP")
            self.assertEqual(sorted(os.listdir(d)), ["cut.png", "empty.jpg", "text.png", "x.tif"])
            with open(d + "/wrong.txt", "wb") as f:  # told by its bytes, not by its name
                f.write(whole)
            self.ok("run", SIGHT, "--image", d + "/wrong.txt", "-p", "What?", "-n", "1")
        self.refused("run", TINY, "--image", IMAGES + "rgb8.png", "-p", "What?", says="no vision tower")
        self.refused("run", SIGHT, "--no-vision", "--image", IMAGES + "rgb8.png", "-p", "What?",
                     says="without its vision tower")

    def test_see_writes_the_views(self):
        with tempfile.TemporaryDirectory() as d:
            j = json.loads(self.ok("see", IMAGES + "size_1200x500.png", "-o", d + "/v", "--json").stdout)
            self.assertEqual(j["views"], [f"{d}/v-{i}.png" for i in range(3)])
            for v in j["views"]:
                with open(v, "rb") as f:
                    self.assertEqual(struct.unpack(">II", f.read(24)[16:]), (896, 896))
            self.ok("see", IMAGES + "size_1200x500.png", "-o", d + "/w", "--pan-scan", "off", "--size", "64")
            self.assertEqual(sorted(os.listdir(d)), ["v-0.png", "v-1.png", "v-2.png", "w-0.png"])
            self.refused("see", IMAGES + "rgb8.png", "-o", "x" * 5000, says="--output has 5000 bytes, at most 4000")

    def test_chat_takes_files(self):
        talk = f"/image {SIGHT}/test/000-0.png\nWhich one is it?\nWhat color is it?\n/retry\n/undo\n/show\n" \
               f"{SIGHT}/test/001-1.png Is it a digit or a shape?\n/image /none.png\n"
        r = self.ok("chat", SIGHT, "--temp", "0", "-n", "20", stdin=talk.encode())
        said = r.stdout.decode()
        self.assertIn("goes with your next message", said)
        self.assertIn("a digit", said)
        self.assertIn("/none.png: ", said)

    def test_chat_takes_long_words(self):
        """Text without spaces is no name of a file, and no error, however long."""
        for n in (4095, 4096, 70000):
            r = carat("chat", SIGHT, "-n", "2", "--ctx", "1024", stdin=b"*" * 60 + "漢".encode() * (n // 3) + b"\n/show\n")
            self.assertNotIn("no memory", r.stderr.decode() + r.stdout.decode())
            self.assertIn("do not fit the context", r.stderr.decode())  # which is why it fails
            self.assertEqual(r.returncode, 1)

    def test_info_shows_the_tower(self):
        j = json.loads(self.ok("info", SIGHT, "--json").stdout)
        self.assertEqual((j["vision"], j["vision_layers"], j["tokens_per_image"], j["image_size"]), (True, 4, 16, 112))
        text = self.ok("info", DATA + "/models/tiny-vl/gguf/tiny-vl-f32.gguf").stdout.decode()
        self.assertIn("mmproj-tiny-vl-f32.gguf", text)


if __name__ == "__main__":
    main()
