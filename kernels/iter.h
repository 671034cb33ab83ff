// Iter: the one strided N-d loop. It is planned once for the shapes and strides of some operands, and then run over any
// data pointers with those: dimensions are put in memory order, adjacent ones are merged, broadcast ones get stride 0.
#ifndef TSB_KERNELS_ITER_H
#define TSB_KERNELS_ITER_H

#include "kernels/view.h"

enum { ITER_MAX_OPERANDS = 8 };

typedef struct Iter {
    int operands, ndim;                                 // ndim >= 1
    int64_t numel;                                      // of the whole loop; 0: nothing runs
    int64_t size[VIEW_MAX_DIMS];                        // [0] is the innermost dimension
    int64_t stride[VIEW_MAX_DIMS][ITER_MAX_OPERANDS];   // bytes
} Iter;

// Operand shapes must broadcast to `size` (right-aligned). All STRIDED. The order of the loop follows the first operand,
// then the next where the first does not decide; reversed: dimensions keep their order, innermost last, for operators to
// which the order of elements matters.
void iter_plan(Iter *it, int ndim, const int64_t *size, int operands, const View *const *views);
void iter_plan_in_order(Iter *it, int ndim, const int64_t *size, int operands, const View *const *views);

// Memory order of the dimensions of operands of one shape, as PyTorch's TensorIterator finds it; perm[0] is the innermost.
// stride[k][d] is operand k's stride in dimension d, 0 where it is broadcast.
void iter_memory_order(int ndim, const int64_t *size, int operands, const int64_t (*stride)[VIEW_MAX_DIMS], int *perm);

// One row: n elements of each operand, `stride` bytes apart. data[] may be changed freely.
typedef void (*IterRow)(void *ctx, char **data, const int64_t *stride, int64_t n);
void iter_run(const Iter *it, char *const *data, IterRow row, void *ctx);

// The shape that two shapes broadcast to; false when they do not. out may be one of them.
bool broadcast_shapes(int na, const int64_t *a, int nb, const int64_t *b, int *n, int64_t *out);

#endif
