// The one place that knows OpenBLAS: Fortran's BLAS and LAPACK symbols, found by element type, and their workspaces.
// Single-threaded: lanes come before threads, and results must not depend on how many there are.
#include "kernels/lapack.h"

#include "kernels/cpu/small_lu.h"

#include <complex.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Fortran passes everything by reference, and the lengths of strings at the end. Data pointers are void, so that the
// routines of the four element types have one C type.
typedef const char *Ch;
typedef const int *In;
typedef const void *CV;
typedef void *V;
typedef int *IO;
#define ROUTINES(name, args) extern void s##name##_ args, d##name##_ args, c##name##_ args, z##name##_ args
#define REAL_ROUTINES(name, args) extern void s##name##_ args, d##name##_ args
#define COMPLEX_ROUTINES(name, args) extern void c##name##_ args, z##name##_ args

ROUTINES(gemm, (Ch ta, Ch tb, In m, In n, In k, CV alpha, CV a, In lda, CV b, In ldb, CV beta, V c, In ldc, size_t la, size_t lb));
ROUTINES(gemv, (Ch ta, In m, In n, CV alpha, CV a, In lda, CV x, In incx, CV beta, V y, In incy, size_t la));
extern float sdot_(In n, CV x, In incx, CV y, In incy);
extern double ddot_(In n, CV x, In incx, CV y, In incy);
ROUTINES(trsm, (Ch side, Ch uplo, Ch ta, Ch diag, In m, In n, CV alpha, CV a, In lda, V b, In ldb, size_t l1, size_t l2, size_t l3, size_t l4));
ROUTINES(getrf, (In m, In n, V a, In lda, IO pivots, IO info));
ROUTINES(getrs, (Ch trans, In n, In nrhs, CV a, In lda, CV pivots, V b, In ldb, IO info, size_t l));
ROUTINES(potrf, (Ch uplo, In n, V a, In lda, IO info, size_t l));
ROUTINES(potri, (Ch uplo, In n, V a, In lda, IO info, size_t l));
ROUTINES(potrs, (Ch uplo, In n, In nrhs, CV a, In lda, V b, In ldb, IO info, size_t l));
ROUTINES(sytrf, (Ch uplo, In n, V a, In lda, IO pivots, V work, In lwork, IO info, size_t l));
COMPLEX_ROUTINES(hetrf, (Ch uplo, In n, V a, In lda, IO pivots, V work, In lwork, IO info, size_t l));
ROUTINES(sytrs, (Ch uplo, In n, In nrhs, CV a, In lda, CV pivots, V b, In ldb, IO info, size_t l));
COMPLEX_ROUTINES(hetrs, (Ch uplo, In n, In nrhs, CV a, In lda, CV pivots, V b, In ldb, IO info, size_t l));
ROUTINES(geqrf, (In m, In n, V a, In lda, V tau, V work, In lwork, IO info));
REAL_ROUTINES(orgqr, (In m, In n, In k, V a, In lda, CV tau, V work, In lwork, IO info));
COMPLEX_ROUTINES(ungqr, (In m, In n, In k, V a, In lda, CV tau, V work, In lwork, IO info));
REAL_ROUTINES(ormqr, (Ch side, Ch trans, In m, In n, In k, CV a, In lda, CV tau, V c, In ldc, V work, In lwork, IO info, size_t l1, size_t l2));
COMPLEX_ROUTINES(unmqr, (Ch side, Ch trans, In m, In n, In k, CV a, In lda, CV tau, V c, In ldc, V work, In lwork, IO info, size_t l1, size_t l2));
REAL_ROUTINES(gesdd, (Ch job, In m, In n, V a, In lda, V s, V u, In ldu, V vt, In ldvt, V work, In lwork, IO iwork, IO info, size_t l));
COMPLEX_ROUTINES(gesdd, (Ch job, In m, In n, V a, In lda, V s, V u, In ldu, V vt, In ldvt, V work, In lwork, V rwork, IO iwork, IO info, size_t l));
REAL_ROUTINES(syevd, (Ch job, Ch uplo, In n, V a, In lda, V w, V work, In lwork, IO iwork, In liwork, IO info, size_t l1, size_t l2));
COMPLEX_ROUTINES(heevd, (Ch job, Ch uplo, In n, V a, In lda, V w, V work, In lwork, V rwork, In lrwork, IO iwork, In liwork, IO info, size_t l1, size_t l2));
REAL_ROUTINES(geev, (Ch jl, Ch jr, In n, V a, In lda, V wr, V wi, V vl, In ldvl, V vr, In ldvr, V work, In lwork, IO info, size_t l1, size_t l2));
COMPLEX_ROUTINES(geev, (Ch jl, Ch jr, In n, V a, In lda, V w, V vl, In ldvl, V vr, In ldvr, V work, In lwork, V rwork, IO info, size_t l1, size_t l2));
ROUTINES(gels, (Ch trans, In m, In n, In nrhs, V a, In lda, V b, In ldb, V work, In lwork, IO info, size_t l));
REAL_ROUTINES(gelsy, (In m, In n, In nrhs, V a, In lda, V b, In ldb, IO jpvt, CV rcond, IO rank, V work, In lwork, IO info));
COMPLEX_ROUTINES(gelsy, (In m, In n, In nrhs, V a, In lda, V b, In ldb, IO jpvt, CV rcond, IO rank, V work, In lwork, V rwork, IO info));
REAL_ROUTINES(gelsd, (In m, In n, In nrhs, V a, In lda, V b, In ldb, V s, CV rcond, IO rank, V work, In lwork, IO iwork, IO info));
COMPLEX_ROUTINES(gelsd, (In m, In n, In nrhs, V a, In lda, V b, In ldb, V s, CV rcond, IO rank, V work, In lwork, V rwork, IO iwork, IO info));
REAL_ROUTINES(gelss, (In m, In n, In nrhs, V a, In lda, V b, In ldb, V s, CV rcond, IO rank, V work, In lwork, IO info));
COMPLEX_ROUTINES(gelss, (In m, In n, In nrhs, V a, In lda, V b, In ldb, V s, CV rcond, IO rank, V work, In lwork, V rwork, IO info));

