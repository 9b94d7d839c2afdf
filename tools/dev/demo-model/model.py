"""A llama in PyTorch, with tensors named and shaped as a GGUF file of architecture `llama` holds them.

Rotary embedding turns neighbouring pairs (2i, 2i+1), which is what such files mean, so no row of q or k has to be
permuted on the way out.
"""

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional as F


@dataclasses.dataclass
class Shape:
    vocab: int = 1536
    width: int = 128
    layers: int = 5
    heads: int = 4
    kv_heads: int = 2
    ffn: int = 384
    context: int = 512
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head_dim(self):
        return self.width // self.heads


def rope_table(shape, tokens):
    """cos and sin, [tokens, head_dim / 2] each."""
    i = torch.arange(0, shape.head_dim, 2, dtype=torch.float64)
    angle = torch.outer(torch.arange(tokens, dtype=torch.float64), shape.rope_base ** (-i / shape.head_dim))
    return angle.cos().float(), angle.sin().float()


def rope(x, cos, sin):
    """x: [batch, heads, tokens, head_dim]"""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.shape = s
        kv = s.kv_heads * s.head_dim
        self.attn_norm = nn.RMSNorm(s.width, eps=s.epsilon)
        self.attn_q = nn.Linear(s.width, s.width, bias=False)
        self.attn_k = nn.Linear(s.width, kv, bias=False)
        self.attn_v = nn.Linear(s.width, kv, bias=False)
        self.attn_output = nn.Linear(s.width, s.width, bias=False)
        self.ffn_norm = nn.RMSNorm(s.width, eps=s.epsilon)
        self.ffn_gate = nn.Linear(s.width, s.ffn, bias=False)
        self.ffn_up = nn.Linear(s.width, s.ffn, bias=False)
        self.ffn_down = nn.Linear(s.ffn, s.width, bias=False)

    def attention(self, x, cos, sin):
        def heads(y):
            return y.unflatten(-1, (-1, self.shape.head_dim)).transpose(1, 2)

        q, k, v = heads(self.attn_q(x)), heads(self.attn_k(x)), heads(self.attn_v(x))
        group = self.shape.heads // self.shape.kv_heads
        k, v = rope(k, cos, sin).repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(rope(q, cos, sin), k, v, is_causal=True)
        return self.attn_output(y.transpose(1, 2).flatten(-2))

    def forward(self, x, cos, sin):
        x = x + self.attention(self.attn_norm(x), cos, sin)
        y = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y))


class Llama(nn.Module):
    """The head is tied to the embedding."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocab, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                deep = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(p, std=0.05 / (math.sqrt(2 * shape.layers) if deep else 1))

    def forward(self, ids):
        """ids: [batch, tokens] -> logits [batch, tokens, vocab]"""
        cos, sin = rope_table(self.shape, ids.shape[1])
        x = self.token_embd(ids)
        for block in self.blk:
            x = block(x, cos, sin)
        return F.linear(self.output_norm(x), self.token_embd.weight)
