// Run by mpirun: what a message costs the coordinator. Rank 0 answers as the coordinator of a run does, from sched.c
// over comm.c; the others play thousands of workers that compute nothing. Prints processor time of rank 0 per message.
#include "coordinator/comm.h"
#include "coordinator/sched.h"
#include "io/base/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ASK, TELL, LEFT, PLAYED = 1000, WANT = 32 }; // PLAYED: workers that a rank plays

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static Status answer(Comm *c, Sched *s, const CommMessage *m)
{
    Wire w = wire_of(m->data, m->size);
    int64_t worker = wire_int(&w);
    while (w.at < w.end && !w.failed) {
        int64_t first = wire_int(&w), count = wire_int(&w);
        double seconds;
        wire_get(&w, &seconds, sizeof seconds);
        sched_done_run(s, (int)worker, first, count, seconds);
    }
    Lease l = {0};
    // Nobody is told to wait: a worker that finds nothing free leaves.
    if (sched_request(s, (int)worker, WANT, &l) != SCHED_LEASE)
        l.count = 0;
    return comm_send(c, m->from, TELL, (int64_t[3]){worker, l.first, l.count}, 3 * sizeof(int64_t));
}

static Status coordinate(Comm *c, int64_t batches, double *cost)
{
    SchedOptions options = {
        .batches = batches, .workers = PLAYED * comm_size(c), .message_seconds = SCHED_MESSAGE_SECONDS};
    Sched *s;
    TRY(sched_new(&options, &s));
    sched_settle(s);
    int left = 1, idle = 0;
    int64_t messages = 0;
    Status status = ST_OK;
    double start = processor_seconds();
    while (left < comm_size(c) && status == ST_OK) {
        CommMessage m;
        bool got;
        status = comm_take(c, &m, &got);
        if (status != ST_OK || !got) {
            comm_pause(&idle);
            continue;
        }
        idle = 0;
        messages += m.tag == ASK ? 2 : 1;
        if (m.tag == ASK)
            status = answer(c, s, &m);
        else
            left++;
        comm_message_free(&m);
    }
    *cost = (processor_seconds() - start) / (double)messages;
    if (status == ST_OK && !sched_finished(s))
        status = status_fail(ST_INTERNAL, "%lld of %lld batches are done", (long long)sched_done_count(s),
                             (long long)batches);
    sched_free(s);
    return status;
}

// Reports the batches of a lease in at most `runs` pieces with the request for the next one.
static Status ask(Comm *c, int64_t worker, Lease l, int64_t runs)
{
    Buf b = {0};
    wire_put_int(&b, worker);
    for (int64_t i = 0; i < runs; i++) {
        int64_t from = l.first + l.count * i / runs, to = l.first + l.count * (i + 1) / runs;
        double seconds = 0.01;
        if (from == to)
            continue;
        wire_put_int(&b, from);
        wire_put_int(&b, to - from);
        buf_bytes(&b, &seconds, sizeof seconds);
    }
    TRY(buf_status(&b));
    return comm_send_take(c, 0, ASK, b.ptr, b.len);
}

static Status play(Comm *c, int64_t runs)
{
    for (int64_t i = 0; i < PLAYED; i++)
        TRY(ask(c, comm_rank(c) * PLAYED + i, (Lease){0}, 0));
    for (int playing = PLAYED, idle = 0; playing > 0;) {
        CommMessage m;
        bool got;
        TRY(comm_take(c, &m, &got));
        if (!got) {
            comm_pause(&idle);
            continue;
        }
        idle = 0;
        Wire w = wire_of(m.data, m.size);
        int64_t worker = wire_int(&w), first = wire_int(&w), count = wire_int(&w);
        comm_message_free(&m);
        if (count == 0)
            playing--;
        else
            TRY(ask(c, worker, (Lease){first, count}, runs));
    }
    return comm_send(c, 0, LEFT, NULL, 0);
}

static Status measure(Comm *c, int64_t batches, int64_t runs, double *cost)
{
    return comm_agree(c, comm_rank(c) == 0 ? coordinate(c, batches, cost) : play(c, runs));
}

int main(int argc, char **argv)
{
    Comm *c = NULL;
    int64_t batches = argc > 1 ? atoll(argv[1]) : 10000000;
    double one = 0, many = 0;
    Status s = comm_open(&argc, &argv, &c);
    if (s == ST_OK && (comm_size(c) < 2 || batches < 1))
        s = status_fail(ST_USAGE, "usage: mpirun -n RANKS message_cost [BATCHES], of two ranks or more");
    if (s == ST_OK)
        s = measure(c, batches, 1, &one);
    if (s == ST_OK)
        s = measure(c, batches, WANT, &many);
    if (s != ST_OK)
        fprintf(stderr, "message_cost: %s\n", status_message());
    else if (comm_rank(c) == 0)
        printf("%d ranks: %.2f µs of rank 0 for a message, %.3f µs for a run of batches in it\n", comm_size(c),
               one * 1e6, (many - one) * 2 / (WANT - 1) * 1e6);
    comm_close(c);
    return s == ST_OK ? 0 : 1;
}
