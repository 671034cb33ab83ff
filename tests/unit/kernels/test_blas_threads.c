// OpenBLAS from many threads at once: every one gets a work buffer of its own, and the bits that one thread gets alone.
#include "kernel_test.h"
#include "kernels/lapack.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { THREADS = 16, MANY = 200, N = 72, ROUTINES = 8, NUMBERS = 2 * N * N + 2 * N };

extern void *blas_memory_alloc(int purpose);
extern void blas_memory_free(void *buffer);

static void together(int threads, void *(*body)(void *))
{
    pthread_t thread[MANY];
    for (int i = 0; i < threads; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, body, NULL), 0);
    for (int i = 0; i < threads; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
}

static atomic_long shared;

static void *take_and_return(void *unused)
{
    for (int i = 0; i < 60000; i++) {
        atomic_int *users = blas_memory_alloc(0);
        if (atomic_fetch_add(users, 1) != 0)
            atomic_fetch_add(&shared, 1);
        for (volatile int busy = 0; busy < 20; busy++) {
        }
        atomic_fetch_sub(users, 1);
        blas_memory_free(users);
    }
    return unused;
}

// Without the lock of lapack.c, some 0.1 % of the buffers have two users.
static void test_buffers(void **state)
{
    (void)state;
    together(THREADS, take_and_return);
    assert_int_equal(atomic_load(&shared), 0);
}

static atomic_int holders, most_holders;

static void *hold(void *unused)
{
    for (int i = 0; i < 5; i++) {
        atomic_int *users = blas_memory_alloc(0);
        if (!users || atomic_fetch_add(users, 1) != 0) {
            atomic_fetch_add(&shared, 1);
            return unused;
        }
        int now = atomic_fetch_add(&holders, 1) + 1, most = atomic_load(&most_holders);
        while (now > most && !atomic_compare_exchange_weak(&most_holders, &most, now)) {
        }
        void *second = blas_memory_alloc(0); // who holds one does not wait
        usleep(1000);
        blas_memory_free(second);
        atomic_fetch_sub(&holders, 1);
        atomic_fetch_sub(users, 1);
        blas_memory_free(users);
    }
    return unused;
}

// More threads than the library has buffers (128; 50 in the least of its builds) wait for one: it cannot do with more.
static void test_more_threads_than_buffers(void **state)
{
    (void)state;
    together(MANY, hold);
    assert_in_range(atomic_load(&most_holders), 2, 50);
    assert_int_equal(atomic_load(&shared), 0);
}

// The library's own calls find the functions with the lock, which lie in this program.
static void test_library_finds_the_lock(void **state)
{
    (void)state;
    Dl_info lock, library, here;
    void *found = dlsym(RTLD_DEFAULT, "blas_memory_alloc");
    assert_non_null(found);
    assert_true(dladdr(found, &lock) && dladdr(dlsym(RTLD_DEFAULT, "openblas_get_config"), &library) &&
                dladdr(&shared, &here));
    assert_ptr_equal(lock.dli_fbase, here.dli_fbase);
    assert_ptr_not_equal(lock.dli_fbase, library.dli_fbase);
}

static double general[2 * N * N], symmetric[N * N];
static double expected[ROUTINES][NUMBERS];
static atomic_long wrong, failed;

static Status call(int routine, double *out, double *scratch, LapackWork *w)
{
    int32_t pivots[N];
    int info = 0;
    static const DType types[] = {DT_F32, DT_F64, DT_C64, DT_C128};
    memset(out, 0, NUMBERS * sizeof *out);
    double *values = out + 2 * N * N;
    memcpy(scratch, routine == 5 || routine == 6 ? symmetric : general, N * N * sizeof *scratch);
    switch (routine) {
    case 4: // solve
        memcpy(out, symmetric, sizeof symmetric);
        TRY(lapack_getrf(DT_F64, N, N, scratch, pivots, &info));
        TRY(lapack_getrs(DT_F64, BLAS_N, N, N, scratch, pivots, out));
        break;
    case 5:
        TRY(lapack_potrf(DT_F64, false, N, scratch, &info));
        memcpy(out, scratch, N * N * sizeof *scratch);
        break;
    case 6:
        TRY(lapack_syevd(DT_F64, true, false, N, scratch, values, &info, w));
        memcpy(out, scratch, N * N * sizeof *scratch);
        break;
    case 7:
        TRY(lapack_gesdd(DT_F64, SVD_REDUCED, N, N, scratch, values, out, out + N * N, &info, w));
        break;
    default:
        TRY(blas_gemm(types[routine], BLAS_N, BLAS_T, N, N, N, 1, general, N, general, N, 0, out, N));
        break;
    }
    return info == 0 ? ST_OK : status_fail(ST_INTERNAL, "routine %d: info %d", routine, info);
}

static void *call_all(void *unused)
{
    double *out = malloc(NUMBERS * sizeof *out), *scratch = malloc(N * N * sizeof *scratch);
    LapackWork w = {0};
    for (int i = 0; out && scratch && i < 20 * ROUTINES; i++) {
        if (call(i % ROUTINES, out, scratch, &w) != ST_OK)
            atomic_fetch_add(&failed, 1);
        if (memcmp(out, expected[i % ROUTINES], NUMBERS * sizeof *out) != 0)
            atomic_fetch_add(&wrong, 1);
    }
    if (!out || !scratch)
        atomic_fetch_add(&failed, 1);
    lapack_work_free(&w);
    free(out);
    free(scratch);
    return unused;
}

static void test_same_bits(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int i = 0; i < 2 * N * N; i++)
        general[i] = (double)test_random(&seed) / (double)(1u << 30) - 1;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            symmetric[i * N + j] = (i == j ? 2 * N : 0) + general[i * N + j] + general[j * N + i];
    double *scratch = malloc(N * N * sizeof *scratch);
    assert_non_null(scratch);
    LapackWork w = {0};
    for (int r = 0; r < ROUTINES; r++)
        assert_int_equal(call(r, expected[r], scratch, &w), ST_OK);
    lapack_work_free(&w);
    free(scratch);
    together(THREADS, call_all);
    assert_int_equal(atomic_load(&failed), 0);
    assert_int_equal(atomic_load(&wrong), 0);
}

int main(void)
{
    (void)kernel_isa();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_buffers), cmocka_unit_test(test_more_threads_than_buffers),
                                       cmocka_unit_test(test_library_finds_the_lock), cmocka_unit_test(test_same_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
