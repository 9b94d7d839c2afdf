#!/usr/bin/env python3
"""Writes runtime/io/BlockCodebooks.cpp: the codebooks of GGUF's IQ1, IQ2 and IQ3 tensor types.

The vectors are part of the file format. They come from the PyPI package `gguf` (gguf/quants.py of llama.cpp, MIT
licence), which must be importable:  pip install gguf==0.19.0;  python3 tools/dev/make_block_codebooks.py
"""
import pathlib

import numpy as np
from gguf import quants

# Name in our tree, class in the package, bits per element.
BOOKS = [("kGridIQ1", "IQ1_S", 2), ("kGridIQ2XXS", "IQ2_XXS", 2), ("kGridIQ2XS", "IQ2_XS", 2), ("kGridIQ2S", "IQ2_S", 2),
         ("kGridIQ3XXS", "IQ3_XXS", 4), ("kGridIQ3S", "IQ3_S", 4)]

HEAD = """\
//===- BlockCodebooks.cpp - codebooks of the IQ tensor types (generated table) ------------------------------===//
//
// Written by tools/dev/make_block_codebooks.py; do not edit. The data is part of the GGUF format and comes from the
// Python package gguf (gguf/quants.py of llama.cpp), MIT licence, Copyright (c) 2023 Georgi Gerganov.
//
//===--------------------------------------------------------------------------------------------------------===//

// clang-format off
#include "runtime/io/BlockCodebooks.h"

namespace lamina {
"""


def entries(cls, bits):
    """One integer per vector: element k is the index of its value in the class's grid_map, at bit k * bits."""
    cls.init_grid()
    grid = cls.grid.reshape(cls.grid_shape)
    values = np.array(cls.grid_map, dtype=np.float32)
    codes = np.searchsorted(values, grid)
    assert (values[codes] == grid).all()
    return [sum(int(code) << (k * bits) for k, code in enumerate(row)) for row in codes]


def main():
    text = HEAD
    for name, cls, bits in BOOKS:
        data = entries(getattr(quants, cls), bits)
        text += f"\nconst uint16_t {name}[{len(data)}] = {{\n"
        for i in range(0, len(data), 16):
            text += "  " + ", ".join(f"0x{value:04x}" for value in data[i:i + 16]) + ",\n"
        text += "};\n"
    text += "\n} // namespace lamina\n"
    root = pathlib.Path(__file__).resolve().parents[2]
    (root / "runtime/io/BlockCodebooks.cpp").write_text(text)


main()
