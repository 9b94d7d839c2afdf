//===- PTXEmitter.cpp - MLIR to LLVM IR to PTX --------------------------------------------------------===//

#include "lib/Target/CUDA/PTXEmitter.h"

#include "lib/Target/Kernels/CodeGeneration.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace lamina;

namespace {

/// The oldest PTX that the architecture and what kernels use of it are known to: newer drivers and assemblers take it as
/// well.
std::unique_ptr<llvm::TargetMachine> createMachine(DeviceMachine machine, std::string &error) {
  bool newer = machine == DeviceMachine::sm_90;
  StringRef architecture = newer ? "sm_90" : "sm_80", features = newer ? "+ptx80" : "+ptx70";
  static bool initialized = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialized;
  llvm::Triple triple("nvptx64-nvidia-cuda");
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict; // a product and a sum stay two operations
  return std::unique_ptr<llvm::TargetMachine>(
      backend->createTargetMachine(triple, architecture, features, options, llvm::Reloc::PIC_, std::nullopt,
                                   llvm::CodeGenOptLevel::Default));
}

/// Entries whose blocks have as many threads as the plan says.
void setAttributes(llvm::Module &module, ArrayRef<DeviceForm> forms) {
  for (const DeviceForm &form : forms) {
    llvm::Function *function = module.getFunction(form.variant.symbol);
    function->setCallingConv(llvm::CallingConv::PTX_Kernel);
    function->addFnAttr("nvvm.reqntid", std::to_string(form.variant.blockThreads));
    function->addFnAttr("nvvm.minctasm", "1"); // more blocks on a multiprocessor are not worth a spill
    function->addFnAttr(llvm::Attribute::NoUnwind);
  }
}

} // namespace

llvm::Expected<std::string> lamina::emitPTX(ModuleOp module, ArrayRef<DeviceForm> forms,
                                            DeviceMachine target) {
  llvm::LLVMContext context;
  llvm::Expected<std::unique_ptr<llvm::Module>> code = translateKernels(module, context);
  if (!code)
    return code.takeError();
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, error);
  if (!machine)
    return llvm::createStringError("LLVM has no back end for PTX: " + error);
  (*code)->setTargetTriple(machine->getTargetTriple());
  (*code)->setDataLayout(machine->createDataLayout());
  setAttributes(**code, forms);
  optimizeKernels(**code, *machine);
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return llvm::createStringError("LLVM cannot write PTX");
  codegen.run(**code);
  return std::string(text.begin(), text.end());
}

/// A module begins with directives that may stand only once.
std::string lamina::joinPTX(ArrayRef<std::string> modules) {
  std::string text;
  for (StringRef module : modules) {
    StringRef last = ".address_size 64\n";
    size_t end = module.find(last) + last.size();
    text += text.empty() ? module : module.drop_front(end);
  }
  return text;
}
