//===- PagedAttention.cpp - onnxruntime's attention over pages ------------------------------------------===//
//
// The tokens of all sequences lie one after the other; sequence b has those from cumulative[b] to
// cumulative[b + 1], behind past[b] tokens that are in the caches [pages, page, kv heads, size], where
// table[b] lists its pages.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Rotary.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
enum Input {
  Q,
  K,
  V,
  KeyCache,
  ValueCache,
  Cumulative,
  Past,
  Table,
  Cos,
  Sin,
  Slots,
  Sink,
  QNorm,
  KNorm,
  KScale,
  VScale
};

struct Paged {
  int64_t heads = 0, kvHeads = 0, size = 0, tokens = 0, sequences = 0, page = 0, pages = 0;
  bool packed = false;
};

absl::StatusOr<Paged> pagedOf(OpContext &context) {
  Paged p{.heads = context.integer("num_heads", 0), .kvHeads = context.integer("kv_num_heads", 0)};
  for (size_t i : {KeyCache, ValueCache, Cumulative, Past, Table})
    if (!context.has(i))
      return context.error("input ", i, " is missing");
  LAMINA_RETURN_IF_ERROR(context.expectRank(Q, 2, 2));
  LAMINA_RETURN_IF_ERROR(context.expectRank(Table, 2, 2));
  LAMINA_RETURN_IF_ERROR(context.expectDims(KeyCache, {-1, -1, p.kvHeads, -1}));
  LAMINA_RETURN_IF_ERROR(context.expectDims(ValueCache, context.dims(KeyCache)));
  p.pages = context.dims(KeyCache)[0], p.page = context.dims(KeyCache)[1], p.size = context.dims(KeyCache)[3];
  p.tokens = context.dims(Q)[0], p.sequences = context.dims(Table)[0], p.packed = !context.has(K);
  if (p.kvHeads < 1 || p.heads < 1 || p.heads % p.kvHeads != 0 || p.heads > 1 << 20 || p.size > 1 << 20)
    return context.error(p.heads, " heads of queries cannot share ", p.kvHeads, " of keys");
  int64_t columns = p.packed ? p.heads + 2 * p.kvHeads : p.heads;
  LAMINA_RETURN_IF_ERROR(context.expectDims(Q, {p.tokens, columns * p.size}));
  if (!p.packed)
    for (size_t i : {K, V})
      LAMINA_RETURN_IF_ERROR(context.expectDims(i, {p.tokens, p.kvHeads * p.size}));
  LAMINA_RETURN_IF_ERROR(context.expectDims(Cumulative, {p.sequences + 1}));
  LAMINA_RETURN_IF_ERROR(context.expectDims(Past, {p.sequences}));
  if (context.integer("do_rotary", 0)) {
    LAMINA_RETURN_IF_ERROR(context.expectRank(Cos, 2, 2));
    LAMINA_RETURN_IF_ERROR(context.expectDims(Sin, context.dims(Cos)));
    if (2 * context.dims(Cos)[1] > p.size)
      return context.error("tables ", context.in(Cos).describe(), " rotate more than heads of ", p.size);
  }
  if (context.has(Sink))
    LAMINA_RETURN_IF_ERROR(context.expectDims(Sink, {p.heads}));
  if (context.has(KScale) || context.has(VScale))
    return quantizedCacheError(context);
  if (context.has(Slots))
    return context.error("has the places of rows as input ", int(Slots),
                         ", which is not supported; leave them out, the pages say the same");
  if (context.has(QNorm) || context.has(KNorm))
    return context.error(
        "has norms of queries and keys inside, which is not supported; export them as nodes before it");
  if (context.text("kv_cache_layout", "SEPARATE") != "SEPARATE" || context.integer("rotary_offset", 0))
    return context.error("has a cache of latents, which is not supported; export with keys and values");
  return p;
}

absl::Status pagedRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Paged p, pagedOf(context));
  context.result(0, context.type(Q), {p.tokens, p.heads * p.size});
  context.result(1, context.type(KeyCache), context.dims(KeyCache));
  context.result(2, context.type(ValueCache), context.dims(ValueCache));
  return absl::OkStatus();
}

/// One sequence: its new tokens, and where in the caches each of its tokens lies.
struct Sequence {
  int64_t begin = 0, rows = 0, past = 0;
  std::vector<int64_t> slots; // of the caches' rows, which are [page, place]

