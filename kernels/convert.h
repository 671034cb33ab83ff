// Conversion of rows of elements from one dtype to another, with C++'s static_cast rules as PyTorch has them.
#ifndef TSB_KERNELS_CONVERT_H
#define TSB_KERNELS_CONVERT_H

#include "io/base/dtype.h"

// n elements; strides in bytes.
typedef void (*ConvertRow)(char *dst, int64_t dst_stride, const char *src, int64_t src_stride, int64_t n);

// How to get from one dtype to another: at once, or through a wide type (int64, double or complex double).
typedef struct Converter {
    ConvertRow direct;     // NULL: load, then store
    ConvertRow load, store;
    uint8_t wide_size;     // bytes of the wide type
    uint8_t src_size, dst_size;
} Converter;

// False when one of the types has no elements to convert (DT_INVALID).
bool converter_find(DType src, DType dst, Converter *out);
void convert_row(const Converter *c, char *dst, int64_t dst_stride, const char *src, int64_t src_stride, int64_t n);

// Out-of-range and NaN give the smallest value, as the x86 instructions do.
static inline int32_t int32_from_double(double x) { return x > -2147483649.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN; }
static inline int64_t int64_from_double(double x)
{
    return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}

#endif
