#!/usr/bin/env bash
# Cuts the demo into stages: the same data sets as one process gives, however it is cut, killed and resumed, and one message
# and exit code when a stage fails.
# usage: pipeline.sh TSBATCH CASE      CASE: stages, cut, killed, errors, plan
set -eu
tsbatch=$(realpath "$1") case=$2
here=$(dirname "$(realpath "$0")")
data_folder=$(realpath "$here/../data")
size=()
. "$here/demo.bash"
# expect CODE WORDS RANKS OPTION…: it fails so, with one line that has the words
expect() {
    local want=$1 words=$2 ranks=$3 code=0
    shift 3
    "$here/mpirun.sh" "$ranks" 60 "$tsbatch" "$@" 2>message >out || code=$?
    [ "$code" = "$want" ] || fail "exit code $code, expected $want: $(cat message)"
    [ "$(grep -c -- "$words" message)" = 1 ] || fail "expected one line with \"$words\": $(cat message)"
}

case $case in
stages)
    "$tsbatch" "$model" "$data" -o one.h5 -q -b 16 --lanes 1
    for shape in "2 2" "3 3" "4 4" "8 4" "8 2" "5 2"; do
        read -r ranks stages <<<"$shape"
        score "$ranks" cut.h5 -b 16 --stages "$stages" --overwrite --report report.json
        same one.h5 cut.h5 "$ranks ranks, $stages stages"
        grep -q "\"stages\": $stages" report.json || fail "$(cat report.json)"
    done
    score 4 lanes.h5 -b 16 --stages 2 --lanes 3
    same one.h5 lanes.h5 "3 lanes in each stage"
    score 4 gathered.h5 -b 16 --stages 2 --gather
    same one.h5 gathered.h5 "rows through rank 0"
    ;;
cut)
    "$tsbatch" "$model" "$data" -o one.h5 -q -b 16 --lanes 1
    score 3 cut.h5 -b 16 --cut after=features.0,classifier.0 --report report.json
    same one.h5 cut.h5 "--cut"
    grep -q '"ends": "after features.0 ' report.json && grep -q '"ends": "after classifier.0 ' report.json || fail "$(grep ends report.json)"
    expect 2 "no operation comes from a module nothing" 2 "$model" "$data" -o no.h5 --cut after=nothing
    expect 2 "expected after=MODULE" 2 "$model" "$data" -o no.h5 --cut features
    expect 2 "is not earlier" 3 "$model" "$data" -o no.h5 --cut after=classifier.0,features.0
    expect 2 "mpirun -n 3" 2 "$model" "$data" -o no.h5 --cut after=features.0,classifier.0
    expect 2 "mpirun -n 4" 2 "$model" "$data" -o no.h5 --stages 4
    expect 2 "leave out --stages and --cut" 2 "$model" "$data" -o no.h5 --stages 2 --parallel data
    expect 2 "cannot be cut into stages" 2 "$model" "$data" -o no.h5 --stages 2 --stateful
    [ ! -e no.h5 ] || fail "a refused run made an output"
    ;;
killed)
    "$tsbatch" "$model" "$data" -o whole.h5 -q -b 1
    for attempt in 1 2 3 4 5 6; do
        rm -f killed.h5
        setsid "$here/mpirun.sh" 4 60 "$tsbatch" "$model" "$data" -o killed.h5 -q -b 1 --lanes 1 --stages $((attempt % 3 + 2)) >/dev/null 2>&1 &
        job=$!
        # Into the batches as often as before them.
        if [ $((attempt % 2)) = 0 ]; then
            sleep "0.$((attempt * 13 % 60 + 15))"
        else
            until [ -s killed.h5 ] || ! kill -0 "$job" 2>/dev/null; do sleep 0.005; done
            sleep "0.0$attempt"
        fi
        kill -KILL -- "-$job" 2>/dev/null || true
        wait "$job" 2>/dev/null || true
        sleep 0.2 # ranks end when mpirun is gone
        score 4 killed.h5 -b 1 --resume --stages 2 || fail "not resumed after kill $attempt"
        same whole.h5 killed.h5 "killed and resumed"
    done
    ;;
errors)
    # Raised in a stage, told by rank 0, the end of all; recorded and passed over when that is wanted.
    negative=(-i "x=/images,cast=f32,mean=8" -b 8 --stages 2)
    expect 5 "error: the model raised: .*samples [0-9]* to [0-9]*: " 4 "$data_folder/raising.pt" "$data" -o no.h5 "${negative[@]}"
    grep -q "ValueError: negative value in the batch" message || fail "$(cat message)"
    expect 5 "every call raised; the last: " 4 "$data_folder/raising.pt" "$data" -o no.h5 "${negative[@]}" --on-error skip
    expect 5 "calls raised, more than --max-errors 2" 4 "$data_folder/raising.pt" "$data" -o no.h5 "${negative[@]}" --on-error skip --max-errors 2
    ;;
plan)
    "$here/mpirun.sh" 4 60 "$tsbatch" "$model" "$data" --stages 2 --dry-run >plan
    grep -q "2 pipelines of 2 stages" plan && grep -q "cut after " plan && grep -q "predicted: " plan || fail "$(cat plan)"
    [ ! -e digits.out.h5 ] || fail "--dry-run wrote an output"
    "$here/mpirun.sh" 2 60 "$tsbatch" "$model" "$data" --dry-run >plan
    grep -q "parallel:   data" plan || fail "a small model was cut: $(cat plan)"
    expect 2 "max-memory" 2 "$model" "$data" -o no.h5 --max-memory 1M
    ;;
*) fail "no case $case" ;;
esac
echo passed
