// Parcel: a batch on its way from one stage of a pipeline to the next: for every call the live values at the cut, or what
// the call raised. Large tensors travel as parts of the message, from the memory they lie in to the memory they are read in.
//
//   head: batch, first, count, calls, seconds, then per call: raised, and a text or [generator] values
#ifndef TSB_COORDINATOR_PARCEL_H
#define TSB_COORDINATOR_PARCEL_H

#include "coordinator/comm.h"
#include "io/h5_reader.h"
#include "worker/transfer.h"

// One that arrived. Values that are read from it borrow its memory.
typedef struct ParcelIn {
    CommMessage message;
    int64_t batch, first, count; // first: row of the output
    int64_t calls;
    double seconds;              // the longest that a stage computed on it so far
    TransferReader reader;
    struct ParcelIn *next;
} ParcelIn;

// Takes the message, also when it fails.
Status parcel_open(CommMessage *message_taken, ParcelIn **out);
// The next call: what it raised in an earlier stage (borrowed from the message), or NULL; then its values are the caller's.
// The lane's generator stands where that stage left it, when it said so.
Status parcel_next_call(ParcelIn *p, const TransferTable *table, Lane *lane, uint32_t count, IValue *values, const char **raised);
void parcel_rewind(ParcelIn *p); // to the first call
void parcel_in_free(ParcelIn *p); // NULL is fine

// One to be sent. It keeps the values, and what they borrow from, until its lane frees it.
typedef struct ParcelOut {
    Transfer transfer;
    IValue *values; // of all calls
    uint32_t count, capacity;
    H5Batch *rows;  // where the values come from, if they borrow from it
    ParcelIn *source;
    bool sent;
    struct ParcelOut *next;
} ParcelOut;

Status parcel_new(int64_t batch, int64_t first, int64_t count, int64_t calls, ParcelOut **out);
Status parcel_add_error(ParcelOut *p, const char *message);
// Takes the values, also when it fails. `generator`: the state of the lane's goes with them, since a later stage may draw.
Status parcel_add_call(ParcelOut *p, const TransferTable *table, Lane *lane, bool generator, IValue *values_taken, uint32_t count);
void parcel_set_seconds(ParcelOut *p, double seconds);
// Sends it; the parcel must stay until comm_sent gives it back.
Status parcel_send(ParcelOut *p, Comm *c, int to, int tag);
// By the lane that made it, or when the lane has ended. What it borrows from is the caller's to release before.
void parcel_out_free(ParcelOut *p);

#endif
