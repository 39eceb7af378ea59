"""carat synth: made-up models run. Usage: test_synth.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import struct
import tempfile

from program import Case, main


class Synth(Case):
    def test_made_up_models_run(self):
        with tempfile.TemporaryDirectory() as d:
            for t in ["f32", "bf16", "q8_0", "q4_0", "q4_k_m", "q6_k", "q2_k", "iq4_xs"]:
                out = d + "/m.gguf"
                layers = {"q8_0": 7, "q4_k_m": 2}.get(t, 1)
                self.ok("synth", "270m", "--type", t, "--layers", str(layers), "--hidden", "256", "--ffn", "512", "--heads", "4",
                        "--kv-heads", "2", "--head-dim", "64", "--vocab", "600", "--window", "32", "-o", out)
                j = json.loads(self.ok("run", out, "-p", "hello", "-n", "5", "--ignore-eos", "--json").stdout)
                self.assertEqual(len(j["tokens"]), 5)
                self.assertEqual(json.loads(self.ok("info", out, "--json").stdout)["layers"], layers)
            self.assertEqual(os.listdir(d), ["m.gguf"])
            self.refused("synth", "5b", "-o", out, says="5b")
            self.refused("synth", "4b", "--type", "q9", "-o", out, says="q9")
            self.refused("synth", "270m", "--vocab", "100", "-o", d + "/n", says="expected at least 600")
            self.assertEqual(os.listdir(d), ["m.gguf"])

    def test_mmproj_files_have_what_llama_cpp_asks_for(self):
        """scripts/peer_llama.py loads them in llama.cpp itself."""
        with tempfile.TemporaryDirectory() as d:
            self.ok("synth", "4b", "--hidden", "256", "--mmproj", "--tower-layers", "1", "--tower-type", "q8_0", "-o", d + "/m")
            with open(d + "/m", "rb") as f:
                head = f.read(65536)

            def value(key, kind, layout):
                at = head.index(struct.pack("<Q", len(key)) + key.encode()) + 8 + len(key)
                self.assertEqual(struct.unpack_from("<I", head, at)[0], kind, key)
                return struct.unpack_from(layout, head, at + 4)
            self.assertEqual(value("clip.vision.projection_dim", 4, "<I"), (256,))
            self.assertEqual(value("clip.vision.image_mean", 9, "<IQ3f"), (6, 3, 0.5, 0.5, 0.5))
            self.assertEqual(value("clip.vision.image_std", 9, "<IQ3f"), (6, 3, 0.5, 0.5, 0.5))
            self.assertEqual(value("clip.use_gelu", 7, "<B"), (1,))
            self.assertEqual(value("clip.has_vision_encoder", 7, "<B"), (1,))


if __name__ == "__main__":
    main()
