// What the operator families share: result types, lists of tensors, text of sizes, allocation in a wanted layout.
#ifndef TSB_WORKER_OP_UTIL_H
#define TSB_WORKER_OP_UTIL_H

#include "worker/op.h"

// The head of an operator function.
#define OP_GLOBAL(name) Status name(__attribute__((unused)) Lane *lane, __attribute__((unused)) Site *site, \
                                    __attribute__((unused)) const IValue *args, __attribute__((unused)) IValue *rets)
#define OP_FN(name) static OP_GLOBAL(name)

// torch.memory_format as programs see it.
enum { FORMAT_CONTIGUOUS = 0, FORMAT_PRESERVE = 1, FORMAT_CHANNELS_LAST = 2, FORMAT_CHANNELS_LAST_3D = 3 };

// Static type of result i, and the element of a list type; NULL when unknown.
static inline const Type *ret_type(const Site *site, uint32_t i)
{
    return site->node && i < site->node->output_count ? site->node->outputs[i]->type : NULL;
}
static inline const Type *elem_type(const Type *t) { return t && t->kind == TYPE_LIST ? t->elem[0] : NULL; }

// A new list of `n` tensors that are taken (released when memory runs out).
Status list_of_tensors_take(Lane *lane, Tensor **t, int n, IValue *out);
// Tensors of a list argument, borrowed; ST_RAISED for a None inside.
Status arg_tensors(IValue list, Tensor ***out_items, int *n); // *out_items: malloc'ed, free it

// "[2, 3]", for messages; truncated when it does not fit.
typedef struct SizeText { char text[256]; } SizeText;
SizeText size_text(const int64_t *size, int ndim);

// None gives `otherwise`.
static inline int64_t arg_int_or(IValue v, int64_t otherwise) { return v.tag == TAG_NONE ? otherwise : arg_int(v); }
static inline DType arg_dtype_or(IValue v, DType otherwise) { return v.tag == TAG_NONE ? otherwise : (DType)arg_int(v); }
static inline bool arg_bool_or(IValue v, bool otherwise) { return v.tag == TAG_NONE ? otherwise : arg_int(v) != 0; }
// A dtype argument that the program may have computed: ST_RAISED when it is none.
Status check_dtype(DType t);

// The dtype that holds both (torchscript.md §7.1); DT_INVALID when there is none.
DType promote_dtypes(DType a, DType b);

// Stride of the next dimension outwards. Saturates: only empty tensors have sizes whose product overflows.
static inline int64_t next_stride(int64_t stride, int64_t size)
{
    int64_t out;
    return __builtin_mul_overflow(stride, size > 1 ? size : 1, &out) ? INT64_MAX : out;
}
// ST_RAISED when the number of elements overflows: before a view that has more of them than its tensor.
Status check_numel(int ndim, const int64_t *size);

// Every element has its own place and the places are dense, in some order of the dimensions.
bool view_is_dense(const View *v);
// What PyTorch refuses to write to: a tensor that has elements in one place (stride 0); one that overlaps an operand
// without being the same.
Status check_written(const Tensor *out);
Status check_overlap(const Tensor *out, const Tensor *in);
// Strides of `size` in a memory format (not PRESERVE). ST_RAISED for a wrong number of dimensions.
Status format_strides(int64_t format, int ndim, const int64_t *size, int64_t *stride);
// Dense strides in the same order of dimensions as `like`: what torch.empty_like gives.
void strides_like(const View *like, int64_t *stride);
// New uninitialised tensor.
Status tensor_new_strided(Lane *lane, DType dtype, int ndim, const int64_t *size, const int64_t *stride, Tensor **out);
Status tensor_new_like(Lane *lane, const Tensor *like, DType dtype, int64_t format, Tensor **out);
// A copy in another dtype and memory format (PRESERVE: the order of dimensions of `t`).
Status tensor_copy_as(Lane *lane, Tensor *t, DType dtype, int64_t format, Tensor **out);
// Contiguous and of that dtype: the same tensor (retained) or a copy.
Status tensor_contiguous_as(Lane *lane, Tensor *t, DType dtype, Tensor **out);

// The number of dtype float16 or bfloat16 nearest to x; x for the others.
float round_to(DType t, float x);

// t[…] = number. ST_RAISED when an integer dtype cannot hold it.
Status tensor_fill(Tensor *t, IValue number);
// float(t): ST_RAISED unless there is one element.
Status tensor_double(Lane *lane, const Tensor *t, double *out);
// bool(t): ST_RAISED unless there is one element.
Status tensor_truth(Lane *lane, const Tensor *t, bool *out);
static inline bool tensor_is_contiguous(const Tensor *t) { return view_is_contiguous(&t->view); }

// First byte of element i of a contiguous tensor.
static inline void *tensor_at(const Tensor *t, int64_t i)
{
    return (char *)t->view.data + i * (int64_t)dtype_size((DType)t->view.dtype);
}

// Takes `wide` (released) and gives it in another dtype, unless something failed before.
static inline Status give_as(Lane *lane, Status status, Tensor *wide, DType dtype, IValue *rets)
{
    Tensor *made;
    if (status == ST_OK)
        status = tensor_to_dtype(lane, wide, dtype, &made);
    tensor_release(wide);
    TRY(status);
    rets[0] = value_tensor_take(made);
    return ST_OK;
}

// Result of an operator that has made one tensor.
static inline Status give_tensor(Status status, Tensor *t, IValue *rets)
{
    if (status != ST_OK) {
        if (t)
            tensor_release(t);
        return status;
    }
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

#endif
