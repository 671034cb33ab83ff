#!/usr/bin/env bash
# Runs mpirun so that a lost process or host ends the job soon, with exit code 75 ("interrupted, --resume continues") and a
# line that names the host. All that mpirun and the processes print, and all other exit codes, stay as they are.
# usage: mpirun.sh [OPTION OF mpirun…] PROGRAM [ARG…]
#
# By itself Open MPI's mpirun ends with 137 when a process was killed and with 205 when a host is gone, and does not notice
# for ten minutes that a cable was pulled. Here its daemons ask each other for a sign of life after 4 s without one; the kernel
# does not ask while data is on its way, so connections that only send again and again are looked for, too.
set -u

export OMPI_MCA_oob_tcp_keepalive_time=${OMPI_MCA_oob_tcp_keepalive_time:-4}
export OMPI_MCA_oob_tcp_keepalive_intvl=${OMPI_MCA_oob_tcp_keepalive_intvl:-2}
export OMPI_MCA_oob_tcp_keepalive_probes=${OMPI_MCA_oob_tcp_keepalive_probes:-3}
patience=10 # seconds for mpirun to end when it must: it may wait for a host that does not answer

pipe=$(mktemp -d) || exit 6
mkfifo "$pipe/stderr"
mpirun "$@" 2>"$pipe/stderr" &
job=$!
exec 3<"$pipe/stderr" 4>&2 2>/dev/null # bash has nothing to say
rm -r "$pipe"

interrupted='' killed='' lost='' host='' ask_at='' kill_at=''
give_up() { kill -KILL $job; killed=yes; }
must_end() { kill_at=${kill_at:-$((SECONDS + patience))}; }
trap 'interrupted=TERM; kill -TERM $job; must_end' TERM
# A terminal sends this to mpirun, too, which takes a second one for impatience.
trap 'interrupted=INT; ask_at=$((SECONDS + 4)); must_end' INT
trap 'kill -USR1 $job' USR1

# Who is lost, from a line of mpirun or of tsbatch.
look_for_loss() {
    case $1 in
    *'process rank '*' on node '*' exited on signal '*)
        lost="rank ${1#*process rank }" lost="${lost%% with PID*} on " host=${1##* on node } host=${host%% *} ;;
    *'ORTE has lost communication with a remote daemon'*) lost=' ' ;; # the host follows
    *'Remote daemon: '*' on node '*) host=${1##* on node } ;;
    *'rank '*' on host '*' has not been heard of for '*)
        lost="rank ${1##*rank }" lost="${lost%% on host*} on " host=${1##* on host } host=${host%% *}
        must_end
        ;;
    esac
}

# Sets `host` when a daemon does not take what mpirun sent, by the kernel's account: 6 repetitions are about 13 s.
look_for_silence() {
    local inodes address
    inodes=" $(readlink /proc/$job/fd/* | tr -dc '0-9\n' | tr '\n' ' ')"
    address=$(awk -v inodes="$inodes" '$4 == "01" && ($7 "") >= "00000006" && index(inodes, " " $10 " ") { print $3; exit }' /proc/net/tcp)
    [ -n "$address" ] || return 0
    host=$((16#${address:6:2})).$((16#${address:4:2})).$((16#${address:2:2})).$((16#${address:0:2}))
    lost=' ' name=$(getent hosts "$host" | awk '{ print $2 }')
    host=${name:-$host}
    give_up
}

line='' piece='' look_at=$SECONDS
while :; do
    [ "$SECONDS" -lt "$look_at" ] || { look_for_silence; look_at=$((SECONDS + 2)); }
    result=0
    IFS= read -r -t 1 piece <&3 || result=$?
    if [ $result = 0 ]; then
        printf '%s\n' "$line$piece" >&4
        look_for_loss "$line$piece"
        line=''
        continue
    fi
    line+=$piece
    [ $result -gt 128 ] || break # the end of the file
    [ -z "$ask_at" ] || [ "$SECONDS" -lt "$ask_at" ] || { kill -TERM $job; ask_at=''; }
    [ -z "$kill_at" ] || [ "$SECONDS" -lt "$kill_at" ] || give_up
    kill -0 $job || break # others may hold the pipe open
done
printf '%s' "$line" >&4
wait $job
code=$?
[ -z "$killed" ] || sleep 3 # its daemons see that it is gone, and end the processes within 2 s

case $code in
0 | 2 | 3 | 4 | 5 | 75) exit $code ;;                # tsbatch's own
132 | 134 | 135 | 136 | 139) exit $code ;;           # crashes: another try would end the same way
esac
if [ -n "$lost" ]; then
    echo "mpirun.sh: ${lost# }host $host is lost; --resume continues" >&4
    exit 75
elif [ -n "$interrupted" ]; then
    echo "mpirun.sh: interrupted by SIG$interrupted; --resume continues" >&4
    exit 75
fi
exit $code
