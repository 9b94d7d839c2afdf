#!/usr/bin/env python3
"""Write a llama-shaped GGUF file with random weights: of any size, in any weight format, from the standard library alone.

    make_random_model.py OUT.gguf --shape 1.1b --type q8_0
    make_random_model.py OUT.gguf --shape 70b --type q4_k --header-only     (for planning)
    make_random_model.py OUT.gguf --layers 2 --width 256 --ffn 512 --heads 8 --kv-heads 2 --vocab 512 --type f16

The same arguments give the same bytes.  Values are about normal with deviation 1 / sqrt(row length), so that activations
stay finite through any depth.  With --header-only the data section is a hole: the file has its full length, reads as
zeros and takes no room on disk.
"""

import argparse
import dataclasses
import math
import os
import random
import statistics
import string
import struct
import sys

MIB = 1 << 20
ALIGNMENT = 32


@dataclasses.dataclass
class Shape:
    layers: int = 2
    width: int = 256
    ffn: int = 512
    heads: int = 8
    kv_heads: int = 2
    vocab: int = 512
    context: int = 512
    rope_base: float = 10000.0


SHAPES = {
    "tiny": Shape(),
    "135m": Shape(30, 576, 1536, 9, 3, 49152, 8192, 1e5),
    "1.1b": Shape(22, 2048, 5632, 32, 4, 32000, 2048),
    "3b": Shape(28, 3072, 8192, 24, 8, 128256, 8192, 5e5),
    "7b": Shape(32, 4096, 11008, 32, 32, 32000, 4096),
    "8b": Shape(32, 4096, 14336, 32, 8, 128256, 8192, 5e5),
    "70b": Shape(80, 8192, 28672, 64, 8, 128256, 8192, 5e5),
}


def f16(x):
    return struct.pack("<e", x)


# --- weights -------------------------------------------------------------------------------------------------------
# Any bit pattern is a valid code in every block format, so a block is random bytes in which only the scale fields are
# set.  `scales` lists (byte offset, value for deviation 1); a scale is a half float unless `set_scales` says otherwise.

@dataclasses.dataclass
class Format:
    id: int
    elements: int = 1
    bytes: int = 0
    scales: tuple = ()


FORMATS = {
    "f32": Format(0, 1, 4), "f16": Format(1, 1, 2), "bf16": Format(30, 1, 2),
    "q4_0": Format(2, 32, 18, ((0, 1 / 4.6),)),
    "q4_1": Format(3, 32, 20, ((0, 1 / 4.6), (2, -7.5 / 4.6))),
    "q5_0": Format(6, 32, 22, ((0, 1 / 9.2),)),
    "q5_1": Format(7, 32, 24, ((0, 1 / 9.2), (2, -15.5 / 9.2))),
    "q8_0": Format(8, 32, 34, ((0, 1 / 74),)),
    "q2_k": Format(10, 256, 84, ((80, 1 / 18), (82, 1.5 / 18))),
    "q3_k": Format(11, 256, 110, ((108, 1 / 42),)),
    "q4_k": Format(12, 256, 144, ((0, 1 / 265), (2, 7.5 / 265))),
    "q5_k": Format(13, 256, 176, ((0, 1 / 530), (2, 15.5 / 530))),
    "q6_k": Format(14, 256, 210, ((208, 1 / 1370),)),
    "iq1_s": Format(19, 256, 50, ((0, 1 / 7),)),
    "iq1_m": Format(29, 256, 56, ((48, 1 / 7),)),
    "iq2_xxs": Format(16, 256, 66, ((0, 1 / 65),)),
    "iq2_xs": Format(17, 256, 74, ((0, 1 / 65),)),
    "iq2_s": Format(22, 256, 82, ((0, 1 / 65),)),
    "iq3_xxs": Format(18, 256, 98, ((0, 1 / 130),)),
    "iq3_s": Format(21, 256, 110, ((0, 1 / 145),)),
    "iq4_nl": Format(20, 32, 18, ((0, 1 / 70),)),
    "iq4_xs": Format(23, 256, 136, ((0, 1 / 1290),)),
    "tq1_0": Format(34, 256, 54, ((52, 1.2),)),
    "tq2_0": Format(35, 256, 66, ((64, 0.8),)),
    "mxfp4": Format(39, 32, 17, ((0, 1 / 3),)),
    "nvfp4": Format(40, 64, 36, tuple((i, 1 / 3) for i in range(4))),
    "q1_0": Format(41, 128, 18, ((0, 1.0),)),
    "q2_0": Format(42, 64, 18, ((0, 0.8),)),
}