// Of OpenBLAS itself; absent in builds for one kind of CPU.
extern void openblas_set_num_threads(int n) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));
extern void gotoblas_dynamic_init(void) __attribute__((weak));

// Calls the routine of type t: CALL(t, name, arguments…).
#define CALL(t, name, ...)                                                                                             \
    switch (t) {                                                                                                       \
    case DT_F32: s##name##_(__VA_ARGS__); break;                                                                       \
    case DT_F64: d##name##_(__VA_ARGS__); break;                                                                       \
    case DT_C64: c##name##_(__VA_ARGS__); break;                                                                       \
    default: z##name##_(__VA_ARGS__); break;                                                                           \
    }
#define CALL_REAL(t, name, ...)                                                                                        \
    do {                                                                                                               \
        if ((t) == DT_F32)                                                                                             \
            s##name##_(__VA_ARGS__);                                                                                   \
        else                                                                                                           \
            d##name##_(__VA_ARGS__);                                                                                   \
    } while (0)
#define CALL_COMPLEX(t, name, ...)                                                                                     \
    do {                                                                                                               \
        if ((t) == DT_C64)                                                                                             \
            c##name##_(__VA_ARGS__);                                                                                   \
        else                                                                                                           \
            z##name##_(__VA_ARGS__);                                                                                   \
    } while (0)

// OpenBLAS looks at the CPU when it is loaded, does not know newer ones (and then computes as for the oldest), and blocks
// its loops differently for each model. One kind per instruction set gives speed, and the same bits, everywhere.
void blas_use_isa(Isa isa)
{
    static const char *const cores[ISA_COUNT] = {"Prescott", "Haswell", "SkylakeX"};
    static const char variable[] = "OPENBLAS_CORETYPE";
    if (openblas_set_num_threads)
        openblas_set_num_threads(1);
#if defined(__x86_64__)
    if (!gotoblas_dynamic_quit || !gotoblas_dynamic_init)
        return;
    const char *old = getenv(variable);
    char *kept = old ? strdup(old) : NULL;
    setenv(variable, cores[isa], 1);
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
    if (kept)
        setenv(variable, kept, 1);
    else
        unsetenv(variable);
    free(kept);
#else
    (void)isa, (void)cores, (void)variable;
#endif
}

