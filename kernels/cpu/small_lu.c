// LU of small matrices with partial pivoting, column by column (LAPACK's getf2 and getrs).
#include "kernels/cpu/small_lu.h"

#include <math.h>

// The triangular solves run along columns of the factor, or against them where it is transposed.
#define SMALL(T, ABS)                                                                                                  \
    static void getrf_##T(int m, int n, T *a, int32_t *pivots, int *info)                                              \
    {                                                                                                                  \
        for (int j = 0, k = m < n ? m : n; j < k; j++) {                                                               \
            T *column = a + j * m;                                                                                     \
            int best = j;                                                                                              \
            for (int i = j + 1; i < m; i++)                                                                            \
                if (ABS(column[i]) > ABS(column[best]))                                                                \
                    best = i;                                                                                          \
            pivots[j] = best + 1;                                                                                      \
            if (column[best] == 0) {                                                                                   \
                *info = *info ? *info : j + 1;                                                                         \
                continue;                                                                                              \
            }                                                                                                          \
            if (best != j)                                                                                             \
                for (int c = 0; c < n; c++) {                                                                          \
                    T moved = a[c * m + j];                                                                            \
                    a[c * m + j] = a[c * m + best];                                                                    \
                    a[c * m + best] = moved;                                                                           \
                }                                                                                                      \
            for (int i = j + 1; i < m; i++)                                                                            \
                column[i] /= column[j];                                                                                \
            for (int c = j + 1; c < n; c++) {                                                                          \
                T *other = a + c * m, factor = other[j];                                                               \
                for (int i = j + 1; i < m; i++)                                                                        \
                    other[i] -= column[i] * factor;                                                                    \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void exchange_##T(T *x, int i, int with)                                                                    \
    {                                                                                                                  \
        T moved = x[i];                                                                                                \
        x[i] = x[with];                                                                                                \
        x[with] = moved;                                                                                               \
    }                                                                                                                  \
    static void getrs_##T(BlasTrans trans, int n, int nrhs, const T *lu, const int32_t *pivots, T *b)                  \
    {                                                                                                                  \
        for (int r = 0; r < nrhs; r++) {                                                                               \
            T *x = b + r * n;                                                                                          \
            if (trans == BLAS_N) {                                                                                     \
                for (int i = 0; i < n; i++)                                                                            \
                    exchange_##T(x, i, pivots[i] - 1);                                                                 \
                for (int j = 0; j < n; j++)                                                                            \
                    for (int i = j + 1; i < n; i++)                                                                    \
                        x[i] -= lu[j * n + i] * x[j];                                                                  \
                for (int j = n - 1; j >= 0; j--) {                                                                     \
                    x[j] /= lu[j * n + j];                                                                             \
                    for (int i = 0; i < j; i++)                                                                        \
                        x[i] -= lu[j * n + i] * x[j];                                                                  \
                }                                                                                                      \
            } else {                                                                                                   \
                for (int j = 0; j < n; j++) {                                                                          \
                    for (int i = 0; i < j; i++)                                                                        \
                        x[j] -= lu[j * n + i] * x[i];                                                                  \
                    x[j] /= lu[j * n + j];                                                                             \
                }                                                                                                      \
                for (int j = n - 1; j >= 0; j--)                                                                       \
                    for (int i = j + 1; i < n; i++)                                                                    \
                        x[j] -= lu[j * n + i] * x[i];                                                                  \
                for (int i = n - 1; i >= 0; i--)                                                                       \
                    exchange_##T(x, i, pivots[i] - 1);                                                                 \
            }                                                                                                          \
        }                                                                                                              \
    }
SMALL(float, fabsf)
SMALL(double, fabs)

void small_getrf(DType t, int m, int n, void *a, int32_t *pivots, int *info)
{
    *info = 0;
    if (t == DT_F32)
        getrf_float(m, n, a, pivots, info);
    else
        getrf_double(m, n, a, pivots, info);
}

void small_getrs(DType t, BlasTrans trans, int n, int nrhs, const void *lu, const int32_t *pivots, void *b)
{
    if (t == DT_F32)
        getrs_float(trans, n, nrhs, lu, pivots, b);
    else
        getrs_double(trans, n, nrhs, lu, pivots, b);
}
