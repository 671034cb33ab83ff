// Operator bindings: what a tensor is (sizes, dtype, device …), conversions and copies, and writing into tensors.
// What only asks, or may hand its argument on, takes private layouts: nothing is reordered for it.
#include "worker/op_util.h"

#include "kernels/copy.h"

// ---- Queries: none reads an element, so all take private layouts --------------------------------------------------------

static const View *view_of(IValue v) { return &v.as.tensor->view; }

OP_FN(op_size)
{
    const View *v = view_of(args[0]);
    return list_of_ints(v->size, v->ndim, &rets[0]);
}

static Status entry(const View *v, const int64_t *numbers, int64_t dim_arg, IValue *ret)
{
    int dim;
    TRY(wrap_dim(dim_arg, v->ndim, &dim));
    if (v->ndim == 0)
        return op_raise("Dimension specified as %lld but tensor has no dimensions", (long long)dim_arg);
    *ret = value_int(numbers[dim]);
    return ST_OK;
}

OP_FN(op_size_int)
{
    return entry(view_of(args[0]), view_of(args[0])->size, args[1].as.i, rets);
}

OP_FN(op_stride)
{
    const View *v = view_of(args[0]);
    return list_of_ints(v->stride, v->ndim, &rets[0]);
}

OP_FN(op_stride_int)
{
    return entry(view_of(args[0]), view_of(args[0])->stride, args[1].as.i, rets);
}

OP_FN(op_len)
{
    const View *v = view_of(args[0]);
    if (v->ndim == 0)
        return op_raise("len() of a 0-d tensor");
    rets[0] = value_int(v->size[0]);
    return ST_OK;
}

#define QUERY(name, make, expression)                                                                                  \
    OP_FN(name)                                                                                                        \
    {                                                                                                                  \
        const View *v = view_of(args[0]);                                                                              \
        rets[0] = make(expression);                                                                                    \
        return ST_OK;                                                                                                  \
    }
QUERY(op_dim, value_int, v->ndim)
QUERY(op_numel, value_int, view_numel(v))
QUERY(op_dtype, value_int, v->dtype)
QUERY(op_element_size, value_int, (int64_t)dtype_size((DType)v->dtype))
QUERY(op_nbytes, value_int, view_numel(v) * (int64_t)dtype_size((DType)v->dtype))
QUERY(op_is_floating_point, value_bool, dtype_is_floating((DType)v->dtype))
QUERY(op_is_complex, value_bool, dtype_is_complex((DType)v->dtype))
QUERY(op_is_quantized, value_bool, dtype_category((DType)v->dtype) == DT_QUANTISED)
QUERY(op_is_signed, value_bool,
      v->dtype != DT_U8 && v->dtype != DT_BOOL && v->dtype != DT_U16 && v->dtype != DT_U32 && v->dtype != DT_U64 && v->dtype != DT_QU8)
QUERY(op_is_cpu, value_bool, v->device == DEVICE_CPU)
QUERY(op_is_cuda, value_bool, v->device == DEVICE_CUDA)
QUERY(op_is_meta, value_bool, v->device == DEVICE_META)
QUERY(op_get_device, value_int, v->device == DEVICE_CUDA ? 0 : -1)
QUERY(op_is_dense, value_bool, v->layout != LAYOUT_STRIDED || view_is_dense(v))

OP_FN(op_storage_offset)
{
    rets[0] = value_int(view_of(args[0])->layout == LAYOUT_STRIDED ? args[0].as.tensor->offset : 0);
    return ST_OK;
}

OP_FN(op_device)
{
    const View *v = view_of(args[0]);
    rets[0] = (IValue){.tag = TAG_DEVICE, .as.device = {v->device, v->device == DEVICE_CUDA ? 0 : -1}};
    return ST_OK;
}

