//===- main.cpp - lamina-run --------------------------------------------------------------------------===//

#include "tools/lamina-run/Run.h"

int main(int argc, char **argv) { return lamina::run::runMain(argc, argv); }
