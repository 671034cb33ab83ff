// A pool of memory for the parts of messages. New memory of many megabytes costs more to touch for the first time than to
// receive a message into, so what one message gave back the next one gets.
#ifndef TSB_COORDINATOR_COMM_POOL_H
#define TSB_COORDINATOR_COMM_POOL_H

#include "io/base/status.h"

enum { COMM_ALIGNMENT = 64 };

typedef struct CommPool CommPool;

// Every function may be called from any thread.
CommPool *comm_pool_new(void); // NULL when memory runs out
// `size` bytes at a multiple of COMM_ALIGNMENT, or NULL.
void *comm_pool_take(CommPool *p, size_t size);
void comm_pool_give(CommPool *p, void *block); // NULL is fine
// When all blocks have been given back; with some still out (threads that were abandoned) it stays. NULL is fine.
void comm_pool_free(CommPool *p);

#endif