// A program sees a tensor in a private layout as contiguous.
static bool has_format(const View *v, int64_t format)
{
    if (format == FORMAT_CONTIGUOUS || format == FORMAT_PRESERVE)
        return v->layout != LAYOUT_STRIDED || view_is_contiguous(v);
    return v->layout == LAYOUT_STRIDED && v->ndim == (format == FORMAT_CHANNELS_LAST ? 4 : 5) && view_is_channels_last(v);
}

OP_FN(op_is_contiguous)
{
    rets[0] = value_bool(has_format(view_of(args[0]), site->arg_count > 1 ? args[1].as.i : FORMAT_CONTIGUOUS));
    return ST_OK;
}

OP_FN(op_is_same_size)
{
    rets[0] = value_bool(view_same_shape(view_of(args[0]), view_of(args[1])));
    return ST_OK;
}

OP_FN(op_is_set_to)
{
    const Tensor *a = args[0].as.tensor, *b = args[1].as.tensor;
    bool same = a->storage == b->storage && a->offset == b->offset && a->view.layout == b->view.layout && view_same_shape(&a->view, &b->view);
    for (int d = 0; same && d < a->view.ndim; d++)
        same = a->view.stride[d] == b->view.stride[d];
    rets[0] = value_bool(same);
    return ST_OK;
}

OP_FN(op_requires_grad)
{
    rets[0] = value_bool(args[0].as.tensor->requires_grad);
    return ST_OK;
}

OP_FN(op_is_conj)
{
    rets[0] = value_bool(args[0].as.tensor->bits & TENSOR_CONJ);
    return ST_OK;
}

OP_FN(op_is_neg)
{
    rets[0] = value_bool(args[0].as.tensor->bits & TENSOR_NEG);
    return ST_OK;
}

OP_FN(op_is_nested)
{
    rets[0] = value_bool(args[0].as.tensor->nested);
    return ST_OK;
}

// Constant answers.
OP_FN(answer_false)
{
    rets[0] = value_bool(false);
    return ST_OK;
}

OP_FN(answer_true)
{
    rets[0] = value_bool(true);
    return ST_OK;
}

OP_FN(answer_zero)
{
    rets[0] = value_int(0);
    return ST_OK;
}

OP_FN(answer_none)
{
    rets[0] = value_none();
    return ST_OK;
}

// ---- Promotion ----------------------------------------------------------------------------------------------------------

OP_FN(op_promote_types)
{
    DType both = promote_dtypes((DType)args[0].as.i, (DType)args[1].as.i);
    if (both == DT_INVALID)
        return op_raise("Promotion of these types is not supported");
    rets[0] = value_int(both);
    return ST_OK;
}

OP_FN(op_can_cast)
{
    // Never down a category: complex, floating, integral, bool.
    rets[0] = value_bool(dtype_category((DType)args[0].as.i) <= dtype_category((DType)args[1].as.i));
    return ST_OK;
}

// Tensors with dimensions come first, then 0-dim tensors, then numbers; a later group only raises the category.
OP_FN(op_result_type)
{
    DType group[3] = {DT_INVALID, DT_INVALID, DT_INVALID};
    for (int i = 0; i < 2; i++) {
        bool is_tensor = args[i].tag == TAG_TENSOR;
        int g = !is_tensor || args[i].as.tensor->wrapped_number ? 2 : view_of(args[i])->ndim == 0 ? 1 : 0;
        DType t = is_tensor ? (DType)view_of(args[i])->dtype : args[i].tag == TAG_COMPLEX ? DT_C64 : args[i].tag == TAG_FLOAT ? DT_F32
                  : args[i].tag == TAG_BOOL ? DT_BOOL : DT_I64;
        group[g] = group[g] == DT_INVALID ? t : promote_dtypes(group[g], t);
    }
    DType result = DT_INVALID;
    for (int g = 0; g < 3; g++) {
        if (group[g] == DT_INVALID)
            continue;
        if (result == DT_INVALID)
            result = group[g];
        else if (dtype_category(group[g]) > dtype_category(result))
            result = dtype_is_complex(group[g]) && dtype_is_floating(result) ? promote_dtypes(result == DT_F64 ? DT_C128 : DT_C64, result)
                                                                            : group[g];
    }
    rets[0] = value_int(result);
    return ST_OK;
}

