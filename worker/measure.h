// Measure: what the steps of a method cost on one batch, for cutting it into stages of equal time that fit into memory.
#ifndef TSB_WORKER_MEASURE_H
#define TSB_WORKER_MEASURE_H

#include "worker/stage.h"

typedef struct StepCost {
    double seconds;        // of one run once everything is prepared
    uint64_t packed_bytes; // kept by packed weights
    uint64_t work_bytes;   // what goes in, and the most that the lane's tensors and scratch take while it runs
} StepCost;

// No bytes, for it cannot be done: a value that is live at the point does not travel.
#define MEASURE_STAYS UINT64_MAX

// Runs the steps of the method one after the other on `args` (as for instance_call), each as a stage of its own on values
// as they arrive from another process, and throws away what was made of a step's weights before the next begins: memory
// stays near that of the largest step. costs: [step_count] of model_cut_graph; steps with no legal point between them are
// measured as one, in the row of the first of them. bytes: [step_count + 1], what travels at each point; 0 where no cut is
// legal, MEASURE_STAYS where one is legal but not possible. Prints nothing and leaves the lane's generator as it was. The
// lane must not be used by others meanwhile. A model that raises on the batch: its status.
Status model_measure(Model *m, Lane *lane, const IValue *args, int n, StepCost *costs, uint64_t *bytes);

#endif
