// Which steps make which stage: exact partitions of a sequence of steps by their measured costs. Arithmetic only.
// Seconds are of one batch; a stage's time is what one batch occupies it for, so that throughput is 1 / the slowest.
#ifndef TSB_IR_PARTITION_H
#define TSB_IR_PARTITION_H

#include "io/base/arena.h"

enum { PARTITION_MAX_STAGES = 256 };

typedef struct PartitionUse {
    uint32_t step, weight; // this step uses that weight
} PartitionUse;

typedef struct PartitionLink {
    double seconds_per_message, bytes_per_second;
} PartitionLink;

typedef struct PartitionProblem {
    uint32_t step_count;
    const double *seconds;        // [step_count], not negative
    const bool *legal;            // [step_count + 1]; the first and the last count as legal
    const uint64_t *bytes;        // [step_count + 1]: what travels at each point
    const uint64_t *work_bytes;   // [step_count]: memory of activations while the step runs
    const PartitionUse *uses;     // ordered by step
    uint32_t use_count;
    const uint64_t *weight_bytes; // [weight_count], with what is packed from it; counts once per stage
    uint32_t weight_count;
    uint64_t base_bytes;          // of every process
    uint64_t max_memory;          // per process, 0: no limit
    double lanes;                 // batches a stage computes at once: its seconds are divided by it, its activations multiplied
    uint32_t in_flight;           // batches whose travelling values a stage keeps at each of its ends
    uint32_t least_stages;        // of partition_choose: no fewer
    const PartitionLink *links;   // [stages - 1]: into stages 1, 2, …, the slowest of all pipelines; NULL: transfers are free
} PartitionProblem;

typedef struct Partition {
    uint32_t stages;
    uint32_t cut[PARTITION_MAX_STAGES + 1]; // stage i is steps [cut[i], cut[i + 1])
    double seconds[PARTITION_MAX_STAGES];   // with what comes in over its link
    uint64_t memory[PARTITION_MAX_STAGES];
    double slowest;                         // of seconds
} Partition;

// The partition into `stages` stages, none of them empty, whose slowest stage is fastest; among equals the one over whose
// cuts the fewest bytes travel. ST_USAGE: there is none. When steps that no cut divides are too large for the limit alone,
// the message says so, out->stages is 0 and they are [out->cut[0], out->cut[1]): the caller knows their names. ST_MEMORY.
Status partition_best(const PartitionProblem *p, uint32_t stages, Partition *out);

// The costs of given cuts: cut[0] is 0, cut[stages] is step_count. ST_USAGE: not ascending, not legal, over the limit.
Status partition_given(const PartitionProblem *p, const uint32_t *cut, uint32_t stages, Partition *out);

// The slowest link into each stage but the first, [stages - 1], of those of neighbouring ranks: of_ranks[r] leads from rank
// r to rank r + 1, and rank r is stage r % stages of pipeline r / stages.
void partition_links(const PartitionLink *of_ranks, uint32_t stages, uint32_t pipelines, PartitionLink *out);

// Stages × pipelines for `ranks` processes: the number of stages (least_stages … ranks) with the greatest throughput, pipelines /
// slowest, of those that fit; of those within 2 % of it the fewest stages. One stage is data parallelism. Here `links` are
// those of ranks, as partition_links takes them. Fails as partition_best.
Status partition_choose(const PartitionProblem *p, uint32_t ranks, Partition *out, uint32_t *pipelines);

#endif