  static absl::StatusOr<Sequence> create(OpContext &context, const Paged &p, int64_t b) {
    Sequence s;
    s.begin = context.in(Cumulative).integer(b), s.past = context.in(Past).integer(b);
    int64_t end = context.in(Cumulative).integer(b + 1), columns = context.dims(Table)[1];
    if (s.begin < 0 || end < s.begin || end > p.tokens || s.past < 0 || s.past > p.pages * p.page)
      return context.error("sequence ", b, " has tokens ", s.begin, " to ", end, " behind ", s.past);
    s.rows = end - s.begin;
    for (int64_t t = 0; t < s.past + s.rows; ++t) {
      int64_t column = t / p.page,
              page = column < columns ? context.in(Table).integer(b * columns + column) : -1;
      if (page < 0 || page >= p.pages)
        return context.error("token ", t, " of sequence ", b, " lies on no page");
      s.slots.push_back(page * p.page + t % p.page);
    }
    return s;
  }
};

/// Heads of a sequence's new tokens, from column `first` on.
Heads freshHeads(const Tensor &from, const Sequence &s, int64_t heads, int64_t size, int64_t first) {
  Heads result(1, heads, s.rows, size);
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t r = 0; r < s.rows; ++r)
      for (int64_t d = 0; d < size; ++d)
        result.at(0, h, r, d) = from.real((s.begin + r) * from.dims()[1] + first + h * size + d);
  return result;
}

/// Writes the new rows into the cache and reads all.
Heads through(std::vector<double> &cache, const Heads &fresh, const Sequence &s) {
  Heads result(1, fresh.heads, s.past + s.rows, fresh.size);
  for (int64_t h = 0; h < fresh.heads; ++h)
    for (int64_t t = 0; t < result.rows; ++t)
      for (int64_t d = 0; d < fresh.size; ++d) {
        double &element = cache[(s.slots[t] * fresh.heads + h) * fresh.size + d];
        if (t >= s.past)
          element = fresh.at(0, h, t - s.past, d);
        result.at(0, h, t, d) = element;
      }
  return result;
}

absl::Status paged(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Paged p, pagedOf(context));
  std::vector<double> keys = context.in(KeyCache).reals(), values = context.in(ValueCache).reals();
  bool causal = context.integer("is_causal", 1);
  int64_t window = context.integer("local_window_size", -1);
  double scale = context.real("scale", 0);
  for (int64_t b = 0; b < p.sequences; ++b) {
    LAMINA_ASSIGN_OR_RETURN(Sequence s, Sequence::create(context, p, b));
    const Tensor &k = p.packed ? context.in(Q) : context.in(K), &v = p.packed ? context.in(Q) : context.in(V);
    AttentionProblem problem;
    problem.sizes = {1, p.heads, p.kvHeads, s.rows, s.past + s.rows, p.size, p.size};
    problem.q = freshHeads(context.in(Q), s, p.heads, p.size, 0);
    Heads key = freshHeads(k, s, p.kvHeads, p.size, p.packed ? p.heads * p.size : 0);
    Heads value = freshHeads(v, s, p.kvHeads, p.size, p.packed ? (p.heads + p.kvHeads) * p.size : 0);
    if (context.integer("do_rotary", 0)) {
      if (s.past + s.rows > context.dims(Cos)[0])
        return context.error("sequence ", b, " is longer than the tables ", context.in(Cos).describe());
      for (Heads *x : {&problem.q, &key})
        rotate(*x, 1, context.dims(Cos)[1], context.integer("rotary_interleaved", 0), context.in(Cos),
               context.in(Sin), [&](int64_t, int64_t i) { return s.past + i; });
    }
    problem.k = through(keys, key, s);
    problem.v = through(values, value, s);
    problem.scale = scale == 0 ? 1 / std::sqrt(static_cast<double>(p.size)) : scale;
    problem.softcap = context.real("softcap", 0);
    if (context.has(Sink))
      problem.sinks = context.in(Sink).reals();
    problem.bias = [&](int64_t, int64_t, int64_t i, int64_t j) {
      int64_t before = s.past + i - j;
      return (causal && before < 0) || (window > 0 && before >= window) ? -INFINITY : 0.0;
    };
    LAMINA_ASSIGN_OR_RETURN(Heads y, attend(context, problem));
    for (int64_t r = 0; r < s.rows; ++r)
      for (int64_t h = 0; h < p.heads; ++h)
        for (int64_t d = 0; d < p.size; ++d)
          context.out(0).setReal(((s.begin + r) * p.heads + h) * p.size + d, y.at(0, h, r, d));
  }
  if (context.wants(1))
    context.out(1).setReals(keys);
  if (context.wants(2))
    context.out(2).setReals(values);
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "PagedAttention", .most = 17, .rule = pagedRule, .semantics = paged, .domain = kContrib},
};
} // namespace

std::span<const OpRow> pagedAttentionRows() { return kRows; }

} // namespace lamina::onnx
