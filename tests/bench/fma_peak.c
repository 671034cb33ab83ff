// Measures how many float32 operations a second one core does at best: independent fused multiply-adds in registers.
// Prints one number, in GFLOP/s, for the widest vectors this machine has. Median of several short runs.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CHAINS = 12, ROUNDS = 20000000 / CHAINS, RUNS = 7 };

typedef float Wide __attribute__((vector_size(64)));
typedef float Half __attribute__((vector_size(32)));

#define MEASURE(name, isa, Vector)                                                                                     \
    __attribute__((target(isa), noinline, optimize("fp-contract=fast"))) static double name(void)                      \
    {                                                                                                                  \
        Vector sum[CHAINS];                                                                                            \
        for (int i = 0; i < CHAINS; i++)                                                                               \
            sum[i] = (Vector){0} + (float)i;                                                                           \
        Vector a = (Vector){0} + 0.999999f, b = (Vector){0} + 1e-7f;                                                   \
        for (int r = 0; r < ROUNDS; r++) {                                                                             \
            __asm__ volatile("" : "+x"(a));                                                                            \
            for (int i = 0; i < CHAINS; i++)                                                                           \
                sum[i] = sum[i] * a + b;                                                                               \
        }                                                                                                              \
        Vector total = sum[0];                                                                                         \
        for (int i = 1; i < CHAINS; i++)                                                                               \
            total += sum[i];                                                                                           \
        volatile float keep = total[0];                                                                                \
        (void)keep;                                                                                                    \
        return 2.0 * CHAINS * ROUNDS * (sizeof(Vector) / sizeof(float));                                               \
    }

MEASURE(run_avx512, "avx512f,fma", Wide)
MEASURE(run_avx2, "avx2,fma", Half)

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    double rate[RUNS];
    for (int i = 0; i < RUNS; i++) {
        struct timespec t0, t1;
        clock_gettime(CLOCK_MONOTONIC, &t0);
        double flops = __builtin_cpu_supports("avx512f") ? run_avx512() : run_avx2();
        clock_gettime(CLOCK_MONOTONIC, &t1);
        rate[i] = flops / ((double)(t1.tv_sec - t0.tv_sec) * 1e9 + (double)(t1.tv_nsec - t0.tv_nsec));
    }
    qsort(rate, RUNS, sizeof rate[0], by_value);
    printf("%.1f\n", rate[RUNS / 2]);
    return 0;
}
