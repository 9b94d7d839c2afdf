//===- Passes.td - passes of the mpmd dialect ---------------------------------------------*- tablegen -*-===//

#ifndef LAMINA_DIALECTS_MPMD_TRANSFORMS_PASSES
#define LAMINA_DIALECTS_MPMD_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

//===--- Phase partition --------------------------------------------------------------------------------------===//

def MPMDDefaultTopologyPass : Pass<"mpmd-default-topology", "::mlir::ModuleOp"> {
  let summary = "adds a topology to a module without one";
  let description = [{
    Without a description of the cluster a step runs on one compute worker and one memory worker of this machine. A
    module that has a topology is left alone.

    Before: an empty module. After:
    ```mlir
    mpmd.topology @cluster {
      mpmd.device_class @compute : compute on cpu
      mpmd.device_class @memory : memory on cpu
      mpmd.link @compute -> @memory
    }
    ```
  }];
  let options = [Option<"monolithic", "monolithic", "bool", "false",
                        "Only the class @compute, which then runs attention too">];
  let dependentDialects = ["::lamina::mpmd::MPMDDialect"];
}

def MPMDPartitionPass : Pass<"mpmd-partition", "::mlir::ModuleOp"> {
  let summary = "cuts each step at its attention operators";
  let description = [{
    For each attention operator (any implementer of the lm attention interface) a minimum weighted cut of the remaining
    graph says which operations run before it and which after, so that the fewest bytes per token are kept
    meanwhile. n attentions give n + 1 fragments on the compute class and n on the memory class; the latter hold the
    attention and what appends to its cache. Weights, constants and what follows from the batch alone are repeated in
    each fragment that reads them. Values cross by transfers of one value each, in front of the fragment that needs them.

    The function records the kept bytes of every cut (`mpmd.cut_bytes`) and the number of operations that run once
    (`mpmd.operations`); mpmd-verify-partition compares. With a topology of a single class everything becomes one
    fragment.

    Before:
    ```mlir
    func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<…>) -> tensor<?x64xf32> {
      %x = lm.embedding …
      %q = lm.linear %x, …
      %k = lm.linear %x, …
      %v = lm.linear %x, …
      %c = lm.cache_append %cache, %k, %v …
      %o = lm.attention %q, %c …
      %y = arith.addf %x, %o : tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    func.func @step(%batch: !lm.batch, %cache: !mpmd.placed<!lm.kv_cache<…>, @memory>)
        -> !mpmd.placed<tensor<?x64xf32>, @compute> attributes {mpmd.cut_bytes = array<i64: 256>, …} {
      %c:4 = mpmd.fragment @compute "slice0"(%b = %batch) … { x, q, k, v }
      %k = mpmd.transfer %c#2 …
      %v = mpmd.transfer %c#3 …
      %q = mpmd.transfer %c#1 …
      %m = mpmd.fragment @memory "attention0"(…) … { cache_append, attention }
      %o = mpmd.transfer %m …
      %y = mpmd.fragment @compute "slice1"(%0 = %c#0, %1 = %o) … { arith.addf }
      return %y : !mpmd.placed<tensor<?x64xf32>, @compute>
    }
    ```
  }];
  let dependentDialects = ["::lamina::mpmd::MPMDDialect"];
}

def MPMDVerifyPartitionPass : Pass<"mpmd-verify-partition", "::mlir::ModuleOp"> {
  let summary = "checks what phase partition promises";
  let description = [{
    Changes nothing and fails unless, in each step:
    * everything is in a fragment, and fragments hold as many operations that run once as the step had;
    * n memory fragments with one attention each stand beside n + 1 compute fragments with none; one fragment of all
      if the topology has a single class;
    * across each attention the compute class keeps as many bytes per token as the minimum cut;
    * no transfer moves a weight (that none moves a cache is verified by the operation itself).
  }];
}

//===--- Phase comm -------------------------------------------------------------------------------------------===//

def MPMDSplitFragmentsPass : Pass<"mpmd-split-fragments", "::mlir::ModuleOp"> {
  let summary = "puts the query first, keys and values after it";
  let description = [{
    Splits each compute fragment that feeds attention: `.q` computes the queries and all that they depend on, `.kv` what
    is left of keys and values, `.rest` what attention does not need at all, which then overlaps with it. Which
    result is a query is read off its use: attention operators read queries, what updates state reads the others.

    Before:
    ```mlir
    %c:4 = mpmd.fragment @compute "slice0"(%b = %batch) … { x, q, k, v }
    ```
    After:
    ```mlir
    %c:2 = mpmd.fragment @compute "slice0.q"(%b = %batch) … { x, q }
    %d:2 = mpmd.fragment @compute "slice0.kv"(%x = %c#0) … { k, v }
    ```
  }];
  let dependentDialects = ["::lamina::mpmd::MPMDDialect"];
}

