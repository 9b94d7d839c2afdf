"""Decoders in ONNX files: logits and greedy ids as onnxruntime computes them, on one device and on two; and the same weights in
a GGUF file and in ONNX files."""

import functools
import json
import re
import sys
import unittest

from harness import (DEMO, F32_LIMIT, OPT, ROOT, WORK, compiled, data, generate, program, random_model, relative_l2,
                     succeed)

RECORDED = json.loads((ROOT / "test/e2e/onnx_golden.json").read_text())["models"]
PROMPT = [1, 300, 301, 302, 77, 1024, 5]


class ONNX(unittest.TestCase):
    def test_recorded_decoders(self):
        for name, want in RECORDED.items():
            with self.subTest(name):
                model = data("onnx/" + name)
                one, two = (generate(compiled(model, "--kv-type=f32", *flags), want["prompt_ids"], count=len(want["greedy_ids"]))
                            for flags in (("--placement=monolithic",), ()))
                self.assertEqual(one.json["tokens"], want["greedy_ids"])
                # Some files compute in 16 bits, we do not.
                for row, top in zip(one.logits, want["logits"], strict=True):
                    self.assertLess(relative_l2([row[int(i)] for i in top], list(top.values())), want["tolerance"])
                self.assertEqual(one.json["tokens"], two.json["tokens"])
                self.assertTrue(one.logits == two.logits)


def partition(model):
    """The partition's text without what the containers differ in: places, layouts and formats of weights, packed ones, and that the
    GGUF file's head is its table of tokens."""
    text = succeed([OPT, model, "--compile-to=partition"]).out
    lines = [line for line in text.splitlines() if not re.match(r"module|\s*lm\.weight ", line)]
    text = re.sub(r"\.transposed\b|\.blocks\b|\.apart\b|<\w+>(?=>)", "", "\n".join(lines))
    part = {"0to128": "q", "128to192": "k", "192to256": "v"}
    text = re.sub(r"_qkv\.weight\.(\d+to\d+)", lambda match: f"_{part[match[1]]}.weight", text)
    return re.sub(r"(_[qk]\.weight)\.0to\d+", r"\1", text).replace("@output.weight", "@token_embd.weight")


@functools.cache
def exported(model, *flags):
    """A GGUF model as an ONNX file."""
    path = WORK / f"{model.stem}{''.join(flags)}.onnx"
    succeed([sys.executable, ROOT / "tools/dev/make_onnx_model.py", model, path, *flags])
    return path


# Styles of export, and whether matrices keep their blocks of few bits: then every bit is that of the GGUF file.
STYLES = {(): False, ("--rotary=outside", "--interleaved"): False, ("--packed",): False, ("--attention=standard",): False,
          ("--attention=paged", "--packed"): False, ("--weights=blocks",): True, ("--weights=qdq",): True,
          ("--weights=blocks", "--packed", "--interleaved"): True}
# Styles whose frequencies are computed by the graph, and therefore rounded.
COMPUTED = {("--attention=whole", "--interleaved"): False, ("--attention=decomposed",): False,
            ("--attention=decomposed", "--interleaved", "--repeat=tile", "--product=einsum"): False,
            ("--attention=whole", "--cache=tensorscatter"): False, ("--attention=decomposed", "--cache=scatternd"): False}
# Tiny models of other architectures: how each is made, and styles of export.
HEADS = [f"--tensor={name}" for layer in range(2) for name in (f"blk.{layer}.attn_qkv.weight=32x96", f"blk.{layer}.attn_qkv.bias=96")]
SMALL = {"experts": (("--experts",), ((), ("--experts=joined",))),
         "qwen3": (("--arch=qwen3",), ((), ("--head-norms=below",))),
         "gpt2": (("--arch=gpt2", "--set=attention.head_count_kv=2", *HEADS), (("--attention=projected",), ("--attention=multihead",)))}


class SameWeights(unittest.TestCase):
    def test_partition(self):
        for flags in STYLES:
            with self.subTest(flags):
                self.assertEqual(partition(exported(DEMO, *flags)), partition(DEMO))

    def test_logits(self):
        plain, blocks = (generate(compiled(DEMO, "--kv-type=f32", *flags), PROMPT) for flags in (("--activations=f32",), ()))
        for flags, exact in (STYLES | COMPUTED).items():
            with self.subTest(flags):
                one = self.compare(exported(DEMO, *flags), blocks if exact else plain, PROMPT)
                self.assertTrue(one.logits == blocks.logits or not exact)

    def test_window(self):
        """By an attribute and by a mask."""
        fused, all_seen = (generate(compiled(exported(DEMO, *flags), "--kv-type=f32"), PROMPT)
                           for flags in (("--attribute=GroupQueryAttention.local_window_size=4",), ()))
        self.compare(exported(DEMO, "--attention=decomposed", "--window=4"), fused, PROMPT)
        self.assertGreater(relative_l2(fused.logits[-1], all_seen.logits[-1]), 1e-2)

    def test_small_models(self):
        prompt = [token % 40 for token in PROMPT]
        for name, (form, styles) in SMALL.items():
            gguf = WORK / f"small-{name}.gguf"
            succeed([sys.executable, ROOT / "tools/dev/make_tiny_gguf.py", gguf, "--layers=2", *form])
            want = generate(compiled(gguf, "--kv-type=f32"), prompt)
            for flags in styles:
                with self.subTest((name, flags)):
                    self.compare(exported(gguf, *flags), want, prompt)

    def test_experts_of_few_bits(self):
        """However gate and up of each expert lie, the results are the same, and those of the weights before they were rounded but
        for that."""
        gguf, prompt = WORK / "experts-rounded.gguf", [token % 40 for token in PROMPT]
        succeed([sys.executable, ROOT / "tools/dev/make_tiny_gguf.py", gguf, "--layers=2", "--experts"])
        want = generate(compiled(gguf, "--kv-type=f32"), prompt)
        apart, *others = (generate(compiled(exported(gguf, "--weights=blocks", f"--experts={form}"), "--kv-type=f32",
                                            "--activations=f32"), prompt) for form in ("apart", "interleaved", "joined"))
        for row, expected in zip(apart.logits, want.logits, strict=True):
            self.assertLess(relative_l2(row, expected), 0.03)
        for other in others:
            self.assertTrue(other.logits == apart.logits)

    def compare(self, model, want, prompt):
        """The model's results, which are as wanted and the same on one device and on two."""
        one, two = (generate(compiled(model, "--kv-type=f32", *more), prompt) for more in (("--placement=monolithic",), ()))
        self.assertEqual(one.json["tokens"], want.json["tokens"])
        self.assertTrue(one.logits == two.logits)
        for row, expected in zip(one.logits, want.logits, strict=True):
            self.assertLess(relative_l2(row, expected), F32_LIMIT)
        return one


class Large(unittest.TestCase):
    def test_plan_of_7_billion_parameters(self):
        """Weights in a file beside the model are not read: they would not fit in this much memory."""
        for kind, flags in (("f16", ("--weights=f16",)), ("q4_0", ("--weights=blocks",))):
            with self.subTest(kind):
                gguf = random_model(f"7b-{kind}", "--shape=7b", f"--type={kind}", "--header-only")
                model = WORK / f"7b-{kind}.onnx"
                succeed([sys.executable, ROOT / "tools/dev/make_onnx_model.py", gguf, model, "--header-only", *flags])
                text = program([OPT, model, "--plan-only"])
                self.assertEqual(text.status, 0, text.err)
                self.assertLess(text.peak_mib, 1024)
