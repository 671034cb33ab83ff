// Links: how fast messages travel between neighbouring ranks, which is where stages of a pipeline hand on their batches.
#ifndef TSB_COORDINATOR_LINKS_H
#define TSB_COORDINATOR_LINKS_H

#include "coordinator/comm.h"
#include "ir/partition.h"

// Collective; takes some 20 ms. On every rank out[i], [size of the run - 1]: the link from rank i to rank i + 1, seconds of an
// empty message and bytes per second of a large one. No other messages may be under way.
Status links_measure(Comm *c, PartitionLink *out);

#endif
