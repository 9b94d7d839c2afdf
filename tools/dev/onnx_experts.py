"""Mixtures of experts of a GGUF model as onnxruntime's MoE, or with weights in blocks as QMoE of eight bits."""

import array

from onnx_file import CONTRIB, UINT8

BLOCK = 32
FUSIONS = {"apart": 0, "interleaved": 1, "joined": 2}


def joined(gate, up, rows, columns, experts, fusion):
    """The rows of both in one matrix for each expert."""
    out = array.array("f")
    for expert in range(experts):
        parts = [[source[at:at + columns] for at in range(expert * rows * columns, (expert + 1) * rows * columns, columns)]
                 for source in (gate, up)]
        for row in (row for pair in zip(*parts) for row in pair) if fusion == 1 else parts[0] + parts[1]:
            out += row
    return out


class Experts:
    def __init__(self, decoder):
        self.d, self.g, self.w, self.o = decoder, decoder.g, decoder.weights, decoder.o

    def matrix(self, name, dims, values):
        """The inputs of one matrix for each expert: weights, perhaps scales, perhaps biases."""
        experts, rows, columns = dims
        bias = ""
        if self.o.expert_biases is not None:
            bias = self.g.tensor(name + ".bias", self.w.real, [experts, rows], self.w.reals([self.o.expert_biases] * (experts * rows)))
        if self.o.weights != "blocks":
            return [self.g.tensor(name, self.w.real, dims, self.w.reals(values)), bias]
        scales, codes = array.array("f"), bytearray()
        for at in range(0, len(values), BLOCK):
            block = values[at:at + BLOCK]
            scale = max(map(abs, block)) / 127 or 1.0
            scales.append(scale)
            codes += bytes(round(value / scale) + 128 for value in block)
        return [self.g.tensor(name, UINT8, dims, bytes(codes)),
                self.g.tensor(name + ".scales", self.w.real, [experts, rows, columns // BLOCK], self.w.reals(scales)), bias]

    def feed_forward(self, layer, x):
        gguf, g, prefix, name = self.d.gguf, self.g, f"blk.{layer}.ffn_", f"ffn.{layer}"
        logits = self.d.linear(x, [prefix + "gate_inp.weight"], name + ".router")
        experts, rows, columns = gguf.dims(prefix + "gate_exps.weight")
        router = g.node("Reshape", [logits, g.integers("router.rows", -1, experts)], name + ".logits")
        gate, up, down = (gguf.values(f"{prefix}{what}_exps.weight") for what in ("gate", "up", "down"))
        fusion = FUSIONS[self.o.experts]
        if fusion:
            gate, rows = joined(gate, up, rows, columns, experts, fusion), 2 * rows
        first = self.matrix(prefix + "first", [experts, rows, columns], gate)
        second = self.matrix(prefix + "second", gguf.dims(prefix + "down_exps.weight"), down)
        third = [] if fusion else self.matrix(prefix + "third", [experts, rows, columns], up)
        attributes = {"activation_type": "swiglu", "swiglu_fusion": fusion} if fusion else {"activation_type": "silu"}
        if self.o.weights == "blocks":
            attributes |= {"expert_weight_bits": 8, "block_size": BLOCK}
        return g.node("QMoE" if self.o.weights == "blocks" else "MoE", [x, router, *first, *second, *third], name + ".experts", CONTRIB,
                      k=gguf["expert_used_count"], normalize_routing_weights=1, use_sparse_mixer=0, **attributes)
