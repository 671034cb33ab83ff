// --profile: time per operator and kernel variant, added up over the lanes of all ranks.
#include "coordinator/report.h"
#include "io/base/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 96 };

typedef struct ProfileEntry {
    char op[NAME_MAX_BYTES], variant[NAME_MAX_BYTES];
    SiteProfile sum;
} ProfileEntry;

struct ProfileTable {
    ProfileEntry *entries;
    int count, capacity;
};

ProfileTable *profile_new(void) { return calloc(1, sizeof(ProfileTable)); }

void profile_free(ProfileTable *t)
{
    if (t)
        free(t->entries);
    free(t);
}

void profile_add(void *table, const char *op, const char *variant, const SiteProfile *p)
{
    ProfileTable *t = table;
    int i = 0;
    variant = variant ? variant : "";
    while (i < t->count && (strncmp(t->entries[i].op, op, NAME_MAX_BYTES - 1) != 0 || strncmp(t->entries[i].variant, variant, NAME_MAX_BYTES - 1) != 0))
        i++;
    if (i == t->count && t->count == t->capacity) {
        int capacity = t->capacity ? 2 * t->capacity : 64;
        ProfileEntry *more = realloc(t->entries, (size_t)capacity * sizeof *more);
        if (!more)
            return; // a profile without this row is better than a run that fails at its end
        t->entries = more;
        t->capacity = capacity;
    }
    ProfileEntry *e = &t->entries[i];
    if (i == t->count) {
        *e = (ProfileEntry){0};
        snprintf(e->op, sizeof e->op, "%s", op);
        snprintf(e->variant, sizeof e->variant, "%s", variant);
        t->count++;
    }
    e->sum.calls += p->calls;
    e->sum.nanoseconds += p->nanoseconds;
    e->sum.flops += p->flops;
}

static int by_time(const void *a, const void *b)
{
    const ProfileEntry *x = a, *y = b;
    return x->sum.nanoseconds < y->sum.nanoseconds ? 1 : x->sum.nanoseconds > y->sum.nanoseconds ? -1 : strcmp(x->op, y->op);
}

// Entries of the other ranks, broadcast one rank after the other: a profile is asked for by hand, on few ranks.
static Status collect(Comm *c, ProfileTable *t)
{
    int64_t own = t->count;
    ProfileEntry *mine = malloc((size_t)(own + 1) * sizeof *mine);
    if (!mine)
        return status_no_memory((size_t)own * sizeof *mine);
    if (own > 0)
        memcpy(mine, t->entries, (size_t)own * sizeof *mine);
    Status s = ST_OK;
    for (int root = 1; root < comm_size(c) && s == ST_OK; root++) {
        int64_t count = own;
        s = comm_broadcast(c, root, &count, sizeof count);
        bool self = comm_rank(c) == root;
        ProfileEntry *theirs = s != ST_OK ? NULL : self ? mine : malloc((size_t)(count + 1) * sizeof *theirs);
        if (s == ST_OK && !theirs)
            s = status_no_memory((size_t)count * sizeof *theirs);
        if (s == ST_OK)
            s = comm_broadcast(c, root, theirs, (size_t)count * sizeof *theirs);
        for (int64_t i = 0; s == ST_OK && comm_rank(c) == 0 && i < count; i++)
            profile_add(t, theirs[i].op, theirs[i].variant, &theirs[i].sum);
        if (!self)
            free(theirs);
    }
    free(mine);
    return s;
}

Status profile_print(Comm *c, ProfileTable *t)
{
    TRY(collect(c, t));
    if (comm_rank(c) != 0)
        return ST_OK;
    qsort(t->entries, (size_t)t->count, sizeof *t->entries, by_time);
    uint64_t all = 1;
    for (int i = 0; i < t->count; i++)
        all += t->entries[i].sum.nanoseconds;
    fprintf(stderr, "%-34s %-14s %10s %12s %7s %10s %9s\n", "operator", "kernel", "calls", "ms", "share", "us/call", "GFLOP/s");
    for (int i = 0; i < t->count; i++) {
        const ProfileEntry *e = &t->entries[i];
        double ns = (double)e->sum.nanoseconds;
        fprintf(stderr, "%-34s %-14s %10llu %12.3f %6.1f%% %10.2f", e->op, e->variant, (unsigned long long)e->sum.calls, 1e-6 * ns, 100 * ns / (double)all,
                e->sum.calls ? 1e-3 * ns / (double)e->sum.calls : 0);
        if (e->sum.flops > 0 && ns > 0)
            fprintf(stderr, " %9.2f\n", e->sum.flops / ns);
        else
            fprintf(stderr, "\n");
    }
    return ST_OK;
}
