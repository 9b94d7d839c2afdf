//===- DeviceBuilder.cpp - what the threads of a block do together ------------------------------------===//

#include "lib/Target/CUDA/DeviceBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace lamina;

/// Numbers convert in hardware, multiply-adds are fused; tables are looked up by lookupBytes of DeviceBuilder.
static constexpr TargetInfo kDevice = {.name = "cuda",
                                       .triple = "nvptx64-nvidia-cuda",
                                       .cpu = "sm_80",
                                       .linkerEmulation = "",
                                       .fma = true,
                                       .halfFloats = true,
                                       .lookup = {},
                                       .byteDot = {},
                                       .groupsAtOnce = 1,
                                       .groupsOfFour = 1,
                                       .tileTokens = 1,
                                       .integerTileTokens = 1,
                                       .attentionChains = 1,
                                       .alignsVectors = true};

DeviceBuilder::DeviceBuilder(Location loc, Block *entry, DeviceMachine machine, int64_t threads)
    : KernelBuilder(loc, entry, kDevice), machine_(machine), threads_(threads) {
  auto id = [&](StringRef registerName, StringRef function) {
    return toI64(simulated() ? callSimulator(function, getI32Type(), {})
                             : callIntrinsic(registerName, getI32Type(), {}));
  };
  thread_ = id("llvm.nvvm.read.ptx.sreg.tid.x", "lamina_sim_thread_id");
  block_ = id("llvm.nvvm.read.ptx.sreg.ctaid.x", "lamina_sim_block_id");
  if (simulated()) {
    shared_ = callSimulator("lamina_sim_shared", pointerType(), {});
    return;
  }
  // The launch says how large the array is.
  auto function = cast<LLVM::LLVMFuncOp>(entry->getParentOp());
  auto module = function->getParentOfType<ModuleOp>();
  LLVM::GlobalOp memory;
  {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(module.getBody());
    memory =
        LLVM::GlobalOp::create(*this, LLVM::LLVMArrayType::get(getI8Type(), 0), /*isConstant=*/false,
                               LLVM::Linkage::External, function.getSymName().str() + "_shared", Attribute(),
                               /*alignment=*/16, /*addrSpace=*/3);
  }
  Value address = LLVM::AddressOfOp::create(*this, memory);
  shared_ = LLVM::AddrSpaceCastOp::create(*this, pointerType(), address);
}

Value DeviceBuilder::callSimulator(StringRef name, Type result, ValueRange arguments) {
  auto module = getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto function = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
  if (!function) {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(module.getBody());
    auto type = LLVM::LLVMFunctionType::get(result ? result : LLVM::LLVMVoidType::get(getContext()),
                                            llvm::to_vector(arguments.getTypes()));
    function = LLVM::LLVMFuncOp::create(*this, name, type);
  }
  auto call = LLVM::CallOp::create(*this, function, arguments);
  return result ? call.getResult() : Value();
}

Value DeviceBuilder::shared(int64_t bytes) {
  Value place = offset(shared_, sharedEnd_);
  sharedEnd_ += int64_t(llvm::alignTo(bytes, 16));
  sharedBytes_ = std::max(sharedBytes_, sharedEnd_);
  return place;
}

void DeviceBuilder::barrier() {
  if (simulated()) {
    callSimulator("lamina_sim_barrier", {}, {});
    return;
  }
  LLVM::CallIntrinsicOp::create(*this, getStringAttr("llvm.nvvm.barrier.cta.sync.aligned.all"),
                                ValueRange{constant(getI32Type(), int64_t(0))});
}

/// No instruction, but one that could write memory.
void DeviceBuilder::keepLoadsAhead() {
  if (!simulated())
    LLVM::InlineAsmOp::create(*this, TypeRange(), ValueRange(), "", "~{memory}", /*has_side_effects=*/true,
                              /*is_align_stack=*/false, LLVM::TailCallKind::None, LLVM::AsmDialectAttr(),
                              ArrayAttr());
}

/// Not before: what begins early brings its first weights, for which memory has time while this kernel's threads start.
void DeviceBuilder::waitForKernels() {
  if (simulated())
    callSimulator("lamina_sim_grid_wait", {}, {});
  if (machine_ != DeviceMachine::sm_90)
    return;
  callIntrinsic("llvm.nvvm.griddepcontrol.wait", ValueRange());
  callIntrinsic("llvm.nvvm.griddepcontrol.launch.dependents", ValueRange());
}

