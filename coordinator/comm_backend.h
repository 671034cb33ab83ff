// What a comm backend provides. Included by comm*.c only.
#ifndef TSB_COORDINATOR_COMM_BACKEND_H
#define TSB_COORDINATOR_COMM_BACKEND_H

#include "coordinator/comm.h"

typedef struct CommBackend {
    const char *name;
    bool (*launched)(void); // did a launcher of this kind start the process?
    const char *(*library)(void);
    Status (*open)(int *argc, char ***argv, Comm **out);
    void (*close)(Comm *c); // frees all but the loopback queue, which is empty
    void (*abort)(Comm *c, int exit_code);
    Status (*send)(Comm *c, int to, int tag, void *data_taken, size_t size); // to another rank
    Status (*take)(Comm *c, CommMessage *out, bool *got);                    // from other ranks
    size_t (*unsent)(const Comm *c);
    Status (*all_gather)(Comm *c, const void *mine, size_t size, void *all);
    Status (*broadcast)(Comm *c, int root, void *data, size_t size);
} CommBackend;

typedef struct CommNode {
    CommMessage message;
    struct CommNode *next;
} CommNode;

// The head of every backend's Comm.
struct Comm {
    const CommBackend *backend;
    int rank, size;
    CommNode *first, *last; // messages to ourselves
};

// Rows of the backend table. `open` is NULL in a row that was not built.
extern const CommBackend COMM_MPI, COMM_SELF;

#endif
