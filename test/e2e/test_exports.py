"""Tiny random decoders as PyTorch's exporters and optimum write them (tools/dev/export_tiny_models.py): every attention is
recognised, and the results are PyTorch's, on one device and on two."""

import json
import tarfile
import unittest

from harness import OPT, ROOT, WORK, compiled, generate, relative_l2, succeed


class Exports(unittest.TestCase):
    def test_every_export(self):
        folder = WORK / "exports"
        with tarfile.open(ROOT / "test/data/exports.tar.xz") as archive:
            archive.extractall(folder)
        models = sorted(folder.iterdir())
        self.assertGreaterEqual(len(models), 32)
        for path in models:
            with self.subTest(path.name):
                want = json.loads((path / "golden.json").read_text())
                model = path / "model.onnx"
                mark = succeed([OPT, model, "--compile-to=mark"]).out
                self.assertEqual(mark.count("lm.attention"), 2)
                one, two = (generate(compiled(model, "--kv-type=f32", *flags), want["prompt_ids"], count=len(want["greedy_ids"]))
                            for flags in (("--placement=monolithic",), ()))
                self.assertEqual(one.json["tokens"], want["greedy_ids"])
                for row, logits in zip(one.logits, want["logits"], strict=True):
                    self.assertLess(relative_l2(row, logits), 1e-5)
                self.assertEqual(one.json["tokens"], two.json["tokens"])
                self.assertTrue(one.logits == two.logits)
