// What the two variants of quantised convolution share: the shape of the problem, and from sums to results.
#ifndef TSB_KERNELS_CPU_Q_COMMON_H
#define TSB_KERNELS_CPU_Q_COMMON_H

#include "kernels/cpu/variants.h"

enum { Q_X, Q_WEIGHT, Q_SCALES, Q_ZERO_POINTS, Q_BIAS, Q_NUMBERS };

// A convolution over three spatial dimensions, missing ones being of size 1; a linear layer has one pixel per row.
typedef struct QShape {
    QuantConvParams p;
    bool linear, has_bias, per_channel;
    int spatial;
    int64_t images, c_in, c_out;      // all channels
    int64_t c_in_group, c_out_group;
    int64_t in[SPATIAL_MAX], out[SPATIAL_MAX], kernel[SPATIAL_MAX], stride[SPATIAL_MAX], dilation[SPATIAL_MAX];
    int64_t pad[SPATIAL_MAX];
} QShape;

// Checks the operands, sets k->outputs[0]. ST_DECLINED for dtypes that are not quantised as expected.
Status q_shape(QShape *s, Kernel *k, const QuantConvParams *p, const View *in, int n_in);
// Weight of output channel o (of all), channel c of its group, kernel position, less its zero point.
int16_t q_weight(const QShape *s, const View *in, int64_t o, int64_t c, const int64_t at[SPATIAL_MAX]);

// From sums to results, for one call: factors and biases per output channel.
typedef struct QScale {
    float *factor, *bias;   // [c_out]
    float lo, hi;           // of the rounded value, before the zero point is added
    int32_t x_zero, y_zero;
    bool to_float, relu;
    DType dtype;            // of y
} QScale;
// factor and bias are the caller's arrays.
void q_scale_set(QScale *q, const QShape *s, const View *in);
// rows × columns sums, `pitch` apart, of channels first … first + columns; row r goes to element r * out_pitch of y.
void q_finish(const QScale *q, const int32_t *sums, int rows, int64_t pitch, int64_t columns, int64_t first, void *y, int64_t out_pitch);

#endif