// OpenBLAS keeps its work buffers in a table. Built without threads and without USE_LOCKING (Debian's serial flavour,
// 0.3.21) it looks for a free entry without a lock: two threads can get the same buffer and wrong numbers. 2 to 200
// threads on 2 cores computed 39 wrong results of 107,220 (products and decompositions of 72 x 72 matrices), and with this
// lock none of 107,200. When the table is full it takes a second one, and returning a buffer of that one writes beyond it
// (200 threads that held buffers crashed), so a thread that holds none waits here while MOST_BUFFERS are out; the least
// table of any build has 50. The library's calls go through the dynamic symbols and find these two functions, which call
// its own with the lock held. Its other writable static state is set while one thread starts (the kind of core), or
// belongs to xLACON, which nothing calls.
enum { MOST_BUFFERS = 48, OF_ITS_OWN_THREADS = 2 };
static pthread_mutex_t buffers = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t returned = PTHREAD_COND_INITIALIZER;
static int buffers_out;
static _Thread_local int buffers_held; // of those that are counted

__attribute__((visibility("default"))) void *blas_memory_alloc(int purpose);
__attribute__((visibility("default"))) void blas_memory_free(void *buffer);

void *blas_memory_alloc(int purpose)
{
    static void *(*library)(int);
    pthread_mutex_lock(&buffers);
    if (!library)
        *(void **)&library = dlsym(RTLD_NEXT, "blas_memory_alloc");
    if (purpose != OF_ITS_OWN_THREADS) { // a flavour with threads has a buffer for each, for good
        while (buffers_held == 0 && buffers_out >= MOST_BUFFERS)
            pthread_cond_wait(&returned, &buffers);
        buffers_held++;
        buffers_out++;
    }
    void *buffer = library(purpose);
    pthread_mutex_unlock(&buffers);
    return buffer;
}

void blas_memory_free(void *buffer)
{
    static void (*library)(void *);
    pthread_mutex_lock(&buffers);
    if (!library)
        *(void **)&library = dlsym(RTLD_NEXT, "blas_memory_free");
    library(buffer);
    if (buffers_held > 0) {
        buffers_held--;
        buffers_out--;
        pthread_cond_signal(&returned);
    }
    pthread_mutex_unlock(&buffers);
}

bool lapack_takes(DType t) { return t == DT_F32 || t == DT_F64 || t == DT_C64 || t == DT_C128; }

// ---- sizes and workspaces

static bool is_complex(DType t) { return t == DT_C64 || t == DT_C128; }
static size_t real_size(DType t) { return t == DT_F32 || t == DT_C64 ? sizeof(float) : sizeof(double); }

static Status to_int(int64_t v, int *out)
{
    if (v < 0 || v > INT32_MAX)
        return status_fail(ST_RAISED, "linear algebra: a size of %lld does not fit 32 bits", (long long)v);
    *out = (int)v;
    return ST_OK;
}
#define INT(name, v)                                                                                                   \
    int name;                                                                                                          \
    TRY(to_int(v, &name))
static int at_least_1(int n) { return n > 1 ? n : 1; }

// A scalar of type t.
typedef union Scalar { float f[2]; double d[2]; } Scalar;
static Scalar scalar(DType t, double _Complex x)
{
    Scalar s = {.d = {creal(x), cimag(x)}};
    if (real_size(t) == sizeof(float)) {
        s.f[0] = (float)creal(x);
        s.f[1] = (float)cimag(x);
    }
    return s;
}
static double first(DType t, const void *x) { return real_size(t) == sizeof(float) ? *(const float *)x : *(const double *)x; }

// The size that a workspace query put into the first element; float32 cannot hold every integer, so it is rounded up.
static Status queried(DType t, const Scalar *answer, int64_t *out)
{
    double n = first(t, answer);
    if (real_size(t) == sizeof(float))
        n = nextafterf((float)n, INFINITY);
    if (!(n >= 0 && n < INT32_MAX))
        return status_fail(ST_RAISED, "linear algebra: the workspace is too large");
    *out = (int64_t)ceil(n) > 1 ? (int64_t)ceil(n) : 1;
    return ST_OK;
}

// Parts of a workspace, 64-byte aligned.
typedef struct Part { int64_t count; size_t size; void *at; } Part;

