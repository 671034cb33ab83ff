// --trace: a timeline of what every lane did, in the format of chrome://tracing and ui.perfetto.dev.
#ifndef TSB_COORDINATOR_TRACE_H
#define TSB_COORDINATOR_TRACE_H

#include "coordinator/comm.h"

typedef enum TraceKind { TRACE_INPUT, TRACE_COMPUTE, TRACE_OUTPUT } TraceKind;

typedef struct TraceSpan {
    int32_t lane;
    int32_t kind;   // TraceKind
    int64_t batch;
    double from, to; // seconds, by job_clock
} TraceSpan;

// Spans of one lane. All-zero is empty; free(spans) when done. When memory runs out later spans are left out.
typedef struct Trace {
    TraceSpan *spans;
    int64_t count, capacity;
} Trace;

void trace_add(Trace *t, TraceSpan span);
// Collective: rank 0 writes the spans of all ranks; times count from `origin` of rank 0.
Status trace_write(Comm *c, const Trace *mine, const char *path, double origin);

#endif
