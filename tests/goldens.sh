#!/usr/bin/env bash
# `inspect` prints what PyTorch prints: compares with tests/goldens, one file per model and view.
# A missing golden is a failure; tests/gen/tutorial.py makes them.
# usage: goldens.sh TSBATCH TESTS_DIR
set -u
tsbatch=$1 tests=$2 failed=0 count=0
for model in "$tests"/data/tutorial/*.pt; do
    name=$(basename "$model" .pt)
    for view in tree graph code; do
        golden=$tests/goldens/tutorial/$name.$view
        count=$((count + 1))
        [ -f "$golden" ] || { echo "no golden for $name.$view"; failed=1; continue; }
        if ! diff -u --label "PyTorch $name.$view" --label "tsbatch" "$golden" <(timeout 20 "$tsbatch" inspect "$model" --$view); then failed=1; fi
    done
done
[ $count -ge 24 ] || { echo "only $count views compared, 24 expected"; failed=1; }
exit $failed
