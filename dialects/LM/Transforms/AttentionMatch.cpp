//===- AttentionMatch.cpp - attention in products and a softmax -------------------------------------------------===//

#include "dialects/LM/Transforms/AttentionMatch.h"

#include "dialects/LM/Transforms/Arithmetic.h"
#include "dialects/LM/Transforms/HeadProduct.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace lamina::lm {

namespace {

/// Numbers that leave nothing in a softmax (as in lib/Import/ONNX/Recognize.cpp).
constexpr double kHiddenAtMost = -5000;

class Matcher {
public:
  explicit Matcher(std::string &reason) : reason_(reason) {}

  std::optional<AttentionMatch> match(linalg::SoftmaxOp softmax) {
    Value scores = softmax.getInput();
    auto type = cast<RankedTensorType>(scores.getType());
    if (type.getRank() < 2 || int64_t(softmax.getDimension()) != type.getRank() - 1 ||
        !type.isDynamicDim(softmax.getDimension()))
      return fail("it is not over positions of the context, which are last");
    auto product = matchScores(scores);
    if (!product || !matchResult(softmax) || !matchQueryKeys(product) || !matchValues())
      return std::nullopt;
    if (match_.keys.getCache() != match_.values.getCache())
      return fail("keys and values are of different caches");
    return match_;
  }

private:
  std::nullopt_t fail(const Twine &reason) {
    reason_ = reason.str();
    return std::nullopt;
  }

  static std::string named(Operation *op) { return llvm::formatv("'{0}'", op->getName().getStringRef()); }

  /// The mask that a value spreads over heads.
  static CausalMaskOp maskOf(Value value) {
    if (auto broadcast = value.getDefiningOp<linalg::BroadcastOp>())
      value = broadcast.getInput();
    return value.getDefiningOp<CausalMaskOp>();
  }

  /// Of two masks, which some exporters apply, what the narrower shows both show.
  bool takeMask(CausalMaskOp mask) {
    if (match_.mask && match_.mask.getPositions() != mask.getPositions())
      return fail("its scores have masks of different positions"), false;
    if (!match_.mask || mask.getWindow().value_or(INT64_MAX) < match_.mask.getWindow().value_or(INT64_MAX))
      match_.mask = mask;
    return true;
  }

  /// From the softmax back to the product of queries and keys.
  linalg::ContractOp matchScores(Value value) {
    while (true) {
      Operation *op = value.getDefiningOp();
      if (!op)
        return fail("its scores are no product"), nullptr;
      if (auto add = dyn_cast<arith::AddFOp>(op)) {
        CausalMaskOp right = maskOf(add.getRhs()), left = right ? CausalMaskOp() : maskOf(add.getLhs());
        if (!right && !left)
          return fail("what is added to its scores is no causal mask"), nullptr;
        if (!takeMask(right ? right : left))
          return nullptr;
        value = right ? add.getLhs() : add.getRhs();
      } else if (auto select = dyn_cast<arith::SelectOp>(op)) {
        CausalMaskOp mask = maskOf(select.getCondition());
        if (!mask || numberOf(select.getFalseValue()).value_or(0) > kHiddenAtMost)
          return fail("what chooses its scores is no causal mask"), nullptr;
        if (!takeMask(mask))
          return nullptr;
        value = select.getTrueValue();
      } else if (auto bound = dyn_cast<arith::MaximumFOp>(op)) {
        if (numberOf(bound.getRhs()).value_or(0) > kHiddenAtMost)
          return fail("its scores have a lower bound"), nullptr;
        value = bound.getLhs();
      } else if (auto scale = dyn_cast<ScaleOp>(op)) {
        if (!match_.mask)
          return fail("its mask is scaled, or there is none"), nullptr;
        match_.scale *= scale.getFactor().convertToDouble();
        value = scale.getInput();
      } else if (auto cap = dyn_cast<SoftCapOp>(op)) {
        if (match_.softCap || match_.scale != 1)
          return fail("its scores are scaled or capped after a soft cap"), nullptr;
        match_.softCap = cap.getCap().convertToDouble();
        value = cap.getInput();
      } else if (auto contract = dyn_cast<linalg::ContractOp>(op)) {
        if (!match_.mask)
          return fail("its scores have no causal mask"), nullptr;
        return contract;
      } else {
        return fail("its scores are made by " + named(op)), nullptr;
      }
    }
  }

  /// From the softmax on to the product with values, perhaps through a guard against rows in which all is hidden.
  bool matchResult(linalg::SoftmaxOp softmax) {
    Value weights = softmax->getResult(0);
    for (Operation *user : weights.getUsers())
      if (auto select = dyn_cast<arith::SelectOp>(user);
          select && isGuard(select, weights) && llvm::range_size(weights.getUses()) == 3) {
        weights = select.getResult();
        break;
      }
    if (!weights.hasOneUse())
      return fail("its result is read by " + Twine(llvm::range_size(weights.getUses())) + " operations"),
             false;
    match_.result = dyn_cast<linalg::ContractOp>(*weights.user_begin());
    if (!match_.result)
      return fail("its result is read by " + named(*weights.user_begin()) + ", not by a product"), false;
    weights_ = match_.result.getOperand(0) == weights ? 0 : 1;
    return true;
  }

