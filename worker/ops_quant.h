// Shared by the bindings of quantised operators (ops_on_quant.c, ops_quant.c, ops_quant_linear.c, ops_quant_math.c, …).
#ifndef TSB_WORKER_OPS_QUANT_H
#define TSB_WORKER_OPS_QUANT_H

#include "worker/op_util.h"
#include "worker/quant.h"

#define QROW(name, fn) {name, fn, OP_QUANTISED, NULL, quant_free_sites}

// Runs another operator's own function, of one result, as part of one of the rows: `slot` is the place of its inline cache.
enum { QUANT_SLOTS = 8 };
Status quant_call(Lane *lane, Site *site, int slot, const char *name, int n, const IValue *args, IValue *ret);
void quant_free_sites(void *user);

// "Could not run 'aten::…' with arguments from the 'QuantizedCPU' backend."
Status quant_refuse(const Site *site);
// A batch of bytes with channels innermost: max pooling takes those as they are.
static inline bool quant_channels_inside(const Tensor *t)
{
    return t->view.ndim == 4 && t->view.stride[1] == 1 && view_is_channels_last(&t->view) && (tensor_dtype(t) == DT_QU8 || tensor_dtype(t) == DT_QI8);
}
// Per tensor, of bytes; ST_RAISED otherwise, naming the operator.
Status quant_check_bytes(const Tensor *t, const char *name);
// y = table[x] for every byte of x, quantised as q says.
Status quant_table(Lane *lane, Tensor *x, const uint8_t table[256], Quant *q, Tensor **out);
// y = f(x), element by element, quantised with scale and zero_point to x's dtype.
Status quant_unary(Lane *lane, Tensor *x, float (*f)(const void *ctx, float x), const void *ctx, double scale, int64_t zero_point, Tensor **out);
float quant_sigmoid(const void *ctx, float x);
// The range whose 2^bits values are nearest to the n numbers of a row, found by narrowing the whole range in steps.
void quant_best_range(const float *x, int64_t n, int64_t bins, double ratio, int bits, float *low, float *high);
// Bounds are quantised first; None: no bound.
Status quant_clamp(Lane *lane, Tensor *x, IValue lo, IValue hi, IValue *rets);

// ---- packed parameters (ops_quant_linear.c): objects of builtin classes with the attributes of ir/packed.c

// An attribute, borrowed.
IValue packed_get(const Object *o, const char *name);
// A new object of the class of result 0 of the site; values, in the order of the attributes, are taken.
Status packed_new_take(const Site *site, IValue *values, uint32_t n, IValue *out);
// act(x w^T + b) of quantised operands, as a tensor quantised with scale and zero_point.
Status quant_linear(Lane *lane, Site *site, Tensor *x, Tensor *w, IValue bias, double scale, int64_t zero_point, bool relu, Tensor **out);
// A float matrix as int8 with the scale and zero point of its range.
Status quant_weight_new(Lane *lane, Tensor *w, Tensor **out);
// act(x w^T + b) of a quantised weight, x being quantised by its range on the way: to 8 bits, to 7, or to 8 with a scale of
// float32 (choose_quant_f32).
typedef enum DynamicRange { DYNAMIC_FULL, DYNAMIC_REDUCED, DYNAMIC_F32_SCALE } DynamicRange;
Status quant_linear_dynamic(Lane *lane, Site *site, Tensor *x, Tensor *w, IValue bias, DynamicRange range, bool relu, Tensor **out);
// The same with packed parameters: with x quantised on the way when it is float32 and the weight is not (reduce_range: to 7 bits).
Status packed_linear_dynamic(Lane *lane, Site *site, Tensor *x, const Object *packed, bool reduce_range, bool relu, Tensor **out);

#endif
