//===- FunctionTileProducts.cpp - matrix products in registers over packed panels -----------------------------===//
//
// A loop nest that adds to memory loads and stores an element for each product, and runs down the columns of a wide matrix,
// whose rows share few sets of a cache. Here the columns of a tile are copied side by side once, sums stay in registers, and
// each element still adds its products in the order of k.
//
//===----------------------------------------------------------------------------------------------------------===//

#include "lib/Conversion/FunctionToPlan/FunctionToPlan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

namespace lamina {
#define GEN_PASS_DEF_FUNCTIONTILEPRODUCTSPASS
#include "lib/Conversion/FunctionToPlan/Passes.h.inc"
} // namespace lamina

using namespace mlir;

/// Sums of a tile in registers: with 16 registers of 32 bytes, 12 hold sums, two a row of the panel, one an element.
static constexpr int64_t kRows = 6, kColumns = 16;
/// Rows of a panel: 16 KiB of it, half of a small first-level cache.
static constexpr int64_t kDepth = 256;
/// That of a row of the panel.
static constexpr int64_t kAlignment = kColumns * sizeof(float);
/// Of fewer rows a product gains less than copying its columns costs.
static constexpr int64_t kFewestRows = 4;

namespace {

/// C[…, m, n] += A[…, m, k] · B[…, k, n], in loops of known sizes.
struct Product {
  linalg::LinalgOp op;
  unsigned n, k;                   ///< loops over columns and over what is summed
  SmallVector<unsigned, 2> around; ///< loops of which each step has a B of its own
  SmallVector<unsigned, 2> rows;   ///< loops over rows; the innermost last
  SmallVector<int64_t> sizes;      ///< of all loops

  static std::optional<Product> match(linalg::LinalgOp op);

  /// The loop that an operand's innermost axis follows.
  static unsigned innermost(AffineMap map) {
    return cast<AffineDimExpr>(map.getResults().back()).getPosition();
  }
};

std::optional<Product> Product::match(linalg::LinalgOp op) {
  bool isPlain = llvm::all_of(op->getOperandTypes(), [](Type type) {
    auto memory = dyn_cast<MemRefType>(type);
    return memory && memory.hasStaticShape() && memory.getLayout().isIdentity() &&
           memory.getElementType().isF32();
  });
  if (!isPlain || !linalg::isaContractionOpInterface(op) || op.getBlock()->getOperations().size() != 3 ||
      op.getIndexingMapsArray().back().getNumResults() == 0)
    return std::nullopt;
  FailureOr<linalg::ContractionDimensions> dims = linalg::inferContractionDims(op);
  if (failed(dims) || dims->k.size() != 1)
    return std::nullopt;
  Product product{op,         innermost(op.getIndexingMapsArray().back()),
                  dims->k[0], dims->batch,
                  dims->m,    op.getStaticLoopRanges()};
  if (!llvm::is_contained(dims->n, product.n))
    return std::nullopt;
  for (unsigned n : dims->n)
    if (n != product.n)
      product.around.push_back(n);
  llvm::sort(product.rows);
  bool hasOtherLoops = product.around.size() + product.rows.size() + 2 != product.sizes.size();
  if (hasOtherLoops || llvm::is_contained(product.sizes, 0))
    return std::nullopt;
  auto steps = [&](ArrayRef<unsigned> loops) {
    return std::accumulate(loops.begin(), loops.end(), int64_t{1},
                           [&](int64_t n, unsigned loop) { return n * product.sizes[loop]; });
  };
  bool isTransposed = innermost(op.getIndexingMapsArray()[1]) !=
                      product.n; // then columns are far apart for any number of rows
  bool isOneTile =
      product.sizes[product.n] <= kColumns && steps(product.around) == 1; // threads could not divide it
  if (isOneTile || (steps(product.rows) < kFewestRows && !isTransposed))
    return std::nullopt;
  return product;
}

/// Writes the loops of one product.
class TileEmitter {
public:
  explicit TileEmitter(Product &product)
      : product_(product), b_(product.op->getLoc(), product.op), maps_(product.op.getIndexingMapsArray()),
        at_(product.sizes.size()), row_(VectorType::get({kColumns}, b_.getF32Type())) {}

  void emit() {
    SmallVector<Value> sizes;
    for (unsigned loop : product_.around)
      sizes.push_back(index(product_.sizes[loop]));
    sizes.push_back(index(llvm::divideCeil(columns(), kColumns)));
    SmallVector<Value> zeros(sizes.size(), index(0)), ones(sizes.size(), index(1));
    auto tiles = scf::ParallelOp::create(b_, zeros, sizes, ones);
    b_.setInsertionPointToStart(tiles.getBody());
    for (auto [loop, at] : llvm::zip(product_.around, tiles.getInductionVars()))
      at_[loop] = at;
    emitColumns(tiles.getInductionVars().back());
  }

private:
  int64_t columns() const { return product_.sizes[product_.n]; }
  Value index(int64_t value) { return arith::ConstantIndexOp::create(b_, value); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b_, x, y); }
  Value atMost(int64_t most, int64_t end, Value begin) {
    return arith::MinUIOp::create(b_, index(most), arith::SubIOp::create(b_, index(end), begin));
  }

