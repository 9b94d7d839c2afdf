#!/usr/bin/env python3
"""Write a tiny encoder of random weights as an ONNX model: from the standard library alone, the same arguments give the same bytes.

    make_onnx_encoder.py OUT.onnx bert                    standard operators, as PyTorch exports them
    make_onnx_encoder.py OUT.onnx bert --fused attention  onnxruntime's operators, as its optimizer leaves them: Attention,
    make_onnx_encoder.py OUT.onnx bert --fused multihead  or MultiHeadAttention; the weights are those of the first
    make_onnx_encoder.py OUT.onnx vit                     an image in patches by a convolution
    make_onnx_encoder.py OUT.onnx linear                  the same with linear attention, of elu + 1 and of focused maps
    make_onnx_encoder.py --inputs FOLDER bert             the inputs that expected outputs are recorded for, as .npy files
    make_onnx_encoder.py --record test/data/encoders      what onnxruntime computes; needs the packages onnxruntime and numpy
"""

import argparse
import math
import pathlib
import random
import struct
import tempfile

from onnx_file import CONTRIB, FLOAT, INT32, INT64, Graph

WIDTH, HEADS, INNER, LAYERS = 32, 4, 64, 2
TOKENS, ROWS = 64, 16  # of the vocabulary; of the table of positions
PATCH, SIDE, CLASSES = 4, 16, 10
BATCH, LENGTH = 2, 12  # of the recorded inputs
EPSILON = 1e-5