static Status work_parts(LapackWork *w, Part *parts, int n)
{
    size_t total = 64;
    for (int i = 0; i < n; i++)
        total += ((size_t)(parts[i].count > 1 ? parts[i].count : 1) * parts[i].size + 63) & ~(size_t)63;
    if (total > w->size) {
        void *grown = malloc(total);
        if (!grown)
            return status_no_memory(total);
        free(w->data);
        w->data = grown;
        w->size = total;
    }
    char *at = (char *)(((uintptr_t)w->data + 63) & ~(uintptr_t)63);
    for (int i = 0; i < n; i++) {
        parts[i].at = at;
        at += ((size_t)(parts[i].count > 1 ? parts[i].count : 1) * parts[i].size + 63) & ~(size_t)63;
    }
    return ST_OK;
}

void lapack_work_free(LapackWork *w)
{
    free(w->data);
    *w = (LapackWork){0};
}

// ---- BLAS

static const char TRANS[] = "NTC";

Status blas_gemm(DType t, BlasTrans ta, BlasTrans tb, int64_t m, int64_t n, int64_t k, double _Complex alpha, const void *a, int64_t lda, const void *b,
                 int64_t ldb, double _Complex beta, void *c, int64_t ldc)
{
    INT(im, m);
    INT(in, n);
    INT(ik, k);
    INT(ila, lda);
    INT(ilb, ldb);
    INT(ilc, ldc);
    Scalar sa = scalar(t, alpha), sb = scalar(t, beta);
    ila = at_least_1(ila), ilb = at_least_1(ilb), ilc = at_least_1(ilc);
    CALL(t, gemm, &TRANS[ta], &TRANS[tb], &im, &in, &ik, &sa, a, &ila, b, &ilb, &sb, c, &ilc, 1, 1)
    return ST_OK;
}

Status blas_gemv(DType t, BlasTrans ta, int64_t m, int64_t n, double _Complex alpha, const void *a, int64_t lda, const void *x, int64_t incx,
                 double _Complex beta, void *y, int64_t incy)
{
    INT(im, m);
    INT(in, n);
    INT(ila, lda);
    INT(ix, incx);
    INT(iy, incy);
    Scalar sa = scalar(t, alpha), sb = scalar(t, beta);
    ila = at_least_1(ila), ix = at_least_1(ix), iy = at_least_1(iy);
    CALL(t, gemv, &TRANS[ta], &im, &in, &sa, a, &ila, x, &ix, &sb, y, &iy, 1)
    return ST_OK;
}

Status blas_dot(DType t, int64_t n, const void *x, int64_t incx, const void *y, int64_t incy, double *out)
{
    INT(in, n);
    INT(ix, incx);
    INT(iy, incy);
    *out = t == DT_F32 ? (double)sdot_(&in, x, &ix, y, &iy) : ddot_(&in, x, &ix, y, &iy);
    return ST_OK;
}

Status blas_trsm(DType t, bool left, bool upper, BlasTrans trans, bool unit, int64_t m, int64_t n, const void *a, int64_t lda, void *b, int64_t ldb)
{
    INT(im, m);
    INT(in, n);
    INT(ila, lda);
    INT(ilb, ldb);
    Scalar one = scalar(t, 1);
    ila = at_least_1(ila), ilb = at_least_1(ilb);
    CALL(t, trsm, left ? "L" : "R", upper ? "U" : "L", &TRANS[trans], unit ? "U" : "N", &im, &in, &one, a, &ila, b, &ilb, 1, 1, 1, 1)
    return ST_OK;
}

// ---- factorisations and what solves with them

Status lapack_getrf(DType t, int64_t m, int64_t n, void *a, int32_t *pivots, int *info)
{
    INT(im, m);
    INT(in, n);
    int lda = at_least_1(im);
    *info = 0;
    if (!is_complex(t) && im <= SMALL_LU && in <= SMALL_LU) {
        small_getrf(t, im, in, a, pivots, info);
        return ST_OK;
    }
    CALL(t, getrf, &im, &in, a, &lda, pivots, info)
    return ST_OK;
}

Status lapack_getrs(DType t, BlasTrans trans, int64_t n, int64_t nrhs, const void *lu, const int32_t *pivots, void *b)
{
    INT(in, n);
    INT(ir, nrhs);
    int ld = at_least_1(in), info = 0;
    if (!is_complex(t) && in <= SMALL_LU) {
        small_getrs(t, trans, in, ir, lu, pivots, b);
        return ST_OK;
    }
    CALL(t, getrs, &TRANS[trans], &in, &ir, lu, &ld, pivots, b, &ld, &info, 1)
    return ST_OK;
}

