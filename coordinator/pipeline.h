// Pipeline: the method's graph, cut into stages that ranks compute one after the other.
//
// N ranks form R pipelines of K stages: rank r is stage r % K of pipeline r / K, so the stages of a pipeline are neighbours and
// mostly share a node. Ranks beyond R × K are idle. K = 1 is data parallel. The batch is what flows: nothing else may decide
// its size, since the output has the same bytes however the graph is cut.
#ifndef TSB_COORDINATOR_PIPELINE_H
#define TSB_COORDINATOR_PIPELINE_H

#include "ir/partition.h"
#include "worker/stage.h"
#include "worker/transfer.h"

struct Job;
struct PipelineCosts;

typedef struct Pipeline {
    int stages, replicas;  // K, R
    int stage, replica;    // of this rank; stage -1: idle
    int previous, next;    // ranks, or -1
    ModelStage *model;     // what this rank computes; NULL when K is 1
    TransferTable *table;
    uint32_t inputs, outputs; // of the stage
    bool sends_generator;  // a later stage draws random numbers
    Partition plan;        // the cuts, and what they were expected to cost
    bool measured;         // from costs measured on the first batch
    double whole_seconds;  // of one batch, uncut, when measured
    uint64_t travels[PARTITION_MAX_STAGES]; // bytes of a batch between stage i and i + 1, when measured
    PartitionLink link;    // the slowest between neighbours
    Buf reason;            // why this plan, for people
    struct PipelineCosts *costs; // on rank 0, when measured
} Pipeline;

// Decides K, R and the cuts, by the options or by costs measured on rank 0 and between neighbours, and makes this rank's
// stage. Collective; after job_open_data and when the batch size is agreed.
Status pipeline_plan(struct Job *j, Pipeline *out);
void pipeline_free(Pipeline *p); // an all-zero one is fine
// Lines for --dry-run and -v, on rank 0.
void pipeline_describe(Buf *out, const struct Job *j);

// Samples per second that the plan promises, as far as the machine has cores for all ranks; 0: costs were not measured.
double pipeline_predicted(const struct Job *j);

static inline bool pipeline_is_first(const Pipeline *p) { return p->stage == 0; }
static inline bool pipeline_is_last(const Pipeline *p) { return p->stage == p->stages - 1; }

#endif
