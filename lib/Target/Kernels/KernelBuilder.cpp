//===- KernelBuilder.cpp - integers, memory and loops of kernels --------------------------------------===//

#include "lib/Target/Kernels/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

int64_t lamina::lanesFor(int64_t length) { return std::min<int64_t>(length & -length, kPackedRows); }

int64_t lamina::lanesOf(Value value) {
  auto type = dyn_cast<VectorType>(value.getType());
  return type ? type.getNumElements() : 0;
}

//===--- Types and constants ---------------------------------------------------------------------------===//

Type KernelBuilder::vectorOf(Type element, int64_t lanes) {
  return lanes ? VectorType::get({lanes}, element) : element;
}

Value KernelBuilder::constant(Type type, double value) {
  TypedAttr number = getFloatAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    number = DenseElementsAttr::get(vector, number);
  return arith::ConstantOp::create(*this, number);
}

Value KernelBuilder::constant(Type type, int64_t value) {
  auto element = cast<IntegerType>(getElementTypeOrSelf(type));
  TypedAttr number = getIntegerAttr(element, APInt(element.getWidth(), uint64_t(value), false, true));
  if (auto vector = dyn_cast<VectorType>(type))
    number = DenseElementsAttr::get(vector, number);
  return arith::ConstantOp::create(*this, number);
}

//===--- Integers --------------------------------------------------------------------------------------===//

Value KernelBuilder::add(Value a, Value b) { return arith::AddIOp::create(*this, a, b); }
Value KernelBuilder::sub(Value a, Value b) { return arith::SubIOp::create(*this, a, b); }
Value KernelBuilder::mul(Value a, Value b) { return arith::MulIOp::create(*this, a, b); }
Value KernelBuilder::div(Value a, int64_t b) {
  return arith::DivUIOp::create(*this, a, constant(a.getType(), b));
}
Value KernelBuilder::rem(Value a, int64_t b) {
  return arith::RemUIOp::create(*this, a, constant(a.getType(), b));
}
Value KernelBuilder::min(Value a, Value b) { return arith::MinSIOp::create(*this, a, b); }
Value KernelBuilder::max(Value a, Value b) { return arith::MaxSIOp::create(*this, a, b); }
Value KernelBuilder::less(Value a, Value b) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::slt, a, b);
}
Value KernelBuilder::equal(Value a, Value b) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, a, b);
}
Value KernelBuilder::select(Value condition, Value a, Value b) {
  return arith::SelectOp::create(*this, condition, a, b);
}
Value KernelBuilder::bitAnd(Value a, int64_t mask) {
  return arith::AndIOp::create(*this, a, constant(a.getType(), mask));
}
Value KernelBuilder::bitOr(Value a, Value b) { return arith::OrIOp::create(*this, a, b); }
Value KernelBuilder::shiftRight(Value a, int64_t bits) {
  return bits ? arith::ShRUIOp::create(*this, a, constant(a.getType(), bits)).getResult() : a;
}
Value KernelBuilder::shiftRightSigned(Value a, int64_t bits) {
  return bits ? arith::ShRSIOp::create(*this, a, constant(a.getType(), bits)).getResult() : a;
}
Value KernelBuilder::shiftLeft(Value a, int64_t bits) {
  return bits ? arith::ShLIOp::create(*this, a, constant(a.getType(), bits)).getResult() : a;
}
Value KernelBuilder::toI64(Value a) { return arith::ExtSIOp::create(*this, getI64Type(), a); }

//===--- Floats ----------------------------------------------------------------------------------------===//

Value KernelBuilder::addf(Value a, Value b) { return arith::AddFOp::create(*this, a, b); }
Value KernelBuilder::subf(Value a, Value b) { return arith::SubFOp::create(*this, a, b); }
Value KernelBuilder::mulf(Value a, Value b) { return arith::MulFOp::create(*this, a, b); }
Value KernelBuilder::divf(Value a, Value b) { return arith::DivFOp::create(*this, a, b); }
Value KernelBuilder::fma(Value a, Value b, Value c) {
  return target_.fma ? LLVM::FMAOp::create(*this, a, b, c).getResult() : addf(mulf(a, b), c);
}
Value KernelBuilder::lessf(Value a, Value b) {
  return arith::CmpFOp::create(*this, arith::CmpFPredicate::OLT, a, b);
}
Value KernelBuilder::maxf(Value a, Value b) { return select(lessf(b, a), a, b); }
Value KernelBuilder::sqrt(Value a) { return LLVM::SqrtOp::create(*this, a); }
Value KernelBuilder::intToFloat(Value a) { return arith::SIToFPOp::create(*this, f32(lanesOf(a)), a); }
Value KernelBuilder::bitcast(Value a, Type type) { return LLVM::BitcastOp::create(*this, type, a); }

//===--- Memory ----------------------------------------------------------------------------------------===//

Value KernelBuilder::offset(Value pointer, Value bytes) {
  return LLVM::GEPOp::create(*this, pointerType(), getI8Type(), pointer, ArrayRef<LLVM::GEPArg>{bytes});
}