/// The simulator reads a byte, so that a place that is not there shows.
void DeviceBuilder::prefetchLine(Value pointer) {
  if (simulated()) {
    LLVM::LoadOp::create(*this, getI8Type(), pointer, /*alignment=*/1, /*isVolatile=*/true);
    return;
  }
  auto global = LLVM::LLVMPointerType::get(getContext(), /*addressSpace=*/1);
  callIntrinsic("llvm.nvvm.prefetch.global.L2",
                {LLVM::AddrSpaceCastOp::create(*this, global, pointer).getResult()});
}

Value DeviceBuilder::shuffleXor(Value value, int64_t mask) {
  Type type = value.getType(), word = getI32Type();
  if (type == getI64Type()) {
    auto half = [&](Value bits) {
      return toI64(shuffleXor(arith::TruncIOp::create(*this, word, bits), mask));
    };
    return add(shiftLeft(half(shiftRight(value, 32)), 32), bitAnd(half(value), 0xffffffff));
  }
  Value bits = type == word ? value : bitcast(value, word);
  if (simulated()) {
    Value other = arith::TruncIOp::create(*this, word, lane());
    other = arith::XOrIOp::create(*this, other, constant(word, mask));
    bits = callSimulator("lamina_sim_shuffle", word, {bits, other});
  } else {
    bits =
        callIntrinsic("llvm.nvvm.shfl.sync.bfly.i32", word,
                      {constant(word, int64_t(-1)), bits, constant(word, mask), constant(word, kWarp - 1)});
  }
  return type == word ? bits : bitcast(bits, type);
}

Value DeviceBuilder::foldWarp(Value value, Combine combine, int64_t from, int64_t to) {
  for (int64_t mask = from; mask < to; mask *= 2)
    value = combine(value, shuffleXor(value, mask));
  return value;
}

Value DeviceBuilder::sumWarp(Value value) {
  bool integers = value.getType().isInteger();
  return foldWarp(value, [&](Value a, Value b) { return integers ? add(a, b) : addf(a, b); });
}

Value DeviceBuilder::maxWarp(Value value) {
  bool integers = value.getType().isInteger();
  return foldWarp(value, [&](Value a, Value b) { return integers ? max(a, b) : maxf(a, b); });
}

Value DeviceBuilder::foldBlock(Value value, Combine combine) {
  value = foldWarp(value, combine);
  if (warps() == 1)
    return value;
  int64_t bytes = value.getType().getIntOrFloatBitWidth() / 8;
  Value places = shared(bytes * warps());
  store(value, offset(places, mul(warp(), bytes))); // all lanes of a warp store the same
  barrier();
  value = load(value.getType(), places);
  for (int64_t other = 1; other < warps(); ++other)
    value = combine(value, load(value.getType(), offset(places, bytes * other)));
  barrier(); // the place may be used again
  return value;
}

Value DeviceBuilder::sumBlock(Value value) {
  return foldBlock(value, [&](Value a, Value b) { return addf(a, b); });
}

Value DeviceBuilder::dotBytes(Value unsignedBytes, Value signedBytes, Value sum) {
  if (!simulated())
    return callIntrinsic("llvm.nvvm.idp4a.u.s", getI32Type(), {unsignedBytes, signedBytes, sum});
  for (int64_t byte = 0; byte < 4; ++byte) {
    Value a = bitAnd(shiftRight(unsignedBytes, 8 * byte), 0xFF);
    Value b = shiftRightSigned(shiftLeft(signedBytes, 24 - 8 * byte), 24);
    sum = add(sum, mul(a, b));
  }
  return sum;
}

//===--- Tiles -----------------------------------------------------------------------------------------===//

Values DeviceBuilder::callTileProduct(StringRef intrinsic, ValueRange a, ValueRange b, ValueRange sums) {
  Values arguments(a);
  llvm::append_range(arguments, b);
  llvm::append_range(arguments, sums);
  auto type = LLVM::LLVMStructType::getLiteral(getContext(), llvm::to_vector(sums.getTypes()));
  Value tile = callIntrinsic(intrinsic, type, arguments);
  Values results;
  for (size_t i = 0; i < sums.size(); ++i)
    results.push_back(LLVM::ExtractValueOp::create(*this, tile, int64_t(i)));
  return results;
}

/// The simulator's functions take places of the words.
Values DeviceBuilder::simulateTileProduct(StringRef function, ValueRange a, ValueRange b, ValueRange sums,
                                          int64_t which) {
  if (!tiles_)
    tiles_ = scratch(4 * 10);
  Value places[] = {tiles_, offset(tiles_, 16), offset(tiles_, 24)};
  for (auto [place, words] : llvm::zip(places, std::array<ValueRange, 3>{a, b, sums}))
    for (auto [i, word] : llvm::enumerate(words))
      store(word, offset(place, 4 * int64_t(i)));
  callSimulator(function, {}, {places[0], places[1], places[2], constant(getI32Type(), which)});
  Values results;
  for (auto [i, sum] : llvm::enumerate(sums))
    results.push_back(load(sum.getType(), offset(places[2], 4 * int64_t(i))));
  return results;
}

