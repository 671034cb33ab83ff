// Comm over MPI: the only file that includes mpi.h. Without TSB_HAVE_MPI it is a row that cannot be opened.
// Every wait is a test and a sleep, never a blocking MPI call, which would burn a core: ranks share cores with lanes.
// MPI is used by one thread at a time: MPI_THREAD_SERIALIZED, by the comm's lock.
#include "coordinator/comm_backend.h"

#ifndef TSB_HAVE_MPI

const CommBackend COMM_MPI = {.name = "mpi"};

#else

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BROADCAST_PIECE = 64 << 20, HOST_NAME = 64 };

typedef struct Sending {
    MPI_Request request;
    void *data;
    size_t size;
} Sending;

typedef struct MpiComm {
    Comm head;
    MPI_Comm world, beats; // beats: of the watch
    MPI_Request *beating;  // [size] on rank 0, else [1]: the newest beat to that rank
    char (*hosts)[HOST_NAME];
    Sending *sending; // not yet received by the other side
    size_t sending_count, sending_capacity;
    size_t unsent;
} MpiComm;

#define MPI_TRY(call)                                                                                                  \
    do {                                                                                                               \
        int mpi_code_ = (call);                                                                                        \
        if (mpi_code_ != MPI_SUCCESS)                                                                                  \
            return mpi_fail(#call, mpi_code_);                                                                         \
    } while (0)

static Status mpi_fail(const char *call, int code)
{
    char text[MPI_MAX_ERROR_STRING];
    int len = 0;
    MPI_Error_string(code, text, &len);
    return status_fail(ST_IO, "MPI: %.*s: %.*s", (int)strcspn(call, "("), call, len, text);
}

// Starting MPI for a process that no launcher started costs a tenth of a second and a daemon: COMM_SELF serves it better.
static bool mpi_launched(void)
{
    static const char *const variables[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        if (getenv(variables[i]))
            return true;
    return false;
}

static const char *mpi_library(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int len = 0;
    MPI_Get_library_version(text, &len);
    text[strcspn(text, ",\n")] = '\0';
    return text;
}

// What every rank allocates before it may wait for the others. A rank that cannot must take all with it.
static void alloc_or_abort(MpiComm *c)
{
    size_t peers = c->head.rank == 0 ? (size_t)c->head.size : 1;
    c->beating = malloc(peers * sizeof *c->beating);
    c->hosts = calloc((size_t)c->head.size, sizeof *c->hosts);
    if (!c->beating || !c->hosts)
        MPI_Abort(MPI_COMM_WORLD, status_exit_code(ST_MEMORY));
    for (size_t i = 0; i < peers; i++)
        c->beating[i] = MPI_REQUEST_NULL;
}

static Status mpi_open(int *argc, char ***argv, Comm **out)
{
    MpiComm *c = calloc(1, sizeof *c);
    if (!c)
        return status_no_memory(sizeof *c);
    int provided;
    int code = MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &provided);
    if (code == MPI_SUCCESS && provided < MPI_THREAD_SERIALIZED)
        code = MPI_ERR_OTHER;
    if (code == MPI_SUCCESS)
        code = MPI_Comm_dup(MPI_COMM_WORLD, &c->world);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_dup(MPI_COMM_WORLD, &c->beats);
    if (code != MPI_SUCCESS) {
        free(c);
        return mpi_fail("MPI_Init_thread", code);
    }
    MPI_Comm_set_errhandler(c->world, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(c->beats, MPI_ERRORS_RETURN);
    MPI_Comm_rank(c->world, &c->head.rank);
    MPI_Comm_size(c->world, &c->head.size);
    alloc_or_abort(c);
    char mine[HOST_NAME] = "";
    gethostname(mine, sizeof mine - 1);
    MPI_Allgather(mine, HOST_NAME, MPI_BYTE, c->hosts, HOST_NAME, MPI_BYTE, c->world);
    c->head.backend = &COMM_MPI;
    *out = &c->head;
    return ST_OK;
}

static Status wait_politely(MpiComm *c, MPI_Request *request)
{
    int done = 0, idle = 0;
    for (;;) {
        MPI_TRY(MPI_Test(request, &done, MPI_STATUS_IGNORE));
        if (done)
            return ST_OK;
        comm_pause_unlocked(&c->head, &idle);
    }
}

// Frees what has been delivered.
static Status progress(MpiComm *c)
{
    for (size_t i = 0; i < c->sending_count;) {
        int done = 0;
        MPI_TRY(MPI_Test(&c->sending[i].request, &done, MPI_STATUS_IGNORE));
        if (!done) {
            i++;
            continue;
        }
        c->unsent -= c->sending[i].size;
        free(c->sending[i].data);
        c->sending[i] = c->sending[--c->sending_count];
    }
    return ST_OK;
}

static void mpi_beat(Comm *head, int to)
{
    MpiComm *c = (MpiComm *)head;
    int done = 0;
    if (MPI_Test(&c->beating[to], &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done)
        MPI_Isend(NULL, 0, MPI_BYTE, to, 0, c->beats, &c->beating[to]);
}

static int mpi_take_beat(Comm *head)
{
    MpiComm *c = (MpiComm *)head;
    int there = 0;
    MPI_Status status;
    if (MPI_Iprobe(MPI_ANY_SOURCE, 0, c->beats, &there, &status) != MPI_SUCCESS || !there)
        return -1;
    // Empty and arrived: this does not wait.
    return MPI_Recv(NULL, 0, MPI_BYTE, status.MPI_SOURCE, 0, c->beats, MPI_STATUS_IGNORE) == MPI_SUCCESS ? status.MPI_SOURCE : -1;
}

// All ranks come here; none leaves before the last has come.
static void meet(MpiComm *c)
{
    MPI_Request barrier;
    comm_lock(&c->head);
    if (MPI_Ibarrier(c->world, &barrier) == MPI_SUCCESS)
        wait_politely(c, &barrier);
    comm_unlock(&c->head);
}

static void mpi_close(Comm *head)
{
    MpiComm *c = (MpiComm *)head;
    int idle = 0;
    comm_lock(head);
    while (c->sending_count > 0 && progress(c) == ST_OK)
        if (c->sending_count > 0)
            comm_pause_unlocked(head, &idle);
    comm_unlock(head);
    // Arrive together: MPI_Finalize itself waits busily. After the second meeting nobody sends beats any more.
    meet(c);
    watch_stop(head->watch);
    meet(c);
    while (mpi_take_beat(head) >= 0) {}
    MPI_Comm_free(&c->beats);
    MPI_Comm_free(&c->world);
    MPI_Finalize();
    for (size_t i = 0; i < c->sending_count; i++)
        free(c->sending[i].data);
    free(c->sending);
    free(c->beating);
    free(c->hosts);
    free(c);
}

static const char *mpi_host(const Comm *head, int rank) { return ((const MpiComm *)head)->hosts[rank]; }

static void mpi_abort(Comm *head, int exit_code)
{
    (void)head;
    MPI_Abort(MPI_COMM_WORLD, exit_code);
}

static Status mpi_send(Comm *head, int to, int tag, void *data, size_t size)
{
    MpiComm *c = (MpiComm *)head;
    if (size > INT_MAX) {
        free(data);
        return status_fail(ST_MEMORY, "the results of one batch take %zu bytes, more than one message holds: use a smaller --batch-size", size);
    }
    if (c->sending_count == c->sending_capacity) {
        size_t capacity = c->sending_capacity ? 2 * c->sending_capacity : 16;
        Sending *more = realloc(c->sending, capacity * sizeof *more);
        if (!more) {
            free(data);
            return status_no_memory(capacity * sizeof *more);
        }
        c->sending = more;
        c->sending_capacity = capacity;
    }
    Sending *s = &c->sending[c->sending_count];
    *s = (Sending){.data = data, .size = size};
    int code = MPI_Isend(data, (int)size, MPI_BYTE, to, tag, c->world, &s->request);
    if (code != MPI_SUCCESS) {
        free(data);
        return mpi_fail("MPI_Isend", code);
    }
    c->sending_count++;
    c->unsent += size;
    return ST_OK;
}

static Status mpi_take(Comm *head, CommMessage *out, bool *got)
{
    MpiComm *c = (MpiComm *)head;
    *got = false;
    TRY(progress(c));
    int there = 0;
    MPI_Message message;
    MPI_Status status;
    MPI_TRY(MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, c->world, &there, &message, &status));
    if (!there)
        return ST_OK;
    int size = 0;
    MPI_Get_count(&status, MPI_BYTE, &size);
    *out = (CommMessage){status.MPI_SOURCE, status.MPI_TAG, (size_t)size, malloc((size_t)size + 1)};
    if (!out->data)
        return status_no_memory((size_t)size);
    MPI_Request request;
    int code = MPI_Imrecv(out->data, size, MPI_BYTE, &message, &request);
    Status s = code == MPI_SUCCESS ? wait_politely(c, &request) : mpi_fail("MPI_Imrecv", code);
    if (s != ST_OK)
        comm_message_free(out);
    *got = s == ST_OK;
    return s;
}

static size_t mpi_unsent(const Comm *head) { return ((const MpiComm *)head)->unsent; }

static Status mpi_all_gather(Comm *head, const void *mine, size_t size, void *all)
{
    MpiComm *c = (MpiComm *)head;
    MPI_Request request;
    MPI_TRY(MPI_Iallgather(mine, (int)size, MPI_BYTE, all, (int)size, MPI_BYTE, c->world, &request));
    return wait_politely(c, &request);
}

static Status mpi_broadcast(Comm *head, int root, void *data, size_t size)
{
    MpiComm *c = (MpiComm *)head;
    for (size_t at = 0; at < size;) {
        size_t piece = size - at < BROADCAST_PIECE ? size - at : BROADCAST_PIECE;
        MPI_Request request;
        MPI_TRY(MPI_Ibcast((char *)data + at, (int)piece, MPI_BYTE, root, c->world, &request));
        TRY(wait_politely(c, &request));
        at += piece;
    }
    return ST_OK;
}

const CommBackend COMM_MPI = {
    "mpi", mpi_launched, mpi_library, mpi_open, mpi_close, mpi_abort, mpi_send, mpi_take, mpi_unsent, mpi_all_gather, mpi_broadcast,
    mpi_host, mpi_beat, mpi_take_beat,
};

#endif