Status lapack_potrf(DType t, bool upper, int64_t n, void *a, int *info)
{
    INT(in, n);
    int ld = at_least_1(in);
    *info = 0;
    CALL(t, potrf, upper ? "U" : "L", &in, a, &ld, info, 1)
    return ST_OK;
}

Status lapack_potri(DType t, bool upper, int64_t n, void *a, int *info)
{
    INT(in, n);
    int ld = at_least_1(in);
    *info = 0;
    CALL(t, potri, upper ? "U" : "L", &in, a, &ld, info, 1)
    return ST_OK;
}

Status lapack_potrs(DType t, bool upper, int64_t n, int64_t nrhs, const void *a, void *b)
{
    INT(in, n);
    INT(ir, nrhs);
    int ld = at_least_1(in), info = 0;
    CALL(t, potrs, upper ? "U" : "L", &in, &ir, a, &ld, b, &ld, &info, 1)
    return ST_OK;
}

static void call_sytrf(DType t, bool hermitian, Ch uplo, In n, V a, In ld, IO pivots, V work, In lwork, IO info)
{
    if (hermitian && is_complex(t))
        CALL_COMPLEX(t, hetrf, uplo, n, a, ld, pivots, work, lwork, info, 1);
    else
        CALL(t, sytrf, uplo, n, a, ld, pivots, work, lwork, info, 1)
}

Status lapack_sytrf(DType t, bool hermitian, bool upper, int64_t n, void *a, int32_t *pivots, int *info, LapackWork *w)
{
    INT(in, n);
    int ld = at_least_1(in), lwork = -1;
    Scalar answer = scalar(t, 0);
    Ch uplo = upper ? "U" : "L";
    *info = 0;
    call_sytrf(t, hermitian, uplo, &in, a, &ld, pivots, &answer, &lwork, info);
    Part work = {0, dtype_size(t), NULL};
    TRY(queried(t, &answer, &work.count));
    TRY(work_parts(w, &work, 1));
    lwork = (int)work.count;
    call_sytrf(t, hermitian, uplo, &in, a, &ld, pivots, work.at, &lwork, info);
    return ST_OK;
}

Status lapack_sytrs(DType t, bool hermitian, bool upper, int64_t n, int64_t nrhs, const void *a, const int32_t *pivots, void *b)
{
    INT(in, n);
    INT(ir, nrhs);
    int ld = at_least_1(in), info = 0;
    Ch uplo = upper ? "U" : "L";
    if (hermitian && is_complex(t))
        CALL_COMPLEX(t, hetrs, uplo, &in, &ir, a, &ld, pivots, b, &ld, &info, 1);
    else
        CALL(t, sytrs, uplo, &in, &ir, a, &ld, pivots, b, &ld, &info, 1)
    return ST_OK;
}

// ---- orthogonal factors

Status lapack_geqrf(DType t, int64_t m, int64_t n, void *a, void *tau, LapackWork *w)
{
    INT(im, m);
    INT(in, n);
    int ld = at_least_1(im), lwork = -1, info = 0;
    Scalar answer = scalar(t, 0);
    CALL(t, geqrf, &im, &in, a, &ld, tau, &answer, &lwork, &info)
    Part work = {0, dtype_size(t), NULL};
    TRY(queried(t, &answer, &work.count));
    TRY(work_parts(w, &work, 1));
    lwork = (int)work.count;
    CALL(t, geqrf, &im, &in, a, &ld, tau, work.at, &lwork, &info)
    return ST_OK;
}

static void call_orgqr(DType t, In m, In n, In k, V a, In ld, CV tau, V work, In lwork, IO info)
{
    if (is_complex(t))
        CALL_COMPLEX(t, ungqr, m, n, k, a, ld, tau, work, lwork, info);
    else
        CALL_REAL(t, orgqr, m, n, k, a, ld, tau, work, lwork, info);
}