Values DeviceBuilder::multiplyTiles(ValueRange a, ValueRange b, Value start) {
  int64_t depth = 8 * a.size();
  Values sums(4, start);
  if (simulated())
    return simulateTileProduct("lamina_sim_mma_s8", a, b, sums, depth);
  return callTileProduct("llvm.nvvm.mma.m16n8k" + std::to_string(depth) + ".row.col.s8", a, b, sums);
}

Values DeviceBuilder::multiplyTiles(PackedNumber number, ValueRange a, ValueRange b, ValueRange sums) {
  bool bfloat = number == PackedNumber::BF16;
  if (simulated())
    return simulateTileProduct("lamina_sim_mma_f32", a, b, sums, bfloat);
  if (bfloat)
    return callTileProduct("llvm.nvvm.mma.m16n8k16.row.col.bf16", a, b, sums);
  auto pairs = [&](ValueRange words) {
    return llvm::map_to_vector<8>(words,
                                  [&](Value word) { return bitcast(word, vectorOf(getF16Type(), 2)); });
  };
  return callTileProduct("llvm.nvvm.mma.m16n8k16.row.col.f32.f32", pairs(a), pairs(b), sums);
}

Value DeviceBuilder::joinHalves(Value first, Value second) {
  auto wide = [&](Value half) { return Value(arith::ExtUIOp::create(*this, i32(0), half)); };
  return bitOr(wide(first), shiftLeft(wide(second), 16));
}

Value DeviceBuilder::lowerHalves(Value first, Value second) {
  return bitOr(bitAnd(first, 0xFFFF), shiftLeft(second, 16));
}

Value DeviceBuilder::upperHalves(Value first, Value second) {
  return bitOr(shiftRight(first, 16), bitAnd(second, -0x10000));
}

/// The exponent's four bits are the lower ones of five. All seven bits are a NaN: adding one carries into the fifth.
Value DeviceBuilder::e4m3PairToHalves(Value pair) {
  Value zero = constant(getI32Type(), int64_t(0)), wide = arith::ExtUIOp::create(*this, getI32Type(), pair);
  Value upper =
      permuteBytes(wide, zero, constant(getI32Type(), int64_t(0x1404))); // the upper byte of each half
  Value magnitudes = bitAnd(shiftRight(upper, 1), 0x3F803F80);
  Value carried = bitAnd(add(magnitudes, constant(getI32Type(), int64_t(0x00800080))), 0x40004000);
  return bitOr(bitOr(bitAnd(upper, -0x7FFF8000), magnitudes), carried);
}

Value DeviceBuilder::permuteBytes(Value low, Value high, Value selector) {
  if (simulated())
    return callSimulator("lamina_sim_permute", getI32Type(), {low, high, selector});
  return callIntrinsic("llvm.nvvm.prmt", getI32Type(), {low, high, selector});
}

/// Four indices of four bits, one in each byte, of which a permutation takes three: the fourth chooses between two.
Value DeviceBuilder::lookupWord(Value indices, llvm::ArrayRef<uint32_t> table) {
  auto word = [&](uint32_t bits) { return constant(getI32Type(), int64_t(bits)); };
  Value pairs = bitOr(indices, shiftRight(indices, 4)), zero = word(0);
  Value selector = bitAnd(permuteBytes(pairs, zero, word(0x4420)), 0x7777);
  Value lower = permuteBytes(word(table[0]), word(table[1]), selector);
  Value upper = permuteBytes(word(table[2]), word(table[3]), selector);
  Value isUpper =
      permuteBytes(shiftLeft(indices, 4), zero, word(0xBA98)); // the highest bit of each byte, everywhere
  Value difference = arith::XOrIOp::create(*this, lower, upper);
  return arith::XOrIOp::create(*this, lower, arith::AndIOp::create(*this, difference, isUpper));
}

Value DeviceBuilder::lookupBytes(Value indices, llvm::ArrayRef<int8_t> table) {
  std::array<uint32_t, 4> words = {};
  for (size_t i = 0; i < 16; ++i)
    words[i / 4] |= uint32_t(uint8_t(table[i % table.size()])) << 8 * (i % 4);
  if (lanesOf(indices) == 0)
    return lookupWord(indices, words);
  Values looked;
  for (int64_t lane = 0; lane < lanesOf(indices); ++lane)
    looked.push_back(lookupWord(extract(indices, lane), words));
  return vector::FromElementsOp::create(*this, cast<VectorType>(indices.getType()), looked);
}
