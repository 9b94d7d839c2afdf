//===- ClusterFile.cpp - the cluster that a model is compiled for ---------------------------------------------===//

#include "lib/Pipelines/ClusterFile.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLTraits.h"

#include <cmath>

using namespace mlir;
using namespace lamina;

namespace {

/// A positive number with an optional binary suffix, 0 = absent.
struct Quantity {
  int64_t value = 0;
};

struct ClassEntry {
  std::string name;
  mpmd::Role role;
  mpmd::DeviceKind device;
  Quantity count{1}, memory = {}, flops = {}, int8Ops = {}, bandwidth = {};
};

struct LinkEntry {
  std::string from, to;
  Quantity bandwidth = {}, latency = {};
};

struct Cluster {
  std::vector<ClassEntry> classes;
  std::vector<LinkEntry> links;
};

} // namespace

LLVM_YAML_IS_SEQUENCE_VECTOR(ClassEntry)
LLVM_YAML_IS_SEQUENCE_VECTOR(LinkEntry)

namespace llvm::yaml {

template <> struct ScalarTraits<Quantity> {
  static void output(const Quantity &quantity, void *, raw_ostream &os) { os << quantity.value; }
  static StringRef input(StringRef text, void *, Quantity &quantity) {
    int shift = StringSwitch<int>(text.take_back(3))
                    .Case("KiB", 10)
                    .Case("MiB", 20)
                    .Case("GiB", 30)
                    .Case("TiB", 40)
                    .Default(0);
    double number;
    if ((shift ? text.drop_back(3) : text).rtrim().getAsDouble(number) || !(number > 0) ||
        number * std::ldexp(1.0, shift) > 9e18)
      return "expected a positive number such as 80GiB or 25e9";
    quantity.value = int64_t(number * std::ldexp(1.0, shift));
    return {};
  }
  static QuotingType mustQuote(StringRef) { return QuotingType::None; }
};

// Scalars rather than enumerations: YAML's own complaint does not say what it expected.
template <> struct ScalarTraits<mpmd::Role> {
  static void output(const mpmd::Role &role, void *, raw_ostream &os) { os << stringifyRole(role); }
  static StringRef input(StringRef text, void *, mpmd::Role &role) {
    std::optional<mpmd::Role> known = mpmd::symbolizeRole(text);
    role = known.value_or(mpmd::Role::compute);
    return known ? "" : "expected the role compute or memory";
  }
  static QuotingType mustQuote(StringRef) { return QuotingType::None; }
};

template <> struct ScalarTraits<mpmd::DeviceKind> {
  static void output(const mpmd::DeviceKind &kind, void *, raw_ostream &os) {
    os << stringifyDeviceKind(kind);
  }
  static StringRef input(StringRef text, void *, mpmd::DeviceKind &kind) {
    std::optional<mpmd::DeviceKind> known = mpmd::symbolizeDeviceKind(text);
    kind = known.value_or(mpmd::DeviceKind::cpu);
    return known ? "" : "expected the device cpu or cuda";
  }
  static QuotingType mustQuote(StringRef) { return QuotingType::None; }
};

template <> struct MappingTraits<ClassEntry> {
  static void mapping(IO &io, ClassEntry &entry) {
    io.mapRequired("name", entry.name);
    io.mapRequired("role", entry.role);
    io.mapRequired("device", entry.device);
    io.mapOptional("count", entry.count);
    io.mapOptional("memory", entry.memory);
    io.mapOptional("flops", entry.flops);
    io.mapOptional("int8_ops", entry.int8Ops);
    io.mapOptional("bandwidth", entry.bandwidth);
  }
};

template <> struct MappingTraits<LinkEntry> {
  static void mapping(IO &io, LinkEntry &entry) {
    io.mapRequired("from", entry.from);
    io.mapRequired("to", entry.to);
    io.mapOptional("bandwidth", entry.bandwidth);
    io.mapOptional("latency_ns", entry.latency);
  }
};

template <> struct MappingTraits<Cluster> {
  static void mapping(IO &io, Cluster &cluster) {
    io.mapRequired("classes", cluster.classes);
    io.mapOptional("links", cluster.links);
  }
};

} // namespace llvm::yaml

/// Turns YAML's own complaints into diagnostics.
static void emitYamlError(const llvm::SMDiagnostic &diagnostic, void *context) {
  auto *module = static_cast<Operation *>(context);
  auto loc = FileLineColLoc::get(module->getContext(), diagnostic.getFilename(), diagnostic.getLineNo(),
                                 diagnostic.getColumnNo() + 1);
  emitError(loc) << "cluster file: " << diagnostic.getMessage();
}

static void addTopology(ModuleOp module, StringRef path, const Cluster &cluster) {
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  Location loc = FileLineColLoc::get(module.getContext(), path, 1, 1);
  auto orAbsent = [&](Quantity quantity) {
    return quantity.value ? builder.getI64IntegerAttr(quantity.value) : IntegerAttr();
  };
  auto topology = mpmd::TopologyOp::create(builder, loc, "cluster");
  builder.createBlock(&topology.getBody());
  for (const ClassEntry &entry : cluster.classes)
    mpmd::DeviceClassOp::create(builder, loc, entry.name, entry.role, entry.device, entry.count.value,
                                orAbsent(entry.memory), orAbsent(entry.flops), orAbsent(entry.int8Ops),
                                orAbsent(entry.bandwidth));
  for (const LinkEntry &entry : cluster.links)
    mpmd::LinkOp::create(builder, loc, entry.from, entry.to, orAbsent(entry.bandwidth),
                         orAbsent(entry.latency));
}

LogicalResult lamina::addTopologyFromFile(ModuleOp module, StringRef path) {
  auto fileLoc = FileLineColLoc::get(module.getContext(), path, 0, 0);
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return emitError(fileLoc) << "cannot read the cluster file: " << buffer.getError().message();
  // A reader of its own: a document that was begun once cannot be read from its start again.
  llvm::yaml::Input probe((*buffer)->getMemBufferRef(), nullptr, emitYamlError, module.getOperation());
  bool something = probe.setCurrentDocument();
  if (probe.error())
    return failure();
  if (!something) // which YAML does not mind
    return emitError(fileLoc) << "cluster file: expected a mapping with classes and links, got nothing";
  Cluster cluster;
  llvm::yaml::Input input((*buffer)->getMemBufferRef(), nullptr, emitYamlError, module.getOperation());
  input >> cluster;
  if (input.error())
    return failure();
  addTopology(module, path, cluster);
  return verify(module);
}

void lamina::addTopologyOf(ModuleOp module, mpmd::DeviceKind compute,
                           std::optional<mpmd::DeviceKind> memory) {
  Cluster cluster;
  cluster.classes.push_back({"compute", mpmd::Role::compute, compute});
  if (memory) {
    cluster.classes.push_back({"memory", mpmd::Role::memory, *memory});
    cluster.links.push_back({"compute", "memory"});
  }
  addTopology(module, "--target", cluster);
}
