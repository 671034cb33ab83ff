// What the steps of a method cost, measured on the first batch: the problem that ir/partition.h solves. Of pipeline.c.
#ifndef TSB_COORDINATOR_PIPELINE_COSTS_H
#define TSB_COORDINATOR_PIPELINE_COSTS_H

#include "coordinator/job.h"
#include "io/h5_reader.h"

typedef struct PipelineCosts {
    PartitionProblem problem; // without links
    double *seconds;          // those of the problem
    double whole_seconds;     // of one batch through all steps
    bool measured;            // else the model raised on the first batch, and seconds are a guess from the weights
    Arena arena;
} PipelineCosts;

// Reads the first batch and runs it step by step, on this rank alone. `max_memory`: bytes, 0 no limit.
Status pipeline_costs_measure(Job *j, const CutGraph *cut, uint64_t max_memory, PipelineCosts *out);
// The first batch, of a reader of its own; the caller releases it and closes the reader, also after a failure.
Status pipeline_first_batch(Job *j, H5Reader **reader, H5Batch **batch);
void pipeline_costs_free(PipelineCosts *c);
// Bytes that a rank of this node may use: what is free now divided by the ranks; 0: not known.
uint64_t pipeline_memory_there(const Job *j);

#endif
