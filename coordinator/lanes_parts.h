// What lanes are made of. Private to lanes.c (threads, events) and lane_work.c (what a lane does with a batch).
#ifndef TSB_COORDINATOR_LANES_PARTS_H
#define TSB_COORDINATOR_LANES_PARTS_H

#include "coordinator/arguments.h"
#include "coordinator/lanes.h"
#include "worker/random.h"

#include <pthread.h>
#include <time.h>

// What a lane works on: rows, or what the stage before made of them.
typedef struct Work {
    H5Batch *rows;
    ParcelIn *parcel;
    int64_t batch, first, count; // first: row of the output
} Work;

typedef struct LaneThread {
    Lanes *all;
    pthread_t thread;
    Lane *lane;
    Instance *instance;
    Generator *generator; // of the lane
    Results results;
    IValue *in, *out;     // of a call of a stage
    ParcelOut *making;    // the parcel that is being filled
    ParcelOut *parcels;   // those that are under way
    LaneStats stats;
    Trace trace;
} LaneThread;

typedef struct EventNode {
    LaneEvent event;
    struct EventNode *next;
} EventNode;

struct Lanes {
    const Job *job;
    H5Reader *reader;
    ArgumentMaker maker;
    double clock_offset; // job_clock minus now_ns
    LaneThread *threads;
    int count, joined;

    pthread_mutex_t lock; // of what follows
    pthread_cond_t to_main, to_lanes;
    EventNode *first, *last;
    size_t held_payload; // bytes of payload in the list
    const OutputPlan *plan;
    RowWriter *writer;
    bool cancelled;
    int running;
    ParcelIn *first_in, *last_in; // from the stage before
    bool finished;           // no more of them
    int64_t freed;           // of them, since the main thread asked
    int waiting;             // parcels that the main thread has not taken
    int64_t pushed, taken;   // batches given to the reader, and taken from it
    uint64_t work_since;     // when the reader last got work after having none
};

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// Takes the event's memory. Waits while the main thread has too much to send. Without memory for the list nothing can be
// told: the lanes are cancelled, and the main thread sees none running and batches missing.
void lane_post(LaneThread *t, LaneEvent event);
void lane_post_failure(LaneThread *t, int64_t batch, Status s);

// Batch after batch, until there are no more or one fails.
void lane_work(LaneThread *t);
// A parcel that is not under way any more, with what it borrows from.
void lane_free_parcel(LaneThread *t, ParcelOut *p);

#endif
