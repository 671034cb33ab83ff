// Lanes: the threads of a rank that compute. Each takes batches from the reader, calls the method, and writes the rows
// that have their place in the file; everything else it tells the main thread in events.
//
//   reader -> lane: call, take results apart -> wait for the plan of the output -> write rows -> event -> main thread
//
// In a pipeline the first stage alone reads, the last one alone writes; between them parcels travel, which the main thread
// sends and receives. A lane that has nothing to send a parcel to waits.
#ifndef TSB_COORDINATOR_LANES_H
#define TSB_COORDINATOR_LANES_H

#include "coordinator/job.h"
#include "coordinator/output.h"
#include "coordinator/parcel.h"
#include "coordinator/trace.h"
#include "io/h5_reader.h"

typedef enum LaneEventKind {
    LANE_DONE,   // the batch is in the file and marked
    LANE_ROWS,   // `payload` (results_pack) is for the coordinator, which writes and marks
    LANE_PROBE,  // `probe` may tell the structure of the results; the lane waits for the plan
    LANE_PARCEL, // `parcel` is for the next stage: lanes_parcel_sent gives it back
    LANE_FAILED, // `status`, `message`: ends the run. batch -1: not in a batch
} LaneEventKind;

typedef struct LaneEvent {
    LaneEventKind kind;
    int64_t batch;
    double seconds;         // of computing, in the slowest stage
    Buf payload;            // owned by whoever took the event
    const Results *probe;   // valid until lanes_set_output
    ParcelOut *parcel;      // its lane's
    Status status;
    char *message;          // owned likewise
} LaneEvent;

typedef struct LaneStats {
    int64_t batches, calls;
    uint64_t lane_ns;       // lanes × time from start to end
    uint64_t setup_ns;      // of that: making registers and caches
    uint64_t input_wait_ns; // … waiting for rows that were asked for
    uint64_t decode_ns;     // … inflating and converting rows
    uint64_t compute_ns;    // … in the method
    uint64_t output_ns;     // … taking results apart and writing them
    uint64_t plan_wait_ns;  // … waiting for work, for the plan of the output, or for the coordinator to take rows
    double first_done;      // job_clock when the first batch was complete; 0: none
} LaneStats;

typedef struct Lanes Lanes;

Status lanes_start(const Job *j, H5Reader *reader, Lanes **out);
// Main thread. The oldest event, if there is one; its memory is the caller's.
bool lanes_take(Lanes *l, LaneEvent *out);
void lane_event_free(LaneEvent *e);
// Sleeps until an event is there, at most `ns`.
void lanes_wait(Lanes *l, int64_t ns);
// `batches` are about to be pushed to the reader: tells waiting for input from having nothing to do.
void lanes_expect(Lanes *l, int64_t batches);
// A batch from the stage before. Taken, also when it fails.
Status lanes_push(Lanes *l, CommMessage *message_taken);
// Nothing more will be pushed: lanes end after what they have.
void lanes_finish(Lanes *l);
// The main thread has handed the parcel of an event to comm: the lane may make the next.
void lanes_parcel_taken(Lanes *l);
void lanes_parcel_sent(Lanes *l, ParcelOut *p);
// Batches of the stage before that have been done with since the last call.
int64_t lanes_freed(Lanes *l);
// The plan (borrowed; NULL writer: all rows go to the coordinator). Called once.
void lanes_set_output(Lanes *l, const OutputPlan *plan, RowWriter *writer);
// Lanes end after the batch they work on; nothing is written that is not being written.
void lanes_cancel(Lanes *l);
// Waits for the lanes to end, at most `seconds` (< 0: as long as it takes). False when one still runs.
bool lanes_join(Lanes *l, double seconds);
// After a successful join.
LaneStats lanes_stats(const Lanes *l);
typedef void (*ProfileRow)(void *ctx, const char *op, const char *variant, const SiteProfile *p);
void lanes_profile(const Lanes *l, ProfileRow row, void *ctx);
Trace lanes_trace(const Lanes *l); // of --trace; the caller frees the spans
void lanes_free(Lanes *l); // joined ones only; NULL is fine

#endif
