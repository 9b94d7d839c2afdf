#!/usr/bin/env python3
"""Exports tiny random decoders from PyTorch to ONNX and records what PyTorch computes.

    python3 tools/dev/export_tiny_models.py OUT [--models llama gpt2 …] [--exporters dynamo sdpa legacy optimum] [--archive FILE]

sdpa is dynamo with the fused attention of opset 23; windowed is dynamo with caches that transformers cuts to the model's window
(such an export is right up to the window alone), last with the logits of the last token alone.

Makes OUT/MODEL-EXPORTER/model.onnx and beside it golden.json: the ids of a prompt, the logits of each of its positions and
the ids that follow greedily. Needs torch, transformers, onnx and onnxscript, or optimum-onnx with the transformers that it
works with; these are for development alone. The archive has all of OUT: test/data/exports.tar.xz, which
test/e2e/test_exports.py runs, was made with --models llama qwen2 gemma2 phi3 gpt2 opt gptneox, once with each set of packages, with
--models mistral gptj glm gemma3 cohere --exporters dynamo, with --models llama qwen3 gemma3 --exporters sdpa, with --models llama
--exporters last, and with --models mistral gemma3 --exporters windowed.
"""

import argparse
import json
import pathlib
import sys
import tarfile
import traceback

import onnx
import torch
import transformers
from transformers.cache_utils import DynamicCache

SIZES = dict(vocab_size=48, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=128)
GATED = dict(SIZES, intermediate_size=24, num_key_value_heads=2)
CONFIGS = {
    "llama": ("LlamaConfig", GATED),
    "mistral": ("MistralConfig", dict(GATED, sliding_window=8)),
    "qwen2": ("Qwen2Config", GATED),
    "qwen3": ("Qwen3Config", dict(GATED, head_dim=6)),
    "gemma2": ("Gemma2Config", dict(GATED, head_dim=6, query_pre_attn_scalar=8, sliding_window=4096)),
    "phi3": ("Phi3Config", dict(GATED, pad_token_id=0)),
    "gpt2": ("GPT2Config", dict(vocab_size=48, n_embd=16, n_layer=2, n_head=4, n_positions=128)),
    "opt": ("OPTConfig", dict(SIZES, ffn_dim=32, word_embed_proj_dim=16)),
    "gptj": ("GPTJConfig", dict(vocab_size=48, n_embd=16, n_layer=2, n_head=2, rotary_dim=4, n_positions=128)),
    "glm": ("GlmConfig", dict(GATED, head_dim=8, partial_rotary_factor=0.5, pad_token_id=0)),
    "gemma3": ("Gemma3TextConfig", dict(GATED, head_dim=8, query_pre_attn_scalar=8, sliding_window=8)),
    "cohere": ("CohereConfig", dict(GATED, pad_token_id=0)),
    "gptneox": ("GPTNeoXConfig", dict(SIZES, intermediate_size=32, rotary_pct=0.5)),
}
PROMPT, COUNT = [1, 45, 33, 17, 20, 5], 8


class Step(torch.nn.Module):
    """A model with its cache as tensors: keys and values of each layer in turn."""

    def __init__(self, model, exporter):
        super().__init__()
        self.model, self.windowed = model, exporter == "windowed"
        self.kept = {"logits_to_keep": 1} if exporter == "last" else {}

    def cache(self, past):
        pairs = list(zip(past[::2], past[1::2]))
        if not self.windowed:  # of all positions, also where a window needs fewer
            cache = DynamicCache()
            for layer, (keys, values) in enumerate(pairs):
                cache.update(keys, values, layer)
            return cache
        cache = DynamicCache(config=self.model.config)
        for layer, (keys, values) in zip(cache.layers, pairs):
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values, layer.cumulative_length = keys, values, keys.shape[2]
        return cache

    def forward(self, input_ids, attention_mask, position_ids, *past):
        positions = {} if self.model.config.model_type == "opt" else {"position_ids": position_ids}
        out = self.model(input_ids=input_ids, attention_mask=attention_mask, past_key_values=self.cache(past), use_cache=True,
                         **positions, **self.kept)
        present = [part for layer in out.past_key_values.layers for part in (layer.keys, layer.values)]
        return (out.logits, *present)


