// The one thread of a process that calls HDF5, and its queue of work.
// The HDF5 library of Debian is not thread-safe, so every H5* call of the process happens in a job of this queue.
// Nothing outside io/ needs more than start and stop; sources, readers and sinks queue their own jobs.
#ifndef TSB_IO_H5_THREAD_H
#define TSB_IO_H5_THREAD_H

#include "io/base/status.h"

typedef struct H5Thread H5Thread;
typedef Status (*H5Job)(void *arg);

// Starts the thread. Make one per process: two would defeat its purpose.
Status h5_thread_start(H5Thread **out);
// Waits for what is queued, then ends the thread. NULL is fine. Everything opened through it must be closed before.
void h5_thread_stop(H5Thread *t);

// Runs `job(arg)` on the thread and waits: returns its status, with its message moved to the calling thread. Called on
// the thread itself it just calls the job. Jobs run in the order they were queued.
Status h5_run(H5Thread *t, H5Job job, void *arg);
// Queues `job(arg)` and returns at once; the job keeps its own status. ST_MEMORY when it cannot be queued.
Status h5_post(H5Thread *t, H5Job job, void *arg);

#endif
