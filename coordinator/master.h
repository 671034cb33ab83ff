// Master: the coordinator's side of a run, on rank 0: leases, the output file, errors, the verdict.
//
//   worker -> master   REQUEST want          master -> worker   LEASE first, count (count 0: nothing, ever)
//                      DONE   batches                           PLAN  of the output
//                      ROWS   results                           STOP
//                      FAILED status, message
//                      INTERRUPT signal
//                      LEFT   (the last message of a worker, after STOP or LEASE 0)
//
// A worker of the scheduler is a pipeline: its first stage asks, its last one reports, and the batches of a lease go through
//
//   stage -> next stage   VALUES parcel      next stage -> stage   CREDIT number of batches there is room for
//                         END
//   last stage -> master  PROBE results, of the first pipeline while there is no plan
#ifndef TSB_COORDINATOR_MASTER_H
#define TSB_COORDINATOR_MASTER_H

#include "coordinator/job.h"
#include "coordinator/output.h"
#include "coordinator/progress.h"
#include "coordinator/sched.h"

enum {
    TAG_REQUEST = 1, // int64 want
    TAG_LEASE,       // int64 first, count
    TAG_DONE,        // DoneRun …
    TAG_ROWS,        // int64 gathered, double seconds, results_pack
    TAG_FAILED,      // int64 batch, int64 status, text
    TAG_PLAN,        // output_plan_pack
    TAG_STOP,
    TAG_INTERRUPT,   // int64 signal
    TAG_LEFT,
    TAG_PROBE,       // results_pack
    TAG_VALUES,      // parcel.h
    TAG_CREDIT,      // int64 batches
    TAG_END,         // no VALUES after it
};

typedef struct DoneRun {
    int64_t first, count; // batches
    double seconds;       // of computing all of them
} DoneRun;

typedef struct Master Master;

// `sink_taken`: of a resumed output, else NULL: then the first results tell what to create.
Status master_new(const Job *j, H5Sink *sink_taken, Master **out);
void master_free(Master *m);
// Results of one batch on rank 0 while there is no plan: creates the output and sends the plan to all workers.
Status master_probe(Master *m, const Results *r);
// A message of a worker. A failure of the master itself is a verdict, too.
void master_message(Master *m, const CommMessage *message);
// Answers who waits; shows progress.
void master_tick(Master *m);
void master_interrupt(Master *m, int from, int signal);
// The writer of this rank, for rows that workers send (borrowed; when the plan arrives).
void master_use_writer(Master *m, RowWriter *w);
// Everything is done, or all workers have left after a stop.
bool master_over(const Master *m);
// ST_OK, or why the run stopped, with its message.
Status master_verdict(const Master *m);
// All row writers are closed: completes the file.
Status master_finish(Master *m);
bool master_interrupted(const Master *m);

int64_t master_samples_done(const Master *m);
int64_t master_samples_before(const Master *m); // done before this run
int64_t master_errors(const Master *m);
const H5Sink *master_sink(const Master *m); // NULL before there is one
double master_busy_seconds(const Master *m); // spent on messages

// The attributes of the output that identify a run. `count` of them; memory is the arena's.
Status master_attributes(const Job *j, Arena *a, SinkAttr **attrs, int *count);
// "out.h5" as given or the default, in the arena.
Status master_output_path(const Options *o, Arena *a, const char **out);

#endif
