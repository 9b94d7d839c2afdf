"""Changes to a graph that make a model which is to be refused, or one that an exporter could have written worse."""

from onnx_file import BOOL, FLOAT, INT64

FLOAT8 = 17  # E4M3FN


def number_or_text(value):
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return value


def numbers(g, *values):
    return [g.integers(f"number{value}", value) for value in values]


def backwards(g, x, name):
    """with its last axis in reverse"""
    return g.node("Slice", [x, *numbers(g, -1, -1 << 40, -1, -1)], name)


def always(g, x, name):
    """if a condition holds that always does"""
    true, zero = g.tensor(name + ".true", BOOL, [1], b"\1"), g.tensor(name + ".zero", FLOAT, [], bytes(4))
    return g.node("Where", [true, x, zero], name)


def following(g, x, name):
    """one further"""
    return g.node("Add", [x, *numbers(g, 1)], name)


def as_it_is(g, x, name):
    """through a Transpose that changes nothing"""
    return g.node("Transpose", [x], name, perm=[0, 1])


def kept(g, x, name):
    """only as many of its last tokens as an input says"""
    last = g.node("Neg", [g.input("num_logits_to_keep", INT64, [1])], name + ".first")
    return g.node("Slice", [x, last, *numbers(g, (1 << 63) - 1, 1)], name)


def last(g, x, name):
    """the last token alone, by Slice; before the last such node"""
    return g.node("Slice", [x, *numbers(g, -1, (1 << 63) - 1, 1)], name)


def last_gathered(g, x, name):
    """the same by Gather"""
    row = g.node("Gather", [x, g.integers("last", -1, dims=[])], name + ".row", axis=1)
    return g.node("Unsqueeze", [row, *numbers(g, 1)], name)


def last_added(g, x, name):
    """with the last token added to all, before the last such node"""
    return g.node("Add", [x, last(g, x, name + ".last")], name)


def largest(g, x, name):
    """its 32 largest elements"""
    return g.node("TopK", [x, *numbers(g, 32)], name, outputs=2)[0]


def packed(g, x, name):
    """thrice, as heads of 16 elements in five axes"""
    thrice = g.node("Concat", [x] * 3, name + ".thrice", axis=2)
    return g.node("Reshape", [thrice, g.integers("packed", 0, -1, 2, 3, 16)], name)


def cut(g, x, name):
    """its last six positions along axis 2, before each such node"""
    return g.node("Slice", [x, *numbers(g, -6, (1 << 63) - 1, 2)], name)


def coarse(g, x, name):
    """rounded to eight bits"""
    return g.node("Cast", [g.node("Cast", [x], name + ".rounded", to=FLOAT8)], name, to=FLOAT)


def last_deep(g, x, name):
    """behind 70 additions, before the last such node"""
    one = g.reals("one.0", [1.0], [])
    for i in range(70):
        x = g.node("Add", [x, one], f"{name}.{i}")
    return x


def rows(g, x, name):
    """100 rows in sequences of up to 64 tokens, 120 in others"""
    short = g.node("LessOrEqual", [g.node("Size", ["attention_mask"], name + ".total"), *numbers(g, 64)], name + ".short")
    count = g.node("Where", [short, *numbers(g, 100, 120)], name + ".rows")
    return g.node("Slice", [x, *numbers(g, 0), count, *numbers(g, 0)], name)


WAYS = {"backwards": backwards, "always": always, "next": following, "as-it-is": as_it_is, "kept": kept, "last": last,
        "last-gathered": last_gathered, "last-added": last_added, "largest": largest, "packed": packed, "cut": cut,
        "coarse": coarse, "last-deep": last_deep, "rows": rows}


def add_options(parser):
    parser.add_argument("--attribute", action="append", default=[], metavar="OP.NAME=VALUE")
    parser.add_argument("--drop-input", action="append", default=[], metavar="OP.INDEX")
    parser.add_argument("--insert", action="append", default=[], metavar="OP.INDEX=WAY",
                        help="read an input another way: " + "; ".join(f"{way}, {make.__doc__}" for way, make in WAYS.items()))
    parser.add_argument("--feed", action="append", default=[], metavar="OP.INDEX=NAME", help="read another value")
    parser.add_argument("--rename", action="append", default=[], metavar="OP=OTHER")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=DIMS", help="one more, which nothing reads")


def insert(graph, place, way):
    """Nodes before the first one of an operator, before the last one or before each, through which that reads an input."""
    op, _, index = place.partition(".")
    readers = [node for node in graph.nodes if node["op"] == op]
    for reader in readers if way == "cut" else readers[-1:] if way.startswith("last") else readers[:1]:
        before, at = len(graph.nodes), graph.nodes.index(reader)
        name = "inserted." + (reader["name"] + "." if way == "cut" else "") + index
        reader["inputs"][int(index)] = WAYS[way](graph, reader["inputs"][int(index)], name)
        graph.nodes[at:] = graph.nodes[before:] + graph.nodes[at:before]


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
