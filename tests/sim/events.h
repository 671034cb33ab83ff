// Events: what a discrete-event simulation stands on: a queue by time, and random numbers from a seed.
#ifndef TSB_TESTS_SIM_EVENTS_H
#define TSB_TESTS_SIM_EVENTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct Event {
    double time;
    uint64_t order; // of two at the same time the one that was added first comes first
    int kind, who;
    int64_t a, b;
    void *data;
} Event;

typedef struct Events {
    Event *heap;
    size_t count, capacity;
    uint64_t added;
    double now; // time of the event that was taken last
} Events;

// Exits when there is no memory: this is a program for tests.
void events_add(Events *q, Event e);
// The earliest event; 0 when there is none.
int events_take(Events *q, Event *out);
void events_free(Events *q);

typedef struct Random {
    uint64_t state;
} Random;

double random_uniform(Random *r); // in [0, 1)
double random_normal(Random *r);  // mean 0, standard deviation 1

void *must(void *memory); // exits when NULL
#endif
