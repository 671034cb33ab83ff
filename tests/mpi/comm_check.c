// Run by mpirun: messages arrive whole and in order, collectives agree, a failure of one rank is everyone's, memory of a
// node is shared, and a rank that waits does not burn a core. Exits with the number of failed checks.
#include "coordinator/comm.h"
#include "coordinator/links.h"
#include "coordinator/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "rank %d: %s:%d: %s (%s)\n", comm_rank(c), __FILE__, __LINE__, #condition, status_message());   \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

enum { MESSAGES = 40, MAX_RANKS = 64 };

// Every rank sends MESSAGES messages of growing size to every rank, itself included.
static void check_messages(Comm *c)
{
    int size = comm_size(c);
    for (int i = 0; i < MESSAGES; i++)
        for (int to = 0; to < size; to++) {
            size_t bytes = (size_t)i * 20000 + 1;
            unsigned char *data = malloc(bytes);
            memset(data, comm_rank(c) * 16 + i, bytes);
            CHECK(comm_send_take(c, to, i, data, bytes) == ST_OK);
        }
    int next[MAX_RANKS] = {0};
    for (int got = 0, idle = 0; got < MESSAGES * size && failures == 0;) {
        CommMessage m;
        bool there = false;
        CHECK(comm_take(c, &m, &there) == ST_OK);
        if (!there) {
            comm_pause(&idle);
            continue;
        }
        idle = 0;
        CHECK(m.tag == next[m.from]);
        CHECK(m.size == (size_t)m.tag * 20000 + 1);
        unsigned char value = (unsigned char)(m.from * 16 + m.tag);
        CHECK(m.data[0] == value && m.data[m.size - 1] == value);
        next[m.from]++;
        got++;
        comm_message_free(&m);
    }
    CHECK(comm_agree(c, ST_OK) == ST_OK);
}

enum { PART_BYTES = 3000000 };

// What message `i` of a rank carries: `i` parts of growing size, filled with one value.
static size_t part_size(int i, int k) { return (size_t)k * PART_BYTES / 4 + (size_t)i + 1; }
static unsigned char part_value(int from, int i, int k) { return (unsigned char)(from * 31 + i * 7 + k); }

// Messages with parts and without go round in a ring; they arrive whole and in order, and every token comes back.
static void check_parts(Comm *c)
{
    enum { ROUNDS = 6 };
    int size = comm_size(c), to = (comm_rank(c) + 1) % size, from = (comm_rank(c) + size - 1) % size, tokens = 0;
    static CommPart parts[ROUNDS][ROUNDS];
    if (size == 1)
        return;
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < i; k++) {
            parts[i][k] = (CommPart){malloc(part_size(i, k)), part_size(i, k)};
            memset(parts[i][k].data, part_value(comm_rank(c), i, k), parts[i][k].size);
        }
        void *head = malloc(3);
        memcpy(head, "abc", 3);
        CHECK(comm_send_parts(c, to, 2 * i, head, 3, parts[i], i, parts[i]) == ST_OK);
        CHECK(comm_send(c, to, 2 * i + 1, "between", 8) == ST_OK);
    }
    for (int got = 0, idle = 0; (got < 2 * ROUNDS || tokens < ROUNDS) && failures == 0;) {
        CommMessage m;
        bool there = false;
        CHECK(comm_take(c, &m, &there) == ST_OK);
        while (comm_sent(c))
            tokens++;
        if (!there) {
            comm_pause(&idle);
            continue;
        }
        idle = 0;
        CHECK(m.from == from && m.tag == got);
        int parts_wanted = got % 2 ? 0 : got / 2;
        CHECK(m.size == (got % 2 ? 8 : 3) && m.part_count == parts_wanted);
        for (int k = 0; k < m.part_count; k++) {
            const unsigned char *bytes = m.parts[k].data;
            CHECK(m.parts[k].size == part_size(got / 2, k) && (uintptr_t)bytes % 64 == 0);
            CHECK(bytes[0] == part_value(from, got / 2, k) && bytes[m.parts[k].size - 1] == bytes[0]);
        }
        got++;
        comm_message_free(&m);
    }
    CHECK(tokens == ROUNDS);
    CHECK(comm_agree(c, ST_OK) == ST_OK);
    // What nobody takes any more is dropped, and its token comes back all the same.
    CHECK(comm_send_parts(c, to, 1, malloc(1), 0, parts[ROUNDS - 1], ROUNDS - 1, parts) == ST_OK);
    CHECK(comm_drain(c) == ST_OK);
    CHECK(comm_sent(c) == parts && !comm_sent(c));
    for (int i = 0; i < ROUNDS; i++)
        for (int k = 0; k < i; k++)
            free(parts[i][k].data);
}