// ---- Values -------------------------------------------------------------------------------------------------------------

OP_FN(op_item)
{
    return tensor_item(lane, args[0].as.tensor, &rets[0]);
}

OP_FN(op_is_nonzero)
{
    bool truth;
    TRY(tensor_truth(lane, args[0].as.tensor, &truth));
    rets[0] = value_bool(truth);
    return ST_OK;
}

// ---- Conversions --------------------------------------------------------------------------------------------------------

// The same tensor when nothing changes and no copy is asked for.
static Status convert(Lane *lane, IValue self, DType dtype, bool copy, IValue format, IValue *ret)
{
    Tensor *t = self.as.tensor;
    int64_t wanted = arg_int_or(format, FORMAT_PRESERVE);
    if (dtype == tensor_dtype(t) && !copy && (wanted == FORMAT_PRESERVE || has_format(&t->view, wanted))) {
        *ret = value_retain(self);
        return ST_OK;
    }
    if (dtype != tensor_dtype(t))
        TRY(check_dtype(dtype));
    Tensor *made;
    TRY(tensor_copy_as(lane, t, dtype, wanted, &made));
    *ret = value_tensor_take(made);
    return ST_OK;
}

// Devices: a job runs on one, so that the device argument of a model changes nothing; "meta" tensors have no data.
static Status check_device(IValue device)
{
    if (device.tag == TAG_DEVICE && device.as.device.kind == DEVICE_META)
        return op_raise("tensors on the device \"meta\" are not supported");
    return ST_OK;
}

OP_FN(op_to_device) // self, device, dtype, non_blocking, copy, memory_format
{
    TRY(check_device(args[1]));
    return convert(lane, args[0], (DType)args[2].as.i, args[4].as.b, args[5], rets);
}

OP_FN(op_to_dtype) // self, dtype, non_blocking, copy, memory_format
{
    return convert(lane, args[0], (DType)args[1].as.i, args[3].as.b, args[4], rets);
}

OP_FN(op_to_other)
{
    return convert(lane, args[0], tensor_dtype(args[1].as.tensor), args[3].as.b, args[4], rets);
}

OP_FN(op_to_dtype_layout) // self, dtype, layout, device, pin_memory, non_blocking, copy, memory_format
{
    TRY(check_device(args[3]));
    return convert(lane, args[0], arg_dtype_or(args[1], tensor_dtype(args[0].as.tensor)), args[6].as.b, args[7], rets);
}

OP_FN(op_to_prim_device) // self, device, dtype, non_blocking, copy
{
    TRY(check_device(args[1]));
    return convert(lane, args[0], arg_dtype_or(args[2], tensor_dtype(args[0].as.tensor)), args[4].as.b, value_none(), rets);
}

OP_FN(op_to_prim_dtype) // self, dtype, non_blocking, copy
{
    return convert(lane, args[0], arg_dtype_or(args[1], tensor_dtype(args[0].as.tensor)), args[3].as.b, value_none(), rets);
}

OP_FN(op_to_prim_other) // self, non_blocking, copy
{
    return convert(lane, args[0], tensor_dtype(args[0].as.tensor), args[2].as.b, value_none(), rets);
}

OP_FN(op_to_copy) // self, dtype, layout, device, pin_memory, non_blocking, memory_format
{
    TRY(check_device(args[3]));
    return convert(lane, args[0], arg_dtype_or(args[1], tensor_dtype(args[0].as.tensor)), true, args[6], rets);
}

OP_FN(op_type_as)
{
    return convert(lane, args[0], tensor_dtype(args[1].as.tensor), false, value_none(), rets);
}

OP_FN(op_cast) // _cast_Float and the like: `data` is the dtype
{
    return convert(lane, args[0], *(const DType *)site->op->data, false, value_none(), rets);
}

OP_FN(op_chalf)
{
    return convert(lane, args[0], DT_C32, false, args[1], rets);
}

