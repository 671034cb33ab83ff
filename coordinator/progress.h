// Progress: one line on stderr: samples, rate, time left.
#ifndef TSB_COORDINATOR_PROGRESS_H
#define TSB_COORDINATOR_PROGRESS_H

#include "io/base/buf.h"

typedef struct Progress {
    bool on, terminal;
    int64_t total, before; // samples in all; done before this run
    double start, shown;   // seconds of any one clock
    int width;             // of the line on the screen
} Progress;

// `when`: "auto", "always", "never".
void progress_start(Progress *p, const char *when, bool quiet, int64_t total, int64_t before, double now);
// Shows the line now and then: on a terminal it stays in place, elsewhere it is a line every ten seconds.
void progress_show(Progress *p, int64_t done, int64_t errors, double now);
// Wipes the line from the terminal.
void progress_end(Progress *p);
// "12,345 of 50,000 samples, 812/s, 0:46 left"
void progress_text(Buf *out, const Progress *p, int64_t done, int64_t errors, double now);
// 1234567 as "1,234,567".
void progress_number(Buf *out, int64_t n);

#endif
