// Integer matrix products, blocked: four rows and a few vectors of columns at a time stay in registers.
// Sums wrap around, so their order does not matter.
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"

enum { ROWS = 4 };

// Rows i … i + rows and columns j … j + columns of c; COLUMNS of the latter, but for what is left at the edge.
#define TILE(T, rows, columns)                                                                                         \
    {                                                                                                                  \
        T sum[ROWS][COLUMNS] = {{0}};                                                                                  \
        for (int64_t p = 0; p < k; p++) {                                                                              \
            const T *right = b + p * n + j;                                                                            \
            for (int64_t r = 0; r < (rows); r++) {                                                                     \
                T left = a[(i + r) * k + p];                                                                           \
                for (int64_t x = 0; x < (columns); x++)                                                                \
                    sum[r][x] += left * right[x];                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (int64_t r = 0; r < (rows); r++)                                                                           \
            for (int64_t x = 0; x < (columns); x++)                                                                    \
                c[(i + r) * ldc + j + x] += sum[r][x];                                                                 \
    }

#define GEMM(T, name, columns_of_tile)                                                                                                  \
    ISA_INLINE void name##_body(int64_t m, int64_t n, int64_t k, const T *restrict a, const T *restrict b, T *restrict c, int64_t ldc) \
    {                                                                                                                  \
        enum { COLUMNS = columns_of_tile };                                                                            \
        for (int64_t i = 0; n == 1 && i < m; i++) { /* a vector: rows times it */                                      \
            T sum = 0;                                                                                                 \
            for (int64_t p = 0; p < k; p++)                                                                            \
                sum += a[i * k + p] * b[p];                                                                            \
            c[i * ldc] += sum;                                                                                         \
        }                                                                                                              \
        if (n == 1)                                                                                                    \
            return;                                                                                                    \
        for (int64_t j = 0; j < n; j += COLUMNS) {                                                                     \
            int64_t columns = n - j < COLUMNS ? n - j : COLUMNS;                                                       \
            for (int64_t i = 0; i < m; i += ROWS) {                                                                    \
                int64_t rows = m - i < ROWS ? m - i : ROWS;                                                            \
                if (rows == ROWS && columns == COLUMNS)                                                                \
                    TILE(T, ROWS, COLUMNS)                                                                             \
                else if (columns == COLUMNS)                                                                           \
                    TILE(T, rows, COLUMNS)                                                                             \
                else                                                                                                   \
                    TILE(T, rows, columns)                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(name, (int64_t m, int64_t n, int64_t k, const T *restrict a, const T *restrict b, T *restrict c, int64_t ldc), (m, n, k, a, b, c, ldc))

GEMM(uint32_t, gemm_u32, 32)
GEMM(uint64_t, gemm_u64, 8) // more do not fit the registers of AVX-512 as gcc uses them

void gemm_i32(int64_t m, int64_t n, int64_t k, const void *a, const void *b, void *c, int64_t ldc) { gemm_u32(m, n, k, a, b, c, ldc); }
void gemm_i64(int64_t m, int64_t n, int64_t k, const void *a, const void *b, void *c, int64_t ldc) { gemm_u64(m, n, k, a, b, c, ldc); }
