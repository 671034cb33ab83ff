// The ranks that share a machine with this one, its cores, and memory that they share.
#ifndef TSB_COORDINATOR_NODE_H
#define TSB_COORDINATOR_NODE_H

#include "coordinator/comm.h"

typedef struct HostNode {
    char host[64];
    int rank, size; // of this process among those of the node
    int leader;     // world rank of the first of them
    int nodes;      // in the run
    int cores;      // that this process may count as its own: at least 1
    int cpus;       // hardware threads that the ranks of this node may use together
} HostNode;

// Collective; before anything is prepared. Limits kernels to the least instruction set among the ranks, so that all of them
// choose the same ones and compute the same bits. Two ranks with the same host name and the same boot id are on one node. Cores (not hardware threads) that
// several ranks may use are divided among them; a CPU quota of the container counts too. Without `count_cores` cores is 1:
// looking at the topology takes a while.
Status node_discover(Comm *c, bool count_cores, HostNode *out);

// Memory that all ranks of a node see. Pages cost nothing until they are touched. It has no name and vanishes with the
// last process, however that ends.
typedef struct NodeMemory {
    void *base;  // NULL when this rank could not get it
    size_t size;
    bool first;  // this rank made it
    void *map;   // what was mapped, header included
    int fd;
} NodeMemory;

// Collective; `size` may differ from rank to rank, the leader's counts. With prepare, the leader calls it on the new memory
// before the others see it. A rank that cannot see its leader's memory gets ST_OK and base NULL. `take_part` false: this
// rank wants none (a leader that wants none leaves its whole node without).
Status node_memory_share(Comm *c, const HostNode *n, bool take_part, size_t size, Status (*prepare)(void *ctx, void *base, size_t size), void *ctx, NodeMemory *out);
void node_memory_free(NodeMemory *m); // an all-zero one is fine

#endif
