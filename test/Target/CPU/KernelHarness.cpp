//===- KernelHarness.cpp - compiles kernels from text and runs them -----------------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include "dialects/LM/IR/LM.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <unistd.h>

using namespace lamina;
using namespace lamina::test;

namespace {

void loadDialects(mlir::MLIRContext &context) {
  context.loadDialect<lm::LMDialect, plan::PlanDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect,
                      mlir::memref::MemRefDialect, mlir::scf::SCFDialect>();
}

/// Parses and compiles; the sources are kept alive by `context`.
struct Parsed {
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<KernelSource> kernels;

  Parsed(const std::string &mlir, plan::RowExtent rows,
         std::function<void(mlir::Diagnostic &)> onError = nullptr) {
    loadDialects(context);
    if (onError)
      context.getDiagEngine().registerHandler(onError);
    module = mlir::parseSourceString<mlir::ModuleOp>(mlir, &context);
    if (!module)
      return;
    for (auto kernel : module->getOps<plan::KernelOp>())
      kernels.push_back({kernel.getSymName().str(), &kernel.getBody(), rows});
  }
};

/// The loader knows objects by name, so each gets a name of its own.
void *loadBytes(const std::string &object) {
  std::string path = testing::TempDir() + "kernels-XXXXXX";
  int fd = mkstemp(path.data());
  if (fd < 0)
    return nullptr;
  void *handle = nullptr;
  if (write(fd, object.data(), object.size()) == ssize_t(object.size()))
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    ADD_FAILURE() << dlerror();
  close(fd);
  unlink(path.c_str());
  return handle;
}

} // namespace

std::vector<std::string> test::compileText(const std::string &mlir, const std::vector<std::string> &targets) {
  Parsed parsed(mlir, plan::RowExtent::tokens);
  EXPECT_TRUE(parsed.module);
  std::vector<llvm::StringRef> names(targets.begin(), targets.end());
  auto objects = compileForDevice(parsed.kernels, names);
  EXPECT_TRUE(succeeded(objects));
  return succeeded(objects) ? *objects : std::vector<std::string>();
}

std::map<std::string, std::vector<KernelVariant>> test::describeText(const std::string &mlir) {
  Parsed parsed(mlir, plan::RowExtent::tokens);
  EXPECT_TRUE(parsed.module);
  std::map<std::string, std::vector<KernelVariant>> forms;
  for (const KernelSource &kernel : parsed.kernels)
    forms[kernel.name] = *describeForDevice(kernel);
  return forms;
}

std::string test::compileErrors(const std::string &mlir, const std::string &target) {
  std::string errors;
  Parsed parsed(mlir, plan::RowExtent::tokens,
                [&](mlir::Diagnostic &diagnostic) { errors += diagnostic.str() + "\n"; });
  if (parsed.module)
    (void)compileForDevice(parsed.kernels, {llvm::StringRef(target)});
  return errors;
}

std::unique_ptr<KernelLibrary> KernelLibrary::compile(const std::string &mlir, const std::string &target,
                                                      plan::RowExtent rows) {
  auto compiler = [&](llvm::ArrayRef<KernelSource> kernels) {
    auto objects = compileForDevice(kernels, {llvm::StringRef(target)});
    return succeeded(objects) ? objects->front() : std::string();
  };
  return compile(mlir, compiler, rows);
}

std::unique_ptr<KernelLibrary> KernelLibrary::compile(const std::string &mlir, const Compiler &compiler,
                                                      plan::RowExtent rows) {
  Parsed parsed(mlir, rows);
  if (!parsed.module) {
    ADD_FAILURE() << "cannot parse " << mlir;
    return nullptr;
  }
  std::string object = compiler(parsed.kernels);
  if (object.empty()) {
    ADD_FAILURE() << "cannot compile " << mlir;
    return nullptr;
  }
  auto library = std::make_unique<KernelLibrary>();
  for (const KernelSource &kernel : parsed.kernels)
    library->variants_[kernel.name] = *describeForDevice(kernel);
  library->handle_ = loadBytes(object);
  return library->handle_ ? std::move(library) : nullptr;
}

KernelLibrary::~KernelLibrary() {
  if (handle_)
    dlclose(handle_);
}

void KernelLibrary::run(const std::string &kernel, size_t variant, const std::vector<void *> &bindings,
                        LaminaStep step, int64_t parts) const {
  const KernelVariant &form = variants_.at(kernel)[variant];
  void *symbol = dlsym(handle_, form.symbol.c_str());
  ASSERT_NE(symbol, nullptr) << form.symbol;
  int64_t rows = form.extent == plan::RowExtent::fixed    ? 1
                 : form.extent == plan::RowExtent::tokens ? step.tokens
                                                          : step.outputRows;
  launchOnDevice(symbol, form, bindings, step, rows * int64_t(form.workgroups), parts);
}

std::vector<size_t> KernelLibrary::formsFor(const std::string &kernel, int64_t tokens) const {
  std::vector<size_t> forms;
  for (auto [i, form] : llvm::enumerate(variants_.at(kernel)))
    if (form.maxTokens == 0 || tokens <= int64_t(form.maxTokens))
      forms.push_back(i);
  return forms;
}

void KernelLibrary::run(const std::string &kernel, const std::vector<void *> &bindings,
                        LaminaStep step) const {
  run(kernel, formsFor(kernel, step.tokens).front(), bindings, step);
}
