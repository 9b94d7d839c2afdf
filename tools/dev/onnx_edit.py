"""Changes to a graph that make a model which is to be refused, or one that an exporter could have written worse."""

from onnx_file import BOOL, FLOAT, INT64


def number_or_text(value):
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return value


def add_options(parser):
    parser.add_argument("--attribute", action="append", default=[], metavar="OP.NAME=VALUE")
    parser.add_argument("--drop-input", action="append", default=[], metavar="OP.INDEX")
    parser.add_argument("--insert", action="append", default=[], metavar="OP.INDEX=KIND",
                        help="read an input backwards, if a condition always holds (always), one further (next), as-it-is, only "
                             "as many of its last tokens as an input says (kept), or fewer of its rows in short sequences (rows)")
    parser.add_argument("--feed", action="append", default=[], metavar="OP.INDEX=NAME", help="read another value")
    parser.add_argument("--rename", action="append", default=[], metavar="OP=OTHER")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=DIMS", help="one more, which nothing reads")


def insert(graph, place, kind):
    """Nodes before the first one of an operator, through which that reads an input."""
    op, _, index = place.partition(".")
    reader = next(node for node in graph.nodes if node["op"] == op)
    x, g, before, name = reader["inputs"][int(index)], graph, len(graph.nodes), "inserted." + index

    def numbers(*values):
        return [g.integers(f"number{value}", value) for value in values]

    if kind == "backwards":
        y = g.node("Slice", [x, *numbers(-1, -1 << 40, -1, -1)], name)
    elif kind == "always":
        true, zero = g.tensor(name + ".true", BOOL, [1], b"\1"), g.tensor(name + ".zero", FLOAT, [], bytes(4))
        y = g.node("Where", [true, x, zero], name)
    elif kind == "next":
        y = g.node("Add", [x, *numbers(1)], name)
    elif kind == "as-it-is":
        y = g.node("Transpose", [x], name, perm=[0, 1])
    elif kind == "kept":
        last = g.node("Neg", [g.input("num_logits_to_keep", INT64, [1])], name + ".first")
        y = g.node("Slice", [x, last, *numbers((1 << 63) - 1, 1)], name)
    else:  # 100 rows in sequences of up to 64 tokens
        short = g.node("LessOrEqual", [g.node("Size", ["attention_mask"], name + ".total"), *numbers(64)], name + ".short")
        rows = g.node("Where", [short, *numbers(100, 120)], name + ".rows")
        y = g.node("Slice", [x, *numbers(0), rows, *numbers(0)], name)
    at = graph.nodes.index(reader)
    graph.nodes[at:] = graph.nodes[before:] + graph.nodes[at:before]
    reader["inputs"][int(index)] = y


def edit(graph, options):
    def nodes(item):
        op, _, rest = item.partition(".")
        return [node for node in graph.nodes if node["op"] == op], rest
    for item in options.rename:
        name, _, value = item.partition("=")
        for node in nodes(name)[0]:
            node["op"] = value
    for item in options.attribute:
        name, _, value = item.partition("=")
        for node in nodes(name)[0]:
            node["attributes"][nodes(name)[1]] = number_or_text(value)
    for item in options.drop_input:
        for node in nodes(item)[0]:
            node["inputs"][int(nodes(item)[1])] = ""
    for item in options.feed:
        name, _, value = item.partition("=")
        for node in nodes(name)[0]:
            index = int(nodes(name)[1])
            node["inputs"] += [""] * (index + 1 - len(node["inputs"]))
            node["inputs"][index] = value
    for item in options.insert:
        insert(graph, *item.partition("=")[::2])
    for item in options.input:
        name, _, dims = item.partition("=")
        graph.input(name, FLOAT, [number_or_text(dim) for dim in dims.split("x")])