def plain_values(kind, count, deviation, rng):
    """Floats: the top byte (two for f32) of a value near one of 256 normal quantiles, the rest of the mantissa random."""
    normal = statistics.NormalDist(0, deviation)
    quantiles = [normal.inv_cdf((i + 0.5) / 256) for i in range(256)]
    pick, width = rng.randbytes(count), 2 if kind != "f32" else 4
    out = bytearray(rng.randbytes(count * width))
    if kind == "f16":
        out[1::2] = pick.translate(bytes(f16(q)[1] for q in quantiles))
        return out
    for byte in (2, 3):                                                  # bf16 is the upper half of f32
        table = bytes(struct.pack("<f", q)[byte] for q in quantiles)
        out[byte - 4 + width::width] = pick.translate(table)
    return out


def random_values(kind, count, deviation, rng):
    """`count` elements, a whole number of blocks."""
    form = FORMATS[kind]
    if not form.scales:
        return plain_values(kind, count, deviation, rng)
    blocks = count // form.elements
    out = bytearray(rng.randbytes(blocks * form.bytes))
    for offset, factor in form.scales:
        if kind == "mxfp4":                                              # one exponent byte, 2^(e - 127)
            exponent = round(127 + math.log2(deviation * factor))
            out[offset::form.bytes] = bytes([exponent]) * blocks
            continue
        if kind == "nvfp4":                                              # four exponent bits, 2^(e - 7)
            exponent = max(round(7 + math.log2(deviation * factor)), 1)
            out[offset::form.bytes] = bytes([exponent << 3]) * blocks
            continue
        if kind == "iq1_m":                                              # a nibble in the top of each of four words
            bits = int.from_bytes(f16(deviation * factor), "little")
            for i in range(4):
                place = slice(offset + 2 * i + 1, None, form.bytes)
                out[place] = bytes(b & 15 | (bits >> 4 * i & 15) << 4 for b in out[place])
            continue
        low, high = f16(deviation * factor)
        out[offset::form.bytes] = bytes([low]) * blocks
        out[offset + 1::form.bytes] = bytes([high]) * blocks
    return out


def norm_values(count, rng):
    return struct.pack(f"<{count}f", *(rng.uniform(0.8, 1.2) for _ in range(count)))


# --- vocabulary ----------------------------------------------------------------------------------------------------

def pieces(size):
    """A SentencePiece-like vocabulary in which every text can be written: three control tokens, 256 bytes, and then
    strings of growing length, each of which is a shorter piece and one letter more."""
    out = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)] + ["\u2581"]
    level = list(string.ascii_lowercase)
    while len(out) < size:
        out += level + ["\u2581" + p for p in level]
        level = [p + c for p in level for c in string.ascii_lowercase]
    return out[:size]


def token_kinds(size):
    return [2, 3, 3] + [6] * 256 + [1] * (size - 259)                    # unknown, control, byte, normal


# --- container -----------------------------------------------------------------------------------------------------

def text(s):
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(v):
    """A typed GGUF value: int is u32, in a list i32; other lists take the type of their first item."""
    if isinstance(v, list) and isinstance(v[0], int):
        return struct.pack(f"<IIQ{len(v)}i", 9, 5, len(v), *v)
    if isinstance(v, list):
        return struct.pack("<I", 9) + value(v[0])[:4] + struct.pack("<Q", len(v)) + b"".join(value(i)[4:] for i in v)
    if isinstance(v, bool):
        return struct.pack("<I?", 7, v)
    if isinstance(v, int):
        return struct.pack("<II", 4, v)
    if isinstance(v, float):
        return struct.pack("<If", 6, v)
    return struct.pack("<I", 8) + text(v)


