// Cluster: workers and a coordinator that runs the scheduler of coordinator/sched.h, simulated message by message.
//
//   worker: asks early, computes its leases one after the other, reports with the next request, at its last batch, and
//           when it has held back a report for long
//   coordinator: one server, first come first served; what a message costs is measured (message_cost)
#ifndef TSB_TESTS_SIM_CLUSTER_H
#define TSB_TESTS_SIM_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ClusterOptions {
    int workers, lanes;          // lanes: batches a worker asks for at least
    int64_t batches;             // of the whole job
    double batch_seconds;        // of an average worker, all its lanes together
    double spread;               // of workers' speeds: standard deviation of their logarithm
    double noise;                // of a batch: relative standard deviation
    double latency;              // of a message, with the time until the other side looks
    double message_seconds;      // the coordinator's, for a message taken or sent
    double run_seconds;          // … for each run of done batches in it
    double stragglers, slowdown; // this part of the workers becomes `slowdown` times slower at a random time of the job
    double lost;                 // this part of the workers is lost at a random time of the job (worker 0 never)
    double notice;               // seconds until the coordinator knows
    uint64_t seed;
} ClusterOptions;

typedef struct ClusterResult {
    double ideal;   // seconds in which the workers, as fast as they are at any time, could do it without ever waiting
    double seconds; // until the coordinator knows of the last batch
    double efficiency;
    double busy;      // part of `seconds` that the coordinator works
    double queue;     // the longest time a message waited for it
    double imbalance; // seconds between the first worker that ran dry for good and the end
    double lease;     // seconds of the longest lease, as long as its worker kept its speed
    int64_t leases, messages;
    int lost;
    int64_t leased_again; // batches that lost workers held
    const char *wrong;    // NULL, or what was not as it must be
} ClusterResult;

ClusterResult cluster_simulate(const ClusterOptions *o);

#endif
