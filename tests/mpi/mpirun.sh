#!/usr/bin/env bash
# Starts a program with mpirun, on fewer cores than ranks and as root if need be, with a time limit.
# usage: mpirun.sh RANKS SECONDS PROGRAM [ARG…]
set -eu
ranks=$1 seconds=$2
shift 2
options=(--oversubscribe)
[ "$(id -u)" != 0 ] || options+=(--allow-run-as-root)
export ASAN_OPTIONS=detect_leaks=0 # what MPI's unloaded modules leak has no name to be suppressed by
exec timeout --kill-after=5 "$seconds" mpirun "${options[@]}" -n "$ranks" "$@"
