// RUN: lamina-opt %s --mpmd-default-topology | FileCheck %s
// RUN: lamina-opt %s --mpmd-default-topology=monolithic=true | FileCheck %s --check-prefix=MONO
// RUN: lamina-opt %s --mpmd-default-topology=monolithic=true --mpmd-default-topology | FileCheck %s --check-prefix=MONO

// CHECK: mpmd.topology @cluster {
// CHECK-NEXT: mpmd.device_class @compute : compute on cpu
// CHECK-NEXT: mpmd.device_class @memory : memory on cpu
// CHECK-NEXT: mpmd.link @compute -> @memory
// CHECK-NEXT: }

// A topology that is there is left alone.
// MONO: mpmd.topology @cluster {
// MONO-NEXT: mpmd.device_class @compute : compute on cpu
// MONO-NEXT: }
// MONO-NOT: mpmd.topology
