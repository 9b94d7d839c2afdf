"""Encoders in ONNX files, models without a cache: what onnxruntime computes, from standard operators and from its own."""

import functools
import pathlib
import sys
import unittest

from harness import ROOT, RUN, WORK, compiled, read_npy, relative_l2, succeed

SCRIPT, RECORDED = ROOT / "tools/dev/make_onnx_encoder.py", ROOT / "test/data/encoders"
FORMS = {("bert",): "bert", ("bert", "--fused=attention"): "bert", ("bert", "--fused=multihead"): "bert", ("vit",): "vit"}
LIMIT = 1e-5


@functools.cache
def encoder(*form):
    path = WORK / f"{''.join(form)}.onnx"
    succeed([sys.executable, SCRIPT, path, *form])
    return path


@functools.cache
def inputs(kind):
    folder = WORK / f"{kind}-inputs"
    succeed([sys.executable, SCRIPT, "--inputs", folder, kind])
    return sorted(folder.iterdir())


def dims(kind):
    return ("--dim", "batch=2", *(("--dim", "sequence=12") if kind == "bert" else ()))


def run(artifact, kind, folder, *flags):
    """Its outputs by name."""
    given = [flag for path in inputs(kind) for flag in ("--input", f"{path.stem}={path}")]
    succeed([RUN, artifact, *given, "--output-dir", folder, *flags])
    return {path.stem: [value for row in read_npy(path) for value in row] for path in pathlib.Path(folder).iterdir()}


class Encoders(unittest.TestCase):
    def test_outputs(self):
        for form, kind in FORMS.items():
            with self.subTest(form):
                got = run(compiled(encoder(*form), *dims(kind)), kind, WORK / f"{''.join(form)}-out")
                want = {path.name.split(".")[1]: path for path in RECORDED.glob(f"{kind}.*.npy")}
                self.assertEqual(set(got), set(want))
                for name, path in want.items():
                    rows = [value for row in read_npy(path) for value in row]
                    self.assertLess(relative_l2(got[name], rows), LIMIT, name)

    def test_weights_lie_in_the_shard(self):
        artifact = compiled(encoder("vit"), *dims("vit"))
        self.assertGreater((artifact / "weights/compute0.bin").stat().st_size, 4 * 2 * 4 * 32 * 32)

    def test_threads_change_no_bit(self):
        artifact = compiled(encoder("bert"), *dims("bert"))
        one, three = (run(artifact, "bert", WORK / f"threads{n}", "--threads", n) for n in (1, 3))
        self.assertEqual(one, three)
