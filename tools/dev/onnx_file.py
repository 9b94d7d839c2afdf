"""A writer of ONNX files without dependencies: the fields of onnx.proto that transformers need, and a builder of graphs."""

import struct

FLOAT, UINT8, INT8, INT32, INT64, BOOL, FLOAT16, UINT4, INT4 = 1, 2, 3, 6, 7, 9, 10, 21, 22
CONTRIB = "com.microsoft"


def varint(value):
    value, out = value & (1 << 64) - 1, bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, value):
    """Integers as varints, floats in 32 bits; text, bytes and messages with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else bytes(value)
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(*fields):
    """Pairs of number and value; those without a value are left out."""
    return b"".join(field(number, value) for number, value in fields if value is not None)


def attribute(name, value):
    if isinstance(value, list):
        return message((1, name), *((8, each) for each in value), (20, 7))
    number, kind = {float: (2, 1), int: (3, 2), str: (4, 3)}[type(value)]
    return message((1, name), (number, value), (20, kind))


def value_info(name, element, dims):
    """A size is a number or the name of an unknown one."""
    shape = b"".join(field(1, field(1 if isinstance(dim, int) else 2, dim)) for dim in dims)
    return message((1, name), (2, field(1, message((1, element), (2, shape)))))


class Graph:
    """Collects nodes and tensors; `node` returns the name of the first output, or the names of all if there are several."""

    def __init__(self):
        self.nodes, self.tensors, self.inputs, self.outputs = [], {}, [], []

    def node(self, op, inputs, name, domain="", outputs=1, **attributes):
        names = [name] + [f"{name}:{i}" for i in range(1, outputs)] if isinstance(outputs, int) else outputs
        self.nodes.append({"op": op, "inputs": list(inputs), "outputs": names, "name": name, "domain": domain,
                           "attributes": attributes})
        return names[0] if len(names) == 1 else names

    def tensor(self, name, element, dims, data):
        """`data`: bytes, or their number, for a tensor in an external file that is not written."""
        self.tensors.setdefault(name, (element, dims, data))
        return name

    def integers(self, name, *values, dims=None):
        return self.tensor(name, INT64, [len(values)] if dims is None else dims, struct.pack(f"<{len(values)}q", *values))

    def reals(self, name, values, dims):
        return self.tensor(name, FLOAT, dims, struct.pack(f"<{len(values)}f", *values))

    def input(self, name, element, dims):
        self.inputs.append((name, element, dims))
        return name

    def output(self, name, element, dims):
        self.outputs.append((name, element, dims))

    def write(self, path, opset, external=None):
        """With `external`, the name of a file beside `path`, large tensors lie there; it has holes for those that have no data."""
        parts = [field(1, node_message(node)) for node in self.nodes] + [field(2, "decoder")]
        end, data = 0, path.parent / external if external else None
        file = open(data, "wb") if data else None
        for name, (element, dims, content) in self.tensors.items():
            size = content if isinstance(content, int) else len(content)
            head = [(1, dim) for dim in dims] + [(2, element), (8, name)]
            if file and size >= 1024:
                if not isinstance(content, int):
                    file.seek(end)
                    file.write(content)
                entries = (("location", external), ("offset", str(end)), ("length", str(size)))
                head += [(13, message((1, key), (2, value))) for key, value in entries] + [(14, 1)]
                end += -(-size // 4096) * 4096
            else:
                head.append((9, bytes(content))) # of a number: zeros
            parts.append(field(5, message(*head)))
        if file:
            file.truncate(end)
            file.close()
        parts += [field(11, value_info(*each)) for each in self.inputs] + [field(12, value_info(*each)) for each in self.outputs]
        opsets = [(8, message((1, domain), (2, version))) for domain, version in (("", opset), (CONTRIB, 1))]
        path.write_bytes(message((1, 10), (2, "lamina"), *opsets, (7, b"".join(parts))))


def node_message(node):
    return message(*((1, name) for name in node["inputs"]), *((2, name) for name in node["outputs"]), (3, node["name"]),
                   (4, node["op"]), *((5, attribute(*item)) for item in node["attributes"].items()),
                   (7, node["domain"] or None))
