//===- main.cpp - lamina-run --------------------------------------------------------------------------===//

#include "tools/common/StandardStreams.h"
#include "tools/lamina-run/Run.h"

int main(int argc, char **argv) {
  lamina::occupyStandardStreams();
  return lamina::run::runMain(argc, argv);
}
