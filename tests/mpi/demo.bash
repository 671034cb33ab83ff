# What score.sh and pipeline.sh share: a working directory that goes at the end, and scoring the demo with several processes.
# Expects tsbatch, here, and size: options that every score has.
model=$here/../../deploy/demo/digits.pt data=$here/../../deploy/demo/digits.h5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "FAILED: $*"; exit 1; }
# score RANKS OUTPUT [OPTION…]
score() {
    local ranks=$1 output=$2
    shift 2
    "$here/mpirun.sh" "$ranks" 60 "$tsbatch" "$model" "$data" -o "$output" -q "${size[@]}" "$@"
}
same() { "$tsbatch" diff -q "$1" "$2" || fail "$1 and $2 differ ($3)"; }
