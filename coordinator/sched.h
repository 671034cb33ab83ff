// Scheduler: which worker computes which batches. A state machine over events; it knows nothing of MPI, files or clocks.
//
//   request ──> lease [first, first + count) ──> done / failed, batch by batch
//                 │ lost: what was not done goes back and is leased again, first
//
// A batch is accepted once, however many times it is reported. Nothing here decides batch boundaries: results do not
// depend on who runs what. Every event costs O(log of the ranges one worker holds), whatever the number of workers.
//
// How long a lease is. Batches are handed out in rounds: at the start of a round `base` batches are free, which all
// workers together compute in T seconds (by their measured speeds), and every lease of the round is `f` times the part
// of `base` that is the worker's by its speed. So all leases of a round take f·T seconds, on fast workers and slow ones;
// the next round begins when f·base batches are gone, and T, and with it the leases, shrink toward the end: workers
// finish together. f is
//   - 1/3 where messages are no matter (few workers, long batches);
//   - up to 2/3 where they are: the leases of the whole run may cost the coordinator 1 % of it (SCHED_BUSY), that is
//     leases × 2 messages × message_seconds ≤ 0.01 × seconds of the run. With n leases left per worker, f is what brings
//     T down to the shortest lease in n - 1 rounds. Below two, the rest goes out at once (f = 1);
//   - 1/16 in the first round, as long as fewer than half of the workers have been measured;
//   - enough for the shortest lease: lease_seconds, but never so short that leases of this length keep the coordinator
//     busy for more than a quarter of its time (SCHED_BUSY_AT_THE_END); toward the end a lease is the rest;
//   - little enough for the longest: 10 s, or what costs a tenth of 1 %, so that a worker that slows down or is lost
//     holds up the end by no more than that.
// So the shortest lease and the longest grow with workers × message_seconds, and a job of few batches on many workers
// gets few, unequal leases only where messages would cost more than the imbalance.
#ifndef TSB_COORDINATOR_SCHED_H
#define TSB_COORDINATOR_SCHED_H

#include "io/base/status.h"

#include <stdint.h>

typedef struct Sched Sched;

typedef struct SchedOptions {
    int64_t batches;
    const uint8_t *map;  // [batches], not 0: already done (a resumed run); NULL: none. Copied
    int workers;
    bool in_order;       // one worker (0) gets everything, one lease after the other
    bool skip_errors;    // a failed batch counts as finished; else it stops the run
    int64_t max_errors;  // with skip_errors: stop when more calls than this failed; 0: no limit
    double lease_seconds; // leases shorter than this only cost messages; 0: no such lower limit
    double message_seconds; // what a message costs the coordinator, to take or to send; 0: as if it cost nothing
} SchedOptions;

// One message over MPI at rank 0, to take or to send, with its part of this state machine: tests/sim/message_cost.
#define SCHED_MESSAGE_SECONDS 3e-6

typedef enum SchedAnswer {
    SCHED_WAIT,   // nothing to hand out now: ask again after another event (sched_next_waiting says when)
    SCHED_LEASE,  // *lease is yours
    SCHED_NOTHING // nothing is left for this worker, and nothing will be, unless one is lost
} SchedAnswer;

typedef struct Lease {
    int64_t first, count; // batches
} Lease;

Status sched_new(const SchedOptions *options, Sched **out);
void sched_free(Sched *s);

// Event: `worker` has room for `want` ≥ 1 batches at once (its lanes). Before sched_settle only as many are handed out.
SchedAnswer sched_request(Sched *s, int worker, int64_t want, Lease *lease);
// A worker that was told to wait and can be answered now, or -1: call sched_request for it with the `want` it gave.
int sched_next_waiting(Sched *s, int64_t *want);
// Event: a batch is done (with `errors` calls that raised and were skipped). True when it counts, false for a repetition
// or a report of a lost worker. `seconds` of computing (0: unknown) size later leases.
bool sched_done(Sched *s, int worker, int64_t batch, int64_t errors, double seconds);
// Event: batches first … first + count - 1 are done, without errors, in `seconds` of computing each (a mean; 0: unknown).
// The same as that many of sched_done at the cost of about one. How many count.
int64_t sched_done_run(Sched *s, int worker, int64_t first, int64_t count, double seconds);
// Event: a batch failed as a whole, and errors are not skipped, or it was no error of the model.
void sched_failed(Sched *s, int worker, int64_t batch);
// Event: a worker is gone. What it held is leased again.
void sched_lost(Sched *s, int worker);
// Event: stop handing out (a signal, an error elsewhere).
void sched_stop(Sched *s);
// The structure of the results is known: leases may grow now. Before, every worker gets one small lease.
void sched_settle(Sched *s);

// How workers keep their messages few. Numbers for `workers` of them whose messages cost `message_seconds` each.
// A worker asks for its next lease this many seconds before its lanes run dry: all may ask at the same time.
double sched_request_early_seconds(int workers, double message_seconds);
// A worker holds back what it has to report for at most this long, and no longer than its next request or its last batch:
// reports between requests cost a tenth of what leases may cost.
double sched_report_seconds(int workers, double message_seconds);

bool sched_finished(const Sched *s);  // every batch is done
bool sched_is_done(const Sched *s, int64_t batch);
bool sched_stopped(const Sched *s);   // by sched_stop, an error, or too many of them
bool sched_too_many_errors(const Sched *s);
int64_t sched_done_count(const Sched *s);
int64_t sched_error_count(const Sched *s);
// Batches leased to a worker and not reported yet.
int64_t sched_outstanding(const Sched *s, int worker);

#endif
