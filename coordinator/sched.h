// Scheduler: which worker computes which batches. A state machine over events; it knows nothing of MPI, files or clocks.
//
//   request ──> lease [first, first + count) ──> done / failed, batch by batch
//                 │ lost: what was not done goes back and is leased again, first
//
// A batch is accepted once, however many times it is reported. Nothing here decides batch boundaries: results do not
// depend on who runs what. No event takes longer because there are more workers or batches, but for the marks of the
// batches it is about and the ranges that one worker holds (a few, with as many lanes).
//
// How long a lease is. Batches are handed out in rounds. When a round begins `base` batches are free, which all workers
// together compute in T seconds, by their measured speeds. Every lease of the round is `f` times the part of `base`
// that is the worker's by its speed: leases of a round take f·T seconds on fast workers and on slow ones. The next
// round begins when f·base batches are gone or a worker asks for the second time. T, and with it the leases, shrink
// toward the end, so that workers finish together. f is
//   - 1/3 where messages do not matter: few workers, long batches;
//   - more, up to 2/3, where they do. All leases may cost the coordinator 0.7 % of the run: leases × 2 messages ×
//     message_seconds ≤ 0.007 × seconds of the run; plan, end and other reports keep the whole under 1 %. With n leases
//     left for each worker, f is what brings T down to the shortest lease in n - 1 rounds. When they are used up f is
//     2/3 all the same: the end in balance is worth more;
//   - 1/16 in the first round, until half of the workers have been measured, and later for a worker of which a batch or
//     two are known; one that is not measured even then is slow: it gets what it can run at once;
//   - at least what makes a lease of lease_seconds, but no more than 2/3: at the very end leases are shorter, since what
//     was measured may be a small part of what a batch takes;
//   - in any case what makes leases so long that the coordinator is busy with them for no more than a quarter of its time.
//     What is left when T is shorter than that goes out in one round;
//   - at most what makes the longest lease: 2 s, or as long as it takes for leases to cost 0.3 % of the coordinator's
//     time. A worker that slows down or is lost keeps the others waiting for one lease (times how much it slows down).
// So the shortest and the longest lease grow with workers × message_seconds: 10,000 workers with messages of 2 µs get
// leases between 0.16 s and 13 s, 100 workers between 1.6 ms and 2 s.
#ifndef TSB_COORDINATOR_SCHED_H
#define TSB_COORDINATOR_SCHED_H

#include "io/base/status.h"

#include <stdint.h>

typedef struct Sched Sched;

typedef struct SchedOptions {
    int64_t batches;
    const uint8_t *map;     // [batches], not 0: already done (a resumed run); NULL: none. Copied
    int workers;            // that ask for leases: ranks, or pipelines
    bool in_order;          // one worker (0) gets everything, one lease after the other
    bool skip_errors;       // a failed batch counts as finished; else it stops the run
    int64_t max_errors;     // with skip_errors: stop when more calls than this failed; 0: no limit
    double lease_seconds;   // leases shorter than this only cost messages; 0: no such lower limit
    double message_seconds; // what a message costs the coordinator, to take or to send; 0: as if it cost nothing
} SchedOptions;

// What a message costs rank 0, to take or to send, with its part of this state machine: tests/sim/message_cost measures
// 0.5 to 1.1 µs of processor time on one host, through shared memory and through TCP; twice that for slower ones.
#define SCHED_MESSAGE_SECONDS 2e-6

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
// Event: a batch is done (with `errors` calls that raised and were skipped). True when it counts, false for a
// repetition or a report of a lost worker. `seconds` of computing (0: unknown) size later leases.
bool sched_done(Sched *s, int worker, int64_t batch, int64_t errors, double seconds);
// Event: batches first … first + count - 1 are done, without errors, in `seconds` of computing each (a mean; 0:
// unknown). The same as that many of sched_done at the cost of about one. How many count.
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
// A worker holds back what it has to report for at most this long, and no longer than its next request or its last
// batch: all reports between requests cost 0.1 % of the coordinator's time.
double sched_report_seconds(int workers, double message_seconds);

bool sched_finished(const Sched *s); // every batch is done
bool sched_is_done(const Sched *s, int64_t batch);
bool sched_stopped(const Sched *s); // by sched_stop, an error, or too many of them
bool sched_too_many_errors(const Sched *s);
int64_t sched_done_count(const Sched *s);
int64_t sched_error_count(const Sched *s);
// Batches leased to a worker and not reported yet.
int64_t sched_outstanding(const Sched *s, int worker);

#endif
