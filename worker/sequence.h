// Operators made of other operators: a sequence of calls of their bindings, each with an inline cache of its own.
#ifndef TSB_WORKER_SEQUENCE_H
#define TSB_WORKER_SEQUENCE_H

#include "worker/op.h"

enum { SEQUENCE_STEPS = 48, SEQUENCE_VALUES = 96 };

typedef struct SequenceSites SequenceSites;

// A sequence in progress. The first failure sticks, and later steps do nothing; results are borrowed from the sequence,
// which releases them when it ends.
typedef struct Sequence {
    Lane *lane;
    SequenceSites *sites; // inline caches by position, kept in site->user
    const Node *node;
    Status status;
    int next;
    IValue results[SEQUENCE_VALUES];
    int count;
} Sequence;

// The binding's free_user must be sequence_free.
Status sequence_begin(Sequence *q, Lane *lane, Site *site);
Status sequence_end(Sequence *q);
// ST_RAISED unless an earlier failure stands.
#define sequence_raise(q, ...) ((q)->status == ST_OK ? (void)((q)->status = op_raise(__VA_ARGS__)) : (void)0)
// Ends it with `result` (retained) as the operator's result.
Status sequence_give(Sequence *q, IValue result, IValue *rets);
// The same with n results.
Status sequence_give_all(Sequence *q, int n, const IValue *results, IValue *rets);
void sequence_free(void *sites);

// Runs one operator with n_rets results, which rets gets (the first of them is returned); None after a failure.
IValue sequence_step(Sequence *q, const char *name, int n, const IValue *args, int n_rets, IValue *rets);
// A value that the sequence takes over.
IValue sequence_keep(Sequence *q, Status made, IValue value);
// For loops: what the steps since the mark made is released but for `result`, and their caches serve the next round.
typedef struct SequenceMark { int next, count; } SequenceMark;
static inline SequenceMark sequence_mark(const Sequence *q) { return (SequenceMark){q->next, q->count}; }
IValue sequence_rewind(Sequence *q, SequenceMark mark, IValue result);
IValue sequence_ints(Sequence *q, int n, const int64_t *v);
IValue sequence_text(Sequence *q, const char *text);

#define STEP_ARGS(...) (int)(sizeof((IValue[]){__VA_ARGS__}) / sizeof(IValue)), (IValue[]){__VA_ARGS__}
#define SEQUENCE_GIVE(q, rets, ...) sequence_give_all((q), STEP_ARGS(__VA_ARGS__), (rets))
#define STEP(q, name, ...) sequence_step((q), (name), STEP_ARGS(__VA_ARGS__), 1, NULL)

#endif
