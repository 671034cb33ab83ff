#!/usr/bin/env bash
# Runs models on 2 and 4 lanes of one process, and cut into stages, built with the thread sanitizer: no report, and the
# same results.
# usage: races.sh TSBATCH TESTS_DIR      with TSAN_OPTIONS=suppressions=TESTS_DIR/tsan.supp
set -u
tsbatch=$1 tests=$(realpath "$2") failed=0
demo=$tests/../deploy/demo
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export TSAN_OPTIONS="${TSAN_OPTIONS:-}:exitcode=66:history_size=7"

# race NAME CODE MODEL DATA [OPTION…]      CODE is the exit code to expect
race() {
    local name=$1 expected=$2 code
    shift 2
    for lanes in 1 2 4; do
        "$tsbatch" "$@" -o "$name.$lanes.h5" -q --lanes "$lanes" >log 2>&1
        code=$?
        [ $code = "$expected" ] || { echo "FAILED $name, $lanes lanes: exit code $code, expected $expected"; head -60 log; failed=1; }
        [ "$code" != 0 ] || "$tsbatch" diff -q "$name.1.h5" "$name.$lanes.h5" || { echo "FAILED $name: $lanes lanes give other results"; failed=1; }
    done
}

race digits 0 "$demo/digits.pt" "$demo/digits.h5" -b 16 --range 0:400
race options 0 "$demo/digits.pt" "$demo/digits.h5" -b 16 --range 0:400 --profile --trace trace.json --report report.json
bench() {
    local code
    "$tsbatch" bench "$@" --lanes 4 --batches 20 >log 2>&1
    code=$?
    [ $code = 0 ] || { echo "FAILED bench $*: exit code $code"; head -60 log; failed=1; }
}
bench "$demo/digits.pt" --input 'f32[8,1,8,8]'
bench "$tests/data/tutorial/rnn_loop.pt" --input 'f32[10,3,4]'
bench "$tests/data/counting.pt" --input 'f32[8,3]'
bench "$tests/data/raising.pt" --input 'f32[8,3]'
# Lanes and the main thread of stages, which hand parcels to each other.
pipeline() {
    local ranks=$1 stages=$2 code
    "$tests/mpi/mpirun.sh" "$ranks" 120 "$tsbatch" "$demo/digits.pt" "$demo/digits.h5" -o cut.h5 --overwrite -q -b 16 --range 0:400 --stages "$stages" --lanes 2 >log 2>&1
    code=$?
    [ $code = 0 ] || { echo "FAILED $stages stages on $ranks ranks: exit code $code"; head -60 log; failed=1; }
    "$tsbatch" diff -q digits.1.h5 cut.h5 || { echo "FAILED $stages stages give other results"; failed=1; }
}
if "$tsbatch" --version | grep -q "MPI: Open"; then
    pipeline 2 2
    pipeline 4 2
fi
exit $failed
