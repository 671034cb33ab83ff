// Comm: the table of backends, messages to oneself, and what is the same for every backend.
#include "coordinator/comm_backend.h"
#include "coordinator/comm_pool.h"

#include "io/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ABORT_SECONDS = 5 };

// In order of preference: the first that was built and whose launcher is there.
static const CommBackend *const backends[] = {&COMM_MPI, &COMM_SELF};

// A launcher that started several processes which cannot find each other would make each write the same output.
static Status refuse_unconnected(void)
{
    const char *size = getenv("OMPI_COMM_WORLD_SIZE");
    if (size && atoi(size) > 1)
        return status_fail(ST_USAGE, "mpirun started %s processes that do not find each other; this tsbatch has MPI: %s", size, comm_library());
    const char *tasks = getenv("SLURM_STEP_NUM_TASKS");
    if (!size && tasks && atoi(tasks) > 1)
        return status_fail(ST_USAGE, "srun started %s tasks that do not find each other: use srun --mpi=pmix, or mpirun; this tsbatch has MPI: %s", tasks, comm_library());
    return ST_OK;
}

bool comm_speaks(void)
{
    static const char *const variables[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        if (getenv(variables[i]))
            return atoi(getenv(variables[i])) == 0;
    return true;
}

Status comm_open(int *argc, char ***argv, Comm **out)
{
    *out = NULL;
    size_t i = 0;
    while (!(backends[i]->open && backends[i]->launched())) // the last one is always there
        i++;
    TRY(backends[i]->open(argc, argv, out));
    pthread_mutex_init(&(*out)->lock, NULL);
    if ((*out)->size > 1)
        return ST_OK;
    Status s = refuse_unconnected();
    if (s != ST_OK) {
        comm_close(*out);
        *out = NULL;
    }
    return s;
}

void comm_close(Comm *c)
{
    if (!c)
        return;
    for (CommNode *n = c->first, *next; n; n = next) {
        next = n->next;
        comm_message_free(&n->message);
        free(n);
    }
    c->first = c->last = NULL;
    c->backend->close(c);
}

Status comm_watch(Comm *c, double seconds) { return watch_start(c, seconds, &c->watch); }

// A launcher that cannot be reached, or a thread that does not give up the lock, must not keep the process.
static void *end_in_any_case(void *exit_code)
{
    sleep(ABORT_SECONDS);
    _Exit((int)(intptr_t)exit_code);
}

void comm_abort(Comm *c, int exit_code)
{
    pthread_t thread;
    pthread_create(&thread, NULL, end_in_any_case, (void *)(intptr_t)exit_code);
    comm_lock(c); // for good
    c->backend->abort(c, exit_code);
    _Exit(exit_code);
}

int comm_rank(const Comm *c) { return c->rank; }
int comm_size(const Comm *c) { return c->size; }
const char *comm_host(const Comm *c, int rank) { return c->backend->host(c, rank); }

RankName comm_name(const Comm *c, int rank)
{
    RankName name;
    bool far = strcmp(comm_host(c, rank), comm_host(c, 0)) != 0;
    snprintf(name.text, sizeof name.text, "rank %d%s%s", rank, far ? " on host " : "", far ? comm_host(c, rank) : "");
    return name;
}

const char *comm_library(void)
{
    return COMM_MPI.open ? COMM_MPI.library() : COMM_SELF.library();
}

static Status send_to_self(Comm *c, int tag, void *data, size_t size)
{
    CommNode *n = malloc(sizeof *n);
    if (!n) {
        free(data);
        return status_no_memory(sizeof *n);
    }
    *n = (CommNode){{.from = c->rank, .tag = tag, .size = size, .data = data}, NULL};
    if (c->last)
        c->last->next = n;
    else
        c->first = n;
    c->last = n;
    return ST_OK;
}

Status comm_send_take(Comm *c, int to, int tag, void *data, size_t size)
{
    if (to == c->rank)
        return send_to_self(c, tag, data, size);
    comm_lock(c);
    Status s = c->backend->send(c, to, tag, data, size);
    comm_unlock(c);
    return s;
}

Status comm_send(Comm *c, int to, int tag, const void *data, size_t size)
{
    void *copy = malloc(size ? size : 1);
    if (!copy)
        return status_no_memory(size);
    if (size)
        memcpy(copy, data, size);
    return comm_send_take(c, to, tag, copy, size);
}

Status comm_send_parts(Comm *c, int to, int tag, void *data, size_t size, const CommPart *parts, int part_count, void *token)
{
    comm_lock(c);
    Status s = c->backend->send_parts(c, to, tag, data, size, parts, part_count, token);
    comm_unlock(c);
    return s;
}

void *comm_sent(Comm *c)
{
    comm_lock(c);
    void *token = c->backend->sent(c);
    comm_unlock(c);
    return token;
}

Status comm_take(Comm *c, CommMessage *out, bool *got)
{
    CommNode *n = c->first;
    if (!n) {
        comm_lock(c);
        Status s = c->backend->take(c, out, got);
        comm_unlock(c);
        return s;
    }
    *out = n->message;
    *got = true;
    c->first = n->next;
    if (!c->first)
        c->last = NULL;
    free(n);
    return ST_OK;
}

void comm_message_free(CommMessage *m)
{
    for (int i = 0; i < m->part_count; i++)
        comm_pool_give(m->pool, m->parts[i].data);
    free(m->parts);
    free(m->data);
    *m = (CommMessage){0};
}

size_t comm_unsent(const Comm *c) { return c->backend->unsent(c); }

Status comm_settle(Comm *c)
{
    while (comm_unsent(c) > 0) {
        CommMessage m;
        bool got;
        TRY(comm_take(c, &m, &got));
        if (got) {
            comm_message_free(&m);
            return status_fail(ST_INTERNAL, "a message where none was expected");
        }
    }
    return ST_OK;
}

// After a collective that failed the ranks wait for each other at different places: nobody can be told, so the run ends here.
static Status together(Comm *c, Status s)
{
    comm_unlock(c);
    if (s == ST_OK)
        return ST_OK;
    log_error("%s: %s", status_noun(s), status_message());
    comm_abort(c, status_exit_code(s));
}

Status comm_drain(Comm *c)
{
    comm_lock(c);
    return together(c, c->backend->drain(c));
}

Status comm_all_gather(Comm *c, const void *mine, size_t size, void *all)
{
    comm_lock(c);
    return together(c, c->backend->all_gather(c, mine, size, all));
}

Status comm_broadcast(Comm *c, int root, void *data, size_t size)
{
    if (c->size == 1)
        return ST_OK;
    comm_lock(c);
    return together(c, c->backend->broadcast(c, root, data, size));
}

Status comm_agree(Comm *c, Status mine)
{
    if (c->size == 1)
        return mine;
    uint8_t code = (uint8_t)mine;
    uint8_t *codes = malloc((size_t)c->size);
    if (!codes)
        comm_abort(c, status_exit_code(ST_MEMORY)); // the others wait for us: they cannot be told
    char message[16384];
    snprintf(message, sizeof message, "%s", mine == ST_OK ? "" : status_message());
    Status s = comm_all_gather(c, &code, 1, codes);
    int failed = 0;
    while (s == ST_OK && failed < c->size && codes[failed] == ST_OK)
        failed++;
    if (s == ST_OK && failed < c->size) {
        s = comm_broadcast(c, failed, message, sizeof message);
        if (s == ST_OK)
            s = failed ? status_fail((Status)codes[failed], "%s: %s", comm_name(c, failed).text, message) : status_fail((Status)codes[failed], "%s", message);
    }
    free(codes);
    return s;
}

void comm_pause(int *idle)
{
    // 20 µs, doubled to the longest: an answer that is on its way is soon seen, and a long wait costs next to nothing.
    long ns = *idle < 7 ? 20000L << *idle : COMM_LONGEST_SLEEP_NS;
    struct timespec t = {0, ns > COMM_LONGEST_SLEEP_NS ? COMM_LONGEST_SLEEP_NS : ns};
    nanosleep(&t, NULL);
    ++*idle;
}
