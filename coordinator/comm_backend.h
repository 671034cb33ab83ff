// What a comm backend provides. Included by comm*.c and watch.c only.
//
// Two threads use a comm: the main thread and the watch. Backend functions are called with the comm's lock held, but for
// those marked "no lock"; a backend gives the lock up while it sleeps (comm_pause_unlocked).
#ifndef TSB_COORDINATOR_COMM_BACKEND_H
#define TSB_COORDINATOR_COMM_BACKEND_H

#include "coordinator/comm.h"
#include "coordinator/watch.h"

#include <pthread.h>

typedef struct CommBackend {
    const char *name;
    bool (*launched)(void); // did a launcher of this kind start the process?
    const char *(*library)(void);
    Status (*open)(int *argc, char ***argv, Comm **out); // no lock
    void (*close)(Comm *c); // no lock. Frees all but the loopback queue, which is empty; stops the watch when all have arrived
    void (*abort)(Comm *c, int exit_code);
    Status (*send)(Comm *c, int to, int tag, void *data_taken, size_t size); // to another rank
    Status (*send_parts)(Comm *c, int to, int tag, void *data_taken, size_t size, const CommPart *parts, int part_count, void *token);
    void *(*sent)(Comm *c);
    Status (*take)(Comm *c, CommMessage *out, bool *got); // from other ranks
    size_t (*unsent)(const Comm *c); // no lock
    Status (*all_gather)(Comm *c, const void *mine, size_t size, void *all);
    Status (*broadcast)(Comm *c, int root, void *data, size_t size);
    Status (*drain)(Comm *c);
    const char *(*host)(const Comm *c, int rank); // no lock
    // Sends an empty message of the watch, unless the one before is still on its way. NULL: nothing to watch.
    void (*beat)(Comm *c, int to, Beat beat);
    Beat (*take_beat)(Comm *c, int *from); // BEAT_NONE: none has arrived
} CommBackend;

typedef struct CommNode {
    CommMessage message;
    struct CommNode *next;
} CommNode;

// The head of every backend's Comm.
struct Comm {
    const CommBackend *backend;
    int rank, size;
    pthread_mutex_t lock;
    Watch *watch; // or NULL
    CommNode *first, *last; // messages to ourselves
};

static inline void comm_lock(Comm *c) { pthread_mutex_lock(&c->lock); }
static inline void comm_unlock(Comm *c) { pthread_mutex_unlock(&c->lock); }

static inline void comm_pause_unlocked(Comm *c, int *idle)
{
    comm_unlock(c);
    comm_pause(idle);
    comm_lock(c);
}

// Rows of the backend table. `open` is NULL in a row that was not built.
extern const CommBackend COMM_MPI, COMM_SELF;

#endif
