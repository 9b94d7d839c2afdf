//===- ExpertLinearKernel.cpp - products with the matrices of chosen experts --------------------------===//
//
// One or two lm.expert_linear of one input, then elementwise operations. A workgroup is some groups of rows
// of every expert. One token goes through its experts; many tokens are ordered by expert first, so that each
// matrix is decoded once for a tile of the tokens that chose it. Every sum has the order of lm.linear.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/KernelGenerators.h"
#include "lib/Target/CPU/RowProduct.h"
#include "lib/Target/Kernels/ElementwiseTail.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

namespace {

/// Choices (a token and one of its experts) that are ordered at a time: 16 KiB of stack.
constexpr int64_t kOrderedChoices = 4096;

class ExpertLinearKernel {
public:
  explicit ExpertLinearKernel(KernelContext &kernel)
      : kernel_(kernel), b_(kernel.b), tail_(kernel), linears_(kernel.ops<lm::ExpertLinearOp>()),
        slots_(width(linears_[0].getExperts())), rowsAtOnce_(std::max<int64_t>(kOrderedChoices / slots_, 1)),
        experts_(cast<RankedTensorType>(linears_[0].getWeight().getType()).getDimSize(0)) {
    for (lm::ExpertLinearOp linear : linears_)
      products_.emplace_back(b_, linear.getInput(), linear.getWeight());
  }

  void emit() {
    beginGroup_ = b_.mul(kernel_.begin, kGroupsPerWorkgroup);
    endGroup_ = b_.min(b_.mul(kernel_.end, kGroupsPerWorkgroup), b_.i64(products_[0].decoder().groups()));
    order_ = b_.scratch(4 * slots_ * rowsAtOnce_);
    ends_ = b_.scratch(4 * experts_);
    b_.branch(b_.less(b_.i64(1), kernel_.rows), [&] { emitMany(); }, [&] { emitOne(); });
  }

private:
  /// A row of the input or of a result: a token and one of its experts.
  struct Choice {
    Value row, slot;
  };

  void emitOne() {
    int64_t together = products_[0].groupsAtOnce(1);
    Value count = b_.div(b_.sub(endGroup_, beginGroup_), together);
    Value togetherEnd = b_.add(beginGroup_, b_.mul(count, together));
    b_.loop(slots_, 1, [&](Value slot) {
      Choice choice{b_.i64(0), slot};
      Value expert = b_.loadIndex(kernel_.rowPointer(linears_[0].getExperts(), choice.row), slot);
      b_.loop(beginGroup_, togetherEnd, together,
              [&](Value group) { emitTile(expert, group, together, choice); });
      if (together > 1)
        b_.loop(togetherEnd, endGroup_, 1, [&](Value group) { emitTile(expert, group, 1, choice); });
    });
  }

  void emitMany() {
    b_.loop(b_.i64(0), kernel_.rows, rowsAtOnce_, [&](Value firstRow) {
      Value rows = b_.min(b_.sub(kernel_.rows, firstRow), b_.i64(rowsAtOnce_));
      orderByExpert(firstRow, rows);
      b_.loop(experts_, 1, [&](Value expert) {
        Value before = b_.max(b_.sub(expert, b_.i64(1)), b_.i64(0));
        Value begin = b_.select(b_.equal(expert, b_.i64(0)), b_.i64(0), b_.loadIndex(ends_, before));
        Value end = b_.loadIndex(ends_, expert);
        b_.loop(beginGroup_, endGroup_, 1, [&](Value group) {
          products_[0].forEachTile(begin, end, [&](Value first, int64_t size) {
            SmallVector<Choice> choices;
            for (int64_t i = 0; i < size; ++i) {
              Value place = b_.loadIndex(order_, b_.add(first, i));
              choices.push_back({b_.add(firstRow, b_.div(place, slots_)), b_.rem(place, slots_)});
            }
            emitTile(expert, group, 1, choices);
          });
        });
      });
    });
  }