def metadata(s):
    llama = {
        "block_count": s.layers, "context_length": s.context, "embedding_length": s.width,
        "feed_forward_length": s.ffn, "attention.head_count": s.heads, "attention.head_count_kv": s.kv_heads,
        "attention.layer_norm_rms_epsilon": 1e-5, "rope.dimension_count": s.width // s.heads,
        "rope.freq_base": s.rope_base, "vocab_size": s.vocab,
    }
    tokenizer = {
        "model": "llama", "pre": "default", "tokens": pieces(s.vocab), "scores": [float(-i) for i in range(s.vocab)],
        "token_type": token_kinds(s.vocab), "unknown_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
        "add_bos_token": True, "add_eos_token": False,
    }
    return {"general.architecture": "llama", "general.name": "random", "general.alignment": ALIGNMENT,
            **{f"llama.{k}": v for k, v in llama.items()}, **{f"tokenizer.ggml.{k}": v for k, v in tokenizer.items()}}


def tensors(s, kind, tied):
    """(name, row length, rows; 0 rows for a vector, format) in file order."""
    kv = s.width // s.heads * s.kv_heads
    yield "token_embd.weight", s.width, s.vocab, kind
    for i in range(s.layers):
        for name, columns, rows in (("attn_norm", s.width, 0), ("attn_q", s.width, s.width), ("attn_k", s.width, kv),
                                    ("attn_v", s.width, kv), ("attn_output", s.width, s.width),
                                    ("ffn_norm", s.width, 0), ("ffn_gate", s.width, s.ffn), ("ffn_up", s.width, s.ffn),
                                    ("ffn_down", s.ffn, s.width)):
            yield f"blk.{i}.{name}.weight", columns, rows, kind if rows else "f32"
    yield "output_norm.weight", s.width, 0, "f32"
    if not tied:
        yield "output.weight", s.width, s.vocab, kind


def byte_size(columns, rows, kind):
    form = FORMATS[kind]
    return columns // form.elements * form.bytes * max(rows, 1)


def padded(n):
    return -(-n // ALIGNMENT) * ALIGNMENT


def header(shape, entries):
    keys = metadata(shape)
    out, offset = [b"GGUF", struct.pack("<IQQ", 3, len(entries), len(keys))], 0
    out += [text(k) + value(v) for k, v in keys.items()]
    for name, columns, rows, kind in entries:
        dims = (columns, rows) if rows else (columns,)
        out.append(text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, FORMATS[kind].id, offset))
        offset += padded(byte_size(columns, rows, kind))
    raw = b"".join(out)
    return raw.ljust(padded(len(raw)), b"\0"), offset


def write_data(out, entries, seed):
    for name, columns, rows, kind in entries:
        rng = random.Random(f"{seed} {name}")
        size = byte_size(columns, rows, kind)
        if not rows:
            out.write(norm_values(columns, rng))
        chunk = max(1, 8 * MIB // byte_size(columns, 1, kind))           # rows at a time, so memory stays small
        for begin in range(0, rows, chunk):
            out.write(random_values(kind, columns * min(chunk, rows - begin), columns ** -0.5, rng))
        out.write(bytes(padded(size) - size))


def check(shape, entries):
    if shape.width % shape.heads or shape.heads % shape.kv_heads:
        return "expected the width to be a multiple of the heads and the heads a multiple of the kv heads"
    if shape.vocab < 300:
        return f"expected a vocabulary of at least 300, got {shape.vocab}"
    for name, columns, _, kind in entries:
        if columns % FORMATS[kind].elements:
            return f"{name}: rows of {columns} are no multiple of the {FORMATS[kind].elements} elements of a {kind} block"
    return None


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--type", choices=FORMATS, default="q8_0")
    for field in dataclasses.fields(Shape):
        parser.add_argument("--" + field.name.replace("_", "-"), type=field.type, help="instead of the shape's")
    parser.add_argument("--tied", action="store_true", help="no separate output head")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--header-only", action="store_true", help="leave the data section a hole")
    return parser.parse_args()


def main():
    args = arguments()
    given = {f.name: v for f in dataclasses.fields(Shape) if (v := getattr(args, f.name)) is not None}
    shape = dataclasses.replace(SHAPES[args.shape], **given)
    entries = list(tensors(shape, args.type, args.tied))
    if problem := check(shape, entries):
        print(f"make_random_model: {problem}", file=sys.stderr)
        return 2
    head, data_size = header(shape, entries)
    with open(args.out, "wb") as out:
        out.write(head)
        if args.header_only:
            os.truncate(out.fileno(), len(head) + data_size)
        else:
            write_data(out, entries, args.seed)
    count = sum(columns * max(rows, 1) for _, columns, rows, _ in entries)
    print(f"{args.out}: {count / 1e6:.1f} M parameters, {(len(head) + data_size) / MIB:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
