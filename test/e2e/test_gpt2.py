"""A trained GPT-2 of the external test data: the weights of its ONNX export as a GGUF file give the ids that onnxruntime gave
for the export."""

import array
import json
import sys
import unittest

from harness import ROOT, WORK, compiled, data, generate

sys.path.insert(0, str(ROOT / "tools/dev"))
import make_tiny_gguf  # noqa: E402

LAYERS, HEADS, WIDTH, CONTEXT = 4, 4, 64, 512
NAMES = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
         "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}


def fields(message):
    """Number and value of each field of a protobuf message; values are integers or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        length = {1: 8, 5: 4}.get(key & 7) or varint()
        yield key >> 3, message[at:at + length]
        at += length


def initializers(path):
    """Dimensions and elements of each F32 initializer (ModelProto.graph = 7, GraphProto.initializer = 5)."""
    graph = dict(fields(path.read_bytes()))[7]
    for number, tensor in fields(graph):
        if number == 5:
            parts = list(fields(tensor))
            dims = [value for field, value in parts if field == 1]
            by_number = dict(parts)
            yield by_number[8].decode(), dims, array.array("f", by_number[9])


def tensors(path):
    """In GGUF's names and layout: matrices of products, which this export multiplies from the right, are transposed."""
    for name, dims, elements in initializers(path):
        name = name.removeprefix("transformer.")
        for old, new in NAMES.items():
            name = name.replace(f".{old}.", f".{new}.")
        name = name.replace("h.", "blk.", 1) if name.startswith("h.") else name
        name = {"wte.weight": "token_embd.weight", "wpe.weight": "position_embd.weight", "ln_f.weight": "output_norm.weight",
                "ln_f.bias": "output_norm.bias"}.get(name, name)
        if len(dims) == 2 and name.startswith("blk."):
            rows, columns = dims
            elements = array.array("f", (elements[r * columns + c] for c in range(columns) for r in range(rows)))
            dims = [columns, rows]
        yield name, (dims[::-1], elements.tobytes())


class Gpt2(unittest.TestCase):
    def test_greedy_ids(self):
        model = WORK / "capp-gpt.gguf"
        hyper = {"block_count": LAYERS, "context_length": CONTEXT, "embedding_length": WIDTH,
                 "feed_forward_length": 4 * WIDTH, "attention.head_count": HEADS, "attention.layer_norm_epsilon": 1e-5}
        make_tiny_gguf.write(model, {"general.architecture": "gpt2", "general.name": "capp-gpt",
                                     **{f"gpt2.{key}": value for key, value in hyper.items()}},
                             dict(tensors(data("onnx/capp-gpt/model.onnx"))))
        golden = json.loads(data("onnx/golden.json").read_text())
        one, two = compiled(model, "--placement=monolithic"), compiled(model)
        for case in next(iter(golden.values()))["cases"]:
            ids, want = case["prompt_ids"], case["greedy_ids"]
            mono, split = (generate(artifact, ids, count=len(want)) for artifact in (one, two))
            self.assertEqual(mono.json["tokens"], want)
            self.assertEqual(split.json["tokens"], want)
            self.assertTrue(mono.logits == split.logits)
