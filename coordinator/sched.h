// Scheduler: which worker computes which batches. A state machine over events; it knows nothing of MPI, files or clocks.
//
//   request ──> lease [first, first + count) ──> done / failed, batch by batch
//                 │ lost: what was not done goes back and is leased again, first
//
// Leases are large first and smaller toward the end, so that workers finish together. A batch is accepted once, however
// many times it is reported. Nothing here decides batch boundaries: results do not depend on who runs what.
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
} SchedOptions;

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
// Event: a batch failed as a whole, and errors are not skipped, or it was no error of the model.
void sched_failed(Sched *s, int worker, int64_t batch);
// Event: a worker is gone. What it held is leased again.
void sched_lost(Sched *s, int worker);
// Event: stop handing out (a signal, an error elsewhere).
void sched_stop(Sched *s);
// The structure of the results is known: leases may grow now. Before, every worker gets one small lease.
void sched_settle(Sched *s);

bool sched_finished(const Sched *s);  // every batch is done
bool sched_stopped(const Sched *s);   // by sched_stop, an error, or too many of them
bool sched_too_many_errors(const Sched *s);
int64_t sched_done_count(const Sched *s);
int64_t sched_error_count(const Sched *s);
// Batches leased to a worker and not reported yet.
int64_t sched_outstanding(const Sched *s, int worker);

#endif