  /// Where an operand (A, B, C) is read at the loops' values.
  Value memory(unsigned operand) { return product_.op->getOperand(operand); }
  SmallVector<Value> place(unsigned operand) {
    return llvm::map_to_vector(maps_[operand].getResults(),
                               [&](AffineExpr axis) { return at_[cast<AffineDimExpr>(axis).getPosition()]; });
  }

  template <typename F> void loop(Value from, Value to, F body, int64_t step = 1) {
    auto loop = scf::ForOp::create(b_, from, to, index(step));
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
  }

  void emitColumns(Value tile) {
    first_ = arith::MulIOp::create(b_, tile, index(kColumns));
    Value width = atMost(kColumns, columns(), first_);
    mask_ = vector::CreateMaskOp::create(b_, VectorType::get({kColumns}, b_.getI1Type()), width);
    none_ = arith::ConstantOp::create(b_, DenseElementsAttr::get(row_, 0.0f));
    panel_ = memref::AllocaOp::create(b_, MemRefType::get({kDepth, kColumns}, b_.getF32Type()),
                                      b_.getI64IntegerAttr(kAlignment));
    int64_t depth = product_.sizes[product_.k];
    loop(
        index(0), index(depth),
        [&](Value k) {
          k_ = k;
          depth_ = atMost(kDepth, depth, k);
          pack(width);
          at_[product_.n] = first_;
          emitRows(product_.rows);
        },
        kDepth);
  }

  /// Copies columns of B into the panel.
  void pack(Value width) {
    bool inRows = Product::innermost(maps_[1]) == product_.n;
    loop(index(0), depth_, [&](Value k) {
      at_[product_.k] = add(k_, k);
      at_[product_.n] = first_;
      if (inRows) {
        Value row = vector::MaskedLoadOp::create(b_, row_, memory(1), place(1), mask_, none_);
        return (void)vector::StoreOp::create(b_, row, panel_, ValueRange{k, index(0)});
      }
      vector::StoreOp::create(b_, none_, panel_, ValueRange{k, index(0)});
      loop(index(0), width, [&](Value column) {
        at_[product_.n] = add(first_, column);
        Value element = memref::LoadOp::create(b_, memory(1), place(1));
        memref::StoreOp::create(b_, element, panel_, ValueRange{k, column});
      });
    });
  }

  /// Tiles of rows: whole ones, then the rest.
  void emitRows(ArrayRef<unsigned> loops) {
    if (loops.empty())
      return emitTile(std::nullopt, {}, 1);
    unsigned m = loops.front();
    if (loops.size() > 1)
      return loop(index(0), index(product_.sizes[m]), [&](Value at) {
        at_[m] = at;
        emitRows(loops.drop_front());
      });
    int64_t whole = product_.sizes[m] / kRows * kRows, rest = product_.sizes[m] - whole;
    if (whole)
      loop(index(0), index(whole), [&](Value at) { emitTile(m, at, kRows); }, kRows);
    if (rest)
      emitTile(m, index(whole), rest);
  }

  /// Adds the panel's part to `rows` rows of C, from the one at `first` of the loop `m`.
  void emitTile(std::optional<unsigned> m, Value first, int64_t rows) {
    auto forEachRow = [&](auto body) {
      for (int64_t row = 0; row < rows; ++row) {
        if (m)
          at_[*m] = add(first, index(row));
        body(row);
      }
    };
    SmallVector<Value> sums;
    forEachRow([&](int64_t) {
      sums.push_back(vector::MaskedLoadOp::create(b_, row_, memory(2), place(2), mask_, none_));
    });
    auto inner = scf::ForOp::create(b_, index(0), depth_, index(1), sums);
    {
      OpBuilder::InsertionGuard guard(b_);
      b_.setInsertionPointToStart(inner.getBody());
      Value columns = vector::LoadOp::create(b_, row_, panel_, ValueRange{inner.getInductionVar(), index(0)});
      at_[product_.k] = add(k_, inner.getInductionVar());
      forEachRow([&](int64_t row) {
        Value element = memref::LoadOp::create(b_, memory(0), place(0));
        Value repeated = vector::BroadcastOp::create(b_, row_, element);
        auto fused = arith::FastMathFlags::contract; // where the target has such an instruction
        Value product = arith::MulFOp::create(b_, repeated, columns, fused);
        sums[row] = arith::AddFOp::create(b_, inner.getRegionIterArg(row), product, fused);
      });
      scf::YieldOp::create(b_, sums);
    }
    forEachRow([&](int64_t row) {
      vector::MaskedStoreOp::create(b_, memory(2), place(2), mask_, inner.getResult(row));
    });
  }

  Product &product_;
  ImplicitLocOpBuilder b_;
  SmallVector<AffineMap> maps_;
  SmallVector<Value> at_; ///< the loops' values where an operand is read
  VectorType row_;
  Value first_, k_, depth_, mask_, none_, panel_;
};

struct FunctionTileProductsPass : lamina::impl::FunctionTileProductsPassBase<FunctionTileProductsPass> {
  using Base::Base;

  void runOnOperation() final {
    getOperation().walk([](linalg::LinalgOp op) {
      if (std::optional<Product> product = Product::match(op)) {
        TileEmitter(*product).emit();
        op.erase();
      }
    });
  }
};

} // namespace
