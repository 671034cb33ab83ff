#!/usr/bin/env python3
"""Makes OPERATORS.md: which operators of PyTorch's are covered, per family, and how the conformance runs ended.

The first part is read off the program (operators.c prints ops.def with what implements each row), the second off the
score files that the conformance scripts write with --scores into tests/conformance/scores/.

usage: operators.py OPERATORS-PROGRAM OPERATORS.md            exit code 1, and what differs, when the file is not current
       operators.py OPERATORS-PROGRAM OPERATORS.md --write    writes it
"""
import collections
import difflib
import json
import os
import re
import subprocess
import sys

# The first pattern that is found in the symbol decides. Those of the second list are not what a model scores with.
ELSEWHERE = [
    ("compilers' own nodes", r"^prim::(Autograd|Bail|Broadcast|Chunk|Constant(Chunk|MKLDNN)|Cuda|Differentiable|Fallback|Fus|Guard|IgnoredPython|MKLDNN|MM|"
                             r"PythonOp|Reduction|RequiresGrad|Static|TensorExpr|TypeCheck|Var|add_optional|mkldnn|oneDNN|profile)|^(onednn|_quantized)::"),
    ("gradients and optimisers", r"backward|_grad|grad_|^prim::grad|::grad$|get_gradients|_foreach_|_fused_(ada|sgd)|_amp_|_jvp|_cpu_fallback|_make_dual|_unpack_dual|"
                                 r"_fw_primal|moving_avg|_learnable_|_check_and_unscale"),
    ("other devices", r"cudnn|miopen|_mps|mkldnn|xnnpack|vulkan|cuda|nnpack|triton|cslt|semi_structured|_ncf_|_xla|_scaled_(grouped_)?mm|efficient_attention|flash|"
                      r"int4pack|int8pack|_dyn_quant|_mixed_dtypes|_philox|fbgemm|_sobol|_copy_from|convolution_overrideable"),
    ("sparse and nested tensors", r"sparse|nested|coalesce|_nnz|_dim[IV]|(crow|ccol|col|row)_indices|::_?(indices|values)(_copy)?$|jagged|spdiags|spsolve|spmm|smm$|padded_dense|"
                                  r"padded_tensor|_indices_from_(coo|csr)"),
    ("several processes", r"rpc_|to_here|owner|local_value|_batch_norm_stats|batch_norm_(gather|elemt|update|stats)"),
    ("named dimensions", r"align_|rename|refine_names|::names"),
    ("PyTorch's tests", r"_test_|_foobar|_propagate|_debug_|_torch_cuda"),
    ("image files", r"^image::"),
]
FAMILIES = [
    ("quantised tensors", r"quantiz|quantise|int_repr|q_(scale|zero|per)|qscheme|qparams"),
    ("torchvision", r"^torchvision::"),
    ("fused by tsbatch", r"^tsb::"),
    ("Fourier transforms", r"fft_|_fft|stft"),
    ("linear algebra", r"linalg|cholesky|inverse|svd|symeig|::qr|geqrf|ormqr|orgqr|lu_|det$|lstsq|triangular_solve|matrix_|nuclear|cov$|corrcoef|"
                       r"::_?(mm|bmm|matmul|addmm|addmv|addr|addbmm|baddbmm|mv|dot|vdot|inner|outer|ger|kron|einsum|tensordot|cross|trilinear|bilinear|linear|chain_matmul)"
                       r"(_activation)?_?$|_mm$|cdist|pdist|euclidean|householder|eig"),
    ("convolutions", r"conv|_unfold|im2col|col2im|::fold"),
    ("pooling", r"pool"),
    ("resizing and sampling", r"upsample|interpolate|grid_sample|affine_grid|pixel_"),
    ("normalisation", r"_norm|norm_|::norm|renorm"),
    ("losses", r"_loss|kl_div|cross_entropy|cosine_(embedding|similarity)|pairwise|_ctc"),
    ("recurrent networks", r"lstm|gru|rnn|packed_sequence|pad_sequence|_pack_"),
    ("attention", r"attention|transformer|_qkv|_sdp|_safe_softmax|_masked_softmax"),
    ("embeddings", r"embedding|one_hot"),
    ("special functions", r"special_|gamma|erf|::i0|bessel|polygamma|zeta|sinc|xlog"),
    ("random numbers", r"rand|normal|bernoulli|multinomial|dropout|cauchy|geometric|exponential|poisson|binomial|dirichlet|seed|rrelu|uniform"),
    ("sorting and searching", r"sort|topk|kthvalue|unique|search|bucket|hist|bincount|isin|median|mode$|quantile|nonzero|argwhere|where"),
    ("indexing", r"index|gather|scatter|take|::put|masked|select|__getitem__|_set_item"),
    ("reductions", r"sum|mean|prod|::var|::std|::(all|any|max|min|amax|amin|aminmax|argmax|argmin)$|norm|count_nonzero|cummax|cummin|segment_reduce|trapz|trapezoid"),
    ("shapes and views", r"view|reshape|permute|transpose|squeeze|expand|stride|split|chunk|cat$|stack|flatten|movedim|moveaxis|swap|roll|flip|rot90|tile|repeat|::_?pad|pad_|_pad|"
                         r"diag|tri[lu]|meshgrid|narrow|slice|unbind|::t_?$|unfold|broadcast|atleast|resize|contiguous|copy|clone|detach|cartesian|combinations|size|shuffle"),
    ("creation", r"empty|zeros|ones|full|arange|range$|linspace|logspace|eye|_like|new_|::tensor|as_tensor|scalar_tensor|from_file|window|complex$|polar|vander|::to$|to_|tensor"),
    ("language: numbers, strings, containers", r"^prim::|::__|::(len|append|pop|insert|extend|keys|items|values|get|update|format|str|join|split|replace|strip|"
                                               r"Int|Float|Bool|Complex|Scalar|Delete|list|dict|ord|chr|hex|oct|bin|percent)|Implicit"),
    ("elementwise", r""),
]


