// Batches of column-major matrices: what LAPACK works on, and the checks that the linear algebra operators share.
#ifndef TSB_WORKER_LINALG_H
#define TSB_WORKER_LINALG_H

#include "kernels/lapack.h"
#include "worker/op_util.h"

// Sizes of the last two dimensions, and the number of matrices.
static inline int64_t mat_rows(const Tensor *t) { return t->view.size[t->view.ndim - 2]; }
static inline int64_t mat_cols(const Tensor *t) { return t->view.size[t->view.ndim - 1]; }
int64_t mat_count(const Tensor *t);
// Matrix i of a tensor made here.
static inline void *mat_at(const Tensor *t, int64_t i)
{
    return (char *)t->view.data + i * mat_rows(t) * mat_cols(t) * (int64_t)dtype_size(tensor_dtype(t));
}

// A tensor whose batch dimensions are those of `like` (all but its last two) and whose matrices are column-major;
// uninitialised.
Status mat_new(Lane *lane, DType dtype, const Tensor *like, int64_t rows, int64_t cols, Tensor **out);
// A copy of t, matrices column-major.
Status mat_copy(Lane *lane, Tensor *t, Tensor **out);
// The same with batch dimensions stretched to those given.
Status mat_copy_to(Lane *lane, Tensor *t, int batch_ndim, const int64_t *batch, Tensor **out);
// Which of t's matrices goes with matrix i of `whole`, to whose batch that of t is broadcast.
int64_t mat_index(const Tensor *t, const Tensor *whole, int64_t i);
// A contiguous tensor of the batch dimensions of `like`, followed by `length` unless that is negative.
Status batch_new(Lane *lane, DType dtype, const Tensor *like, int64_t length, Tensor **out);
// An empty 1-d tensor, for results that were not asked for.
Status none_new(Lane *lane, DType dtype, Tensor **out);
// The batch dimensions of two tensors, broadcast.
Status batch_broadcast(const Tensor *a, const Tensor *b, int *ndim, int64_t *size);

// Raise PyTorch's messages; `name` is that of the operator in them.
Status check_matrix(const Tensor *t, const char *name, const char *what); // at least 2 dimensions
Status check_square(const Tensor *t, const char *name);                  // … of the same size
Status check_fractional(const Tensor *t, const char *name, bool low);    // floating or complex; low: half types too
Status check_lapack(const Tensor *t, const char *kernel);                // "kernel" not implemented for 'Half'
// What LAPACK's info means (int32, one per matrix), raised unless all are 0.
Status check_infos(const Tensor *info, const char *name, bool is_matrix);
Status raise_linalg(const char *fmt, ...) PRINTF_LIKE(1, 2); // torch.linalg.LinAlgError

// Zeroes what lies above (upper false) or below (true) the diagonal of every matrix.
void mat_keep_triangle(Tensor *t, bool upper);
// Every matrix becomes the identity.
Status mat_set_identity(Tensor *t);
// Views or NULL: t's last two dimensions exchanged.
Status mat_transposed(Lane *lane, Tensor *t, Tensor **out);
// Conjugates a tensor made here, in place.
void mat_conjugate(Tensor *t);

// ---- factorisations that several operators use; results as PyTorch lays them out

Status lu_factor(Lane *lane, Tensor *a, Tensor **lu, Tensor **pivots, Tensor **info);
// b := op(A)^-1 b, matrix by matrix; b is column-major, and the batch of lu is broadcast to its batch.
Status lu_solve_batch(BlasTrans trans, const Tensor *lu, const Tensor *pivots, Tensor *b);

typedef enum QrMode { QR_REDUCED, QR_COMPLETE, QR_R } QrMode;
Status qr_factor(Lane *lane, Tensor *a, QrMode mode, Tensor **q, Tensor **r);
// u and vh are empty for SVD_VALUES. Infos are raised with `name`.
Status svd_factor(Lane *lane, Tensor *a, SvdJob job, const char *name, Tensor **u, Tensor **s, Tensor **vh);
Status eigh_factor(Lane *lane, Tensor *a, bool upper, bool vectors, const char *name, Tensor **values, Tensor **v);

// Ends an operator: its results, or none of them.
static inline Status ret_tensors(Status status, IValue *rets, int n, Tensor *const *t)
{
    for (int i = 0; i < n; i++) {
        if (status == ST_OK)
            rets[i] = value_tensor_take(t[i]);
        else if (t[i])
            tensor_release(t[i]);
    }
    return status;
}

#endif
