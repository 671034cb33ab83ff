// Measures links by sending messages there and back. The best of several tries counts: what disturbs only makes slower.
#include "coordinator/links.h"

#include "coordinator/job.h"

#include <sched.h>
#include <stdlib.h>

enum { SMALL_ROUNDS = 20, LARGE_ROUNDS = 4, LARGE_BYTES = 4 << 20, LINK_TAG = 1 };

// Looks again at once: sleeping would be measured, too.
static Status await_message(Comm *c)
{
    for (bool got = false; !got;) {
        CommMessage m;
        TRY(comm_take(c, &m, &got));
        if (got)
            comm_message_free(&m);
        else
            sched_yield();
    }
    return ST_OK;
}

static Status send_large(Comm *c, int to, const CommPart *part)
{
    void *head = malloc(1);
    return head ? comm_send_parts(c, to, LINK_TAG, head, 0, part, 1, NULL) : status_no_memory(1);
}

// One end of a pair sends `rounds` messages, the other answers each with an empty one. *best: the fastest there and back.
static Status exchange(Comm *c, int other, bool asks, int rounds, const CommPart *part, double *best)
{
    *best = 0;
    for (int i = 0; i < rounds; i++) {
        double start = job_clock();
        if (!asks)
            TRY(await_message(c));
        TRY(asks && part ? send_large(c, other, part) : comm_send(c, other, LINK_TAG, NULL, 0));
        if (asks)
            TRY(await_message(c));
        double seconds = job_clock() - start;
        if (i == 0 || seconds < *best)
            *best = seconds;
    }
    return ST_OK;
}

static Status measure_pair(Comm *c, int other, bool asks, void *bytes, PartitionLink *link)
{
    CommPart part = {bytes, LARGE_BYTES};
    double small, large;
    TRY(exchange(c, other, asks, SMALL_ROUNDS, NULL, &small));
    TRY(exchange(c, other, asks, LARGE_ROUNDS, &part, &large));
    double moving = large - small;
    *link = (PartitionLink){small / 2, LARGE_BYTES / (moving > 1e-6 ? moving : 1e-6)};
    return ST_OK;
}

Status links_measure(Comm *c, PartitionLink *out)
{
    int rank = comm_rank(c), size = comm_size(c);
    PartitionLink mine = {0}, *all = malloc((size_t)size * sizeof *all);
    void *bytes = calloc(1, LARGE_BYTES);
    Status s = all && bytes ? ST_OK : status_no_memory(LARGE_BYTES);
    s = comm_agree(c, s);
    // Pairs of even ranks and their next, then those of odd ones.
    for (int odd = 0; odd < 2 && s == ST_OK; odd++) {
        bool asks = rank % 2 == odd;
        int other = asks ? rank + 1 : rank - 1;
        PartitionLink link;
        if (other >= 0 && other < size)
            s = measure_pair(c, other, asks, bytes, &link);
        if (s == ST_OK)
            s = comm_settle(c);
        if (s == ST_OK && asks && other < size)
            mine = link;
        s = comm_agree(c, s);
    }
    if (s == ST_OK)
        s = comm_all_gather(c, &mine, sizeof mine, all);
    for (int i = 0; i < size - 1 && s == ST_OK; i++)
        out[i] = all[i];
    free(all);
    free(bytes);
    return s;
}
