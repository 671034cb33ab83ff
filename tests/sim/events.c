// Events: a binary heap by time, splitmix64 and the polar method of Marsaglia.
// Nothing depends on the machine but the last bit of log() and sqrt().
#include "events.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void *must(void *memory)
{
    if (!memory) {
        fprintf(stderr, "sim: no memory\n");
        exit(2);
    }
    return memory;
}

static int before(const Event *a, const Event *b)
{
    return a->time < b->time || (a->time == b->time && a->order < b->order);
}

void events_add(Events *q, Event e)
{
    if (q->count == q->capacity) {
        q->capacity = q->capacity ? 2 * q->capacity : 1024;
        q->heap = must(realloc(q->heap, q->capacity * sizeof *q->heap));
    }
    e.order = q->added++;
    size_t at = q->count++;
    while (at > 0 && before(&e, &q->heap[(at - 1) / 2])) {
        q->heap[at] = q->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    q->heap[at] = e;
}

int events_take(Events *q, Event *out)
{
    if (q->count == 0)
        return 0;
    *out = q->heap[0];
    q->now = out->time;
    Event last = q->heap[--q->count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < q->count; at = child) {
        if (child + 1 < q->count && before(&q->heap[child + 1], &q->heap[child]))
            child++;
        if (!before(&q->heap[child], &last))
            break;
        q->heap[at] = q->heap[child];
    }
    q->heap[at] = last;
    return 1;
}

void events_free(Events *q)
{
    free(q->heap);
}

double random_uniform(Random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

double random_normal(Random *r)
{
    for (;;) {
        double x = 2 * random_uniform(r) - 1, y = 2 * random_uniform(r) - 1, square = x * x + y * y;
        if (square > 0 && square < 1)
            return x * sqrt(-2 * log(square) / square);
    }
}
