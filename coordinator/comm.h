// Comm: messages between the processes (ranks) of a run. Two backends: MPI, and a single process, which always exists.
//
// Nothing here waits busily: a rank that waits sleeps between looks, longer and longer, up to COMM_LONGEST_SLEEP. All
// functions but comm_abort, comm_host and comm_name are called from the main thread. Collective functions are called by all ranks in
// the same order.
#ifndef TSB_COORDINATOR_COMM_H
#define TSB_COORDINATOR_COMM_H

#include "io/base/status.h"

#include <stdint.h>

enum { COMM_LONGEST_SLEEP_NS = 2000000 };

typedef struct Comm Comm;

// Bytes that travel beside a message, from where they lie to where they will be used.
typedef struct CommPart {
    void *data;
    size_t size;
} CommPart;

typedef struct CommMessage {
    int from, tag;
    size_t size;
    uint8_t *data;    // owned by the receiver: comm_message_free. From another rank it begins at a multiple of 64
    CommPart *parts;  // likewise, each
    int part_count;
    struct CommPool *pool; // where the memory of the parts goes
} CommMessage;

// Joins the processes that a launcher (mpirun, srun) started with this one, or just this one when there was none.
// Collective. `argc`, `argv` as main got them.
Status comm_open(int *argc, char ***argv, Comm **out);
// Before comm_open: is this the process that speaks for all that the launcher started?
bool comm_speaks(void);
// Collective, after the last message has been taken. NULL is fine.
void comm_close(Comm *c);
// From here to comm_close the run ends, by comm_abort, when a rank is silent for `seconds` (0: never). See watch.h.
Status comm_watch(Comm *c, double seconds);
// Ends all processes at once with this exit code; for when the others cannot be told otherwise. From any thread.
_Noreturn void comm_abort(Comm *c, int exit_code);

int comm_rank(const Comm *c);
int comm_size(const Comm *c);
// The name of the host that a rank runs on.
const char *comm_host(const Comm *c, int rank);
// "rank 3", or "rank 3 on host h2" when rank 0 runs on another host: for messages.
typedef struct RankName {
    char text[96];
} RankName;
RankName comm_name(const Comm *c, int rank);
// "Open MPI v4.1.4 …" or "single process": what this binary can do.
const char *comm_library(void);

// Copies `size` bytes and sends them; returns at once. Messages between two ranks stay in order. A rank may send to itself.
Status comm_send(Comm *c, int to, int tag, const void *data, size_t size);
// The same without the copy: takes `data` (from malloc), also when it fails.
Status comm_send_take(Comm *c, int to, int tag, void *data, size_t size);
// The same to another rank, with parts after it, each of at least one byte. The caller keeps their bytes unchanged until
// comm_sent gives `token` back (when this fails, until the end). A NULL token is not given back.
Status comm_send_parts(Comm *c, int to, int tag, void *data, size_t size, const CommPart *parts, int part_count, void *token);
// The token of a message with parts that has left this rank, or NULL.
void *comm_sent(Comm *c);
// Moves messages along; *got tells whether one arrived, parts and all. Never waits.
Status comm_take(Comm *c, CommMessage *out, bool *got);
void comm_message_free(CommMessage *m);
// Bytes given to comm_send that the receivers have not got yet.
size_t comm_unsent(const Comm *c);
// When all that this rank sent has arrived, by what the others have answered, and nothing is on its way here: waits until comm
// has noticed. Every token can be had then.
Status comm_settle(Comm *c);
// Collective: drops what still arrives until everything that any rank sent has left it. After it all tokens can be had.
Status comm_drain(Comm *c);

// Collectives. all: [size of the run][size]. One that fails (a rank is lost) ends the run by comm_abort.
Status comm_all_gather(Comm *c, const void *mine, size_t size, void *all);
Status comm_broadcast(Comm *c, int root, void *data, size_t size);
// All ranks come out with the same status and message: the failure of the lowest rank that failed, or ST_OK.
Status comm_agree(Comm *c, Status mine);

// Sleeps before looking again; `idle` is how often in a row nothing had happened (start with 0; it grows here).
void comm_pause(int *idle);

#endif
