"""A reader of GGUF files of F32, F16, Q8_0 and Q4_0 tensors without dependencies."""

import array
import math
import mmap
import struct

FORMATS = {0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 8: ("Q8_0", 32, 34)}
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


class Gguf:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, version, tensors, pairs = struct.unpack_from("<4sIqq", self.data)
        if magic != b"GGUF" or version != 3:
            raise SystemExit(f"{path}: expected a GGUF file of version 3")
        self.at = 24
        self.keys = {}
        for _ in range(pairs):
            key = self.text()
            self.keys[key] = self.value(self.scalar("I"))
        infos = [self.info() for _ in range(tensors)]
        alignment = self.keys.get("general.alignment", 32)
        start = -(-self.at // alignment) * alignment
        self.tensors = {name: (kind, dims, start + offset) for name, kind, dims, offset in infos}
        self.arch = self.keys["general.architecture"]

    def __getitem__(self, key):
        defaults = {"rope.freq_base": 10000.0, "attention.head_count_kv": self.keys[f"{self.arch}.attention.head_count"],
                    "rope.dimension_count": self.keys[f"{self.arch}.embedding_length"] // self.keys[f"{self.arch}.attention.head_count"]}
        return self.keys.get(f"{self.arch}.{key}", defaults.get(key))

    def scalar(self, code):
        value, = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def text(self):
        length = self.scalar("Q")
        self.at += length
        return self.data[self.at - length:self.at].decode()

    def value(self, kind):
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            kind, count = self.scalar("I"), self.scalar("Q")
            return [self.value(kind) for _ in range(count)]
        return self.scalar(SCALARS[kind])

    def info(self):
        name, rank = self.text(), self.scalar("I")
        dims = [self.scalar("q") for _ in range(rank)][::-1]
        return name, self.scalar("I"), dims, self.scalar("Q")

    def dims(self, name):
        """Row-major: the length of rows is last."""
        return self.tensors[name][1]

    def format(self, name):
        return FORMATS[self.tensors[name][0]][0]

    def bytes(self, name):
        kind, dims, offset = self.tensors[name]
        _, elements, size = FORMATS[kind]
        return self.data[offset:offset + math.prod(dims) // elements * size]

    def blocks(self, name):
        """Scales and codes around zero of a tensor in blocks of 32."""
        data, size = self.bytes(name), FORMATS[self.tensors[name][0]][2]
        scales = array.array("f", (struct.unpack_from("<e", data, at)[0] for at in range(0, len(data), size)))
        codes = []
        for at in range(2, len(data), size):
            block = data[at:at + size - 2]
            codes += array.array("b", block) if size == 34 else [(b & 15) - 8 for b in block] + [(b >> 4) - 8 for b in block]
        return scales, codes

    def values(self, name):
        kind = self.format(name)
        if kind in ("F32", "F16"):
            data = self.bytes(name)
            return array.array("f", data if kind == "F32" else struct.unpack(f"<{len(data) // 2}e", data))
        scales, codes = self.blocks(name)
        return array.array("f", (code * scales[i // 32] for i, code in enumerate(codes)))
