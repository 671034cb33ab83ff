// Collects spans and writes them as JSON, one line each: a trace may have millions.
#include "coordinator/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void trace_add(Trace *t, TraceSpan span)
{
    if (t->count == t->capacity) {
        int64_t capacity = t->capacity ? 2 * t->capacity : 1024;
        TraceSpan *more = realloc(t->spans, (size_t)capacity * sizeof *more);
        if (!more)
            return;
        t->spans = more;
        t->capacity = capacity;
    }
    t->spans[t->count++] = span;
}

static void print_spans(FILE *f, int rank, const TraceSpan *spans, int64_t count, double origin, bool *first)
{
    static const char *const names[] = {"input", "compute", "output"};
    for (int64_t i = 0; i < count; i++) {
        const TraceSpan *s = &spans[i];
        fprintf(f, "%s\n{\"name\":\"%s\",\"cat\":\"batch\",\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"batch\":%lld}}", *first ? "" : ",",
                names[s->kind], rank, s->lane, 1e6 * (s->from - origin), 1e6 * (s->to - s->from), (long long)s->batch);
        *first = false;
    }
}

// The spans of rank `root` on all ranks; on the others they are owned by the caller.
static Status spread(Comm *c, int root, const Trace *mine, TraceSpan **spans, int64_t *count)
{
    bool self = comm_rank(c) == root;
    *count = self ? mine->count : 0;
    TRY(comm_broadcast(c, root, count, sizeof *count));
    *spans = self ? mine->spans : malloc((size_t)*count * sizeof **spans + 1);
    TRY(comm_agree(c, *spans || *count == 0 ? ST_OK : status_no_memory((size_t)*count * sizeof **spans)));
    return comm_broadcast(c, root, *spans, (size_t)*count * sizeof **spans);
}

Status trace_write(Comm *c, const Trace *mine, const char *path, double origin)
{
    FILE *f = comm_rank(c) == 0 ? fopen(path, "we") : NULL;
    bool lost = comm_rank(c) == 0 && !f;
    TRY(comm_agree(c, lost ? status_fail(ST_IO, "%s: cannot write: %s", path, strerror(errno)) : ST_OK));
    bool first = true;
    Status s = ST_OK;
    if (f)
        fprintf(f, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
    for (int root = 0; root < comm_size(c) && s == ST_OK; root++) {
        TraceSpan *spans = NULL;
        int64_t count;
        s = spread(c, root, mine, &spans, &count);
        if (s == ST_OK && f)
            print_spans(f, root, spans, count, origin, &first);
        if (comm_rank(c) != root)
            free(spans);
    }
    if (f) {
        fprintf(f, "\n]}\n");
        bool failed = ferror(f);
        failed |= fclose(f) != 0;
        if (failed && s == ST_OK)
            s = status_fail(ST_IO, "%s: cannot write the whole file", path);
    }
    return comm_agree(c, s);
}