Value KernelBuilder::offset(Value pointer, int64_t bytes) {
  if (bytes == 0)
    return pointer;
  if (bytes <= INT32_MAX)
    return LLVM::GEPOp::create(*this, pointerType(), getI8Type(), pointer,
                               ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
  return offset(pointer, i64(bytes));
}

/// Unless vectors are aligned only what every element promises: rows of scales begin at any multiple of 16 bytes,
/// heads of any length anywhere.
unsigned KernelBuilder::alignmentOf(Type type) const {
  Type element = getElementTypeOrSelf(type);
  unsigned bytes = isa<LLVM::LLVMPointerType>(element) ? 8 : element.getIntOrFloatBitWidth() / 8;
  auto vector = dyn_cast<VectorType>(type);
  return vector && target_.alignsVectors ? std::min<unsigned>(bytes * vector.getNumElements(), 16) : bytes;
}

Value KernelBuilder::load(Type type, Value pointer) {
  return LLVM::LoadOp::create(*this, type, pointer, alignmentOf(type));
}

void KernelBuilder::store(Value value, Value pointer) {
  LLVM::StoreOp::create(*this, value, pointer, alignmentOf(value.getType()));
}

void KernelBuilder::prefetch(Value pointer) {
  LLVM::Prefetch::create(*this, pointer, /*rw=*/0, /*hint=*/2, /*cache=*/1);
}

Value KernelBuilder::loadIndex(Value pointer, Value index) {
  return toI64(load(getI32Type(), offset(pointer, mul(index, 4))));
}

Value KernelBuilder::scratch(int64_t bytes) {
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(entry_);
  return LLVM::AllocaOp::create(*this, pointerType(), getI8Type(), i64(bytes), 64);
}

Value KernelBuilder::opaque(Value pointer) {
  return LLVM::InlineAsmOp::create(*this, pointerType(), pointer, /*asm_string=*/"", /*constraints=*/"=r,0",
                                   /*has_side_effects=*/false, /*is_align_stack=*/false,
                                   LLVM::TailCallKind::None, /*asm_dialect=*/nullptr,
                                   /*operand_attrs=*/nullptr)
      .getResult(0);
}

template <typename T> Value KernelBuilder::constantGlobal(Type element, ArrayRef<T> values) {
  auto module = entry_->getParentOp()->getParentOfType<ModuleOp>();
  auto type = RankedTensorType::get({int64_t(values.size())}, element);
  int64_t number =
      std::distance(module.getOps<LLVM::GlobalOp>().begin(), module.getOps<LLVM::GlobalOp>().end());
  std::string name = cast<LLVM::LLVMFuncOp>(entry_->getParentOp()).getSymName().str() + "_constants_" +
                     std::to_string(number);
  LLVM::GlobalOp global;
  {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(module.getBody());
    global = LLVM::GlobalOp::create(*this, LLVM::LLVMArrayType::get(element, values.size()), true,
                                    LLVM::Linkage::Private, name, DenseElementsAttr::get(type, values), 64);
  }
  return LLVM::AddressOfOp::create(*this, global);
}

Value KernelBuilder::constantArray(ArrayRef<double> values) { return constantGlobal(getF64Type(), values); }
Value KernelBuilder::constantBytes(ArrayRef<int8_t> values) { return constantGlobal(getI8Type(), values); }

//===--- Control flow ----------------------------------------------------------------------------------===//

Values KernelBuilder::loop(Value begin, Value end, int64_t step, ValueRange state, LoopBody body) {
  auto loop = scf::ForOp::create(*this, begin, end, i64(step), state);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  Values next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!state.empty()) // without state the terminator is there already
    scf::YieldOp::create(*this, next);
  return Values(loop.getResults());
}

void KernelBuilder::loop(Value begin, Value end, int64_t step, llvm::function_ref<void(Value)> body) {
  loop(begin, end, step, ValueRange{}, [&](Value index, ValueRange) {
    body(index);
    return Values();
  });
}

void KernelBuilder::branch(Value condition, llvm::function_ref<void()> then,
                           llvm::function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/bool(otherwise));
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  then();
  if (otherwise) {
    setInsertionPointToStart(branch.elseBlock());
    otherwise();
  }
}

/// The types of the results are known once a branch is there.
Values KernelBuilder::branchValues(Value condition, llvm::function_ref<Values()> then,
                                   llvm::function_ref<Values()> otherwise) {
  Values values[2];
  auto plain = scf::IfOp::create(*this, condition, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(plain.thenBlock());
    values[0] = then();
    setInsertionPointToStart(plain.elseBlock());
    values[1] = otherwise();
  }
  auto branch =
      scf::IfOp::create(*this, ValueRange(values[0]).getTypes(), condition, /*withElseRegion=*/true);
  branch->getRegion(0).takeBody(plain->getRegion(0));
  branch->getRegion(1).takeBody(plain->getRegion(1));
  plain.erase();
  for (auto [region, results] : llvm::zip(branch->getRegions(), values))
    region.front().getTerminator()->setOperands(results);
  return Values(branch.getResults());
}
