"""Decoders in ONNX files: logits and greedy ids as onnxruntime computes them, on one device and on two."""

import json
import unittest

from harness import ROOT, compiled, data, generate, relative_l2

RECORDED = json.loads((ROOT / "test/e2e/onnx_golden.json").read_text())["models"]


class ONNX(unittest.TestCase):
    def test_recorded_decoders(self):
        for name, want in RECORDED.items():
            with self.subTest(name):
                model = data("onnx/" + name)
                one, two = (generate(compiled(model, "--kv-type=f32", *flags), want["prompt_ids"], count=len(want["greedy_ids"]))
                            for flags in (("--placement=monolithic",), ()))
                self.assertEqual(one.json["tokens"], want["greedy_ids"])
                # The file computes in 16 bits, we do not.
                for row, top in zip(one.logits, want["logits"], strict=True):
                    self.assertLess(relative_l2([row[int(i)] for i in top], list(top.values())), 5e-3)
                self.assertEqual(one.json["tokens"], two.json["tokens"])
                self.assertTrue(one.logits == two.logits)