OP_FN(op_clone)
{
    return convert(lane, args[0], tensor_dtype(args[0].as.tensor), true, args[1], rets);
}

OP_FN(op_lazy_clone)
{
    return convert(lane, args[0], tensor_dtype(args[0].as.tensor), true, value_none(), rets);
}

OP_FN(op_contiguous)
{
    if (args[1].as.i == FORMAT_PRESERVE && !has_format(view_of(args[0]), FORMAT_PRESERVE))
        return op_raise("preserve memory format is unsupported by the contiguous operator");
    return convert(lane, args[0], tensor_dtype(args[0].as.tensor), false, args[1], rets);
}

// ---- Writing (the interpreter has made argument 0 writable) -------------------------------------------------------------

static Status ret_written(IValue self, IValue *ret)
{
    *ret = value_retain(self);
    return ST_OK;
}

static Status check_broadcast(const View *dst, const View *src)
{
    int n = src->ndim > dst->ndim ? src->ndim : dst->ndim;
    int64_t both[VIEW_MAX_DIMS];
    bool fits = n == dst->ndim;
    for (int i = 1; i <= n; i++) {
        int64_t a = i <= dst->ndim ? dst->size[dst->ndim - i] : 1, b = i <= src->ndim ? src->size[src->ndim - i] : 1;
        if (a != b && a != 1 && b != 1)
            return op_raise("The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d",
                            (long long)a, (long long)b, n - i);
        both[n - i] = a == 1 ? b : a;
        fits = fits && both[n - i] == a;
    }
    return fits ? ST_OK : op_raise("output with shape %s doesn't match the broadcast shape %s", size_text(dst->size, dst->ndim).text,
                                   size_text(both, n).text);
}

static Status copy_into(Lane *lane, Tensor *dst, Tensor *src)
{
    if (src == dst)
        return ST_OK;
    TRY(check_written(dst));
    TRY(check_overlap(dst, src));
    TRY(check_broadcast(&dst->view, &src->view));
    if (dst->storage != src->storage)
        return tensor_copy_into(lane, dst, src);
    Tensor *apart; // they may overlap
    TRY(tensor_copy_as(lane, src, tensor_dtype(src), FORMAT_CONTIGUOUS, &apart));
    Status status = tensor_copy_into(lane, dst, apart);
    tensor_release(apart);
    return status;
}

OP_FN(op_copy_)
{
    TRY(copy_into(lane, args[0].as.tensor, args[1].as.tensor));
    return ret_written(args[0], rets);
}

OP_FN(op_fill_number_)
{
    TRY(tensor_fill(args[0].as.tensor, args[1]));
    return ret_written(args[0], rets);
}

OP_FN(op_fill_tensor_)
{
    const View *v = view_of(args[1]);
    if (v->ndim != 0)
        return op_raise("fill_ only supports 0-dimension value tensor but got tensor with %d dimensions.", v->ndim);
    TRY(copy_into(lane, args[0].as.tensor, args[1].as.tensor));
    return ret_written(args[0], rets);
}

OP_FN(op_zero_)
{
    TRY(tensor_fill(args[0].as.tensor, value_int(0)));
    return ret_written(args[0], rets);
}

// fill, zero, copy: the same into a new tensor; `data` is the in-place operator.
typedef struct WriteOp { OpFn fn; } WriteOp;

OP_FN(op_written_copy)
{
    const WriteOp *op = site->op->data;
    Tensor *t;
    TRY(tensor_new_like(lane, args[0].as.tensor, tensor_dtype(args[0].as.tensor), FORMAT_PRESERVE, &t));
    IValue of_copy[3] = {value_tensor_take(t), site->arg_count > 1 ? args[1] : value_none()};
    Status status = op->fn(lane, site, of_copy, rets);
    tensor_release(t); // the result holds another reference
    return status;
}

