"""Train the demo model and write it as a GGUF file.  README.md says where the text comes from and what to expect.

    python3 train.py TEXT.txt OUT.gguf [--minutes 40] [--threads 1] [--seed 1]
"""

import argparse
import io
import math
import time

import numpy as np
import sentencepiece
import torch
from torch.nn import functional as F

from model import Llama, Shape
from write_gguf import write_gguf

BATCH, WINDOW = 16, 256
MATRIX_RATE, OTHER_RATE, WARMUP, WEIGHT_DECAY = 6e-3, 4e-3, 50, 0.1


def train_tokenizer(chapters, size):
    """SentencePiece BPE with byte fallback and no normalisation: what `tokenizer.ggml.model = llama` means."""
    out = io.BytesIO()
    lines = (line for chapter in chapters for line in chapter.split("\n"))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=out, model_type="bpe", vocab_size=size, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=1.0,
        max_sentence_length=1 << 16, split_digits=True, minloglevel=2)
    return sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())


class Corpus:
    """Chapters as one stream of ids, each closed by the end token; windows start where a paragraph starts."""

    def __init__(self, tokenizer, chapters):
        self.bos, newline = tokenizer.bos_id(), tokenizer.piece_to_id("<0x0A>")
        ids, starts = [], []
        for chapter in chapters:
            piece = tokenizer.encode(chapter)
            starts += [len(ids)] + [len(ids) + i + 1 for i, t in enumerate(piece) if t == newline]
            ids += piece + [tokenizer.eos_id()]
        self.ids = torch.tensor(ids)
        self.starts = torch.tensor([s for s in starts if s + WINDOW <= len(ids)])

    def batch(self, generator):
        pick = self.starts[torch.randint(len(self.starts), (BATCH,), generator=generator)]
        target = self.ids[pick[:, None] + torch.arange(WINDOW)]
        return torch.cat((torch.full((BATCH, 1), self.bos), target[:, :-1]), 1), target


def loss_of(model, batch):
    ids, target = batch
    return F.cross_entropy(model(ids).flatten(0, 1), target.flatten())


@torch.no_grad()
def held_out_loss(model, corpus, batches=8):
    generator = torch.Generator().manual_seed(0)
    return float(np.mean([loss_of(model, corpus.batch(generator)).item() for _ in range(batches)]))


def optimizers(model):
    """Muon for the matrices of the blocks, which needs fewer tokens than AdamW; AdamW for embedding and norms."""
    matrices = [p for p in model.blk.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if not any(p is m for m in matrices)]
    return {
        torch.optim.Muon(matrices, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"): MATRIX_RATE,
        torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0): OTHER_RATE,
    }


def train(model, training, held_out, minutes, seed):
    """Runs for the given time: the learning rate follows the share of it that has passed (warm-up, then cosine)."""
    rates = optimizers(model)
    generator = torch.Generator().manual_seed(seed)
    begin, step, share = time.time(), 0, 0.0
    while share < 1:
        loss = loss_of(model, training.batch(generator))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, peak in rates.items():
            factor = min((step + 1) / WARMUP, 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
            for group in optimizer.param_groups:
                group["lr"] = peak * factor
            optimizer.step()
            optimizer.zero_grad()
        step, share = step + 1, (time.time() - begin) / (60 * minutes)
        if step % 50 == 0 or share >= 1:
            print(f"step {step}  tokens {step * BATCH * WINDOW}  {100 * share:.0f} %  loss {loss.item():.3f}  "
                  f"held out {held_out_loss(model, held_out, 2):.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("text")
    parser.add_argument("out")
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    shape = Shape()
    chapters = open(args.text, encoding="ascii").read().strip().split("\n\n")
    tokenizer = train_tokenizer(chapters, shape.vocab)
    training = Corpus(tokenizer, [c for i, c in enumerate(chapters) if i % 40 != 7])
    held_out = Corpus(tokenizer, [c for i, c in enumerate(chapters) if i % 40 == 7])
    model = Llama(shape)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(training.ids)} ids to learn from")
    train(model, training, held_out, args.minutes, args.seed)
    print(f"held-out loss {held_out_loss(model, held_out, 32):.3f} nats per token")
    write_gguf(args.out, model, tokenizer)


if __name__ == "__main__":
    main()
