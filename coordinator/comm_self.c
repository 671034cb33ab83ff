// Comm of a single process: nobody else to talk to.
// It is what runs without mpirun, and the whole of comm in a build without MPI.
#include "coordinator/comm_backend.h"

#include <stdlib.h>
#include <string.h>

static bool self_launched(void) { return true; }
static const char *self_library(void) { return "no (single process)"; }

static Status self_open(int *argc, char ***argv, Comm **out)
{
    (void)argc;
    (void)argv;
    Comm *c = calloc(1, sizeof *c);
    if (!c)
        return status_no_memory(sizeof *c);
    c->backend = &COMM_SELF;
    c->size = 1;
    *out = c;
    return ST_OK;
}

static void self_close(Comm *c) { free(c); }

static void self_abort(Comm *c, int exit_code)
{
    (void)c;
    (void)exit_code;
}

static Status self_send(Comm *c, int to, int tag, void *data, size_t size)
{
    (void)c;
    (void)tag;
    (void)size;
    free(data);
    return status_fail(ST_INTERNAL, "a message to rank %d of a single process", to);
}

static Status self_send_parts(Comm *c, int to, int tag, void *data, size_t size, const CommPart *parts, int part_count, void *token)
{
    (void)parts;
    (void)part_count;
    (void)token;
    return self_send(c, to, tag, data, size);
}

static void *self_sent(Comm *c)
{
    (void)c;
    return NULL;
}

static Status self_take(Comm *c, CommMessage *out, bool *got)
{
    (void)c;
    (void)out;
    *got = false;
    return ST_OK;
}

static size_t self_unsent(const Comm *c)
{
    (void)c;
    return 0;
}

static Status self_all_gather(Comm *c, const void *mine, size_t size, void *all)
{
    (void)c;
    memcpy(all, mine, size);
    return ST_OK;
}

static Status self_broadcast(Comm *c, int root, void *data, size_t size)
{
    (void)c;
    (void)root;
    (void)data;
    (void)size;
    return ST_OK;
}

// Nobody else asks.
static const char *self_host(const Comm *c, int rank)
{
    (void)c;
    (void)rank;
    return "this host";
}

static Status self_drain(Comm *c)
{
    (void)c;
    return ST_OK;
}

const CommBackend COMM_SELF = {
    .name = "self",
    .launched = self_launched,
    .library = self_library,
    .open = self_open,
    .close = self_close,
    .abort = self_abort,
    .send = self_send,
    .send_parts = self_send_parts,
    .sent = self_sent,
    .take = self_take,
    .unsent = self_unsent,
    .all_gather = self_all_gather,
    .broadcast = self_broadcast,
    .drain = self_drain,
    .host = self_host,
};