Status lapack_orgqr(DType t, int64_t m, int64_t n, int64_t k, void *a, void *tau, LapackWork *w)
{
    INT(im, m);
    INT(in, n);
    INT(ik, k);
    int ld = at_least_1(im), lwork = -1, info = 0;
    Scalar answer = scalar(t, 0);
    call_orgqr(t, &im, &in, &ik, a, &ld, tau, &answer, &lwork, &info);
    Part work = {0, dtype_size(t), NULL};
    TRY(queried(t, &answer, &work.count));
    TRY(work_parts(w, &work, 1));
    lwork = (int)work.count;
    call_orgqr(t, &im, &in, &ik, a, &ld, tau, work.at, &lwork, &info);
    return ST_OK;
}

static void call_ormqr(DType t, Ch side, bool transpose, In m, In n, In k, CV a, In lda, CV tau, V c, In ldc, V work, In lwork, IO info)
{
    if (is_complex(t))
        CALL_COMPLEX(t, unmqr, side, transpose ? "C" : "N", m, n, k, a, lda, tau, c, ldc, work, lwork, info, 1, 1);
    else
        CALL_REAL(t, ormqr, side, transpose ? "T" : "N", m, n, k, a, lda, tau, c, ldc, work, lwork, info, 1, 1);
}

Status lapack_ormqr(DType t, bool left, bool transpose, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *tau, void *c, LapackWork *w)
{
    INT(im, m);
    INT(in, n);
    INT(ik, k);
    INT(ila, lda);
    int ldc = at_least_1(im), lwork = -1, info = 0;
    Ch side = left ? "L" : "R";
    Scalar answer = scalar(t, 0);
    ila = at_least_1(ila);
    call_ormqr(t, side, transpose, &im, &in, &ik, a, &ila, tau, c, &ldc, &answer, &lwork, &info);
    Part work = {0, dtype_size(t), NULL};
    TRY(queried(t, &answer, &work.count));
    TRY(work_parts(w, &work, 1));
    lwork = (int)work.count;
    call_ormqr(t, side, transpose, &im, &in, &ik, a, &ila, tau, c, &ldc, work.at, &lwork, &info);
    return ST_OK;
}

// ---- singular values and eigenvalues

typedef struct Gesdd { DType t; Ch job; int m, n, lda, ldu, ldvt; V a, s, u, vt; } Gesdd;

static void call_gesdd(const Gesdd *g, V work, In lwork, V rwork, IO iwork, IO info)
{
    if (is_complex(g->t))
        CALL_COMPLEX(g->t, gesdd, g->job, &g->m, &g->n, g->a, &g->lda, g->s, g->u, &g->ldu, g->vt, &g->ldvt, work, lwork, rwork, iwork, info, 1);
    else
        CALL_REAL(g->t, gesdd, g->job, &g->m, &g->n, g->a, &g->lda, g->s, g->u, &g->ldu, g->vt, &g->ldvt, work, lwork, iwork, info, 1);
}

Status lapack_gesdd(DType t, SvdJob job, int64_t m, int64_t n, void *a, void *s, void *u, void *vt, int *info, LapackWork *w)
{
    INT(im, m);
    INT(in, n);
    int64_t least = m < n ? m : n, most = m < n ? n : m;
    int lwork = -1, one_int;
    Gesdd g = {t, job == SVD_VALUES ? "N" : job == SVD_REDUCED ? "S" : "A", im, in, at_least_1(im), at_least_1(im), 1, a, s, u, vt};
    g.ldvt = at_least_1(job == SVD_REDUCED ? (int)least : in);
    Scalar answer = scalar(t, 0), unused;
    *info = 0;
    // LAPACK's bound for the real workspace of complex types: 5 mn + 7 mn for values (5 mn in later versions), else the greater formula.
    int64_t reals = !is_complex(t) ? 1 : job == SVD_VALUES ? 7 * least : 5 * least * least + 7 * least;
    if (is_complex(t) && job != SVD_VALUES && 2 * most * least + 2 * least * least + least > reals)
        reals = 2 * most * least + 2 * least * least + least;
    Part parts[3] = {{0, dtype_size(t), NULL}, {reals, real_size(t), NULL}, {8 * least, sizeof(int), NULL}};
    call_gesdd(&g, &answer, &lwork, &unused, &one_int, info);
    TRY(queried(t, &answer, &parts[0].count));
    TRY(work_parts(w, parts, 3));
    lwork = (int)parts[0].count;
    call_gesdd(&g, parts[0].at, &lwork, parts[1].at, parts[2].at, info);
    return ST_OK;
}

