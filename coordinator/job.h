// Job: everything a run or bench decides before the first batch: model, data, bindings, batches, lanes.
#ifndef TSB_COORDINATOR_JOB_H
#define TSB_COORDINATOR_JOB_H

#include "coordinator/binding.h"
#include "coordinator/model_file.h"
#include "coordinator/pipeline.h"
#include "io/h5_sink.h"
#include "worker/model.h"

typedef struct JobTimes { // by job_clock
    double process, // start of the process: loading the program counts too
        start, opened, loaded, compiled, bound, first_batch, computed, finished;
} JobTimes;

typedef struct Job {
    const Options *options; // borrowed
    Comm *comm;             // borrowed
    HostNode node;
    Arena arena;

    ModelFile file;
    Model *model;
    NodeMemory pack_memory;
    PackStore *packs;
    KernelContext kernels;
    int lanes;
    Pipeline pipeline;

    H5Thread *h5;
    H5Source *source;
    const H5Dataset **sets; // of source
    size_t set_count;
    Binding binding;
    H5Column **columns;     // [binding.columns]

    int64_t first_row, rows; // of the data: rows [first_row, first_row + rows) are scored
    int64_t batch_size, batches;
    int64_t input_bytes;     // of one batch, as the model sees it (ragged columns: of a guess)
    JobTimes times;
} Job;

// Opens and compiles the model on every rank, shares packed weights per node. Collective: all ranks agree on the status.
Status job_open_model(Comm *c, const Options *o, Job *out);
// Opens the data, binds arguments, divides rows into batches (batch_size 0: the default rule). Collective.
Status job_open_data(Job *j);
void job_close(Job *j);

// Sets the batch size (a resumed output has one already).
void job_set_batch_size(Job *j, int64_t batch_size);
// The default: the largest power of two that is at most 256, at most 8 MiB of input, and at most a 16th of the rows.
int64_t job_default_batch_size(int64_t rows, int64_t row_bytes);

static inline int64_t job_batch_first(const Job *j, int64_t batch) { return batch * j->batch_size; } // row of the output
static inline int64_t job_batch_count(const Job *j, int64_t batch)
{
    int64_t left = j->rows - job_batch_first(j, batch);
    return left < j->batch_size ? left : j->batch_size;
}

// Rows of the tensors of a batch of `count` rows: with --pad-last the last batch is as large as the others.
static inline int64_t job_padded_rows(const Job *j, int64_t count) { return j->options->pad_last ? j->batch_size : count; }

// Seconds of the machine's clock since boot.
double job_clock(void);

#endif
