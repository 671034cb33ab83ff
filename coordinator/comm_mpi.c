// Comm over MPI: the only file that includes mpi.h. Without TSB_HAVE_MPI it is a row that cannot be opened.
// Every wait is a test and a sleep, never a blocking MPI call, which would burn a core: ranks share cores with lanes.
// MPI is used by one thread at a time: MPI_THREAD_SERIALIZED, by the comm's lock.
#include "coordinator/comm_backend.h"
#include "coordinator/comm_pool.h"

#ifndef TSB_HAVE_MPI

const CommBackend COMM_MPI = {.name = "mpi"};

#else

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BROADCAST_PIECE = 64 << 20, PART_PIECE = 1 << 30, MOST_RECEIVING = 64, HOST_NAME = 64 };
enum { WITH_PARTS = 1 << 14 }; // in the tag of a message whose last words are the sizes of its parts and their number

// A message on its way to another rank: its head, and behind it the parts, each in pieces that MPI can count.
typedef struct Sending {
    MPI_Request request;
    void *data;
    size_t size;
    MPI_Request *pieces; // NULL: no parts
    int piece_count;
    void *token;
} Sending;

// A message on its way here. Its parts are asked for when the head, which says how large they are, is there.
typedef struct Receiving {
    CommMessage message;
    MPI_Request request;
    bool head_there;
    MPI_Request *pieces;
    int piece_count;
} Receiving;

typedef struct MpiComm {
    Comm head;
    MPI_Comm world, parts; // what heads and parts travel in: so neither is taken for the other
    MPI_Comm beats;        // of the watch
    MPI_Request *beating;  // [size] on rank 0, else [1]: the newest beat to that rank
    char (*hosts)[HOST_NAME];
    Sending *sending; // not yet received by the other side
    size_t sending_count, sending_capacity;
    Receiving *receiving; // in the order in which they arrive
    size_t receiving_count, receiving_capacity;
    CommPool *pool;   // memory of parts
    void **sent;      // tokens
    size_t sent_count, sent_capacity;
    size_t unsent;
} MpiComm;

