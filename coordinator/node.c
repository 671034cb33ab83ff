// Ranks of a node, their share of its cores, and their shared memory.
// Cores come from hwloc; shared memory is an anonymous memory file that the other ranks open through /proc.
#include "coordinator/node.h"

#include "kernels/isa.h"

#include "io/base/log.h"

#include <fcntl.h>
#include <hwloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct NodeCard { // what a rank tells the others
    char host[64], boot[40];
    cpu_set_t cpus;
    int32_t isa;  // Isa
} NodeCard;

static void read_line(const char *path, char *out, size_t size)
{
    out[0] = '\0';
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    if (!fgets(out, (int)size, f))
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    fclose(f);
}

// CPUs that the container may use at once, from its CPU quota; 0: no quota.
static double cpu_quota(void)
{
    char line[64];
    double quota, period;
    read_line("/sys/fs/cgroup/cpu.max", line, sizeof line);
    if (sscanf(line, "%lf %lf", &quota, &period) == 2 && period > 0)
        return quota / period;
    read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof line);
    quota = atof(line);
    read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", line, sizeof line);
    period = atof(line);
    return quota > 0 && period > 0 ? quota / period : 0;
}

// core_of[cpu]: index of the core that hardware thread `cpu` belongs to; -1: unknown. Without a topology every thread is one.
static void find_cores(int *core_of)
{
    for (int i = 0; i < CPU_SETSIZE; i++)
        core_of[i] = i;
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0)
        return;
    hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(topology) == 0) {
        for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core));) {
            unsigned cpu;
            hwloc_bitmap_foreach_begin(cpu, core->cpuset) if (cpu < CPU_SETSIZE) core_of[cpu] = (int)core->logical_index;
            hwloc_bitmap_foreach_end();
        }
    }
    hwloc_topology_destroy(topology);
}

// The sum over our cores of 1 / (ranks of the node that may run there), rounded down.
static int share_of_cores(const NodeCard *cards, const int *members, int member_count, int self)
{
    int *core_of = calloc(CPU_SETSIZE, sizeof *core_of), *users = calloc(CPU_SETSIZE, sizeof *users), *seen = calloc(CPU_SETSIZE, sizeof *seen);
    double share = 1;
    if (core_of && users && seen) {
        find_cores(core_of);
        share = 0;
        for (int m = 0; m < member_count; m++)
            for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
                if (CPU_ISSET(cpu, &cards[members[m]].cpus) && seen[core_of[cpu]] != m + 1) {
                    seen[core_of[cpu]] = m + 1;
                    users[core_of[cpu]]++;
                }
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &cards[self].cpus) && seen[core_of[cpu]] != -1) {
                seen[core_of[cpu]] = -1;
                share += 1.0 / users[core_of[cpu]];
            }
    }
    free(core_of);
    free(users);
    free(seen);
    double quota = cpu_quota();
    if (quota > 0 && quota / member_count < share)
        share = quota / member_count;
    return share < 1 ? 1 : (int)(share + 1e-6);
}

// Hardware threads that some member may use, as far as the quota goes.
static int cpus_of_node(const NodeCard *cards, const int *members, int count)
{
    cpu_set_t all = cards[members[0]].cpus;
    for (int i = 1; i < count; i++)
        CPU_OR(&all, &all, &cards[members[i]].cpus);
    int cpus = CPU_COUNT(&all);
    double quota = cpu_quota();
    if (quota > 0 && quota < cpus)
        cpus = (int)quota;
    return cpus < 1 ? 1 : cpus;
}

