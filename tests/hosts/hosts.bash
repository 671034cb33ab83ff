# Hosts on one machine, sourced by tests: each has its own network interface, host name, /dev/shm and processes, made of
# namespaces; a switch in a namespace of its own joins them. Nothing is attached to the machine's network.
#
#   hosts_up DIR N       hosts head and h1 … hN, with addresses 10.9.8.1 and 10.9.8.(10 + i). DIR keeps what is known of them
#   hosts_on HOST CMD…   runs a command there, in the present directory
#   hosts_mpirun CMD…    a launcher (mpirun or a script around it) with its options on head, which has no processes of its own:
#                        what runs there must be able to enter the others
#   hosts_cut HOST       its cable is pulled
#   hosts_crash HOST     all its processes are killed at once
#   hosts_down           everything is gone; call it from a trap
#
# Names contain the process id of the script, so that several may run at once.

hosts_possible() {
    [ "$(id -u)" = 0 ] && command -v ip nsenter unshare mpirun >/dev/null &&
        unshare --net --mount --pid --ipc --uts --fork mount -t tmpfs tmpfs /mnt 2>/dev/null &&
        ip netns add "tsb$$-try" 2>/dev/null && ip netns del "tsb$$-try"
}

# What a script that was killed left behind.
hosts_sweep() {
    local name owner
    for name in $(ip netns list | awk '$1 ~ /^tsb[0-9]+-/ { print $1 }'); do
        owner=${name#tsb} owner=${owner%%-*}
        [ -e "/proc/$owner" ] || hosts_remove "$name"
    done
}

hosts_boot() { # HOST
    local host=$1 outer own_processes=(--pid --fork --kill-child --mount-proc)
    [ "$host" != head ] || own_processes=()
    nsenter --net="/run/netns/tsb$$-$host" unshare --uts --ipc --mount --propagation private "${own_processes[@]}" bash -c '
        set -e
        hostname "$1"
        mount -t tmpfs tmpfs /dev/shm
        mount --bind "$2/names" /etc/hosts
        echo ready >"$2/$1.ready"
        trap "exit 0" TERM
        while :; do sleep 1000 & wait; done' boot "$host" "$hosts_dir" </dev/null >"$hosts_dir/$host.log" 2>&1 &
    outer=$!
    disown
    for _ in $(seq 200); do
        [ ! -e "$hosts_dir/$host.ready" ] || break
        sleep 0.05
    done
    [ -e "$hosts_dir/$host.ready" ] || { echo "host $host does not start: $(cat "$hosts_dir/$host.log")"; return 1; }
    # Outside its namespace the first process of a host is the child of unshare.
    [ "$host" = head ] || outer=$(cat "/proc/$outer/task/$outer/children")
    echo $outer >"$hosts_dir/$host.pid"
}

hosts_up() { # DIR N
    hosts_dir=$1
    local i host address
    hosts_sweep
    export hosts_dir
    mkdir -p "$hosts_dir"
    printf '127.0.0.1 localhost\n10.9.8.1 head\n' >"$hosts_dir/names"
    for i in $(seq "$2"); do echo "10.9.8.$((10 + i)) h$i" >>"$hosts_dir/names"; done
    ip netns add "tsb$$-switch"
    ip -n "tsb$$-switch" link add switch type bridge forward_delay 0
    ip -n "tsb$$-switch" link set switch up
    tail -n +2 "$hosts_dir/names" | while read -r address host; do
        ip netns add "tsb$$-$host"
        ip link add "to-$host" netns "tsb$$-switch" type veth peer name eth0 netns "tsb$$-$host"
        ip -n "tsb$$-switch" link set "to-$host" master switch up
        ip -n "tsb$$-$host" addr add "$address/24" dev eth0
        ip -n "tsb$$-$host" link set eth0 up
        ip -n "tsb$$-$host" link set lo up
    done
    for host in head $(seq -f h%g "$2"); do hosts_boot "$host"; done
    # How mpirun starts its daemon on another host, in place of ssh.
    printf '%s\n' '#!/bin/bash' 'while [[ $1 == -* ]]; do shift; done' 'host=$1' 'shift' \
        'exec nsenter -t "$(cat "$hosts_dir/$host.pid")" -n -u -i -m -p -- /bin/bash -c "$*"' >"$hosts_dir/enter.sh"
    chmod +x "$hosts_dir/enter.sh"
}

hosts_on() { # HOST CMD…
    local host=$1 processes=-p
    shift
    [ "$host" != head ] || processes=
    nsenter -t "$(cat "$hosts_dir/$host.pid")" -n -u -i -m $processes --wdns="$PWD" -- "$@"
}

hosts_mpirun() {
    # Beside the agent: TCP between hosts, shared memory within one, session files where each host has its own.
    # What MPI's unloaded modules leak has no name to be suppressed by.
    hosts_on head env ASAN_OPTIONS=detect_leaks=0 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm=rsh \
        OMPI_MCA_plm_rsh_agent="$hosts_dir/enter.sh" OMPI_MCA_plm_rsh_no_tree_spawn=1 OMPI_MCA_orte_tmpdir_base=/dev/shm \
        OMPI_MCA_oob_tcp_if_include=eth0 OMPI_MCA_btl_tcp_if_include=eth0 OMPI_MCA_btl=self,vader,tcp OMPI_MCA_pml=ob1 \
        OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_rmaps_base_oversubscribe=1 "$@"
}

hosts_cut() { ip -n "tsb$$-switch" link set "to-$1" down; }
hosts_crash() { kill -KILL "$(cat "$hosts_dir/$1.pid")"; }

hosts_remove() { # NAME of a namespace
    # A host's first process takes all others with it; on head mpirun may still run.
    ip netns pids "$1" | xargs -r kill -KILL 2>/dev/null || true
    ip netns del "$1"
}

hosts_down() {
    local name
    for name in $(ip netns list | awk -v own="tsb$$-" 'index($1, own) == 1 { print $1 }'); do hosts_remove "$name"; done
}
