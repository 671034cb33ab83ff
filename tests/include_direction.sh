#!/usr/bin/env bash
# A folder includes itself and those before it; a vendor header is included in its one place.
# usage: include_direction.sh SOURCE_DIR
set -eu
cd "$1"
order=(io ir kernels worker coordinator)
bad=0
for i in "${!order[@]}"; do
    for ((j = i + 1; j < ${#order[@]}; j++)); do
        if grep -rn --include='*.[ch]' --include='*.def' "^ *# *include \"${order[j]}/" "${order[i]}"; then bad=1; fi
    done
done
# vendor header -> the only file(s) that may include it
check() {
    if grep -rnE --include='*.[ch]' "^ *# *include [<\"]($1)[>\"]" "${order[@]}" | grep -vE "^($2):"; then bad=1; fi
}
check 'archive.h|archive_entry.h' 'io/archive\.c'
check 'hdf5.h' 'io/h5_[a-z_]*\.[ch]'
check 'libdeflate.h' 'io/[a-z0-9_]*\.c'
check 'dnnl[a-z_]*\.h' 'kernels/cpu/dnnl[a-z0-9_]*\.[ch]'
check 'sleef.h' 'kernels/cpu/[a-z0-9_]*\.[ch]'
check 'mpi.h' 'coordinator/comm_mpi\.c'
check 'hwloc.h' 'coordinator/[a-z_]*\.c'
check 'jansson.h' 'coordinator/[a-z_]*\.c'
[ $bad = 0 ] || { echo "include direction is broken: see above"; exit 1; }
echo "includes point the right way"