def MPMDOverlapAttentionPass : Pass<"mpmd-overlap-attention", "::mlir::ModuleOp"> {
  let summary = "attends to what is cached while keys and values are computed";
  let description = [{
    Queries arrive before keys and values. The ranges of positions that the step adds nothing to need only the query: an
    `online_attention` of these alone goes into a fragment right behind the query's transfer, and the one that was there takes them
    from it (section 3.2 of the paper, with the same additions in the same order). Where both classes are processors nothing
    is done: workers that share one machine's cores gain nothing from it, and a topology does not say whether two processors are
    two machines'.

    Before:
    ```mlir
    %q = mpmd.transfer …
    %k, %v = mpmd.transfer …
    %o = mpmd.fragment @memory "attention0"(%c = %cache, %q = %q, %k = %k, %v = %v) … {
      %d = lm.cache_append %c, %k, %v …
      %x = lm.online_attention %q, %d …
    ```
    After:
    ```mlir
    %q = mpmd.transfer …
    %e = mpmd.fragment @memory "attention0.cached"(%q = %q, %c = %cache) … {
      %x = lm.online_attention %q, %c … {cached_only, …}
    %k, %v = mpmd.transfer …
    %o = mpmd.fragment @memory "attention0"(%c = %cache, %q = %q, %k = %k, %v = %v, %e = %e) … {
      %d = lm.cache_append %c, %k, %v …
      %x = lm.online_attention %q, %d … after %e
    ```
  }];
  let dependentDialects = ["::lamina::mpmd::MPMDDialect"];
}

def MPMDOfferCandidatesPass : Pass<"mpmd-offer-candidates", "::mlir::ModuleOp"> {
  let summary = "chooses the largest logits where they are computed, on a GPU";
  let description = [{
    Logits of a GPU would be sampled on the host: all of a row would have to go there for one token. Where the fragment that
    computes them runs on `cuda`, it gives the largest of each row with their ids too, as results of the step behind the
    logits, which then move only in steps that ask for them. On CPUs the host reads logits in place.

    Before:
    ```mlir
    %l = mpmd.fragment @gpu "slice1.q" … { … mpmd.return %logits }
    return %l
    ```
    After:
    ```mlir
    %l, %v, %i = mpmd.fragment @gpu "slice1.q" … {
      …
      %values, %ids = lm.top_k %logits : (tensor<?x512xf32>) -> (tensor<?x64xf32>, tensor<?x64xi32>)
      mpmd.return %logits, %values, %ids
    }
    return %l, %v, %i
    ```
  }];
  let dependentDialects = ["::lamina::mpmd::MPMDDialect"];
}

def MPMDMergeTransfersPass : Pass<"mpmd-merge-transfers", "::mlir::ModuleOp"> {
  let summary = "makes one message of what is made and needed together";
  let description = [{
    Transfers whose values come from the same fragment and are read by the same fragments of the same class become one.

    Before:
    ```mlir
    %k = mpmd.transfer %d#0 : …
    %v = mpmd.transfer %d#1 : …
    ```
    After:
    ```mlir
    %kv:2 = mpmd.transfer %d#0, %d#1 : …
    ```
  }];
  let dependentDialects = ["::lamina::mpmd::MPMDDialect"];
}

def MPMDHoistTransfersPass : Pass<"mpmd-hoist-transfers", "::mlir::ModuleOp"> {
  let summary = "sends as soon as there is something to send";
  let description = [{
    Moves each transfer behind the fragment that makes its values.

    Before:
    ```mlir
    %c:2 = mpmd.fragment @compute "slice0.q" … { x, q }
    %d:2 = mpmd.fragment @compute "slice0.kv" … { k, v }
    %q = mpmd.transfer %c#1 : …
    ```
    After:
    ```mlir
    %c:2 = mpmd.fragment @compute "slice0.q" … { x, q }
    %q = mpmd.transfer %c#1 : …
    %d:2 = mpmd.fragment @compute "slice0.kv" … { k, v }
    ```
  }];
}

def MPMDVerifyCommPass : Pass<"mpmd-verify-comm", "::mlir::ModuleOp"> {
  let summary = "checks what phase comm promises";
  let description = [{
    Changes nothing and fails unless, in each step:
    * everything is in a fragment or a transfer (their types see to it that no value is used on a foreign device);
    * a value moves to a class at most once;
    * no transfer moves a weight (that none moves a cache is verified by the operation itself);
    * a fragment that computes a query computes nothing else, and the query's transfer follows it at once: keys and
      values are computed while the query is under way.
  }];
}

#endif // LAMINA_DIALECTS_MPMD_TRANSFORMS_PASSES