OP_FN(op_conj_physical_)
{
    Tensor *t = args[0].as.tensor, *copy;
    if (dtype_is_complex(tensor_dtype(t))) {
        TRY(tensor_copy_as(lane, t, DT_C128, FORMAT_CONTIGUOUS, &copy));
        for (int64_t i = 0, n = tensor_numel(t); i < n; i++)
            ((double *)copy->view.data)[2 * i + 1] *= -1;
        Status status = tensor_copy_into(lane, t, copy);
        tensor_release(copy);
        TRY(status);
    }
    return ret_written(args[0], rets);
}

OP_FN(op_fill_diagonal_)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    if (v->ndim < 2)
        return op_raise("dimensions must larger than 1");
    int64_t step = 0, least = v->size[0];
    for (int d = 0; d < v->ndim; d++) {
        if (v->ndim > 2 && v->size[d] != v->size[0])
            return op_raise("all dimensions of input must be of equal length");
        step += v->stride[d];
        least = v->size[d] < least ? v->size[d] : least;
    }
    View diagonal = {.data = v->data, .dtype = v->dtype, .ndim = 1, .layout = LAYOUT_STRIDED, .size = {least}, .stride = {step}};
    Tensor part = {.view = diagonal};
    TRY(tensor_fill(&part, args[1]));
    if (args[2].as.b && v->ndim == 2 && v->size[0] > v->size[1] + 1) // wrap: the diagonal starts again below
        for (int64_t row = v->size[1] + 1; row < v->size[0]; row += v->size[1] + 1) {
            int64_t rows = v->size[0] - row;
            part.view.size[0] = rows < v->size[1] ? rows : v->size[1];
            part.view.data = (char *)v->data + row * v->stride[0] * (int64_t)dtype_size(tensor_dtype(t));
            TRY(tensor_fill(&part, args[1]));
        }
    return ret_written(args[0], rets);
}

// Another body for the tensor: storage, sizes and strides of `body`, which it gives in exchange.
static void swap_body(Tensor *t, Tensor *body)
{
    // Tensors of a tracked storage stand in its list, where they could not be exchanged: see resize.
    Storage *storage = t->storage;
    View view;
    view_assign(&view, &t->view);
    int64_t offset = t->offset;
    uint8_t bits = t->bits;
    t->storage = body->storage;
    t->bits = body->bits;
    body->bits = bits;
    view_assign(&t->view, &body->view);
    t->offset = body->offset;
    body->storage = storage;
    view_assign(&body->view, &view);
    body->offset = offset;
}

static Status resize(Lane *lane, Tensor *t, int n, const int64_t *size)
{
    size_t bytes, item = dtype_size(tensor_dtype(t));
    TRY(tensor_bytes(tensor_dtype(t), n, size, &bytes));
    if ((size_t)t->offset * item + bytes > t->storage->size) { // a larger body, with what was there at its beginning
        Tensor *grown;
        TRY(tensor_new(lane, tensor_dtype(t), n, size, &grown));
        size_t keep = t->storage->size - (size_t)t->offset * item;
        memcpy(grown->view.data, t->view.data, keep < bytes ? keep : bytes);
        grown->bits = t->bits;
        swap_body(t, grown);
        tensor_release(grown);
        return ST_OK;
    }
    view_set_contiguous(&t->view, n, size);
    return ST_OK;
}

OP_FN(op_resize_)
{
    Tensor *t = args[0].as.tensor;
    int64_t size[VIEW_MAX_DIMS];
    int n;
    if (args[1].tag == TAG_TENSOR) {
        n = view_of(args[1])->ndim;
        memcpy(size, view_of(args[1])->size, (size_t)n * sizeof *size);
    } else {
        TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
    }
    if (t->storage->tracked)
        return op_raise("resize_ of a tensor of the model or of the input is not supported");
    TRY(resize(lane, t, n, size));
    return ret_written(args[0], rets);
}

// x.data = y, x.set_(y): x shows y's storage from now on.
OP_FN(op_set_)
{
    Tensor *t = args[0].as.tensor, *source = args[1].as.tensor, *body;
    if (t->storage->tracked || source->storage->tracked)
        return op_raise("set_ of a tensor of the model or of the input is not supported");
    TRY(tensor_view(lane, source, source->view.ndim, source->view.size, source->view.stride, source->offset, &body));
    swap_body(t, body);
    tensor_release(body);
    if (site->ret_count)
        return ret_written(args[0], rets);
    return ST_OK;
}

