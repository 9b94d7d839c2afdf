"""Encoders in ONNX files, models without a cache: what onnxruntime computes, from standard operators and from its own."""

import functools
import json
import pathlib
import re
import sys
import unittest

from harness import OPT, ROOT, RUN, WORK, compiled, read_npy, relative_l2, succeed

SCRIPT, RECORDED = ROOT / "tools/dev/make_onnx_encoder.py", ROOT / "test/data/encoders"
FORMS = {("bert",): "bert", ("bert", "--fused=attention"): "bert", ("bert", "--fused=multihead"): "bert", ("vit",): "vit", ("linear",): "linear"}
LIMIT, LAYERS = 1e-5, 2


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

    def test_attention_is_placed_on_the_memory_class(self):
        """Two workers give the bits of one, whatever form attention has in the graph."""
        for form, kind in FORMS.items():
            with self.subTest(form):
                name = "".join(form)
                placed = succeed([OPT, encoder(*form), *dims(kind), "--compile-to=partition"]).out
                marked = re.findall(r'mpmd.fragment @memory "attention\d"[^{]*\{\s*%\S+ = lm.tensor_attention (\w+)', placed)
                self.assertEqual(marked, ["linear" if kind == "linear" else "softmax"] * LAYERS)
                self.assertEqual(len(re.findall(r'mpmd.fragment @compute "slice\d"', placed)), LAYERS + 1)
                two = compiled(encoder(*form), *dims(kind))
                one = compiled(encoder(*form), *dims(kind), "--placement=monolithic")
                workers = [worker["name"] for worker in json.loads(succeed([RUN, two, "--describe", "--output=json"]).out)["workers"]]
                self.assertEqual(workers, ["compute0", "memory0"])
                self.assertEqual(run(two, kind, WORK / f"{name}-two"), run(one, kind, WORK / f"{name}-one"))

    def test_queries_leave_first(self):
        sent = succeed([OPT, encoder("bert"), *dims("bert"), "--compile-to=comm"]).out
        order = re.findall(r'mpmd.(?:fragment @\w+ "(\S+)"|(transfer))', sent)
        self.assertEqual([a or b for a, b in order][:4], ["slice0.q", "transfer", "slice0.kv", "transfer"])

    def test_weights_lie_in_the_shard(self):
        artifact = compiled(encoder("vit"), *dims("vit"))
        self.assertGreater((artifact / "weights/compute0.bin").stat().st_size, 4 * 2 * 4 * 32 * 32)

    def test_threads_change_no_bit(self):
        artifact = compiled(encoder("bert"), *dims("bert"))
        one, three = (run(artifact, "bert", WORK / f"threads{n}", "--threads", n) for n in (1, 3))
        self.assertEqual(one, three)
