"""Changes to a graph that make a model which is to be refused, or one that an exporter could have written worse."""

from onnx_file import BOOL, FLOAT


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
                        help="read an input backwards, if a condition always holds (always), one further (next), or as-it-is")
    parser.add_argument("--rename", action="append", default=[], metavar="OP=OTHER")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=DIMS", help="one more, which nothing reads")


def insert(graph, place, kind):
    """A node before the first one of an operator, through which that reads an input."""
    op, _, index = place.partition(".")
    reader = next(node for node in graph.nodes if node["op"] == op)
    x, g = reader["inputs"][int(index)], graph
    forms = {"backwards": ("Slice", [x, *(g.integers(f"inserted.{i}", each) for i, each in enumerate((-1, -1 << 40, -1, -1)))]),
             "always": ("Where", [g.tensor("inserted.true", BOOL, [1], b"\1"), x, g.tensor("inserted.zero", FLOAT, [], bytes(4))]),
             "next": ("Add", [x, g.integers("inserted.one", 1)]),
             "as-it-is": ("Transpose", [x])}
    g.node(*forms[kind], "inserted", **({"perm": [0, 1]} if kind == "as-it-is" else {}))
    g.nodes.insert(g.nodes.index(reader), g.nodes.pop())
    reader["inputs"][int(index)] = "inserted"


def edit(graph, options):
    def nodes(item):
        op, _, rest = item.partition(".")
        return [node for node in graph.nodes if node["op"] == op], rest
    for item in options.attribute:
        name, _, value = item.partition("=")
        for node in nodes(name)[0]:
            node["attributes"][nodes(name)[1]] = number_or_text(value)
    for item in options.drop_input:
        for node in nodes(item)[0]:
            node["inputs"][int(nodes(item)[1])] = ""
    for item in options.rename:
        name, _, value = item.partition("=")
        for node in nodes(name)[0]:
            node["op"] = value
    for item in options.insert:
        insert(graph, *item.partition("=")[::2])
    for item in options.input:
        name, _, dims = item.partition("=")
        graph.input(name, FLOAT, [number_or_text(dim) for dim in dims.split("x")])
