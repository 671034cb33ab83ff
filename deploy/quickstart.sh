#!/usr/bin/env bash
# Installs what tsbatch needs (Debian packages), builds it, scores the demo data set with the demo model over MPI, and
# compares the scores with PyTorch's. Run it again at any time: what is there already is not made again.
# usage: quickstart.sh
set -eu
cd "$(dirname "$0")/.."
. deploy/packages.sh

install_packages "${BUILD_PACKAGES[@]}"
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DTSB_TESTS=OFF >build.log 2>&1 || { cat build.log; exit 1; }
echo "building (log: build.log)"
cmake --build build >>build.log 2>&1 || { tail -n 40 build.log; exit 1; }

demo=deploy/demo output=digits.out.h5
# Open MPI refuses root without being told, and more ranks than cores likewise.
mpi=(mpirun -n 2 --oversubscribe)
[ "$(id -u)" != 0 ] || mpi+=(--allow-run-as-root)
echo "\$ mpirun -n 2 tsbatch $demo/digits.pt $demo/digits.h5"
"${mpi[@]}" build/tsbatch $demo/digits.pt $demo/digits.h5 -o $output --overwrite

build/tsbatch diff $output $demo/digits.pytorch.h5 --rtol 1e-4 --atol 1e-5
echo "the scores are PyTorch's (within 1e-4 relative, 1e-5 absolute)"
echo "they are in $output; look at them with: h5dump -d /output $output | head"

# Scores and labels as plain numbers, one per line; the highest of ten scores is the digit.
values() { h5dump -y -w 1 -o /dev/stdout -O /dev/null -d "$2" "$1" | tr -d ', ' | grep .; }
paste <(values $output /output | paste -s -d '         \n') <(values $demo/digits.h5 /labels) | awk '
    { best = 1; for (i = 2; i <= 10; i++) if ($i > $best) best = i; right += (best - 1 == $11); n++ }
    END { if (n != 1797) { print "expected 1797 rows, got " n; exit 1 }
          printf "accuracy: %.2f %% of %d images\n", 100 * right / n, n }'