Status node_discover(Comm *c, bool count_cores, HostNode *out)
{
    int size = comm_size(c), self = comm_rank(c);
    NodeCard mine = {0};
    gethostname(mine.host, sizeof mine.host - 1);
    read_line("/proc/sys/kernel/random/boot_id", mine.boot, sizeof mine.boot);
    sched_getaffinity(0, sizeof mine.cpus, &mine.cpus);
    mine.isa = kernel_isa();
    NodeCard *cards = malloc((size_t)size * sizeof *cards);
    int *members = malloc((size_t)size * sizeof *members);
    if (!cards || !members) {
        free(cards);
        free(members);
        return status_no_memory((size_t)size * sizeof *cards);
    }
    Status s = comm_all_gather(c, &mine, sizeof mine, cards);
    *out = (HostNode){.leader = -1};
    snprintf(out->host, sizeof out->host, "%s", mine.host);
    for (int i = 0; s == ST_OK && i < size; i++) {
        bool first_of_node = true;
        for (int k = 0; k < i && first_of_node; k++)
            first_of_node = memcmp(&cards[k], &cards[i], offsetof(NodeCard, cpus)) != 0;
        out->nodes += first_of_node;
        if (memcmp(&cards[i], &mine, offsetof(NodeCard, cpus)) != 0)
            continue;
        if (out->leader < 0)
            out->leader = i;
        if (i == self)
            out->rank = out->size;
        members[out->size++] = i;
    }
    int32_t isa = mine.isa;
    for (int i = 0; s == ST_OK && i < size; i++)
        isa = cards[i].isa < isa ? cards[i].isa : isa;
    if (isa < mine.isa)
        s = kernel_limit_isa(isa_name((Isa)isa));
    out->cores = out->cpus = 1;
    if (s == ST_OK)
        out->cpus = cpus_of_node(cards, members, out->size);
    if (s == ST_OK && count_cores)
        out->cores = share_of_cores(cards, members, out->size, self);
    free(cards);
    free(members);
    return s;
}

enum { HEADER = 4096 };

typedef struct MemoryCard { // how to find a leader's memory: /proc/PID/fd/FD, which then starts with the token
    uint64_t token[2], size;
    int64_t pid, fd;
    bool made;
} MemoryCard;

static void make_memory(size_t size, Status (*prepare)(void *, void *, size_t), void *ctx, NodeMemory *out, MemoryCard *card)
{
    out->fd = memfd_create("tsbatch", MFD_CLOEXEC);
    if (out->fd < 0)
        return;
    if (ftruncate(out->fd, (off_t)(HEADER + size)) != 0 || getrandom(card->token, sizeof card->token, 0) != sizeof card->token)
        return;
    out->map = mmap(NULL, HEADER + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, out->fd, 0);
    if (out->map == MAP_FAILED) {
        out->map = NULL;
        return;
    }
    out->size = size;
    if (prepare && prepare(ctx, (char *)out->map + HEADER, size) != ST_OK)
        return;
    memcpy(out->map, card->token, sizeof card->token);
    out->base = (char *)out->map + HEADER;
    out->first = true;
    card->size = size;
    card->pid = getpid();
    card->fd = out->fd;
    card->made = true;
}

static void find_memory(const MemoryCard *card, NodeMemory *out)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)card->pid, (long long)card->fd);
    out->fd = open(path, O_RDWR | O_CLOEXEC);
    if (out->fd < 0 || fstat(out->fd, &st) != 0 || (uint64_t)st.st_size != HEADER + card->size)
        return;
    void *map = mmap(NULL, HEADER + card->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, out->fd, 0);
    if (map == MAP_FAILED)
        return;
    out->map = map;
    out->size = card->size;
    // In another PID namespace the path may lead to something else.
    if (memcmp(map, card->token, sizeof card->token) == 0)
        out->base = (char *)map + HEADER;
}

Status node_memory_share(Comm *c, const HostNode *n, bool take_part, size_t size, Status (*prepare)(void *ctx, void *base, size_t size), void *ctx, NodeMemory *out)
{
    *out = (NodeMemory){.fd = -1};
    MemoryCard mine = {0};
    if (take_part && n->rank == 0)
        make_memory(size, prepare, ctx, out, &mine);
    MemoryCard *cards = malloc((size_t)comm_size(c) * sizeof *cards);
    if (!cards)
        return status_no_memory((size_t)comm_size(c) * sizeof *cards);
    Status s = comm_all_gather(c, &mine, sizeof mine, cards);
    if (s == ST_OK && take_part && n->rank != 0 && cards[n->leader].made) {
        find_memory(&cards[n->leader], out);
        if (!out->base)
            log_info("cannot see the memory of rank %d on this node: weights are kept twice", n->leader);
    }
    free(cards);
    return s;
}

void node_memory_free(NodeMemory *m)
{
    if (m->map)
        munmap(m->map, HEADER + m->size);
    if (m->fd > 0)
        close(m->fd);
    *m = (NodeMemory){.fd = -1};
}
