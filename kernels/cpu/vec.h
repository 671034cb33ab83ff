// Vectorised inner loops: one table per instruction set, chosen at run time.
#ifndef TSB_KERNELS_CPU_VEC_H
#define TSB_KERNELS_CPU_VEC_H

#include "kernels/pointwise.h"

typedef struct VecTable {
    PwLoop f32[PW_COUNT], f64[PW_COUNT];
    PwLoop c64_abs, c64_div;
    // The greatest (least) of n elements and `first`; NaN wins.
    float (*f32_max)(const float *x, int64_t n, float first), (*f32_min)(const float *x, int64_t n, float first);
    double (*f64_max)(const double *x, int64_t n, double first), (*f64_min)(const double *x, int64_t n, double first);
    // best[j] = the greatest (least) of best[j] and x[j], j < m.
    void (*f32_max_columns)(double *best, const float *x, int64_t m), (*f32_min_columns)(double *best, const float *x, int64_t m);
    void (*f64_max_columns)(double *best, const double *x, int64_t m), (*f64_min_columns)(double *best, const double *x, int64_t m);
    void (*f32_to_f16)(uint16_t *dst, const float *src, int64_t n);
    void (*f16_to_f32)(float *dst, const uint16_t *src, int64_t n);
    void (*f32_to_bf16)(uint16_t *dst, const float *src, int64_t n);
    void (*bf16_to_f32)(float *dst, const uint16_t *src, int64_t n);
    void (*f32_to_u8)(uint8_t *dst, const float *src, int64_t n);
    void (*f32_to_i64)(int64_t *dst, const float *src, int64_t n);
} VecTable;

extern const VecTable vec_table_base;
#if defined(__x86_64__)
extern const VecTable vec_table_avx2, vec_table_avx512;
#endif
const VecTable *vec_table(void);

#endif
