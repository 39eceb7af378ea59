"""carat info. Usage: test_info.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json

from program import TINY, TINY_GGUF, Case, main


class Info(Case):
    def test_info(self):
        j = json.loads(self.ok("info", TINY_GGUF, "--json").stdout)
        self.assertEqual((j["layers"], j["hidden"], j["heads"], j["kv_heads"], j["head_dim"], j["window"]),
                         (12, 96, 4, 2, 32, 16))
        self.assertEqual(j["global_layers"], 2)
        self.assertEqual(j["sampling"], {"temperature": 1.0, "top_k": 64, "top_p": j["sampling"]["top_p"], "min_p": 0.0,
                                         "repetition_penalty": 1.0, "penalty_window": 64})
        self.assertEqual(j["sampling_from"], {"temperature": "built-in", "top_k": "general.sampling",
                                              "top_p": "general.sampling", "min_p": "built-in",
                                              "repetition_penalty": "built-in", "penalty_window": "built-in"})
        text = self.ok("info", TINY).stdout.decode()
        self.assertIn("12: 10 local with a window of 16, 2 global", text)
        self.assertNotIn("\x1b", text)


if __name__ == "__main__":
    main()
