// Dense linear algebra through OpenBLAS: BLAS and LAPACK on one matrix at a time.
// Matrices are column-major and packed (leading dimension = rows) unless an `ld` says otherwise. Element types: float32,
// float64, complex64, complex128. `info` is LAPACK's: 0, or what its routine reports. Workspaces come from a LapackWork,
// which is zeroed before the first call and freed by lapack_work_free. Sizes that do not fit LAPACK's 32-bit integers
// are ST_RAISED.
#ifndef TSB_KERNELS_LAPACK_H
#define TSB_KERNELS_LAPACK_H

#include "io/base/dtype.h"
#include "io/base/status.h"
#include "kernels/isa.h"

// Once at the start, and when the job's limit is known: OpenBLAS computes the same bits on all machines of one set.
void blas_use_isa(Isa isa);

bool lapack_takes(DType t);

typedef struct LapackWork {
    void *data;
    size_t size;
} LapackWork;
void lapack_work_free(LapackWork *w);

typedef enum BlasTrans { BLAS_N, BLAS_T, BLAS_C } BlasTrans; // as it is, transposed, conjugate-transposed

// c = alpha * op(a) op(b) + beta * c, c [m, n].
Status blas_gemm(DType t, BlasTrans ta, BlasTrans tb, int64_t m, int64_t n, int64_t k, double _Complex alpha, const void *a, int64_t lda, const void *b,
                 int64_t ldb, double _Complex beta, void *c, int64_t ldc);
// y = alpha * op(a) x + beta * y, a [m, n].
Status blas_gemv(DType t, BlasTrans ta, int64_t m, int64_t n, double _Complex alpha, const void *a, int64_t lda, const void *x, int64_t incx,
                 double _Complex beta, void *y, int64_t incy);
// *out = x . y of n elements, F32 or F64.
Status blas_dot(DType t, int64_t n, const void *x, int64_t incx, const void *y, int64_t incy, double *out);
// b = op(a)^-1 b (left) or b op(a)^-1, a triangular; b [m, n].
Status blas_trsm(DType t, bool left, bool upper, BlasTrans trans, bool unit, int64_t m, int64_t n, const void *a, int64_t lda, void *b, int64_t ldb);

// a [m, n] = P L U; pivots[min(m, n)] are 1-based row exchanges.
Status lapack_getrf(DType t, int64_t m, int64_t n, void *a, int32_t *pivots, int *info);
Status lapack_getrs(DType t, BlasTrans trans, int64_t n, int64_t nrhs, const void *lu, const int32_t *pivots, void *b);
Status lapack_potrf(DType t, bool upper, int64_t n, void *a, int *info);
Status lapack_potri(DType t, bool upper, int64_t n, void *a, int *info);
Status lapack_potrs(DType t, bool upper, int64_t n, int64_t nrhs, const void *a, void *b);
// Symmetric (or Hermitian) indefinite: a = L D L^H or its upper form.
Status lapack_sytrf(DType t, bool hermitian, bool upper, int64_t n, void *a, int32_t *pivots, int *info, LapackWork *w);
Status lapack_sytrs(DType t, bool hermitian, bool upper, int64_t n, int64_t nrhs, const void *a, const int32_t *pivots, void *b);
// a [m, n] = Q R: R above, reflectors below, tau[min(m, n)].
Status lapack_geqrf(DType t, int64_t m, int64_t n, void *a, void *tau, LapackWork *w);
// a [m, n], m >= n >= k: the first n columns of the product of k reflectors.
Status lapack_orgqr(DType t, int64_t m, int64_t n, int64_t k, void *a, void *tau, LapackWork *w);
// c [m, n] = op(Q) c or c op(Q); a has lda rows and k reflectors.
Status lapack_ormqr(DType t, bool left, bool transpose, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *tau, void *c, LapackWork *w);
typedef enum SvdJob { SVD_VALUES, SVD_REDUCED, SVD_FULL } SvdJob;
// a [m, n] = u diag(s) vt; a is destroyed. u has m rows, vt has n columns; s[min(m, n)] is real.
Status lapack_gesdd(DType t, SvdJob job, int64_t m, int64_t n, void *a, void *s, void *u, void *vt, int *info, LapackWork *w);
// Eigenvalues (real, ascending) of a Hermitian matrix; a becomes the eigenvectors.
Status lapack_syevd(DType t, bool vectors, bool upper, int64_t n, void *a, void *values, int *info, LapackWork *w);
// Eigenvalues and right eigenvectors (n * n, or NULL), both complex; a is destroyed.
Status lapack_geev(DType t, int64_t n, void *a, void *values, void *vectors, int *info, LapackWork *w);
typedef enum LstsqDriver { LSTSQ_GELS, LSTSQ_GELSY, LSTSQ_GELSD, LSTSQ_GELSS } LstsqDriver;
// Minimises |a x - b|; b [max(m, n), nrhs] becomes x. rank and s (min(m, n), real; gelsd, gelss) as the driver gives them.
Status lapack_lstsq(DType t, LstsqDriver driver, int64_t m, int64_t n, int64_t nrhs, void *a, void *b, double rcond, int *rank, void *s, int *info, LapackWork *w);

#endif
