// The pool keeps a few blocks, each with its size before it, and hands out the smallest that is large enough.
#include "coordinator/comm_pool.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

enum { MOST_KEPT = 64, SMALL = 128 << 10 }; // what is smaller malloc keeps itself

struct CommPool {
    pthread_mutex_t lock;
    void *kept[MOST_KEPT];
    int count;
    size_t out; // blocks that have not come back
};

static size_t *size_of(void *block) { return (size_t *)(void *)((char *)block - COMM_ALIGNMENT); }

static void block_free(void *block) { free(size_of(block)); }

CommPool *comm_pool_new(void)
{
    CommPool *p = calloc(1, sizeof *p);
    if (p)
        pthread_mutex_init(&p->lock, NULL);
    return p;
}

// One that wastes no more than half of itself.
static void *find(CommPool *p, size_t size)
{
    int best = -1;
    for (int i = 0; i < p->count; i++) {
        size_t has = *size_of(p->kept[i]);
        if (has >= size && has / 2 <= size && (best < 0 || has < *size_of(p->kept[best])))
            best = i;
    }
    if (best < 0)
        return NULL;
    void *block = p->kept[best];
    p->kept[best] = p->kept[--p->count];
    return block;
}

void *comm_pool_take(CommPool *p, size_t size)
{
    pthread_mutex_lock(&p->lock);
    void *block = size < SMALL ? NULL : find(p, size);
    p->out++;
    pthread_mutex_unlock(&p->lock);
    if (block)
        return block;
    size_t whole = size > SIZE_MAX - 2 * COMM_ALIGNMENT ? 0 : (size + 2 * COMM_ALIGNMENT - 1) & ~(size_t)(COMM_ALIGNMENT - 1);
    char *made = whole ? aligned_alloc(COMM_ALIGNMENT, whole) : NULL;
    if (!made) {
        pthread_mutex_lock(&p->lock);
        p->out--;
        pthread_mutex_unlock(&p->lock);
        return NULL;
    }
    *(size_t *)(void *)made = whole - COMM_ALIGNMENT;
    return made + COMM_ALIGNMENT;
}

void comm_pool_give(CommPool *p, void *block)
{
    if (!block)
        return;
    pthread_mutex_lock(&p->lock);
    p->out--;
    bool keep = *size_of(block) >= SMALL && p->count < MOST_KEPT;
    if (keep)
        p->kept[p->count++] = block;
    pthread_mutex_unlock(&p->lock);
    if (!keep)
        block_free(block);
}

void comm_pool_free(CommPool *p)
{
    if (!p || p->out > 0)
        return;
    for (int i = 0; i < p->count; i++)
        block_free(p->kept[i]);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
