#!/usr/bin/env python3
"""Writes test/runtime/io/testdata/blocks/TYPE.bin: random blocks of every tensor type and what they decode to.

A file is: u32 number of blocks, the blocks, then the f32 values, all little endian. The values come from the PyPI
package `gguf` (llama.cpp's Python reader); for the types that it cannot decode, from the rules written out below.
  pip install gguf==0.19.0 numpy;  python3 tools/dev/make_block_fixtures.py
"""
import pathlib
import struct
import zlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf import quants

BLOCKS = 4
# Byte positions of f16 numbers in a block; they get finite values, everything else is any byte.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q8_1": [0, 2], "Q2_K": [80, 82],
    "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0],
    "IQ3_XXS": [0], "IQ3_S": [0], "IQ1_S": [0], "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64],
    "Q1_0": [0], "Q2_0": [0],
}
PLAIN = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8"}
# Types of ours: what another type is, with its f16 scale as f32.
WITH_F32_SCALE = {"Q4_F32": "Q4_0", "Q5_F32": "Q5_0", "Q8_F32": "Q8_0"}
# The package lacks Q2_0 and knows Q8_1 as it was before its two scales became f16.
SIZES = {t.name: GGML_QUANT_SIZES[t] for t in GGMLQuantizationType} | {"Q8_1": (32, 36), "Q2_0": (64, 18)}
SIZES |= {name: (32, SIZES[like][1] + 2) for name, like in WITH_F32_SCALE.items()}


def half(block, position):
    return np.float32(np.frombuffer(bytes(block[position:position + 2]), dtype="<f2")[0])


def q8_1(block):
    d = half(block, 0)
    return [d * np.float32(q) for q in np.frombuffer(bytes(block[4:36]), dtype=np.int8)]


def q8_k(block):
    d = np.frombuffer(bytes(block[:4]), dtype="<f4")[0]
    return [d * np.float32(q) for q in np.frombuffer(bytes(block[4:260]), dtype=np.int8)]


def q1_0(block):
    d = half(block, 0)
    return [d if block[2 + j // 8] >> (j % 8) & 1 else -d for j in range(128)]


def q2_0(block):
    d = half(block, 0)
    return [d * np.float32(int(block[2 + j // 4] >> (2 * (j % 4)) & 3) - 1) for j in range(64)]


def with_f32_scale(like):
    """What the other type decodes to with a scale of 1, times the scale."""
    def decode(block):
        one = np.concatenate([np.array([1], "<f2").view(np.uint8), block[4:]])
        return np.frombuffer(bytes(block[:4]), "<f4")[0] * quants.dequantize(one[None], GGMLQuantizationType[like])[0]
    return decode


BY_HAND = {name: with_f32_scale(like) for name, like in WITH_F32_SCALE.items()} | {"Q8_1": q8_1, "Q8_K": q8_k, "Q1_0": q1_0, "Q2_0": q2_0}


def random_half(rng):
    """Any finite f16: mostly of a weight's size, also subnormal, zero and negative zero."""
    return int(rng.choice([rng.integers(0x0400, 0x7C00), rng.integers(0, 0x0400), rng.integers(0x1000, 0x3000), 0])
               | rng.choice([0, 0x8000]))


def random_blocks(name, rng):
    size = SIZES[name][1]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    # The first block has every bit set: the largest code, scale and min everywhere.
    blocks[0] = 0xFF
    for block in blocks:
        for position in HALVES.get(name, []):
            block[position:position + 2] = np.frombuffer(struct.pack("<H", random_half(rng)), dtype=np.uint8)
        if name == "Q8_K" or name in WITH_F32_SCALE:
            block[:4] = np.frombuffer(struct.pack("<f", rng.normal()), dtype=np.uint8)
        if name == "IQ1_M":
            # The top nibbles of the four scale words are the f16 scale, the lowest nibble first.
            scale = random_half(rng)
            for i in range(4):
                block[49 + 2 * i] = (block[49 + 2 * i] & 0x0F) | ((scale >> (4 * i) & 15) << 4)
        if name == "BF16":
            block[1] &= 0xBF
    return blocks


def plain_blocks(dtype, rng):
    if dtype.startswith("<i"):
        info = np.iinfo(dtype)
        values = [info.min, info.max, -1, 3]
    else:
        values = [0.1, -65504.0, 6e-8, -0.0]
    return np.array(values, dtype=dtype).view(np.uint8).reshape(BLOCKS, -1)


def main():
    folder = pathlib.Path(__file__).resolve().parents[2] / "test/runtime/io/testdata/blocks"
    folder.mkdir(parents=True, exist_ok=True)
    for name in SIZES:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        if name in PLAIN:
            blocks = plain_blocks(PLAIN[name], rng)
            values = blocks.view(PLAIN[name]).astype("<f4").reshape(-1)
        else:
            blocks = random_blocks(name, rng)
            if name in BY_HAND:
                values = np.array([BY_HAND[name](block) for block in blocks], dtype="<f4")
            else:
                values = quants.dequantize(blocks, GGMLQuantizationType[name])
        values = np.ascontiguousarray(values).astype("<f4", casting="safe" if values.dtype != np.float64 else "no")
        assert not np.isnan(values).any(), name
        assert values.size == BLOCKS * SIZES[name][0], name
        (folder / f"{name}.bin").write_bytes(struct.pack("<I", BLOCKS) + blocks.tobytes() + values.tobytes())


main()