def family(symbol, table):
    return next((name for name, pattern in table if re.search(pattern, symbol)), None)


def coverage(program):
    """Rows of text about ops.def."""
    symbols = collections.defaultdict(list)
    for line in subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines():
        state, name = line.split()
        symbols[name.split(".")[0]].append(state == "bound")
    groups = {name: [] for name, _ in FAMILIES + ELSEWHERE}
    for symbol, states in symbols.items():
        groups[family(symbol, ELSEWHERE) or family(symbol, FAMILIES)].append((symbol, states))

    def row(name, members):
        whole = sum(all(s) for _, s in members)
        overloads, there = sum(len(s) for _, s in members), sum(sum(s) for _, s in members)
        return f"| {name} | {whole} of {len(members)} | {there} of {overloads} |"

    yield "| family | operators covered with all overloads | overloads covered |"
    yield "| --- | --- | --- |"
    every = []
    for name, _ in FAMILIES:
        if groups[name]:
            every += groups[name]
            yield row(name, groups[name])
    yield row("**all of these**", every)
    yield ""
    yield "Not what a model scores with on a CPU, hence mostly left out (what inference code reaches of it is there):"
    yield ""
    yield "| family | operators covered with all overloads | overloads covered |"
    yield "| --- | --- | --- |"
    for name, _ in ELSEWHERE:
        yield row(name, groups[name])
    yield ""
    yield "Not covered, by name (in parentheses: how many of its overloads are missing, where some are there):"
    yield ""
    for name, _ in FAMILIES:
        missing = [s + (f" ({len(x) - sum(x)} of {len(x)})" if any(x) else "") for s, x in sorted(groups[name]) if not all(x)]
        if missing:
            yield f"- {name}: " + ", ".join(missing)


def read_scores(folder):
    for file in sorted(os.listdir(folder)):
        if file.endswith(".json"):
            with open(os.path.join(folder, file)) as f:
                yield file[:-5], json.load(f)


def operator_scores(scores):
    """Of opdb.py: operator -> verdict, counts, why."""
    verdicts = collections.Counter(s["verdict"] for s in scores.values())
    scripted = sum(n for v, n in verdicts.items() if v != "unscripted")
    yield f"PyTorch's operator database (op_db of 1.13, {len(scores)} entries; `tests/conformance/opdb.py RUNNER`): every sample of"
    yield f"every dtype, called in up to ten ways. Of {scripted} entries that"
    yield f"TorchScript can script, **{verdicts['passed']} pass with every sample** ({100 * verdicts['passed'] / max(scripted, 1):.1f} %), {verdicts['missing']} refuse some samples with a message,"
    yield f"{verdicts['wrong']} differ in some samples. Calls: " + ", ".join(
        f"{sum(s.get(k, 0) for s in scores.values()):,} {k}" for k in ("passed", "missing", "failed", "crashed")) + (
        f"; {sum(s.get('changed', 0) for s in scores.values()):,} follow PyTorch 2.14 where 1.13 computes otherwise.")
    for verdict, title in (("missing", "Refusing some samples"), ("wrong", "Different in some samples")):
        names = sorted(k for k, s in scores.items() if s["verdict"] == verdict)
        if names:
            yield ""
            yield f"{title}:"
            yield ""
            for name in names:
                s = scores[name]
                why = (s.get("why") or [""])[0].splitlines()
                yield f"- {name}: {s.get('missing', 0) + s.get('failed', 0) + s.get('crashed', 0)} of {sum(s.get(k, 0) for k in ('passed', 'missing', 'failed', 'crashed'))} samples" + (
                    f" ({why[0][:120]})" if why else "")
    unscripted = sorted(k for k, s in scores.items() if s["verdict"] == "unscripted")
    yield ""
    yield f"TorchScript cannot script these {len(unscripted)} entries: " + ", ".join(unscripted) + "."


def family_scores(scores):
    yield "| family | passed | failed | missing | which |"
    yield "| --- | --- | --- | --- | --- |"
    for name, s in scores["families"].items():
        yield f"| {name} | {s['passed']} | {s['failed']} | {s['missing']} | {', '.join(s.get('failed_names', []))} |"


TITLES = {"opdb": "Operators on sample inputs", "zoo": "torchvision's models", "language": "The language", "programs": "Random programs",
          "modules": "Modules of torch.nn", "quantized": "Quantised models"}


def document(program):
    here = os.path.dirname(os.path.abspath(__file__))
    yield "# Operators"
    yield ""
    yield "Made by `tests/operators.py`; not to be edited. CTest checks that it is current."
    yield ""
    yield "## Covered"
    yield ""
    yield "Of the operators that PyTorch 2.14 and 1.13 register (`ir/ops.def`), named by schema:"
    yield ""
    yield from coverage(program)
    for name, scores in read_scores(os.path.join(here, "conformance", "scores")):
        yield ""
        yield "## " + TITLES.get(name, name.capitalize())
        yield ""
        yield from family_scores(scores) if "families" in scores else operator_scores(scores)


def main():
    program, path = sys.argv[1:3]
    text = "\n".join(document(program)) + "\n"
    if sys.argv[3:] == ["--write"]:
        with open(path, "w") as f:
            f.write(text)
        return 0
    with open(path) as f:
        have = f.read()
    if have != text:
        sys.stdout.writelines(difflib.unified_diff(have.splitlines(True), text.splitlines(True), path, "as it should be", n=0))
        print(f"{path} is not current: tests/operators.py {program} {path} --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