static void call_syevd(DType t, Ch job, Ch uplo, In n, V a, In ld, V values, V work, In lwork, V rwork, In lrwork, IO iwork, In liwork, IO info)
{
    if (is_complex(t))
        CALL_COMPLEX(t, heevd, job, uplo, n, a, ld, values, work, lwork, rwork, lrwork, iwork, liwork, info, 1, 1);
    else
        CALL_REAL(t, syevd, job, uplo, n, a, ld, values, work, lwork, iwork, liwork, info, 1, 1);
}

Status lapack_syevd(DType t, bool vectors, bool upper, int64_t n, void *a, void *values, int *info, LapackWork *w)
{
    INT(in, n);
    int ld = at_least_1(in), query = -1, ints = 1, lwork, lrwork, liwork;
    Ch job = vectors ? "V" : "N", uplo = upper ? "U" : "L";
    Scalar answer = scalar(t, 0), reals = scalar(t, 0);
    *info = 0;
    call_syevd(t, job, uplo, &in, a, &ld, values, &answer, &query, &reals, &query, &ints, &query, info);
    Part parts[3] = {{0, dtype_size(t), NULL}, {1, real_size(t), NULL}, {ints, sizeof(int), NULL}};
    TRY(queried(t, &answer, &parts[0].count));
    if (is_complex(t))
        TRY(queried(t, &reals, &parts[1].count));
    TRY(work_parts(w, parts, 3));
    lwork = (int)parts[0].count;
    lrwork = (int)parts[1].count;
    liwork = (int)parts[2].count;
    call_syevd(t, job, uplo, &in, a, &ld, values, parts[0].at, &lwork, parts[1].at, &lrwork, parts[2].at, &liwork, info);
    return ST_OK;
}

// Real matrices: conjugate pairs of eigenvalues have their vectors as the real and the imaginary part in two columns.
#define PACK_PAIRS(F)                                                                                                  \
    {                                                                                                                  \
        const F *re = wr, *im = wi, *from = vr;                                                                        \
        F *w = values, *v = vectors;                                                                                   \
        for (int64_t j = 0; j < n; j++) {                                                                              \
            w[2 * j] = re[j];                                                                                          \
            w[2 * j + 1] = im[j];                                                                                      \
        }                                                                                                              \
        for (int64_t j = 0; v && j < n; j++) {                                                                         \
            bool pair = im[j] != 0 && j + 1 < n;                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                v[2 * (j * n + i)] = from[j * n + i];                                                                  \
                v[2 * (j * n + i) + 1] = pair ? from[(j + 1) * n + i] : 0;                                             \
                if (pair) {                                                                                            \
                    v[2 * ((j + 1) * n + i)] = from[j * n + i];                                                        \
                    v[2 * ((j + 1) * n + i) + 1] = -from[(j + 1) * n + i];                                             \
                }                                                                                                      \
            }                                                                                                          \
            j += pair;                                                                                                 \
        }                                                                                                              \
    }

Status lapack_geev(DType t, int64_t n, void *a, void *values, void *vectors, int *info, LapackWork *w)
{
    INT(in, n);
    int ld = at_least_1(in), lwork = -1, one = 1;
    Ch job = vectors ? "V" : "N";
    Scalar answer = scalar(t, 0), unused;
    *info = 0;
    if (is_complex(t)) {
        CALL_COMPLEX(t, geev, "N", job, &in, a, &ld, values, &unused, &one, vectors, &ld, &answer, &lwork, &unused, info, 1, 1);
        Part parts[2] = {{0, dtype_size(t), NULL}, {2 * n, real_size(t), NULL}};
        TRY(queried(t, &answer, &parts[0].count));
        TRY(work_parts(w, parts, 2));
        lwork = (int)parts[0].count;
        CALL_COMPLEX(t, geev, "N", job, &in, a, &ld, values, &unused, &one, vectors, &ld, parts[0].at, &lwork, parts[1].at, info, 1, 1);
        return ST_OK;
    }
    CALL_REAL(t, geev, "N", job, &in, a, &ld, &unused, &unused, &unused, &one, &unused, &ld, &answer, &lwork, info, 1, 1);
    Part parts[4] = {{0, dtype_size(t), NULL}, {n, dtype_size(t), NULL}, {n, dtype_size(t), NULL}, {vectors ? n * n : 1, dtype_size(t), NULL}};
    TRY(queried(t, &answer, &parts[0].count));
    TRY(work_parts(w, parts, 4));
    lwork = (int)parts[0].count;
    void *wr = parts[1].at, *wi = parts[2].at, *vr = parts[3].at;
    CALL_REAL(t, geev, "N", job, &in, a, &ld, wr, wi, &unused, &one, vr, &ld, parts[0].at, &lwork, info, 1, 1);
    if (*info != 0)
        return ST_OK;
    if (t == DT_F32)
        PACK_PAIRS(float)
    else
        PACK_PAIRS(double)
    return ST_OK;
}

