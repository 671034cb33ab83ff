// Pipelines: R replicas of K stages that pass batches on with credits, simulated batch by batch.
//
//   lease -> stage 0: lanes compute -> has a credit? transfer -> stage 1 … -> the last stage reports
//
// A batch that was sent takes a credit of the next stage, which gives it back when it has computed the batch. A
// computed batch without a credit keeps its lane.
#ifndef TSB_TESTS_SIM_PIPELINE_H
#define TSB_TESTS_SIM_PIPELINE_H

#include <stdint.h>

enum { MAX_STAGES = 64 };

typedef struct PipelineOptions {
    int stages, replicas, lanes;
    int window;                 // W: batches sent to the next stage and not finished there
    double seconds[MAX_STAGES]; // of a batch in each stage, on one lane
    double transfer_seconds;    // a batch takes of the wire between two stages
    double latency;             // of every message, batches and credits
    double noise;               // of a stage's seconds: relative standard deviation
    int64_t batches;            // of the whole job
    uint64_t seed;
} PipelineOptions;

typedef struct PipelineResult {
    double seconds;
    double throughput, ideal; // batches a second; ideal: that of the slowest stage, or of the wire, times R
    double efficiency;        // throughput / ideal
    double bubble;     // part of the lanes' time, over all stages, in which a lane neither computes nor waits only
                       // because its stage is a faster one than the slowest
    int most_sent;     // the most batches that were ever between two stages, computed ones not counted
    const char *wrong; // NULL, or what was not as it must be
} PipelineResult;

PipelineResult pipeline_simulate(const PipelineOptions *o);

#endif