OP_FN(op_requires_grad_)
{
    args[0].as.tensor->requires_grad = args[1].as.b;
    return ret_written(args[0], rets);
}

OP_FN(op_detach_)
{
    args[0].as.tensor->requires_grad = false;
    return ret_written(args[0], rets);
}

OP_FN(no_effect)
{
    return ST_OK;
}

static const DType AS_U8 = DT_U8, AS_I8 = DT_I8, AS_I16 = DT_I16, AS_I32 = DT_I32, AS_I64 = DT_I64, AS_F16 = DT_F16, AS_F32 = DT_F32, AS_F64 = DT_F64;

#define ASKS(name, fn) {name, fn, OP_PRIVATE_LAYOUT | OP_BITS, NULL, NULL}
#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define SHOWS(name, fn) {name, fn, OP_BITS, NULL, NULL}
#define WRITES(name, fn) {name, fn, OP_WRITES_ARG0, NULL, NULL}
#define FRESH(name, fn) {name, op_written_copy, 0, &(const WriteOp){fn}, NULL}
#define CAST(name, dtype) {name, op_cast, OP_PRIVATE_LAYOUT | OP_BITS, &dtype, NULL}

const OpBinding OPS_TENSOR[] = {
    ASKS("aten::size", op_size), ASKS("aten::size.int", op_size_int), ASKS("aten::sym_size", op_size),
    ASKS("aten::sym_size.int", op_size_int), ASKS("aten::stride", op_stride), ASKS("aten::stride.int", op_stride_int),
    ASKS("aten::sym_stride", op_stride), ASKS("aten::sym_stride.int", op_stride_int), ASKS("aten::len.Tensor", op_len),
    ASKS("aten::dim", op_dim), ASKS("aten::numel", op_numel), ASKS("aten::sym_numel", op_numel),
    ASKS("aten::storage_offset", op_storage_offset), ASKS("aten::sym_storage_offset", op_storage_offset),
    ASKS("prim::dtype", op_dtype), ASKS("prim::device", op_device), ASKS("prim::layout", answer_zero),
    ASKS("aten::element_size", op_element_size), ASKS("prim::itemsize", op_element_size), ASKS("prim::nbytes", op_nbytes),
    ASKS("aten::is_floating_point", op_is_floating_point), ASKS("aten::is_complex", op_is_complex),
    ASKS("aten::is_signed", op_is_signed), ASKS("prim::is_quantized", op_is_quantized), ASKS("prim::is_cpu", op_is_cpu),
    ASKS("prim::is_cuda", op_is_cuda), ASKS("prim::is_meta", op_is_meta), ASKS("aten::get_device", op_get_device),
    ASKS("aten::is_contiguous", op_is_contiguous), ASKS("aten::is_contiguous.memory_format", op_is_contiguous),
    ASKS("aten::sym_is_contiguous", op_is_contiguous), ASKS("aten::is_strides_like_format", op_is_contiguous),
    ASKS("aten::is_non_overlapping_and_dense", op_is_dense), ASKS("aten::is_same_size", op_is_same_size),
    ASKS("aten::is_set_to", op_is_set_to), ASKS("prim::requires_grad", op_requires_grad),
    ASKS("aten::is_leaf", answer_true), ASKS("aten::is_conj", op_is_conj), ASKS("aten::is_neg", op_is_neg),
    ASKS("aten::is_inference", answer_false), ASKS("aten::is_distributed", answer_false), ASKS("aten::is_pinned", answer_false),
    ASKS("aten::is_coalesced", answer_false), ASKS("aten::_is_zerotensor", answer_false), ASKS("aten::retains_grad", answer_false),
    ASKS("aten::_version", answer_zero), ASKS("aten::output_nr", answer_zero), ASKS("aten::dense_dim", op_dim),
    ASKS("aten::sparse_dim", answer_zero), ASKS("prim::name", answer_none), ASKS("prim::grad", answer_none),
    ASKS("prim::is_sparse", answer_false), ASKS("prim::is_sparse_csr", answer_false), ASKS("prim::is_mkldnn", answer_false),
    ASKS("prim::is_nested", op_is_nested), ASKS("prim::is_xpu", answer_false), ASKS("prim::is_xla", answer_false),
    ASKS("prim::is_vulkan", answer_false), ASKS("prim::is_mps", answer_false), ASKS("prim::is_ipu", answer_false),
    ASKS("prim::is_ort", answer_false), ASKS("prim::is_maia", answer_false), ASKS("prim::is_mtia", answer_false),
    ROW("aten::promote_types", op_promote_types), ROW("aten::can_cast", op_can_cast),
    ASKS("aten::result_type.Tensor", op_result_type), ASKS("aten::result_type.Scalar", op_result_type),
    ASKS("aten::result_type.Scalar_Tensor", op_result_type), ASKS("aten::result_type.Scalar_Scalar", op_result_type),

    ROW("aten::item", op_item), ROW("aten::_local_scalar_dense", op_item), ROW("aten::is_nonzero", op_is_nonzero),
    ASKS("aten::to.device", op_to_device), ASKS("aten::to.dtype", op_to_dtype), ASKS("aten::to.other", op_to_other),
    ASKS("aten::to.dtype_layout", op_to_dtype_layout), ASKS("aten::to.prim_Device", op_to_prim_device),
    ASKS("aten::to.prim_dtype", op_to_prim_dtype), ASKS("aten::to.prim_other", op_to_prim_other),
    ASKS("aten::_to_copy", op_to_copy), ASKS("aten::_lazy_clone", op_lazy_clone), ASKS("aten::type_as", op_type_as), ASKS("aten::clone", op_clone),
    ASKS("aten::contiguous", op_contiguous), ASKS("aten::chalf", op_chalf),
    CAST("aten::_cast_Byte", AS_U8), CAST("aten::_cast_Char", AS_I8), CAST("aten::_cast_Short", AS_I16),
    CAST("aten::_cast_Int", AS_I32), CAST("aten::_cast_Long", AS_I64), CAST("aten::_cast_Half", AS_F16),
    CAST("aten::_cast_Float", AS_F32), CAST("aten::_cast_Double", AS_F64),

    WRITES("aten::copy_", op_copy_), WRITES("aten::copy_.Tensor", op_copy_), WRITES("aten::copy_.int", op_fill_number_),
    WRITES("aten::copy_.float", op_fill_number_), WRITES("aten::fill_.Scalar", op_fill_number_),
    WRITES("aten::fill_.Tensor", op_fill_tensor_), WRITES("aten::_no_grad_fill_", op_fill_number_),
    WRITES("aten::zero_", op_zero_), WRITES("aten::_no_grad_zero_", op_zero_), WRITES("aten::fill_diagonal_", op_fill_diagonal_),
    WRITES("aten::conj_physical_", op_conj_physical_), {"aten::resize_", op_resize_, OP_WRITES_ARG0 | OP_BITS, NULL, NULL},
    {"aten::resize_as_", op_resize_, OP_WRITES_ARG0 | OP_BITS, NULL, NULL},
    FRESH("aten::fill.Scalar", op_fill_number_), FRESH("aten::fill.Tensor", op_fill_tensor_), FRESH("aten::zero", op_zero_),
    FRESH("aten::copy", op_copy_),
    SHOWS("aten::set_.source_Tensor", op_set_), SHOWS("aten::set_data", op_set_), SHOWS("aten::shallow_copy_data_", op_set_), SHOWS("aten::requires_grad_", op_requires_grad_),
    SHOWS("aten::detach_", op_detach_), SHOWS("aten::retain_grad", no_effect), SHOWS("aten::record_stream", no_effect),
    {0},
};
