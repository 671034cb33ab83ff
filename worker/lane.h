// Lane: one batch in flight. A thread's own registers, allocator, generator and inline caches over shared immutable code.
#ifndef TSB_WORKER_LANE_H
#define TSB_WORKER_LANE_H

#include "kernels/kernel.h"
#include "worker/value.h"

#include <stdio.h>

// Counters of one operator site, for --profile.
typedef struct SiteProfile { uint64_t calls, nanoseconds; double flops; const char *kernel; } SiteProfile;

// The inline cache of one operator site in one lane. What it keeps is the operator's business: an operator that prepares
// kernels keeps them here, keyed by the signatures it saw last (SITE_WAYS most recent).
enum { SITE_WAYS = 8 };
typedef struct Site {
    const struct OpBinding *op;
    const Node *node;         // for messages: schema and source line
    uint32_t last_use;        // bit i: argument i dies here; if also unique it may be overwritten
    uint8_t arg_count, ret_count;
    struct KernelCache *cache; // see kernel_cached in worker/op.h
    const void *on_quant;     // the row of op_choose, once a quantised tensor came by
    uint32_t reads, writes;   // bit i: argument i is a tensor or tensors, that are read or written; see worker/bits.c
    bool knows_args;          // the two are set
    void *user;               // anything else an operator keeps; freed by op->free_user
    SiteProfile profile;
} Site;

typedef struct Generator Generator; // worker/random.h (MT19937, torchscript.md §7.8)

typedef struct Lane {
    struct Allocator *allocator;  // worker/allocator.h
    KernelContext kernels;
    TypeTable *types;             // shared, read-only at run time
    Object *objects;              // made in this call
    Storage *dirty;               // shared storages copied in this call; each entry holds a reference
    const IValue *args;           // of the operator that runs now, for kernel_call to find the dying ones
    Generator *generator;
    FILE *print_to;               // where prim::Print writes
    void *scratch;                // kernels' scratch, grows to the largest
    size_t scratch_size;
    // The archive whose weights are read once, by the kernels that pack them: their pages are given back then. NULL: they
    // stay, for those who come after.
    const struct Archive *forget_packed;
    const char *kernel;           // variant that ran last and operations counted, for --profile
    double flops;
    bool warned;
    // a.__lt__(b) of objects, while a machine runs.
    Status (*less)(void *machine, IValue a, IValue b, bool *out);
    void *machine;
    int depth;                    // of calls, against the recursion limit
} Lane;

Status lane_new(const KernelContext *kernels, TypeTable *types, Lane **out);
void lane_free(Lane *l);
void *lane_scratch(Lane *l, size_t bytes); // 64-byte aligned, NULL when memory runs out
// After a call: shared storages that were written get their original bytes back.
void lane_reset_state(Lane *l);
// After a call of a stateful model: what was written stays, as private memory.
void lane_keep_state(Lane *l);

#endif