class Encoder:
    def __init__(self, fused=None, linear=False):
        self.g, self.fused, self.linear_kind, self.random = Graph(), fused, linear, random.Random(1)

    # --- weights, which are drawn in the order in which they are asked for

    def real(self, name, *dims, middle=0.0, spread=0.3):
        values = [middle + spread * (2 * self.random.random() - 1) for _ in range(math.prod(dims))]
        return self.g.reals(name, values, list(dims))

    def number(self, name, value):
        return self.g.reals(name, [value], [])

    def matrix(self, name, rows, columns):
        return self.real(name + ".weight", rows, columns), self.real(name + ".bias", columns, spread=0.1)

    def norm_weights(self, name):
        return self.real(name + ".weight", WIDTH, middle=1.0), self.real(name + ".bias", WIDTH)

    # --- parts of layers

    def standard(self, op, *inputs, name, **attributes):
        return self.g.node(op, list(inputs), name, **attributes)

    def linear(self, x, weight, bias, name):
        return self.standard("Add", self.standard("MatMul", x, weight, name=name + "/matmul"), bias, name=name + "/add")

    def norm(self, x, weights, name):
        return self.standard("LayerNormalization", x, *weights, name=name, epsilon=EPSILON)

    def gelu(self, x, name):
        erf = self.standard("Erf", self.standard("Div", x, self.number("sqrt2", math.sqrt(2)), name=name + "/div"), name=name + "/erf")
        one = self.standard("Add", erf, self.number("one", 1.0), name=name + "/one")
        return self.standard("Mul", self.standard("Mul", x, one, name=name + "/mul"), self.number("half", 0.5), name=name)

    def heads(self, x, perm, name):
        split = self.standard("Reshape", x, self.g.integers("heads", 0, 0, HEADS, WIDTH // HEADS), name=name + "/split")
        return self.standard("Transpose", split, name=name + "/heads", perm=perm)

    def decomposed(self, q, k, v, mask, name):
        q, k, v = self.heads(q, [0, 2, 1, 3], name + "/q"), self.heads(k, [0, 2, 3, 1], name + "/k"), self.heads(v, [0, 2, 1, 3], name + "/v")
        size = WIDTH // HEADS
        if mask:
            scores = self.standard("MatMul", q, k, name=name + "/scores")
            scores = self.standard("Div", scores, self.number("sqrt_size", math.sqrt(size)), name=name + "/scaled")
            scores = self.standard("Add", scores, mask, name=name + "/masked")
        else:  # the scale on both sides, as PyTorch's scaled_dot_product_attention is exported
            factor = self.number("root", size ** -0.25)
            q, k = (self.standard("Mul", x, factor, name=f"{name}/{side}") for x, side in ((q, "scaled_q"), (k, "scaled_k")))
            scores = self.standard("MatMul", q, k, name=name + "/scores")
        weights = self.standard("Softmax", scores, name=name + "/softmax", axis=-1)
        heads = self.standard("Transpose", self.standard("MatMul", weights, v, name=name + "/values"), name=name + "/rows", perm=[0, 2, 1, 3])
        return self.standard("Reshape", heads, self.g.integers("joined", 0, 0, WIDTH), name=name)

    def feature_map(self, x, focused, name):
        """Of heads: elu + 1; or relu to the power of 3, as long as before (focused linear attention)."""
        if not focused:
            return self.standard("Add", self.standard("Elu", x, name=name + "/elu"), self.number("one", 1.0), name=name)
        x = self.standard("Add", self.standard("Relu", x, name=name + "/relu"), self.number("small", 1e-6), name=name + "/positive")
        length = self.standard("ReduceL2", x, name=name + "/length", axes=[-1], keepdims=1)
        cube = self.standard("Pow", x, self.number("three", 3.0), name=name + "/cube")
        direction = self.standard("Div", cube, self.standard("ReduceL2", cube, name=name + "/cube/length", axes=[-1], keepdims=1), name=name + "/direction")
        return self.standard("Mul", direction, length, name=name)

    def linear_attention(self, q, k, v, focused, name):
        q, k, v = (self.heads(x, [0, 2, 1, 3], f"{name}/{side}") for side, x in zip("qkv", (q, k, v)))
        q, k = (self.feature_map(x, focused, f"{name}/mapped_{side}") for side, x in zip("qk", (q, k)))
        turned = self.standard("Transpose", k, name=name + "/turned", perm=[0, 1, 3, 2])
        y = self.standard("MatMul", q, self.standard("MatMul", turned, v, name=name + "/state"), name=name + "/values")
        total = self.standard("ReduceSum", turned, self.g.integers("last", -1), name=name + "/total", keepdims=1)
        y = self.standard("Div", y, self.standard("MatMul", q, total, name=name + "/norm"), name=name + "/normed")
        heads = self.standard("Transpose", y, name=name + "/rows", perm=[0, 2, 1, 3])
        return self.standard("Reshape", heads, self.g.integers("joined", 0, 0, WIDTH), name=name)

    def attention(self, x, mask, name):
        """Before the projection of the output."""
        parts = [self.matrix(f"{name}.{part}", WIDTH, WIDTH) for part in ("query", "key", "value")]
        if self.fused == "attention":
            weight, bias = self.side_by_side(name, parts)
            return self.g.node("Attention", [x, weight, bias, mask], name, CONTRIB, num_heads=HEADS)
        if self.fused == "multihead":
            q, k, v = (self.standard("MatMul", x, weight, name=f"{name}/{part}") for part, (weight, _) in zip("qkv", parts))
            _, bias = self.side_by_side(name, parts)
            return self.g.node("MultiHeadAttention", [q, k, v, bias, mask], name, CONTRIB, num_heads=HEADS)
        q, k, v = (self.linear(x, *weights, f"{name}/{part}") for part, weights in zip("qkv", parts))
        if self.linear_kind:
            return self.linear_attention(q, k, v, ".1." in name, name)
        return self.decomposed(q, k, v, mask, name)

    def side_by_side(self, name, parts):
        """The three matrices as one, and the three biases; the former are dropped."""
        columns = [self.g.tensors.pop(weight)[2] if self.fused == "attention" else b"" for weight, _ in parts]
        biases = b"".join(self.g.tensors.pop(bias)[2] for _, bias in parts)
        row = 4 * WIDTH
        weight = b"".join(column[i * row:(i + 1) * row] for i in range(WIDTH) for column in columns)
        if self.fused == "attention":
            self.g.tensor(name + ".qkv.weight", FLOAT, [WIDTH, 3 * WIDTH], weight)
        return name + ".qkv.weight", self.g.tensor(name + ".qkv.bias", FLOAT, [3 * WIDTH], biases)

    def feed_forward(self, x, name):
        """Without the last bias where a fused norm adds it: the product, and that bias."""
        (up, up_bias), (down, bias) = self.matrix(name + ".up", WIDTH, INNER), self.matrix(name + ".down", INNER, WIDTH)
        if self.fused:
            bent = self.g.node("BiasGelu", [self.standard("MatMul", x, up, name=name + "/up"), up_bias], name + "/gelu", CONTRIB)
        else:
            bent = self.gelu(self.linear(x, up, up_bias, name + "/up"), name + "/gelu")
        return self.standard("MatMul", bent, down, name=name + "/down"), bias

    # --- models

    def add_and_norm(self, x, product, bias, weights, name):
        if self.fused:
            return self.g.node("SkipLayerNormalization", [product, x, *weights, bias], name, CONTRIB, epsilon=EPSILON)
        return self.norm(self.standard("Add", self.standard("Add", product, bias, name=name + "/bias"), x, name=name + "/skip"), weights, name)

    def bert(self):
        g = self.g
        for name in ("input_ids", "attention_mask", "token_type_ids"):
            g.input(name, INT64, ["batch", "sequence"])
        tables = [self.real(name, rows, WIDTH) for name, rows in (("words", TOKENS), ("positions", ROWS), ("types", 2))]
        norm = self.norm_weights("embeddings.norm")
        if self.fused:
            ids, types, mask = (self.standard("Cast", name, name=name + "/i32", to=INT32)
                                for name in ("input_ids", "token_type_ids", "attention_mask"))
            x = g.node("EmbedLayerNormalization", [ids, types, *tables, *norm, mask], "embeddings", CONTRIB, outputs=["embeddings", "lengths"],
                       epsilon=EPSILON)[0]
        else:
            x, mask = self.embedded(tables, norm), self.additive_mask()
        for layer in range(LAYERS):
            name = f"layer.{layer}"
            attended = self.attention(x, mask, name + ".attention")
            out, bias = self.matrix(name + ".output", WIDTH, WIDTH)
            product = self.standard("MatMul", attended, out, name=name + "/output")
            x = self.add_and_norm(x, product, bias, self.norm_weights(name + ".norm1"), name + "/norm1")
            x = self.add_and_norm(x, *self.feed_forward(x, name + ".mlp"), self.norm_weights(name + ".norm2"), name + "/norm2")
        g.node("Identity", [x], "last_hidden_state")
        first = self.standard("Gather", x, g.integers("zero", 0, dims=[]), name="first", axis=1)
        pooler = self.real("pooler.weight", WIDTH, WIDTH), self.real("pooler.bias", WIDTH)
        self.standard("Tanh", self.standard("Gemm", first, *pooler, name="pooler", transB=1), name="pooled")
        g.output("last_hidden_state", FLOAT, ["batch", "sequence", WIDTH])
        g.output("pooled", FLOAT, ["batch", WIDTH])

    def embedded(self, tables, norm):
        """Positions are a slice of a constant, as long as the ids are."""
        g, words = self.g, self.standard("Gather", tables[0], "input_ids", name="embeddings/words", axis=0)
        length = self.standard("Gather", self.standard("Shape", "input_ids", name="shape"), g.integers("axis", 1), name="length", axis=0)
        rows = self.standard("Slice", g.integers("all_positions", *range(ROWS), dims=[1, ROWS]), g.integers("begin", 0), length, "axis",
                             name="position_ids")
        positions = self.standard("Gather", tables[1], rows, name="embeddings/positions", axis=0)
        types = self.standard("Gather", tables[2], "token_type_ids", name="embeddings/types", axis=0)
        both = self.standard("Add", words, types, name="embeddings/add")
        return self.norm(self.standard("Add", both, positions, name="embeddings/sum"), norm, "embeddings")

    def additive_mask(self):
        mask = self.standard("Unsqueeze", "attention_mask", self.g.integers("mask_axes", 1, 2), name="mask/axes")
        hidden = self.standard("Sub", self.number("one", 1.0), self.standard("Cast", mask, name="mask/real", to=FLOAT), name="mask/hidden")
        return self.standard("Mul", hidden, self.number("low", -10000.0), name="mask")

    def vit(self):
        g, patches = self.g, (SIDE // PATCH) ** 2
        g.input("pixel_values", FLOAT, ["batch", 3, SIDE, SIDE])
        weights = self.real("patches.weight", WIDTH, 3, PATCH, PATCH), self.real("patches.bias", WIDTH)
        image = self.standard("Conv", "pixel_values", *weights, name="patches", kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH])
        flat = self.standard("Reshape", image, g.integers("flat", 0, WIDTH, patches), name="patches/flat")
        x = self.standard("Transpose", flat, name="patches/rows", perm=[0, 2, 1])
        batch = self.standard("Gather", self.standard("Shape", "pixel_values", name="shape"), g.integers("first_axis", 0), name="batch", axis=0)
        shape = self.standard("Concat", batch, g.integers("row", 1, WIDTH), name="class/shape", axis=0)
        token = self.standard("Expand", self.real("class", 1, 1, WIDTH), shape, name="class/expanded")
        x = self.standard("Concat", token, x, name="embeddings/rows", axis=1)
        x = self.standard("Add", x, self.real("positions", 1, patches + 1, WIDTH), name="embeddings")
        for layer in range(LAYERS):
            name = f"layer.{layer}"
            attended = self.attention(self.norm(x, self.norm_weights(name + ".norm1"), name + "/norm1"), None, name + ".attention")
            x = self.standard("Add", x, self.linear(attended, *self.matrix(name + ".output", WIDTH, WIDTH), name + "/output"), name=name + "/skip1")
            product, bias = self.feed_forward(self.norm(x, self.norm_weights(name + ".norm2"), name + "/norm2"), name + ".mlp")
            x = self.standard("Add", x, self.standard("Add", product, bias, name=name + ".mlp"), name=name + "/skip2")
        x = self.norm(x, self.norm_weights("norm"), "norm")
        first = self.standard("Gather", x, g.integers("zero", 0, dims=[]), name="first", axis=1)
        self.standard("Gemm", first, self.real("classifier.weight", CLASSES, WIDTH), self.real("classifier.bias", CLASSES), name="logits", transB=1)
        g.output("logits", FLOAT, ["batch", CLASSES])


def write_model(path, kind, fused=None):
    encoder = Encoder(fused, kind == "linear")
    encoder.bert() if kind == "bert" else encoder.vit()
    encoder.g.write(path, 17)


def write_npy(path, kind, shape, values):
    header = f"{{'descr': '<{kind}', 'fortran_order': False, 'shape': {tuple(shape)}, }}".ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() +
                     struct.pack(f"<{len(values)}{'q' if kind == 'i8' else 'f'}", *values))


def write_inputs(folder, kind):
    """Sequences of 12 and 7 tokens; or images."""
    numbers = random.Random(2)
    if kind != "bert":
        dims = [BATCH, 3, SIDE, SIDE]
        write_npy(folder / "pixel_values.npy", "f4", dims, [2 * numbers.random() - 1 for _ in range(math.prod(dims))])
        return ["pixel_values"]
    count = BATCH * LENGTH
    mask = [1] * (LENGTH + 7) + [0] * (LENGTH - 7)
    inputs = {"input_ids": [int(numbers.random() * TOKENS) for _ in range(count)], "attention_mask": mask,
              "token_type_ids": [i % LENGTH // 8 for i in range(count)]}
    for name, values in inputs.items():
        write_npy(folder / f"{name}.npy", "i8", [BATCH, LENGTH], values)
    return list(inputs)


def record(folder):
    import numpy
    import onnxruntime
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("bert", "vit", "linear"):
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            write_model(work / "m.onnx", kind)
            inputs = {name: numpy.load(work / f"{name}.npy") for name in write_inputs(work, kind)}
            session = onnxruntime.InferenceSession(work / "m.onnx", providers=["CPUExecutionProvider"])
            for output, values in zip(session.get_outputs(), session.run(None, inputs)):
                numpy.save(folder / f"{kind}.{output.name}.npy", values)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--record", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--fused", choices=["attention", "multihead"])
    parser.add_argument("words", nargs="*", metavar="[OUT.onnx] KIND")
    options = parser.parse_args()
    if options.record:
        record(options.record)
    elif options.inputs:
        options.inputs.mkdir(parents=True, exist_ok=True)
        write_inputs(options.inputs, *options.words)
    else:
        out, kind = options.words
        write_model(pathlib.Path(out), kind, options.fused)


if __name__ == "__main__":
    main()