  /// select(isNaN(x), 0, x)
  static bool isGuard(arith::SelectOp select, Value x) {
    auto compare = select.getCondition().getDefiningOp<arith::CmpFOp>();
    return compare && compare.getPredicate() == arith::CmpFPredicate::UNO && compare.getLhs() == x &&
           compare.getRhs() == x && numberOf(select.getTrueValue()) == 0 && select.getFalseValue() == x;
  }

  /// The axes of the scores between the first and the last: the heads.
  bool matchQueryKeys(linalg::ContractOp product) {
    SmallVector<AffineMap> maps = product.getIndexingMapsArray();
    ArrayRef<AffineExpr> scores = maps[2].getResults();
    AffineExpr inner = sharedAxis(maps);
    if (!inner)
      return fail("its scores are no sums over one axis"), false;
    unsigned query = maps[0].getResult(0) == scores.front() ? 0 : 1;
    if (maps[query].getResult(0) != scores.front() || maps[1 - query].getResult(0) != scores.back())
      return fail("its scores are not by token and by position of the context"), false;
    HeadProduct heads(product, scores.drop_front().drop_back(), inner);
    std::optional<HeadElements> q = heads.elements(query);
    // Attention does not see an order of elements that queries and keys share.
    SmallVector<int64_t> order = q ? q->order() : SmallVector<int64_t>();
    if (!q || !scaleBy(q->factor(heads.headCount(), heads.headCount(), order)))
      return fail("the heads of its queries are not one after another"), false;
    match_.query = q->trace.source;
    match_.keys = cacheOf(heads, 1 - query, CachePart::keys);
    match_.newKeys = match_.keys ? rowsBehind(match_.keys, order) : Value();
    if (match_.keys && !match_.newKeys)
      return fail("the elements of its queries and keys are in different orders"), false;
    return bool(match_.keys);
  }

  bool matchValues() {
    SmallVector<AffineMap> maps = match_.result.getIndexingMapsArray();
    ArrayRef<AffineExpr> weights = maps[weights_].getResults();
    unsigned values = 1 - weights_;
    AffineExpr inner; // along the values
    for (AffineExpr axis : maps[values].getResults())
      if (!llvm::is_contained(weights, axis))
        inner = axis;
    if (!inner || maps[values].getResult(0) != weights.back() || maps[2].getResult(0) != weights.front() ||
        sharedAxis(maps) != weights.back())
      return fail("its product with values is not over positions of the context"), false;
    HeadProduct heads(match_.result, weights.drop_front().drop_back(), inner);
    match_.values = cacheOf(heads, values, CachePart::values);
    if (!match_.values)
      return false;
    match_.newValues = rowsBehind(match_.values, inOrder(heads.innerSize()));
    if (heads.positions(2) != inOrder(heads.headCount() * heads.innerSize()))
      return fail("the heads of its result are not one after another"), false;
    return true;
  }

  /// The axis that two operands have and their product has not; null if there is none or another.
  static AffineExpr sharedAxis(ArrayRef<AffineMap> maps) {
    AffineExpr shared;
    for (AffineExpr axis : maps[0].getResults())
      if (!llvm::is_contained(maps[2].getResults(), axis)) {
        if (shared || !llvm::is_contained(maps[1].getResults(), axis))
          return {};
        shared = axis;
      }
    for (AffineExpr axis : maps[1].getResults())
      if (axis != shared && !llvm::is_contained(maps[2].getResults(), axis))
        return {};
    return shared;
  }

  bool scaleBy(std::optional<double> factor) {
    match_.scale *= factor.value_or(1);
    return factor.has_value();
  }

  ConcatCacheOp cacheOf(const HeadProduct &heads, unsigned operand, CachePart part) {
    StringRef name = stringifyCachePart(part);
    std::optional<HeadElements> elements = heads.elements(operand);
    auto cache = elements ? elements->trace.source.getDefiningOp<ConcatCacheOp>() : ConcatCacheOp();
    if (!cache || cache.getPart() != part)
      return fail("its " + name + " are not those of a cache and this step's behind them"), nullptr;
    KVCacheType type = cache.getCache().getType();
    int64_t length = part == CachePart::keys ? type.getKeyLength() : type.getValueLength();
    double before = match_.scale;
    if (length != elements->length ||
        !scaleBy(elements->factor(heads.headCount(), type.getHeads(), inOrder(length))))
      return fail("the heads of its " + name + " are not those of the cache in order"), nullptr;
    if (part == CachePart::values && match_.scale != before)
      return fail("its values are scaled"), nullptr;
    return cache;
  }

  std::string &reason_;
  AttentionMatch match_;
  unsigned weights_ = 0; ///< which operand of the product with values
};

} // namespace

std::optional<AttentionMatch> matchAttention(linalg::SoftmaxOp softmax, std::string &reason) {
  return Matcher(reason).match(softmax);
}

} // namespace lamina::lm