// Every link has been measured, and every rank knows all.
static void check_links(Comm *c)
{
    PartitionLink links[MAX_RANKS] = {0};
    CHECK(links_measure(c, links) == ST_OK);
    for (int i = 0; i + 1 < comm_size(c); i++)
        CHECK(links[i].seconds_per_message > 0 && links[i].seconds_per_message < 1 && links[i].bytes_per_second > 1e6);
    CommMessage m;
    bool got;
    CHECK(comm_take(c, &m, &got) == ST_OK && !got && !comm_sent(c));
}

static void check_collectives(Comm *c)
{
    int size = comm_size(c), mine = comm_rank(c) * 3;
    int all[MAX_RANKS];
    CHECK(comm_all_gather(c, &mine, sizeof mine, all) == ST_OK);
    for (int i = 0; i < size; i++)
        CHECK(all[i] == 3 * i);
    char text[100] = "";
    if (comm_rank(c) == size - 1)
        strcpy(text, "from the last");
    CHECK(comm_broadcast(c, size - 1, text, sizeof text) == ST_OK);
    CHECK(strcmp(text, "from the last") == 0);
    // The lowest rank that failed speaks for all.
    Status own = comm_rank(c) >= size / 2 ? status_fail(ST_BAD_DATA, "from %d", comm_rank(c)) : ST_OK;
    CHECK(comm_agree(c, own) == ST_BAD_DATA);
    char wanted[32];
    snprintf(wanted, sizeof wanted, "from %d", size / 2);
    CHECK(strstr(status_message(), wanted));
    CHECK(comm_agree(c, ST_OK) == ST_OK);
}

static Status write_mark(void *ctx, void *base, size_t size)
{
    (void)ctx;
    memcpy((char *)base + size - 8, "prepared", 8);
    return ST_OK;
}

static void check_node(Comm *c)
{
    HostNode n;
    CHECK(node_discover(c, true, &n) == ST_OK);
    CHECK(n.size == comm_size(c) && n.nodes == 1 && n.leader == 0 && n.rank == comm_rank(c) && n.cores >= 1);
    NodeMemory m;
    CHECK(node_memory_share(c, &n, true, (size_t)1 << 32, write_mark, NULL, &m) == ST_OK);
    CHECK(m.base && m.first == (n.rank == 0));
    if (m.base) {
        CHECK(memcmp((char *)m.base + m.size - 8, "prepared", 8) == 0);
        ((char *)m.base)[n.rank] = (char)(n.rank + 1);
    }
    CHECK(comm_agree(c, ST_OK) == ST_OK);
    for (int i = 0; m.base && i < n.size; i++)
        CHECK(((char *)m.base)[i] == i + 1);
    CHECK(comm_agree(c, ST_OK) == ST_OK);
    node_memory_free(&m);
}

// The others wait half a second for rank 0: that must cost them little CPU.
static void check_idle(Comm *c)
{
    clock_t before = clock();
    if (comm_rank(c) == 0)
        nanosleep(&(struct timespec){0, 500000000}, NULL);
    CHECK(comm_agree(c, ST_OK) == ST_OK);
    double cpu = (double)(clock() - before) / CLOCKS_PER_SEC;
    if (cpu > 0.1) {
        fprintf(stderr, "rank %d used %.3f s of CPU while it waited\n", comm_rank(c), cpu);
        failures++;
    }
}

int main(int argc, char **argv)
{
    Comm *c;
    if (comm_open(&argc, &argv, &c) != ST_OK) {
        fprintf(stderr, "%s\n", status_message());
        return 1;
    }
    if (argc > 1 && atoi(argv[1]) != comm_size(c)) {
        fprintf(stderr, "expected %s ranks, there are %d\n", argv[1], comm_size(c));
        failures++;
    }
    if (comm_size(c) > MAX_RANKS)
        return 1;
    CHECK(comm_watch(c, 15) == ST_OK); // beats go beside everything else
    check_messages(c);
    check_parts(c);
    check_links(c);
    check_collectives(c);
    check_node(c);
    check_idle(c);
    comm_close(c);
    return failures;
}