  /// Counting sort: afterwards `order_` has the choices (row · slots + slot, from `firstRow` on) of expert e
  /// in ascending order at [ends_[e - 1], ends_[e]).
  void orderByExpert(Value firstRow, Value rows) {
    auto place = [&](Value array, Value i) { return b_.offset(array, b_.mul(i, 4)); };
    auto narrow = [&](Value i) { return arith::TruncIOp::create(b_, b_.getI32Type(), i).getResult(); };
    auto forEachChoice = [&](llvm::function_ref<void(Value, Value)> body) {
      b_.loop(b_.i64(0), rows, 1, [&](Value row) {
        Value experts = kernel_.rowPointer(linears_[0].getExperts(), b_.add(firstRow, row));
        b_.loop(slots_, 1,
                [&](Value slot) { body(b_.add(b_.mul(row, slots_), slot), b_.loadIndex(experts, slot)); });
      });
    };
    b_.loop(experts_, 1, [&](Value expert) { b_.store(narrow(b_.i64(0)), place(ends_, expert)); });
    forEachChoice([&](Value, Value expert) {
      b_.store(narrow(b_.add(b_.loadIndex(ends_, expert), 1)), place(ends_, expert));
    });
    b_.loop(b_.i64(0), b_.i64(experts_), 1, b_.i64(0), [&](Value expert, ValueRange before) {
      Value begin = before[0], count = b_.loadIndex(ends_, expert);
      b_.store(narrow(begin), place(ends_, expert));
      return Values{b_.add(begin, count)};
    });
    forEachChoice([&](Value choice, Value expert) {
      Value next = b_.loadIndex(ends_, expert);
      b_.store(narrow(choice), place(order_, next));
      b_.store(narrow(b_.add(next, 1)), place(ends_, expert));
    });
  }

  Value inputPointer(const Choice &choice) {
    Value input = linears_[0].getInput();
    auto type = cast<RankedTensorType>(input.getType());
    Value pointer = kernel_.rowPointer(input, choice.row);
    if (type.getRank() == 2) // all experts of a token share its row
      return pointer;
    return b_.offset(pointer, b_.mul(choice.slot, rowBytes(input) / type.getDimSize(1)));
  }

  /// The results of `together` groups of an expert's rows for some choices.
  void emitTile(Value expert, Value group, int64_t together, ArrayRef<Choice> choices) {
    Values inputRows = llvm::map_to_vector<8>(choices, [&](const Choice &c) { return inputPointer(c); });
    SmallVector<Values> sums;
    for (auto [linear, product] : llvm::zip(linears_, products_)) {
      WeightDecoder &decoder = product.decoder();
      Value matrix = b_.offset(kernel_.pointer(linear.getWeight()), b_.mul(expert, decoder.matrixBytes()));
      Values groups;
      for (int64_t g = 0; g < together; ++g)
        groups.push_back(b_.offset(matrix, b_.mul(b_.add(group, g), decoder.groupBytes())));
      sums.push_back(product.dot(groups, inputRows));
    }
    for (int64_t g = 0; g < together; ++g)
      for (auto [t, choice] : llvm::enumerate(choices)) {
        for (size_t i = 0; i < linears_.size(); ++i)
          tail_.define(linears_[i], sums[i][g * choices.size() + t]);
        Value column = b_.mul(b_.add(group, g), kPackedRows);
        for (Value result : kernel_.results())
          tail_.storeResult(result, {choice.row, choice.slot, column, kPackedRows});
      }
  }

  KernelContext &kernel_;
  KernelBuilder &b_;
  ElementwiseTail tail_;
  SmallVector<lm::ExpertLinearOp> linears_;
  int64_t slots_, rowsAtOnce_, experts_;
  std::vector<RowProduct> products_;
  Value beginGroup_, endGroup_;
  Value order_, ends_; ///< i32, see orderByExpert()
};

} // namespace

void lamina::emitExpertLinear(KernelContext &kernel) { ExpertLinearKernel(kernel).emit(); }
