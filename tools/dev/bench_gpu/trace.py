"""What a trace (lamina-bench --trace) shows of the order of transfers."""

import collections


def overlap_of(events):
    """-> seconds of a layer, in the mean: in which the GPU makes and sends k and v once q is sent; of these, those in which
    the memory worker attends; in which it attends at all; and how many layers of steps these are of."""
    lanes = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M"}
    sent, attending = {}, collections.defaultdict(list)
    for e in (e for e in events if e["ph"] == "X"):
        lane, kind, key = lanes[e["tid"]], e["args"].get("kind"), (e["args"]["step"], e["name"])
        begin, end = e["ts"] * 1e-6, (e["ts"] + e["dur"]) * 1e-6
        if lane.startswith("compute") and kind == "send":
            sent[key] = end
        elif lane.startswith("memory") and kind == "dispatch":
            attending[key].append((begin, end))
    making = hidden = attention = 0.0
    layers = 0
    for (step, name), q in sent.items():
        layer, _, what = name.rpartition(".")
        k = sent.get((step, f"{layer}.attn_k"))
        spans = attending.get((step, f"{layer}.attention"))
        if what != "attn_q" or k is None or not spans:
            continue
        layers += 1
        making += k - q
        hidden += sum(max(0.0, min(end, k) - max(begin, q)) for begin, end in spans)
        attention += sum(end - begin for begin, end in spans)
    if not layers:
        raise ValueError("no layer of the trace sends q and then k and v")
    return making / layers, hidden / layers, attention / layers, layers
