// LU of small matrices with partial pivoting, column by column (LAPACK's getf2 and getrs).
#include "kernels/cpu/small_lu.h"

#include <math.h>

// In double, and rounded once where the elements are float32: as good as the order of operations allows, at no cost
// here.
static void factor(int m, int n, double *a, int32_t *pivots, int *info)
{
    for (int j = 0, k = m < n ? m : n; j < k; j++) {
        double *column = a + j * m;
        int best = j;
        for (int i = j + 1; i < m; i++)
            if (fabs(column[i]) > fabs(column[best]))
                best = i;
        pivots[j] = best + 1;
        if (column[best] == 0) {
            *info = *info ? *info : j + 1;
            continue;
        }
        if (best != j)
            for (int c = 0; c < n; c++) {
                double moved = a[c * m + j];
                a[c * m + j] = a[c * m + best];
                a[c * m + best] = moved;
            }
        for (int i = j + 1; i < m; i++)
            column[i] /= column[j];
        for (int c = j + 1; c < n; c++) {
            double *other = a + c * m, by = other[j];
            for (int i = j + 1; i < m; i++)
                other[i] -= column[i] * by;
        }
    }
}

static void exchange(double *x, int i, int with)
{
    double moved = x[i];
    x[i] = x[with];
    x[with] = moved;
}

static void solve(BlasTrans trans, int n, const double *lu, const int32_t *pivots, double *x)
{
    if (trans == BLAS_N) {
        for (int i = 0; i < n; i++)
            exchange(x, i, pivots[i] - 1);
        for (int j = 0; j < n; j++)
            for (int i = j + 1; i < n; i++)
                x[i] -= lu[j * n + i] * x[j];
        for (int j = n - 1; j >= 0; j--) {
            x[j] /= lu[j * n + j];
            for (int i = 0; i < j; i++)
                x[i] -= lu[j * n + i] * x[j];
        }
        return;
    }
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < j; i++)
            x[j] -= lu[j * n + i] * x[i];
        x[j] /= lu[j * n + j];
    }
    for (int j = n - 1; j >= 0; j--)
        for (int i = j + 1; i < n; i++)
            x[j] -= lu[j * n + i] * x[i];
    for (int i = n - 1; i >= 0; i--)
        exchange(x, i, pivots[i] - 1);
}

static void widened(const float *from, double *to, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = (double)from[i];
}

static void rounded(const double *from, float *to, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = (float)from[i];
}

void small_getrf(DType t, int m, int n, void *a, int32_t *pivots, int *info)
{
    *info = 0;
    if (t == DT_F64) {
        factor(m, n, a, pivots, info);
        return;
    }
    double wide[SMALL_LU * SMALL_LU];
    widened(a, wide, m * n);
    factor(m, n, wide, pivots, info);
    rounded(wide, a, m * n);
}

void small_getrs(DType t, BlasTrans trans, int n, int nrhs, const void *lu, const int32_t *pivots, void *b)
{
    double wide[SMALL_LU * SMALL_LU], x[SMALL_LU];
    if (t == DT_F32)
        widened(lu, wide, n * n);
    for (int r = 0; r < nrhs; r++) {
        if (t == DT_F64) {
            solve(trans, n, lu, pivots, (double *)b + r * n);
            continue;
        }
        widened((const float *)b + r * n, x, n);
        solve(trans, n, wide, pivots, x);
        rounded(x, (float *)b + r * n, n);
    }
}