#define MPI_TRY(call)                                                                                                  \
    do {                                                                                                               \
        int mpi_code_ = (call);                                                                                        \
        if (mpi_code_ != MPI_SUCCESS)                                                                                  \
            return mpi_fail(#call, mpi_code_);                                                                         \
    } while (0)

// Once ranks have met, what fails is the way to another rank.
static Status mpi_fail(const char *call, int code)
{
    char text[MPI_MAX_ERROR_STRING];
    int len = 0;
    MPI_Error_string(code, text, &len);
    return status_fail(ST_INTERRUPTED, "MPI: %.*s: %.*s; --resume continues", (int)strcspn(call, "("), call, len, text);
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
    c->pool = comm_pool_new();
    if (!c->beating || !c->hosts || !c->pool)
        MPI_Abort(MPI_COMM_WORLD, status_exit_code(ST_MEMORY));
    for (size_t i = 0; i < peers; i++)
        c->beating[i] = MPI_REQUEST_NULL;
}

static Status mpi_open(int *argc, char ***argv, Comm **out)
{
    MpiComm *c = calloc(1, sizeof *c);
    if (!c)
        return status_no_memory(sizeof *c);
    const char *expected = getenv("OMPI_COMM_WORLD_SIZE") ? getenv("OMPI_COMM_WORLD_SIZE") : getenv("SLURM_NTASKS");
    Deadline *deadline = deadline_start(WATCH_MEET(expected ? atoi(expected) : 1), "meeting the other processes");
    int provided;
    int code = MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &provided);
    if (code == MPI_SUCCESS && provided < MPI_THREAD_SERIALIZED)
        code = MPI_ERR_OTHER;
    if (code == MPI_SUCCESS)
        code = MPI_Comm_dup(MPI_COMM_WORLD, &c->world);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_dup(MPI_COMM_WORLD, &c->beats);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_dup(MPI_COMM_WORLD, &c->parts);
    if (code != MPI_SUCCESS) {
        deadline_met(deadline);
        free(c);
        return status_fail(ST_IO, "MPI does not start: error %d", code);
    }
    MPI_Comm_set_errhandler(c->world, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(c->beats, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(c->parts, MPI_ERRORS_RETURN);
    MPI_Comm_rank(c->world, &c->head.rank);
    MPI_Comm_size(c->world, &c->head.size);
    alloc_or_abort(c);
    char mine[HOST_NAME] = "";
    gethostname(mine, sizeof mine - 1);
    MPI_Allgather(mine, HOST_NAME, MPI_BYTE, c->hosts, HOST_NAME, MPI_BYTE, c->world);
    deadline_met(deadline);
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

// Room for one more item of a growing array of the rank's messages.
static Status make_room(void **items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return ST_OK;
    size_t more = *capacity ? 2 * *capacity : 16;
    void *grown = realloc(*items, more * size);
    if (!grown)
        return status_no_memory(more * size);
    *items = grown;
    *capacity = more;
    return ST_OK;
}

// Frees what has been delivered.
static Status progress(MpiComm *c)
{
    for (size_t i = 0; i < c->sending_count;) {
        Sending *s = &c->sending[i];
        int done = 0, parts_done = 1;
        MPI_TRY(MPI_Test(&s->request, &done, MPI_STATUS_IGNORE));
        if (s->piece_count)
            MPI_TRY(MPI_Testall(s->piece_count, s->pieces, &parts_done, MPI_STATUSES_IGNORE));
        if (!done || !parts_done) {
            i++;
            continue;
        }
        if (s->token) {
            TRY(make_room((void **)&c->sent, c->sent_count, &c->sent_capacity, sizeof *c->sent));
            c->sent[c->sent_count++] = s->token;
        }
        c->unsent -= s->size;
        free(s->data);
        free(s->pieces);
        *s = c->sending[--c->sending_count];
    }
    return ST_OK;
}

static void receiving_drop(MpiComm *c, size_t i)
{
    free(c->receiving[i].pieces);
    memmove(&c->receiving[i], &c->receiving[i + 1], (c->receiving_count - i - 1) * sizeof *c->receiving);
    c->receiving_count--;
}

static void *aligned_head(size_t size) { return aligned_alloc(COMM_ALIGNMENT, (size + COMM_ALIGNMENT) & ~(size_t)(COMM_ALIGNMENT - 1)); }

// Starts to receive what has arrived, in order.
static Status match(MpiComm *c)
{
    while (c->receiving_count < MOST_RECEIVING) {
        int there = 0, size = 0;
        MPI_Message message;
        MPI_Status status;
        MPI_TRY(MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, c->world, &there, &message, &status));
        if (!there)
            return ST_OK;
        TRY(make_room((void **)&c->receiving, c->receiving_count, &c->receiving_capacity, sizeof *c->receiving));
        MPI_Get_count(&status, MPI_BYTE, &size);
        Receiving *r = &c->receiving[c->receiving_count];
        *r = (Receiving){.message = {.from = status.MPI_SOURCE, .tag = status.MPI_TAG, .size = (size_t)size, .data = aligned_head((size_t)size), .pool = c->pool}};
        if (!r->message.data)
            return status_no_memory((size_t)size);
        int code = MPI_Imrecv(r->message.data, size, MPI_BYTE, &message, &r->request);
        if (code != MPI_SUCCESS) {
            free(r->message.data);
            return mpi_fail("MPI_Imrecv", code);
        }
        c->receiving_count++;
    }
    return ST_OK;
}

static int piece_count(size_t size) { return (int)((size + PART_PIECE - 1) / PART_PIECE); }
static int piece_size(size_t size, int i) { return (int)(size - (size_t)i * PART_PIECE < PART_PIECE ? size - (size_t)i * PART_PIECE : PART_PIECE); }

// The head is there: takes the sizes of the parts off its end and asks for them. A rank sends the parts of one message
// after those of another, so they match in that order.
static Status ask_for_parts(MpiComm *c, Receiving *r)
{
    CommMessage *m = &r->message;
    uint64_t count = 0;
    m->tag &= ~WITH_PARTS;
    if (m->size >= sizeof count)
        memcpy(&count, m->data + m->size - sizeof count, sizeof count);
    if (m->size < sizeof count || count > (m->size - sizeof count) / sizeof(uint64_t))
        return status_fail(ST_INTERNAL, "a message of rank %d is cut short", m->from);
    m->size -= (count + 1) * sizeof(uint64_t);
    m->parts = calloc(count + 1, sizeof *m->parts);
    if (!m->parts)
        return status_no_memory(count * sizeof *m->parts);
    int pieces = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t size;
        memcpy(&size, m->data + m->size + i * sizeof size, sizeof size);
        m->parts[i] = (CommPart){comm_pool_take(c->pool, size), size};
        if (!m->parts[i].data)
            return status_no_memory(size);
        m->part_count++;
        pieces += piece_count(size);
    }
    r->pieces = malloc(((size_t)pieces + 1) * sizeof *r->pieces);
    if (!r->pieces)
        return status_no_memory((size_t)pieces * sizeof *r->pieces);
    for (int i = 0; i < m->part_count; i++)
        for (int k = 0; k < piece_count(m->parts[i].size); k++)
            MPI_TRY(MPI_Irecv((char *)m->parts[i].data + (size_t)k * PART_PIECE, piece_size(m->parts[i].size, k), MPI_BYTE, m->from, 0, c->parts, &r->pieces[r->piece_count++]));
    return ST_OK;
}

static Status advance(MpiComm *c, Receiving *r, bool *done)
{
    int there = r->head_there, parts_there = 1;
    *done = false;
    if (!there) {
        MPI_TRY(MPI_Test(&r->request, &there, MPI_STATUS_IGNORE));
        if (!there)
            return ST_OK;
        r->head_there = true;
        if (r->message.tag & WITH_PARTS)
            TRY(ask_for_parts(c, r));
    }
    if (r->piece_count)
        MPI_TRY(MPI_Testall(r->piece_count, r->pieces, &parts_there, MPI_STATUSES_IGNORE));
    *done = parts_there;
    return ST_OK;
}

// The first message that is there as a whole and none from the same rank before it.
static Status mpi_take(Comm *head, CommMessage *out, bool *got)
{
    MpiComm *c = (MpiComm *)head;
    *got = false;
    TRY(progress(c));
    TRY(match(c));
    for (size_t i = 0; i < c->receiving_count; i++) {
        bool done, first = true;
        // In order, so that the parts of two messages of a rank are asked for in order.
        for (size_t k = 0; k < i && first; k++)
            first = c->receiving[k].message.from != c->receiving[i].message.from || c->receiving[k].head_there;
        if (!first)
            continue;
        TRY(advance(c, &c->receiving[i], &done));
        for (size_t k = 0; k < i && done; k++)
            done = c->receiving[k].message.from != c->receiving[i].message.from;
        if (!done)
            continue;
        *out = c->receiving[i].message;
        receiving_drop(c, i);
        *got = true;
        return ST_OK;
    }
    return ST_OK;
}

static Status discard(MpiComm *c, bool *any)
{
    CommMessage m;
    TRY(mpi_take(&c->head, &m, any));
    if (*any)
        comm_message_free(&m);
    return ST_OK;
}

// When a rank's own messages are gone it says so in the barrier: behind it nothing is under way.
static Status mpi_drain(Comm *head)
{
    MpiComm *c = (MpiComm *)head;
    MPI_Request barrier = MPI_REQUEST_NULL;
    bool waits = false, any;
    for (int idle = 0, over = 0; !over;) {
        TRY(discard(c, &any));
        if (!waits && c->sending_count == 0) {
            MPI_TRY(MPI_Ibarrier(c->world, &barrier));
            waits = true;
        }
        if (waits)
            MPI_TRY(MPI_Test(&barrier, &over, MPI_STATUS_IGNORE));
        if (any)
            idle = 0;
        else if (!over)
            comm_pause_unlocked(head, &idle);
    }
    return ST_OK;
}

static void mpi_beat(Comm *head, int to, Beat beat)
{
    MpiComm *c = (MpiComm *)head;
    int done = 0;
    if (MPI_Test(&c->beating[to], &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done)
        MPI_Isend(NULL, 0, MPI_BYTE, to, (int)beat, c->beats, &c->beating[to]);
}

static Beat mpi_take_beat(Comm *head, int *from)
{
    MpiComm *c = (MpiComm *)head;
    int there = 0;
    MPI_Status status;
    if (MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, c->beats, &there, &status) != MPI_SUCCESS || !there)
        return BEAT_NONE;
    *from = status.MPI_SOURCE;
    // Empty and arrived: this does not wait.
    int code = MPI_Recv(NULL, 0, MPI_BYTE, *from, status.MPI_TAG, c->beats, MPI_STATUS_IGNORE);
    return code == MPI_SUCCESS ? (Beat)status.MPI_TAG : BEAT_NONE;
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
    comm_lock(head);
    mpi_drain(head); // arrive together: MPI_Finalize itself waits busily
    comm_unlock(head);
    // After the second meeting nobody sends beats any more.
    Deadline *deadline = deadline_start(WATCH_MEET(head->size), "leaving the other processes");
    watch_stop(head->watch);
    meet(c);
    for (int from; mpi_take_beat(head, &from) != BEAT_NONE;) {}
    MPI_Comm_free(&c->beats);
    MPI_Comm_free(&c->parts);
    MPI_Comm_free(&c->world);
    MPI_Finalize();
    deadline_met(deadline);
    for (size_t i = 0; i < c->sending_count; i++) {
        free(c->sending[i].data);
        free(c->sending[i].pieces);
    }
    for (size_t i = 0; i < c->receiving_count; i++) {
        comm_message_free(&c->receiving[i].message);
        free(c->receiving[i].pieces);
    }
    free(c->sending);
    free(c->beating);
    free(c->hosts);
    free(c->receiving);
    free(c->sent);
    comm_pool_free(c->pool);
    free(c);
}

static const char *mpi_host(const Comm *head, int rank) { return ((const MpiComm *)head)->hosts[rank]; }

static void mpi_abort(Comm *head, int exit_code)
{
    (void)head;
    MPI_Abort(MPI_COMM_WORLD, exit_code);
}

static Status start_sending(MpiComm *c, int to, int tag, Sending message, const CommPart *parts, int part_count)
{
    if (message.size > INT_MAX)
        return status_fail(ST_MEMORY, "the results of one batch take %zu bytes, more than one message holds: use a smaller --batch-size", message.size);
    TRY(make_room((void **)&c->sending, c->sending_count, &c->sending_capacity, sizeof *c->sending));
    MPI_TRY(MPI_Isend(message.data, (int)message.size, MPI_BYTE, to, tag, c->world, &message.request));
    for (int i = 0; i < part_count; i++)
        for (int k = 0; k < piece_count(parts[i].size); k++)
            MPI_TRY(MPI_Isend((char *)parts[i].data + (size_t)k * PART_PIECE, piece_size(parts[i].size, k), MPI_BYTE, to, 0, c->parts, &message.pieces[message.piece_count++]));
    c->sending[c->sending_count++] = message;
    c->unsent += message.size;
    return ST_OK;
}

static Status mpi_send(Comm *head, int to, int tag, void *data, size_t size)
{
    Status s = start_sending((MpiComm *)head, to, tag, (Sending){.data = data, .size = size}, NULL, 0);
    if (s != ST_OK)
        free(data);
    return s;
}

static Status mpi_send_parts(Comm *head, int to, int tag, void *data, size_t size, const CommPart *parts, int part_count, void *token)
{
    int pieces = 0;
    for (int i = 0; i < part_count; i++)
        pieces += piece_count(parts[i].size);
    void *longer = realloc(data, size + (size_t)(part_count + 1) * sizeof(uint64_t));
    if (!longer) {
        free(data);
        return status_no_memory(size);
    }
    Sending message = {.data = longer, .size = size, .token = token};
    message.pieces = malloc(((size_t)pieces + 1) * sizeof *message.pieces);
    Status s = message.pieces ? ST_OK : status_no_memory((size_t)pieces * sizeof *message.pieces);
    if (s == ST_OK) {
        uint8_t *end = (uint8_t *)message.data + size;
        for (int i = 0; i <= part_count; i++, end += sizeof(uint64_t)) {
            uint64_t number = i < part_count ? parts[i].size : (uint64_t)part_count;
            memcpy(end, &number, sizeof number);
        }
        message.size = (size_t)(end - (uint8_t *)message.data);
        s = start_sending((MpiComm *)head, to, tag | WITH_PARTS, message, parts, part_count);
    }
    if (s != ST_OK) {
        free(message.data);
        free(message.pieces);
    }
    return s;
}

static void *mpi_sent(Comm *head)
{
    MpiComm *c = (MpiComm *)head;
    return c->sent_count ? c->sent[--c->sent_count] : NULL;
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
    .name = "mpi",
    .launched = mpi_launched,
    .library = mpi_library,
    .open = mpi_open,
    .close = mpi_close,
    .abort = mpi_abort,
    .send = mpi_send,
    .send_parts = mpi_send_parts,
    .sent = mpi_sent,
    .take = mpi_take,
    .unsent = mpi_unsent,
    .all_gather = mpi_all_gather,
    .broadcast = mpi_broadcast,
    .drain = mpi_drain,
    .host = mpi_host,
    .beat = mpi_beat,
    .take_beat = mpi_take_beat,
};

#endif
