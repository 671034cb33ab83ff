// Transform: what a data set of images (or other stored values) needs before a model sees it.
// It reads as (x * scale - mean) / std, computed in float32 (float64 when that is the result), then the permutation.
// With scale=1/255 and mean and std per channel the bits are those of torchvision's ToTensor and Normalize.
#ifndef TSB_IO_TRANSFORM_H
#define TSB_IO_TRANSFORM_H

#include "io/base/dtype.h"
#include "io/base/status.h"

enum { TRANSFORM_MAX_DIMS = 16, TRANSFORM_MAX_CHANNELS = 4096 };

typedef struct Transform {
    DType
        cast; // DT_INVALID: keep the stored type (float32 when scale, mean or std is given to a type without fractions)
    bool has_scale;
    double scale, scale_divisor; // x * scale / scale_divisor, so that 1/255 rounds as x / 255 does
    int mean_count,
        std_count;      // 0: absent; 1: the same for all; else one per channel = index of dimension 1 of the result
    double *mean, *std; // owned, see transform_free
    int permute_count;  // 0: absent; else the number of dimensions of a batch, sample dimension included
    uint8_t permute[TRANSFORM_MAX_DIMS]; // dimension i of the result is dimension permute[i] of the data set; [0] is 0
} Transform;

// Parses "cast=f32,scale=1/255,mean=0.5:0.5:0.5,std=0.2,permute=0:3:1:2" ("" is the identity). ST_USAGE names the part
// that is wrong. `out` is owned by the caller, also after a failure: transform_free.
Status transform_parse(Str text, Transform *out);
void transform_free(Transform *t);
// "f32", "float32", "u8", "uint8", "bool", "bf16" …; DT_INVALID when unknown.
DType transform_dtype(Str name);

// What the transform makes of a batch of `dtype` and `ndim` dimensions `shape` (sample dimension first, its size is not
// looked at): result type and shape. ST_USAGE when they do not fit.
Status transform_result(const Transform *t, DType dtype, int ndim, const int64_t *shape, DType *out_dtype,
                        int64_t *out_shape);
bool transform_is_identity(const Transform *t, DType dtype);

// Applies it to `rows` rows of contiguous `in`: [rows, shape[1..]] of `dtype`, into `out` of transform_result's type
// and shape. `shape` is that of the data set (shape[0] is not looked at). Cannot fail once transform_result has
// accepted.
void transform_apply(const Transform *t, DType dtype, int ndim, const int64_t *shape, int64_t rows, const void *in,
                     void *out);

#endif
