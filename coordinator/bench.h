// `tsbatch bench`: throughput and latency of a model on synthetic input, by all lanes of all ranks at once.
#ifndef TSB_COORDINATOR_BENCH_H
#define TSB_COORDINATOR_BENCH_H

#include "coordinator/comm.h"
#include "coordinator/options.h"

Status bench_command(Comm *c, const Options *o);

#endif
