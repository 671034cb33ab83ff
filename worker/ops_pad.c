// Padding: constant, and by reflection, replication or wrapping around.
#include "kernels/copy.h"
#include "worker/ops_index.h"
#include "worker/pointwise.h"

typedef enum PadMode { PAD_CONSTANT, PAD_REFLECT, PAD_REPLICATE, PAD_CIRCULAR } PadMode;

typedef struct Padding {
    int ndim;
    int64_t before[VIEW_MAX_DIMS], after[VIEW_MAX_DIMS]; // per dimension, negative crops
} Padding;

// pad holds pairs, the last dimension first.
static Status read_padding(const View *v, IValue list, Padding *p)
{
    int64_t pad[2 * VIEW_MAX_DIMS];
    int n;
    *p = (Padding){.ndim = v->ndim};
    TRY(arg_ints(list, pad, 2 * VIEW_MAX_DIMS, &n));
    if (n % 2)
        return op_raise("Length of pad must be even but instead it equals %d", n);
    if (n / 2 > v->ndim)
        return op_raise("Length of pad should be no more than twice the number of dimensions of the input. Pad length is %d while the input has %d dimensions.", n, v->ndim);
    for (int i = 0; i < n / 2; i++) {
        p->before[v->ndim - 1 - i] = pad[2 * i];
        p->after[v->ndim - 1 - i] = pad[2 * i + 1];
    }
    return ST_OK;
}

static Status padded_tensor(Lane *lane, Tensor *self, const Padding *p, Tensor **out)
{
    View like = self->view;
    like.constant = false;
    for (int d = 0; d < p->ndim; d++) {
        like.size[d] += p->before[d] + p->after[d];
        if (like.size[d] < 0)
            return op_raise("The input size %lld, plus negative padding %lld and %lld resulted in a negative output size, which is invalid. Check dimension %d of your input.",
                            (long long)self->view.size[d], (long long)p->before[d], (long long)p->after[d], d);
    }
    if (view_is_channels_last(&self->view) && !view_is_contiguous(&self->view)) {
        int64_t step = 1;
        for (int i = 0; i < like.ndim; i++) {
            int d = i == 0 ? 1 : i == like.ndim - 1 ? 0 : like.ndim - i;
            like.stride[d] = step;
            step *= like.size[d] > 1 ? like.size[d] : 1;
        }
    } else {
        view_set_contiguous(&like, like.ndim, like.size);
    }
    return tensor_new_as(lane, &like, out);
}

// Copies what of self is inside the result to its place.
static Status copy_centre(Tensor *self, const Padding *p, Tensor *out)
{
    View from = self->view, to = out->view;
    int64_t read = 0, write = 0;
    for (int d = 0; d < p->ndim; d++) {
        int64_t skip = p->before[d] < 0 ? -p->before[d] : 0, cut = p->after[d] < 0 ? -p->after[d] : 0;
        from.size[d] -= skip + cut;
        if (from.size[d] <= 0)
            return ST_OK;
        read += skip * from.stride[d];
        write += (p->before[d] > 0 ? p->before[d] : 0) * to.stride[d];
        to.size[d] = from.size[d];
    }
    int64_t element = (int64_t)dtype_size(tensor_dtype(self));
    from.data = (char *)from.data + read * element;
    to.data = (char *)to.data + write * element;
    return copy_convert(&to, &from);
}

static Status pad_constant(Lane *lane, Tensor *self, const Padding *p, IValue value, IValue *rets)
{
    Tensor *out, *cell;
    TRY(tensor_from_scalar(lane, value, tensor_dtype(self), &cell));
    Status status = padded_tensor(lane, self, p, &out);
    if (status != ST_OK) {
        tensor_release(cell);
        return status;
    }
    // Slabs around the centre: each dimension fills what the ones before it left.
    View rest = out->view;
    for (int d = 0; d < p->ndim && status == ST_OK; d++) {
        int64_t before = p->before[d] > 0 ? p->before[d] : 0, after = p->after[d] > 0 ? p->after[d] : 0;
        int64_t n = rest.size[d], element = (int64_t)dtype_size((DType)rest.dtype);
        before = before < n ? before : n;
        after = after < n - before ? after : n - before;
        View slab = rest;
        slab.size[d] = before;
        if (before)
            status = copy_convert(&slab, &cell->view);
        slab.size[d] = after;
        slab.data = (char *)rest.data + (n - after) * rest.stride[d] * element;
        if (after && status == ST_OK)
            status = copy_convert(&slab, &cell->view);
        rest.size[d] = n - before - after;
        rest.data = (char *)rest.data + before * rest.stride[d] * element;
    }
    tensor_release(cell);
    if (status == ST_OK)
        status = copy_centre(self, p, out);
    return give_tensor(status, out, rets);
}

