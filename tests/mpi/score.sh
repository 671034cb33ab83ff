#!/usr/bin/env bash
# Scores the demo with several processes: the same data sets whatever the number of ranks and lanes, the way rows travel,
# and interruptions.
# usage: score.sh TSBATCH CASE      CASE: ranks, gather, killed, signal, stopped, launcher, errors
set -eu
tsbatch=$(realpath "$1") case=$2
here=$(dirname "$(realpath "$0")")
size=(-b 16) # of batches, unless a case says otherwise
. "$here/demo.bash"
pytorch=$here/../../deploy/demo/digits.pytorch.h5

score 1 one.h5 --lanes 1
"$tsbatch" diff -q one.h5 "$pytorch" --rtol 1e-4 --atol 1e-5 || fail "not PyTorch's scores"

case $case in
ranks)
    "$tsbatch" "$model" "$data" -o alone.h5 -q -b 16 --lanes 3
    same one.h5 alone.h5 "without mpirun, 3 lanes"
    for ranks in 2 4 8; do
        score "$ranks" "$ranks.h5"
        same one.h5 "$ranks.h5" "$ranks ranks"
    done
    ;;
gather)
    score 3 gathered.h5 --gather
    same one.h5 gathered.h5 "rows through rank 0"
    # Two of three ranks do not find the model: they get its bytes from rank 0.
    options=(-o sent.h5 -q -b 16)
    "$here/mpirun.sh" 1 60 "$tsbatch" "$model" "$data" "${options[@]}" : -n 2 "$tsbatch" "$work/elsewhere.pt" "$data" "${options[@]}"
    same one.h5 sent.h5 "the model sent to ranks without it"
    # Two of three ranks see another directory where the output is: their rows go through rank 0.
    if [ "$(id -u)" = 0 ] && unshare -m mount -t tmpfs tmpfs "$work" 2>/dev/null; then
        mkdir shared
        printf '#!/bin/sh\n[ "$OMPI_COMM_WORLD_RANK" = 0 ] || exec unshare -m sh -c "mount -t tmpfs tmpfs shared && exec \\"\\$@\\"" sh "$@"\nexec "$@"\n' >apart.sh
        chmod +x apart.sh
        "$here/mpirun.sh" 3 60 ./apart.sh "$tsbatch" "$model" "$data" -o shared/seen.h5 -q -b 16 --report seen.json
        same one.h5 shared/seen.h5 "an output that two ranks cannot see"
        [ "$(grep -c '"gathered": true' seen.json)" = 2 ] || fail "expected two ranks to send their rows: $(grep gathered seen.json)"
    fi
    ;;
killed)
    for attempt in 1 2 3 4 5 6; do
        rm -f killed.h5
        setsid "$here/mpirun.sh" 2 60 "$tsbatch" "$model" "$data" -o killed.h5 -q -b 1 --lanes 1 >/dev/null 2>&1 &
        job=$!
        sleep "0.$((attempt * 13 % 60 + 15))"
        kill -KILL -- "-$job" 2>/dev/null || true
        wait "$job" 2>/dev/null || true
        sleep 0.2 # ranks end when mpirun is gone
        "$tsbatch" "$model" "$data" -o killed.h5 -q -b 1 --resume || fail "not resumed after kill $attempt"
        "$tsbatch" "$model" "$data" -o whole.h5 -q -b 1 --overwrite
        same whole.h5 killed.h5 "killed and resumed"
    done
    ;;
signal)
    for signal in TERM USR1; do
        rm -f stopped.h5
        "$tsbatch" "$model" "$data" -o stopped.h5 -q -b 1 --lanes 1 --overwrite 2>message &
        job=$!
        until [ -e stopped.h5 ] || ! kill -0 "$job" 2>/dev/null; do sleep 0.005; done
        kill -"$signal" "$job" 2>/dev/null || true
        code=0
        wait "$job" || code=$?
        # A machine fast enough has finished by now.
        [ "$code" = 0 ] || [ "$code" = 75 ] || fail "SIG$signal: exit code $code: $(cat message)"
        [ "$code" = 0 ] || grep -q -- "--resume continues" message || fail "SIG$signal: $(cat message)"
        "$tsbatch" "$model" "$data" -o stopped.h5 -q --resume || fail "not resumed after SIG$signal"
        "$tsbatch" "$model" "$data" -o whole.h5 -q -b 1 --overwrite
        same whole.h5 stopped.h5 "interrupted and resumed"
    done
    ;;