def create(name, exporter):
    torch.manual_seed(7)
    kind, fields = CONFIGS[name]
    window = {"sliding_window": 64} if exporter == "windowed" else {}
    config = getattr(transformers, kind)(**fields | window, attn_implementation="eager")
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():  # random weights as they come are nearly zero; few digits compress well
        for weight in model.parameters():
            weight.copy_(torch.randn_like(weight) * (0.3 if weight.dim() > 1 else 0.1) + (1 if weight.dim() == 1 else 0))
            weight.copy_(weight.bfloat16().float())
    return model


def golden(model):
    ids = list(PROMPT)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0]
        for _ in range(COUNT):
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return {"prompt_ids": PROMPT, "greedy_ids": ids[len(PROMPT):], "logits": [[round(float(x), 6) for x in row] for row in logits]}


def strip(path):
    """Without where in PyTorch's sources a node comes from."""
    model = onnx.load(path)
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    onnx.save(model, path)


def export(model, path, exporter):
    if exporter == "optimum":
        from optimum.exporters.onnx import onnx_export_from_model
        onnx_export_from_model(model, path.parent, task="text-generation-with-past", do_validation=False)
        return
    config = model.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    length = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    past = [torch.randn(1, heads, 3, length) for _ in range(2 * config.num_hidden_layers)]
    inputs = (torch.tensor([[5, 6]]), torch.ones(1, 5, dtype=torch.int64), torch.tensor([[3, 4]]), *past)
    parts = [f"{layer}.{part}" for layer in range(config.num_hidden_layers) for part in ("key", "value")]
    names = dict(input_names=["input_ids", "attention_mask", "position_ids", *(f"past_key_values.{part}" for part in parts)],
                 output_names=["logits", *(f"present.{part}" for part in parts)])
    axes = [{0: "batch", 1: "sequence"}, {0: "batch", 1: "total"}, {0: "batch", 1: "sequence"},
            *({0: "batch", 2: "past"} for _ in past)]
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {}
    if exporter == "sdpa":
        model.set_attn_implementation("sdpa")
        options["opset_version"] = 23
    if exporter == "legacy":
        names["dynamic_axes"] = dict(zip(names["input_names"], axes))
        torch.onnx.export(Step(model, exporter), inputs, path, dynamo=False, opset_version=17, **names)
        return
    Dim = torch.export.Dim
    dims = {name: Dim.DYNAMIC for name in ("sequence", "total", "past")}
    shapes = [{axis: dims[size] for axis, size in of.items() if size != "batch"} for of in axes]
    torch.onnx.export(Step(model, exporter), inputs, path, dynamo=True, external_data=False, **options,
                      dynamic_shapes=(shapes[0], shapes[1], shapes[2], tuple(shapes[3:])), **names)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--models", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument("--exporters", nargs="+", choices=["dynamo", "sdpa", "windowed", "last", "legacy", "optimum"],
                        default=["dynamo", "legacy"])
    parser.add_argument("--archive", type=pathlib.Path, help="also put all of OUT into this .tar.xz")
    args = parser.parse_args()
    failed = 0
    for name in args.models:
        for exporter in args.exporters:
            model = create(name, exporter)
            expected = golden(model)  # before the exporter, which changes what mode a model is in
            folder = args.out / f"{name}-{exporter}"
            try:
                export(model, folder / "model.onnx", exporter)
                strip(folder / "model.onnx")
                (folder / "golden.json").write_text(json.dumps(expected))
                print(f"made {folder}")
            except Exception as error:  # the exporter's own trouble: the others are still worth having
                failed += 1
                print(f"{folder}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", file=sys.stderr)
                (args.out / f"{name}-{exporter}.log").write_text(traceback.format_exc())
    if args.archive:
        with tarfile.open(args.archive, "w:xz") as archive:
            for file in sorted(args.out.glob("*/model.onnx")) + sorted(args.out.glob("*/golden.json")):
                archive.add(file, file.relative_to(args.out), filter=lambda info: info.replace(
                    mtime=0, uid=0, gid=0, uname="", gname="", deep=False))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
