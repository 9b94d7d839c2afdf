"""The weights of a GGUF model of the llama family as tensors and products of an ONNX graph."""

import array
import math
import struct

from onnx_file import CONTRIB, FLOAT, FLOAT16, INT4, INT8, UINT8


class Weights:
    """Writes weights as they are asked for. `options`: weights, block_size, zero_points, interleaved, header_only of make_onnx_model.py."""

    def __init__(self, gguf, options, graph):
        self.gguf, self.o, self.g = gguf, options, graph
        self.head = gguf["embedding_length"] // gguf["attention.head_count"]
        self.real = FLOAT16 if options.weights == "f16" else FLOAT

    def reals(self, values):
        return struct.pack(f"<{len(values)}e", *values) if self.real == FLOAT16 else array.array("f", values).tobytes()

    def plain(self, name, dims=None):
        dims = dims or self.gguf.dims(name)
        size = math.prod(dims) * (2 if self.real == FLOAT16 else 4)
        return self.g.tensor(name, self.real, dims, size if self.o.header_only else self.reals(self.gguf.values(name)))

    def order(self, name):
        """GGUF's llama keeps the two elements of a rotary pair side by side, everyone else half a head apart."""
        rows = self.gguf.dims(name)[0]
        if self.gguf.arch != "llama" or self.o.interleaved or not ("attn_q." in name or "attn_k." in name):
            return list(range(rows))
        half = self.head // 2
        return [first + 2 * i + s for first in range(0, rows, self.head) for s in (0, 1) for i in range(half)]

    def linear(self, x, names, out, biased=True):
        """The product with matrices one below the other, and their biases if they have some."""
        label = "output" if out == "logits" else names[0].removesuffix(".weight") + ("kv" if len(names) > 1 else "")
        columns = self.gguf.dims(names[0])[1]
        total = sum(self.gguf.dims(name)[0] for name in names)
        form = self.gguf.format(names[0])
        if self.o.weights in ("blocks", "qdq") and form in ("Q8_0", "Q4_0"):
            y = self.quantized(x, names, label, total, columns, 8 if form == "Q8_0" else 4, out)
        else:
            size = total * columns * (2 if self.real == FLOAT16 else 4)
            data = size if self.o.header_only else self.transposed(names, columns)
            y = self.g.node("MatMul", [x, self.g.tensor(label + ".weight", self.real, [columns, total], data)], out)
        biases = [name.replace(".weight", ".bias") for name in names]
        if biased and biases[0] in self.gguf.tensors:
            values = [value for name, bias in zip(names, biases) for row in [self.gguf.values(bias)]
                      for value in (row[i] for i in self.order(name))]
            bias = self.g.tensor(label + ".bias", self.real, [total], self.reals(values))
            y = self.g.node("Add", [y, bias], out + ".biased")
        return y

    def transposed(self, names, columns):
        rows = array.array("f")
        for name in names:
            values = self.gguf.values(name)
            for i in self.order(name):
                rows += values[i * columns:(i + 1) * columns]
        return self.reals([value for column in range(columns) for value in rows[column::columns]])

    def quantized(self, x, names, label, rows, columns, bits, out):
        """Blocks along the columns."""
        if self.o.header_only:
            return self.hollow(x, label, rows, columns, bits, out)
        if self.o.weights == "blocks":
            inputs = self.codes_and_scales(names, label, rows, columns, bits)
            return self.g.node("MatMulNBits", [x, *inputs], out, CONTRIB, K=columns, N=rows, bits=bits,
                               block_size=self.o.block_size)
        scales, codes = self.scales_and_codes(names, columns)
        size = self.o.block_size
        blocks = columns // size
        data = bytes(codes[row * columns + column] & (1 << bits) - 1 for column in range(columns) for row in range(rows))
        matrix = self.g.tensor(label + ".weight", INT8 if bits == 8 else INT4, [columns, rows],
                               self.nibbles(data, len(data), bits))
        scale = self.g.tensor(label + ".scales", self.real, [blocks, rows],
                              self.reals([value for block in range(blocks) for value in scales[block::blocks]]))
        full = self.g.node("DequantizeLinear", [matrix, scale], out + ".matrix", axis=0, block_size=size)
        return self.g.node("MatMul", [x, full], out)

    def scales_and_codes(self, names, columns):
        scales, codes = array.array("f"), []
        for name in names:
            own_scales, own_codes = self.gguf.blocks(name)
            for i in self.order(name):
                scales += own_scales[i * columns // 32:(i + 1) * columns // 32]
                codes += own_codes[i * columns:(i + 1) * columns]
        return [scale for scale in scales for _ in range(32 // self.o.block_size)], codes

    def codes_and_scales(self, names, label, rows, columns, bits):
        """The inputs of MatMulNBits: bytes, of which each block has its own."""
        scales, codes = self.scales_and_codes(names, columns)
        size, shift = self.o.block_size, 1 << bits - 1
        blocks = columns // size
        data = self.nibbles([code + shift for code in codes], size, bits)
        inputs = [self.g.tensor(label + ".weight", UINT8, [rows, blocks, size * bits // 8], data),
                  self.g.tensor(label + ".scales", self.real, [rows, blocks], self.reals(scales))]
        if self.o.zero_points:
            inputs.append(self.g.tensor(label + ".zeros", UINT8, [rows * -(-blocks * bits // 8)],
                                        self.nibbles([shift] * rows * blocks, blocks, bits)))
        return inputs

    def table(self, ids, name, out):
        """Rows of a table: with `blocks` by GatherBlockQuantized, whose table is of two dimensions."""
        rows, columns = self.gguf.dims(name)
        form = self.gguf.format(name)
        if self.o.weights != "blocks" or form not in ("Q8_0", "Q4_0") or self.o.header_only or self.o.zero_points:
            return self.g.node("Gather", [self.plain(name), ids], out, axis=0)
        bits = 8 if form == "Q8_0" else 4
        codes, scales = self.codes_and_scales([name], name.removesuffix(".weight"), rows, columns, bits)
        self.g.tensors[codes] = (UINT8, [rows, columns * bits // 8], self.g.tensors[codes][2])
        return self.g.node("GatherBlockQuantized", [codes, ids, scales], out, CONTRIB, bits=bits, gather_axis=0, quantize_axis=1,
                           block_size=self.o.block_size)

    def hollow(self, x, label, rows, columns, bits, out):
        blocks, size = columns // 32, 2 if self.real == FLOAT16 else 4
        inputs = [self.g.tensor(label + ".weight", UINT8, [rows, blocks, 32 * bits // 8], rows * columns * bits // 8),
                  self.g.tensor(label + ".scales", self.real, [rows, blocks], rows * blocks * size)]
        return self.g.node("MatMulNBits", [x, *inputs], out, CONTRIB, K=columns, N=rows, bits=bits, block_size=32)

    @staticmethod
    def nibbles(codes, line, bits):
        """Two in a byte, the first in the lower bits; lines begin in a byte of their own."""
        if bits == 8:
            return bytes(codes)
        lines = [list(codes[i:i + line]) + [0] * (line % 2) for i in range(0, len(codes), line)]
        return bytes(a | b << 4 for each in lines for a, b in zip(each[::2], each[1::2]))
