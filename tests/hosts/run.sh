#!/usr/bin/env bash
# Scores over four hosts made by hosts.bash: the same data sets as one process writes, with and without a shared file system;
# when a process or a host is lost the run ends in time, says who, and --resume completes it.
# usage: run.sh TSBATCH CASE [OPTION…]      CASE: shared, apart, unseen, killed, stopped, cut, cut-sending, crashed
# The options are added to every run over hosts. PER_HOST=N: ranks on each (default 2). LOST=RANK picks the process or host that is lost (default 5, on h3),
# GATHERED=N says how many ranks send their rows in the case apart (default: all that are not on rank 0's host).
set -eu
tsbatch=$(realpath "$1") case=$2
shift 2
options=("$@")
here=$(dirname "$(realpath "$0")")
demo=$here/../../deploy/demo mpirun=$here/../../deploy/mpirun.sh
. "$here/hosts.bash"
hosts_possible || { echo "skipped: making hosts needs root, ip, nsenter, unshare and mpirun"; exit 77; }

work=$(mktemp -d)
trap 'hosts_down; rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*"; exit 1; }

HOSTS=4 PER_HOST=${PER_HOST:-2}
RANKS=$((HOSTS * PER_HOST))
hosts_up "$work/net" $HOSTS
placed=$(seq -f "h%g:$PER_HOST" -s , $HOSTS)
# A private directory for each host, or one that all see.
mkdir site
case $case in
apart | unseen) for host in $(seq -f h%g $HOSTS); do hosts_on "$host" mount -t tmpfs tmpfs "$work/site"; done ;;
esac
score() { hosts_mpirun timeout --kill-after=5 60 "$mpirun" --host "$placed" -n $RANKS "$@" "${options[@]}"; }
same() { "$tsbatch" diff -q "$1" "$2" || fail "$1 and $2 differ: $3"; }

# Runs that are interrupted need more samples than the demo has.
enlarge() {
    /usr/bin/python3 -c 'import h5py, numpy, sys
images = h5py.File(sys.argv[1])["images"][:]
h5py.File(sys.argv[2], "w")["images"] = numpy.tile(images, (100, 1, 1, 1))' "$demo/digits.h5" "$1"
}

# interrupted EVENT: starts a run, lets the event happen in the middle of it, and checks how the run ends.
interrupted() {
    local event=$1 lost=${LOST:-5} host code=0 start seconds
    host=h$((lost / PER_HOST + 1))
    enlarge data.h5
    printf '#!/bin/sh\necho $$ >"pid.$OMPI_COMM_WORLD_RANK"\nexec "$@"\n' >noted.sh
    chmod +x noted.sh
    local run=("$tsbatch" "$demo/digits.pt" data.h5 -o site/out.h5 -q -b 4 --lanes 1)
    score ./noted.sh "${run[@]}" >log 2>&1 &
    local job=$!
    # The output appears with the first results.
    until [ -e site/out.h5 ]; do
        kill -0 $job 2>/dev/null || fail "the run ended early: $(cat log)"
        sleep 0.02
    done
    start=$SECONDS
    case $event in
    kill) hosts_on $host kill -KILL "$(cat pid.$lost)" ;;
    stop) hosts_on $host kill -STOP "$(cat pid.$lost)" ;;
    cut) hosts_cut $host ;;
    cut-sending) # mpirun has something for the daemon there, which its end of the connection repeats in vain
        hosts_cut $host
        for pid in $(ip netns pids "tsb$$-head"); do
            [ "$(cat "/proc/$pid/comm")" != mpirun ] || kill -CONT "$pid"
        done
        ;;
    crash) hosts_crash $host ;;
    esac
    wait $job || code=$?
    seconds=$((SECONDS - start))
    echo "$event: exit code $code after $seconds s"
    cat log
    [ $code = 75 ] || fail "exit code $code"
    [ $seconds -le 30 ] || fail "it took $seconds s"
    grep -q "$host .*--resume continues" log || fail "no line says that $host is lost and what to do"
    for host in $(seq -f h%g $HOSTS); do
        # A crashed host has no processes that could be looked at.
        hosts_on "$host" true 2>/dev/null || continue
        for _ in $(seq 20); do
            hosts_on "$host" bash -c 'for p in /proc/[0-9]*; do [ "$(readlink $p/exe)" != "$0" ] || echo $p; done' "$tsbatch" >left
            [ -s left ] || break
            sleep 0.2
        done
        [ ! -s left ] || fail "processes are left on $host: $(cat left)"
    done
    # Four processes go on, on two hosts that are there.
    placed=h1:2,h2:2 RANKS=4
    [ $((lost / PER_HOST)) -ge 2 ] || placed=h3:2,h4:2
    score "${run[@]}" --resume --report resumed.json || fail "not resumed"
    ! grep -q '"samples_before": 0,' resumed.json || fail "what had been written was lost"
    "$tsbatch" "$demo/digits.pt" data.h5 -o whole.h5 -q -b 4
    same whole.h5 site/out.h5 "$event and resumed"
}

case $case in
shared)
    "$tsbatch" "$demo/digits.pt" "$demo/digits.h5" -o one.h5 -q -b 16 --lanes 1
    score "$tsbatch" "$demo/digits.pt" "$demo/digits.h5" -o site/out.h5 -q -b 16 --report report.json
    same one.h5 site/out.h5 "four hosts"
    for host in $(seq -f h%g $HOSTS); do
        [ "$(grep -c "\"host\": \"$host\"" report.json)" = $PER_HOST ] || fail "expected $PER_HOST ranks on $host: $(grep '"host"' report.json)"
    done
    ! grep -q '"gathered": true' report.json || fail "rows were gathered although all hosts see the output"
    ;;
apart)
    # Only the host of rank 0 has the model; the output is there, and the rows of the others come by message.
    "$tsbatch" "$demo/digits.pt" "$demo/digits.h5" -o one.h5 -q -b 16 --lanes 1
    hosts_on h1 cp "$demo/digits.pt" site/model.pt
    for host in $(seq -f h%g $HOSTS); do hosts_on "$host" cp "$demo/digits.h5" site/data.h5; done
    score "$tsbatch" site/model.pt site/data.h5 -o site/out.h5 -q -b 16 --report report.json
    hosts_on h1 cat site/out.h5 >out.h5
    same one.h5 out.h5 "no shared file system"
    [ "$(grep -c '"gathered": true' report.json)" = "${GATHERED:=$((RANKS - PER_HOST))}" ] || fail "expected $GATHERED ranks to send their rows: $(grep gathered report.json)"
    for host in h2 h3 h4; do
        [ "$(hosts_on $host ls site)" = data.h5 ] || fail "$host has $(hosts_on $host ls site)"
    done
    ;;
unseen)
    # Data that a host lacks is an error that says which.
    hosts_on h1 cp "$demo/digits.pt" site/model.pt
    for host in h1 h2 h4; do hosts_on "$host" cp "$demo/digits.h5" site/data.h5; done
    code=0
    score "$tsbatch" site/model.pt site/data.h5 -o site/out.h5 -q 2>log || code=$?
    cat log
    [ $code = 3 ] || fail "exit code $code"
    grep -q "rank 4 on host h3: site/data.h5: No such file" log || fail "no line names the host and the file"
    [ -z "$(hosts_on h1 ls site | grep out)" ] || fail "there is an output"
    ;;
killed) interrupted kill ;;
stopped) interrupted stop ;;
cut) interrupted cut ;;
cut-sending) interrupted cut-sending ;;
crashed) interrupted crash ;;
*) fail "no case $case" ;;
esac
echo passed