// Which element of a padded dimension element i repeats. n: size of the source, of which `before` (negative: crops) lie in
// front; what is wrapped around is what cropping left.
static int64_t source_of(PadMode mode, int64_t i, int64_t before, int64_t n, int64_t left)
{
    int64_t at = i - before, front = before > 0 ? before : 0;
    switch (mode) {
    case PAD_REFLECT: return (at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at) + before;
    case PAD_REPLICATE: return (at < 0 ? 0 : at >= n ? n - 1 : at) + before;
    default: return (((i - front) % left) + left) % left + front;
    }
}

// The centre is copied; then, dimension by dimension, the slices beside it from slices that are there already.
static Status pad_from_self(Lane *lane, Tensor *self, const Padding *p, PadMode mode, IValue *rets)
{
    Tensor *out;
    for (int d = 0; d < p->ndim; d++) {
        int64_t n = self->view.size[d], most = p->before[d] > p->after[d] ? p->before[d] : p->after[d];
        if (mode == PAD_REFLECT && (p->before[d] || p->after[d]) && most >= n)
            return op_raise("Padding size should be less than the corresponding input dimension, but got: padding (%lld, %lld) at dimension %d of input",
                            (long long)p->before[d], (long long)p->after[d], d);
        if (mode == PAD_CIRCULAR && most > n)
            return op_raise("Padding value causes wrapping around more than once.");
        if (n == 0 && most > 0)
            return op_raise("Expected a non-empty tensor for padding");
    }
    TRY(padded_tensor(lane, self, p, &out));
    Status status = copy_centre(self, p, out);
    View filled = out->view; // shrunk to what has been filled in the dimensions not done yet
    int64_t element = (int64_t)dtype_size(tensor_dtype(self));
    for (int d = 0; d < p->ndim; d++) {
        int64_t before = p->before[d] > 0 ? p->before[d] : 0, after = p->after[d] > 0 ? p->after[d] : 0;
        filled.data = (char *)filled.data + before * filled.stride[d] * element;
        filled.size[d] -= before + after;
    }
    for (int d = 0; d < p->ndim && status == ST_OK; d++) {
        int64_t before = p->before[d] > 0 ? p->before[d] : 0, n = filled.size[d], whole = out->view.size[d];
        char *start = (char *)filled.data - before * filled.stride[d] * element;
        for (int64_t i = 0; i < whole && status == ST_OK; i++) {
            if (i == before)
                i += n;
            if (i >= whole)
                break;
            int64_t from = source_of(mode, i, p->before[d], self->view.size[d], n);
            View a = filled, b = filled;
            a.size[d] = b.size[d] = 1;
            a.data = start + from * filled.stride[d] * element;
            b.data = start + i * filled.stride[d] * element;
            status = copy_convert(&b, &a);
        }
        filled.data = start;
        filled.size[d] = whole;
    }
    return give_tensor(status, out, rets);
}

OP_FN(op_constant_pad)
{
    (void)site;
    Padding p;
    TRY(read_padding(&args[0].as.tensor->view, args[1], &p));
    return pad_constant(lane, args[0].as.tensor, &p, args[2], rets);
}

OP_FN(op_pad)
{
    (void)site;
    Padding p;
    Str mode = str_of_value(args[2]);
    TRY(read_padding(&args[0].as.tensor->view, args[1], &p));
    if (str_is(mode, "constant"))
        return pad_constant(lane, args[0].as.tensor, &p, arg_is_none(args[3]) ? value_int(0) : args[3], rets);
    if (!arg_is_none(args[3]) && arg_double(args[3]) != 0)
        return op_raise("Padding mode \"" STR_FMT "\" doesn't take in value argument", STR_ARG(mode));
    if (str_is(mode, "reflect"))
        return pad_from_self(lane, args[0].as.tensor, &p, PAD_REFLECT, rets);
    if (str_is(mode, "replicate"))
        return pad_from_self(lane, args[0].as.tensor, &p, PAD_REPLICATE, rets);
    if (str_is(mode, "circular"))
        return pad_from_self(lane, args[0].as.tensor, &p, PAD_CIRCULAR, rets);
    return op_raise("Unrecognised padding mode " STR_FMT, STR_ARG(mode));
}

// reflection_padNd and replication_padNd: (self, padding); the row says which.
OP_FN(op_pad_mode)
{
    const ScatterRow *row = site->op->data;
    Padding p;
    TRY(read_padding(&args[0].as.tensor->view, args[1], &p));
    return pad_from_self(lane, args[0].as.tensor, &p, row->op ? PAD_REPLICATE : PAD_REFLECT, rets);
}
