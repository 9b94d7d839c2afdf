//===- MPMDOps.cpp - syntax and verifiers of the mpmd dialect -----------------------------------------===//

#include "dialects/MPMD/IR/MPMD.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace lamina::mpmd;

#define GET_OP_CLASSES
#include "dialects/MPMD/IR/MPMDOps.cpp.inc"

namespace {

FlatSymbolRefAttr classOf(Type placed) { return cast<PlacedType>(placed).getDeviceClass(); }

/// The module's topology, null if there is none.
TopologyOp findTopology(Operation *op) {
  auto module = op->getParentOfType<ModuleOp>();
  if (!module)
    return {};
  auto topologies = module.getOps<TopologyOp>();
  return topologies.empty() ? TopologyOp() : *topologies.begin();
}

LogicalResult verifyClassExists(Operation *op, FlatSymbolRefAttr name, SymbolTableCollection &symbols) {
  TopologyOp topology = findTopology(op);
  if (!topology)
    return op->emitOpError() << "expected an mpmd.topology in the module that declares " << name;
  if (symbols.lookupSymbolIn<DeviceClassOp>(topology, name.getAttr()))
    return success();
  InFlightDiagnostic diag = op->emitOpError() << "expected a device class of the topology, got: " << name;
  diag.attachNote(topology.getLoc()) << "topology declared here";
  return diag;
}

} // namespace

DeviceClassOp lamina::mpmd::lookupDeviceClass(Operation *op, FlatSymbolRefAttr name) {
  TopologyOp topology = findTopology(op);
  return topology ? dyn_cast_or_null<DeviceClassOp>(SymbolTable::lookupSymbolIn(topology, name.getAttr()))
                  : DeviceClassOp();
}

//===--- Topology --------------------------------------------------------------------------------------===//

/// Verifies the following:
/// - it is the only topology of the module
/// - the body holds device classes and links alone
/// - there is a class
/// - links join two different classes of this topology
LogicalResult TopologyOp::verifyRegions() {
  if (TopologyOp first = findTopology(*this); first != *this) {
    InFlightDiagnostic diag = emitOpError("expected to be the only topology of the module");
    diag.attachNote(first.getLoc()) << "another one is here";
    return diag;
  }
  for (Operation &op : getBody().front())
    if (!isa<DeviceClassOp, LinkOp>(op))
      return op.emitOpError("expected device classes and links alone in an mpmd.topology");
  if (getBody().getOps<DeviceClassOp>().empty())
    return emitOpError("expected at least one device class");
  for (LinkOp link : getBody().getOps<LinkOp>()) {
    for (FlatSymbolRefAttr end : {link.getSourceAttr(), link.getDestinationAttr()})
      if (!mlir::SymbolTable::lookupSymbolIn(*this, end))
        return link.emitOpError() << "expected device classes of the topology at both ends, got: " << end;
    if (link.getSourceAttr() == link.getDestinationAttr())
      return link.emitOpError() << "expected different device classes at its ends, got: "
                                << link.getSourceAttr() << " twice";
  }
  return success();
}

//===--- Fragment --------------------------------------------------------------------------------------===//

void FragmentOp::build(OpBuilder &builder, OperationState &state, FlatSymbolRefAttr deviceClass,
                       StringRef name, ValueRange inputs, TypeRange valueTypes) {
  state.getOrAddProperties<Properties>().device_class = deviceClass;
  state.getOrAddProperties<Properties>().name = builder.getStringAttr(name);
  state.addOperands(inputs);
  for (Type type : valueTypes)
    state.addTypes(PlacedType::get(type, deviceClass));
  Block &body = state.addRegion()->emplaceBlock();
  for (Value input : inputs)
    body.addArgument(stripPlacement(input.getType()), input.getLoc());
}

ReturnOp FragmentOp::getReturn() { return cast<ReturnOp>(getBody().front().getTerminator()); }

ParseResult FragmentOp::parse(OpAsmParser &parser, OperationState &state) {
  FlatSymbolRefAttr deviceClass;
  std::string name;
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  if (parser.parseAttribute(deviceClass) || parser.parseString(&name))
    return failure();
  auto parseBinding = [&] {
    return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                   parser.parseOperand(operands.emplace_back()));
  };
  llvm::SMLoc operandsLoc = parser.getCurrentLocation();
  FunctionType type;
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseBinding) ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes) || parser.parseColonType(type) ||
      parser.resolveOperands(operands, type.getInputs(), operandsLoc, state.operands))
    return failure();
  state.getOrAddProperties<Properties>().device_class = deviceClass;
  state.getOrAddProperties<Properties>().name = parser.getBuilder().getStringAttr(name);
  state.addTypes(type.getResults());
  for (auto [argument, input] : llvm::zip_equal(arguments, type.getInputs()))
    argument.type = stripPlacement(input);
  Region *body = state.addRegion();
  if (parser.parseRegion(*body, arguments))
    return failure();
  ensureTerminator(*body, parser.getBuilder(), state.location);
  return success();
}

void FragmentOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getDeviceClassAttr() << ' ' << getNameAttr() << '(';
  llvm::interleaveComma(llvm::zip_equal(getBody().getArguments(), getInputs()), printer, [&](auto binding) {
    printer << std::get<0>(binding) << " = " << std::get<1>(binding);
  });
  printer << ')';
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           {getDeviceClassAttrName(), getNameAttrName()});
  printer << " : (" << getInputs().getTypes() << ") -> (" << getOutputs().getTypes() << ") ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false,
                      /*printBlockTerminators=*/getNumResults() != 0);
}

/// Verifies the following:
/// - every operand is a batch or placed on the fragment's class
/// - every result is placed on the fragment's class
/// - the body's arguments are the operands without their placement
LogicalResult FragmentOp::verify() {
  for (Value input : getInputs())
    if (auto placed = dyn_cast<PlacedType>(input.getType());
        placed && placed.getDeviceClass() != getDeviceClassAttr()) {
      InFlightDiagnostic diag = emitOpError() << "on " << getDeviceClassAttr() << " cannot use a value on "
                                              << placed.getDeviceClass() << " without an mpmd.transfer";
      diag.attachNote(input.getLoc()) << "value defined here";
      return diag;
    }
  for (Type type : getOutputs().getTypes())
    if (classOf(type) != getDeviceClassAttr())
      return emitOpError() << "on " << getDeviceClassAttr() << " cannot produce a value on " << classOf(type);
  SmallVector<Type> expected = llvm::map_to_vector(getInputs().getTypes(), stripPlacement);
  if (TypeRange(expected) != TypeRange(getBody().getArgumentTypes()))
    return emitOpError() << "expected body arguments of types (" << expected << "), got: ("
                         << getBody().getArgumentTypes() << ")";
  return success();
}

LogicalResult FragmentOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyClassExists(*this, getDeviceClassAttr(), symbols);
}

/// Verifies the following:
/// - the values are the fragment's results without their placement
LogicalResult ReturnOp::verify() {
  auto fragment = cast<FragmentOp>((*this)->getParentOp());
  SmallVector<Type> expected = llvm::map_to_vector(fragment.getOutputs().getTypes(), stripPlacement);
  if (TypeRange(expected) != getValues().getTypes())
    return emitOpError() << "expected values of types (" << expected << "), got: (" << getValues().getTypes()
                         << ")";
  return success();
}

//===--- Transfer --------------------------------------------------------------------------------------===//

void TransferOp::build(OpBuilder &, OperationState &state, ValueRange inputs, FlatSymbolRefAttr destination) {
  state.addOperands(inputs);
  for (Type type : inputs.getTypes())
    state.addTypes(PlacedType::get(stripPlacement(type), destination));
}

FlatSymbolRefAttr TransferOp::getSource() { return classOf(getInputs().front().getType()); }
FlatSymbolRefAttr TransferOp::getDestination() { return classOf(getOutputs().front().getType()); }

/// Verifies the following:
/// - something moves
/// - each result is its operand placed elsewhere
/// - per-request state does not move
/// - all operands are on one class and all results on another
LogicalResult TransferOp::verify() {
  if (getInputs().empty())
    return emitOpError("expected at least one value to move");
  SmallVector<Type> moved = llvm::map_to_vector(getInputs().getTypes(), stripPlacement);
  SmallVector<Type> arrived = llvm::map_to_vector(getOutputs().getTypes(), stripPlacement);
  if (moved != arrived)
    return emitOpError() << "expected results that hold (" << moved << "), got: (" << arrived << ")";
  for (Type type : moved)
    if (isa<lm::KVCacheType>(type))
      return emitOpError("cannot move a !lm.kv_cache: it stays on the device that appends to it");
  for (Type type : getInputs().getTypes())
    if (classOf(type) != getSource())
      return emitOpError() << "expected operands on one device class, got: " << getSource() << " and "
                           << classOf(type);
  for (Type type : getOutputs().getTypes())
    if (classOf(type) != getDestination())
      return emitOpError() << "expected results on one device class, got: " << getDestination() << " and "
                           << classOf(type);
  if (getSource() == getDestination())
    return emitOpError() << "expected different device classes, got: " << getSource() << " twice";
  return success();
}

LogicalResult TransferOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(verifyClassExists(*this, getSource(), symbols)))
    return failure();
  return verifyClassExists(*this, getDestination(), symbols);
}