// ---- least squares

typedef struct Lstsq { DType t; LstsqDriver driver; int m, n, nrhs, lda, ldb; V a, b; Scalar rcond; IO rank; V s; } Lstsq;

static void call_lstsq(const Lstsq *q, V work, In lwork, V rwork, IO iwork, IO info)
{
#define HEAD &q->m, &q->n, &q->nrhs, q->a, &q->lda, q->b, &q->ldb
    bool complex_type = is_complex(q->t);
    switch (q->driver) {
    case LSTSQ_GELS: CALL(q->t, gels, "N", HEAD, work, lwork, info, 1) return;
    case LSTSQ_GELSY:
        if (complex_type)
            CALL_COMPLEX(q->t, gelsy, HEAD, iwork, &q->rcond, q->rank, work, lwork, rwork, info);
        else
            CALL_REAL(q->t, gelsy, HEAD, iwork, &q->rcond, q->rank, work, lwork, info);
        return;
    case LSTSQ_GELSD:
        if (complex_type)
            CALL_COMPLEX(q->t, gelsd, HEAD, q->s, &q->rcond, q->rank, work, lwork, rwork, iwork, info);
        else
            CALL_REAL(q->t, gelsd, HEAD, q->s, &q->rcond, q->rank, work, lwork, iwork, info);
        return;
    default:
        if (complex_type)
            CALL_COMPLEX(q->t, gelss, HEAD, q->s, &q->rcond, q->rank, work, lwork, rwork, info);
        else
            CALL_REAL(q->t, gelss, HEAD, q->s, &q->rcond, q->rank, work, lwork, info);
    }
#undef HEAD
}

Status lapack_lstsq(DType t, LstsqDriver driver, int64_t m, int64_t n, int64_t nrhs, void *a, void *b, double rcond, int *rank, void *s, int *info, LapackWork *w)
{
    INT(im, m);
    INT(in, n);
    INT(ir, nrhs);
    int64_t least = m < n ? m : n;
    int lwork = -1, query_ints[2] = {1, 1};
    Scalar answer = scalar(t, 0), real_answer = scalar(t, 0);
    Lstsq q = {t, driver, im, in, ir, at_least_1(im), at_least_1(im > in ? im : in), a, b, scalar(t, rcond), rank, s};
    *info = 0;
    // gelsy reads the column choices even in a query, so it gets room for them.
    Part choices = {n, sizeof(int), NULL};
    TRY(work_parts(w, &choices, 1));
    memset(choices.at, 0, (size_t)(n > 1 ? n : 1) * sizeof(int));
    call_lstsq(&q, &answer, &lwork, &real_answer, driver == LSTSQ_GELSY ? choices.at : query_ints, info);
    int64_t reals = driver == LSTSQ_GELSD ? (int64_t)first(t, &real_answer) + 1 : driver == LSTSQ_GELSY ? 2 * n : 5 * least;
    int64_t ints = driver == LSTSQ_GELSD ? query_ints[0] : n;
    Part parts[3] = {{0, dtype_size(t), NULL}, {is_complex(t) ? reals : 1, real_size(t), NULL}, {ints, sizeof(int), NULL}};
    TRY(queried(t, &answer, &parts[0].count));
    TRY(work_parts(w, parts, 3));
    memset(parts[2].at, 0, (size_t)(ints > 1 ? ints : 1) * sizeof(int));
    lwork = (int)parts[0].count;
    call_lstsq(&q, parts[0].at, &lwork, parts[1].at, parts[2].at, info);
    return ST_OK;
}