stopped)
    # A process that is there but says nothing: the others end, with the code for --resume, and the host is named.
    printf '#!/bin/sh\necho $$ >"pid.$OMPI_COMM_WORLD_RANK"\nexec "$@"\n' >noted.sh
    chmod +x noted.sh
    for lost in 2 0; do
        rm -f pid.*
        "$here/mpirun.sh" 3 60 ./noted.sh "$tsbatch" bench "$model" --input 'f32[64,1,8,8]' --seconds 50 --lost-after 5 >/dev/null 2>message &
        job=$!
        until [ -s pid.0 ] && [ -s pid.1 ] && [ -s pid.2 ]; do sleep 0.05; done
        sleep 1.5
        kill -STOP "$(cat "pid.$lost")"
        start=$SECONDS code=0
        wait "$job" || code=$?
        [ "$code" = 75 ] || fail "rank $lost stopped: exit code $code: $(cat message)"
        [ $((SECONDS - start)) -le 15 ] || fail "rank $lost stopped: the others ended after $((SECONDS - start)) s"
        grep -q "rank $lost on host $(hostname) has not been heard of for 5 s.*--resume continues" message || fail "rank $lost stopped: $(cat message)"
    done
    ;;
launcher)
    # deploy/mpirun.sh: exit codes of tsbatch stay, lost processes and signals give 75, all with a line that says so.
    launcher=$here/../../deploy/mpirun.sh options=(--oversubscribe)
    [ "$(id -u)" != 0 ] || options+=(--allow-run-as-root)
    export ASAN_OPTIONS=detect_leaks=0
    launch() { timeout --kill-after=5 60 "$launcher" "${options[@]}" -n 3 "$@"; }
    launch "$tsbatch" "$model" "$data" -o launched.h5 -q -b 16
    same one.h5 launched.h5 "mpirun.sh"
    code=0
    launch "$tsbatch" "$model" no.h5 2>message || code=$?
    [ "$code" = 3 ] || fail "exit code $code, expected 3: $(cat message)"
    grep -q "no.h5: No such file" message || fail "the message is lost: $(cat message)"
    code=0
    launch --no-such-option "$tsbatch" 2>message || code=$?
    [ "$code" != 0 ] && [ "$code" != 75 ] || fail "exit code $code: $(cat message)"

    printf '#!/bin/sh\necho $$ >"pid.$OMPI_COMM_WORLD_RANK"\nexec "$@"\n' >noted.sh
    chmod +x noted.sh
    for event in KILL TERM INT; do
        rm -f pid.*
        timeout --foreground --kill-after=5 60 "$launcher" "${options[@]}" -n 3 ./noted.sh "$tsbatch" bench "$model" --input 'f32[64,1,8,8]' --seconds 50 >/dev/null 2>message &
        job=$!
        until [ -s pid.0 ] && [ -s pid.1 ] && [ -s pid.2 ]; do sleep 0.05; done
        sleep 1
        start=$SECONDS code=0
        if [ $event = KILL ]; then kill -KILL "$(cat pid.1)"; else kill -$event $(cat "/proc/$job/task/$job/children"); fi
        wait "$job" || code=$?
        [ "$code" = 75 ] || fail "SIG$event: exit code $code: $(cat message)"
        [ $((SECONDS - start)) -le 15 ] || fail "SIG$event: it took $((SECONDS - start)) s"
        [ $event != KILL ] || grep -q "mpirun.sh: rank 1 on host $(hostname) is lost; --resume continues" message || fail "SIG$event: $(cat message)"
        [ $event = KILL ] || grep -q "mpirun.sh: interrupted by SIG$event; --resume continues" message || fail "SIG$event: $(cat message)"
    done
    ;;
errors)
    # One verdict for all ranks, one message, also when the rank that speaks is the last to start.
    printf '#!/bin/sh\n[ "$OMPI_COMM_WORLD_RANK" != 0 ] || sleep 0.3\nexec "$@"\n' >late.sh
    chmod +x late.sh
    expect() {
        local code=0 want=$1 words=$2
        shift 2
        "$here/mpirun.sh" 4 60 ./late.sh "$tsbatch" "$@" 2>message || code=$?
        [ "$code" = "$want" ] || fail "exit code $code, expected $want: $(cat message)"
        [ "$(grep -c "$words" message)" = 1 ] || fail "expected one line with \"$words\": $(cat message)"
    }
    expect 3 "no.pt: No such file" no.pt "$data"
    expect 3 "no.h5: No such file" "$model" no.h5
    expect 2 "unknown or shortened option --nope" "$model" "$data" --nope
    expect 6 "nowhere/out.h5" "$model" "$data" -o nowhere/out.h5
    expect 6 "one.h5: the output exists" "$model" "$data" -o one.h5
    expect 2 "no argument 'nothing'" "$model" "$data" -o x.h5 -i nothing=/images
    [ ! -e x.h5 ] || fail "a refused run made an output"
    ;;
*) fail "no case $case" ;;
esac
echo passed
