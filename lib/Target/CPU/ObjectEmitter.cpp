//===- ObjectEmitter.cpp - MLIR to LLVM IR to an object -----------------------------------------------===//

#include "lib/Target/CPU/ObjectEmitter.h"

#include "lib/Target/Kernels/CodeGeneration.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/OptBisect.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace lamina;

namespace {

std::unique_ptr<llvm::TargetMachine> createTargetMachine(const TargetInfo &target, std::string &error) {
  static bool initialized = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    return true;
  }();
  (void)initialized;
  llvm::Triple triple(target.triple);
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion =
      llvm::FPOpFusion::Strict; // a product and a sum stay two operations on every target
  options.FunctionSections = true;
  return std::unique_ptr<llvm::TargetMachine>(
      backend->createTargetMachine(triple, target.cpu, target.features, options, llvm::Reloc::PIC_,
                                   std::nullopt, llvm::CodeGenOptLevel::Default));
}

/// Without the first attribute loops that copy or clear would become calls of libc; with the others vectors
/// of 64 bytes stay whole where the target has them.
void setAttributes(llvm::Module &module, const TargetInfo &target) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("no-builtins");
    function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr("min-legal-vector-width", "512");
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.features);
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

/// Keeps the generators' order, in which weights are decoded when all sums need them. LLVM's scheduler would
/// follow one sum after the other, with the decoded weights waiting on the stack for the next.
class GeneratedOrder : public llvm::OptPassGate {
public:
  bool shouldRunPass(StringRef pass, StringRef) const override { return pass != "machine-scheduler"; }
  bool isEnabled() const override { return true; }
};

} // namespace

llvm::Expected<std::string> lamina::emitObject(ModuleOp module, const TargetInfo &target, Loops loops) {
  llvm::LLVMContext context;
  GeneratedOrder order;
  if (loops == Loops::Generated)
    context.setOptPassGate(order);
  llvm::Expected<std::unique_ptr<llvm::Module>> translated = translateKernels(module, context);
  if (!translated)
    return translated.takeError();
  std::unique_ptr<llvm::Module> llvmModule = std::move(*translated);
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = createTargetMachine(target, error);
  if (!machine)
    return llvm::createStringError("LLVM has no back end for " + target.triple + ": " + error);
  llvmModule->setTargetTriple(machine->getTargetTriple());
  llvmModule->setDataLayout(machine->createDataLayout());
  setAttributes(*llvmModule, target);
  optimizeKernels(*llvmModule, *machine, loops);
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("LLVM cannot write objects for " + target.triple);
  codegen.run(*llvmModule);
  return std::string(object.begin(), object.end());
}
