// Watch: notices that a rank of the run is lost, with its host or alone, and ends the others. A thread of each rank sends
// beats and listens for them, whatever the main thread is doing; beats say that a process runs and can be reached, no more.
//
// Rank 0 hears all ranks and they hear rank 0, one empty message every WATCH_BEAT seconds each way. That is what limits
// the number of ranks: 10,000 of them make rank 0 send and take 10,000 messages a second, about 1 % of a core each way.
// When rank 0 ends the run it tells all that it can reach, as a launcher may be out of reach.
//
// Silence is counted in time that the listener itself was running: a process that was stopped or got no core does not
// blame the others for it, and a whole run may be suspended and continued.
#ifndef TSB_COORDINATOR_WATCH_H
#define TSB_COORDINATOR_WATCH_H

#include "coordinator/comm.h"

// Seconds. The listener looks every WATCH_TICK, and counts at most WATCH_STEP for the time between two looks.
#define WATCH_BEAT 2.0
#define WATCH_TICK 0.5
#define WATCH_STEP 1.0
// The default of --lost-after, 15 s, is seven beats in a row missing: more than a core that is shared by many or a switch
// that learns a new path takes. Rank 0 notices a loss within 16 s, the others that of rank 0 within 19 s, and the
// launcher and comm_abort need at most 5 s more: all is over well before 30 s. WATCH_LEAST is the least that can work.
#define WATCH_LEAST 5.0
// For MPI to start or to end, which takes a second or two; 10,000 ranks have 260 s.
#define WATCH_MEET(ranks) (60.0 + (ranks) / 50.0)
// When rank 0 is lost, rank r says so min(r × WATCH_TICK, WATCH_STAGGER) seconds late: the first to speak ends the others.
#define WATCH_STAGGER 3.0

// What one rank knows. Pure: tested without threads.
typedef struct WatchState {
    int self, size;
    double limit, clock, beaten; // clock: seconds of this rank's own running time; beaten: when it last sent beats
    double *heard;               // [size] on rank 0, else [1]: clock at the last beat of that rank
} WatchState;

Status watch_state_init(WatchState *s, int self, int size, double limit);
void watch_state_free(WatchState *s);
// `elapsed` seconds of the machine's clock have passed since the last call. True: beats are due (and taken as sent).
bool watch_advance(WatchState *s, double elapsed);
void watch_heard(WatchState *s, int from);
// A rank that has been silent for too long, or -1.
int watch_lost(const WatchState *s);

typedef enum Beat { BEAT_NONE = -1, BEAT_ALIVE, BEAT_OVER } Beat;

typedef struct Watch Watch;

// Starts the thread. When a rank is lost it says which, on which host, and calls comm_abort with the code of
// ST_INTERRUPTED. NULL in *out when there is nothing to watch (one rank, or an MPI that threads cannot share).
Status watch_start(Comm *c, double limit, Watch **out);
// Ends the thread; NULL is fine. Not with the comm's lock held.
void watch_stop(Watch *w);

// For the moments without beats, when MPI starts and ends: unless deadline_met is called within `seconds` the process says
// that `what` (borrowed) takes too long and ends, with the code of ST_INTERRUPTED. NULL when there is no memory for it.
typedef struct Deadline Deadline;
Deadline *deadline_start(double seconds, const char *what);
void deadline_met(Deadline *d); // NULL is fine

#endif
