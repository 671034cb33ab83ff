// Operator bindings: differences and gradients along dimensions, as sequences of slices and arithmetic.
#include "worker/op_util.h"
#include "worker/sequence.h"

#define NONE value_none()
#define INT value_int
#define ADD(a, b) STEP(q, "aten::add.Tensor", a, b, INT(1))
#define SUB(a, b) STEP(q, "aten::sub.Tensor", a, b, INT(1))
#define MUL(a, b) STEP(q, "aten::mul.Tensor", a, b)
#define DIV(a, b) STEP(q, "aten::div.Tensor", a, b)
#define TIMES(a, number) STEP(q, "aten::mul.Scalar", a, number)
#define OVER(a, number) STEP(q, "aten::div.Scalar", a, number)

static IValue part(Sequence *q, IValue x, int dim, int64_t from, IValue to)
{
    return STEP(q, "aten::slice.Tensor", x, INT(dim), INT(from), to, INT(1));
}
static IValue element(Sequence *q, IValue x, int dim, int64_t at) { return part(q, x, dim, at, at == -1 ? NONE : INT(at + 1)); }

static IValue joined(Sequence *q, int n, const IValue *parts, int dim)
{
    if (q->status != ST_OK)
        return NONE;
    ListObj *list = list_new(type_of_kind(q->lane->types, TYPE_TENSOR), (uint32_t)n);
    if (!list) {
        q->status = ST_MEMORY;
        return NONE;
    }
    IValue held = sequence_keep(q, ST_OK, value_list_take(list));
    for (int i = 0; i < n && q->status == ST_OK; i++)
        if (parts[i].tag == TAG_TENSOR)
            q->status = list_push_take(list, value_retain(parts[i]));
    return STEP(q, "aten::cat", held, INT(dim));
}

// ---- diff: self, n, dim, prepend, append

static Status check_joinable(const View *self, IValue other, int dim)
{
    if (other.tag != TAG_TENSOR)
        return ST_OK;
    const View *v = &other.as.tensor->view;
    if (v->ndim != self->ndim)
        return op_raise("diff expects prepend or append to be the same dimension as input");
    for (int d = 0; d < v->ndim; d++)
        if (d != dim && v->size[d] != self->size[d])
            return op_raise("diff expects the shape of tensor to prepend or append to match that of input except along the differencing dimension; "
                            "input.size(%d) = %lld, but got tensor.size(%d) = %lld",
                            d, (long long)self->size[d], d, (long long)v->size[d]);
    return ST_OK;
}

OP_FN(op_diff)
{
    Tensor *self = args[0].as.tensor;
    int64_t n = args[1].as.i;
    int dim;
    if (self->view.ndim < 1)
        return op_raise("diff expects input to be at least one-dimensional");
    TRY(wrap_dim(args[2].as.i, self->view.ndim, &dim));
    TRY(check_joinable(&self->view, args[3], dim));
    TRY(check_joinable(&self->view, args[4], dim));
    if (n < 0)
        return op_raise("order must be non-negative but got %lld", (long long)n);
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    IValue x = args[0];
    if (n == 0)
        return sequence_give(q, STEP(q, "aten::clone", x, NONE), rets);
    if (args[3].tag == TAG_TENSOR || args[4].tag == TAG_TENSOR)
        x = joined(q, 3, (IValue[]){args[3], x, args[4]}, dim);
    int64_t size = q->status == ST_OK ? x.as.tensor->view.size[dim] : 0;
    n = n > size ? size : n;
    SequenceMark mark = sequence_mark(q);
    for (int64_t i = 0; i < n && q->status == ST_OK; i++) {
        IValue after = part(q, x, dim, 1, NONE), before = part(q, x, dim, 0, INT(size - i - 1));
        bool truth = tensor_dtype(self) == DT_BOOL;
        x = sequence_rewind(q, mark, truth ? STEP(q, "aten::logical_xor", after, before) : SUB(after, before));
    }
    if (n == 0)
        x = STEP(q, "aten::clone", x, NONE);
    return sequence_give(q, x, rets);
}

// ---- gradient

typedef struct Gradient {
    const IValue *args;
    int count, dim[VIEW_MAX_DIMS];
    IValue spacing[VIEW_MAX_DIMS]; // number or tensor of coordinates
    int64_t edge_order;
} Gradient;

// Which arguments an overload has; -1: none. The order of edges comes last.
typedef struct GradientRow { int8_t spacing, dim; } GradientRow;

static Status gradient_dims(Gradient *g, const View *self, IValue dim)
{
    int64_t dims[VIEW_MAX_DIMS];
    bool seen[VIEW_MAX_DIMS] = {0};
    g->count = self->ndim;
    if (!arg_is_none(dim))
        TRY(arg_ints(dim, dims, VIEW_MAX_DIMS, &g->count));
    for (int i = 0; i < g->count; i++) {
        g->dim[i] = i;
        if (!arg_is_none(dim))
            TRY(wrap_dim(dims[i], self->ndim, &g->dim[i]));
        if (seen[g->dim[i]])
            return op_raise("dim %d appears multiple times in the list of dims", g->dim[i]);
        seen[g->dim[i]] = true;
    }
    return ST_OK;
}

static Status gradient_spacing(Gradient *g, const View *self, IValue spacing)
{
    for (int i = 0; i < g->count; i++)
        g->spacing[i] = arg_is_none(spacing) ? INT(1) : spacing;
    if (spacing.tag != TAG_LIST)
        return ST_OK;
    const ListObj *list = spacing.as.list;
    if ((int)list->len != g->count)
        return op_raise("torch.gradient expected spacing to be unspecified, a scalar or a list of length equal to 'self.dim() = %d', but got a list of length %u",
                        g->count, list->len);
    for (int i = 0; i < g->count; i++) {
        g->spacing[i] = list->items[i];
        if (list->items[i].tag != TAG_TENSOR)
            continue;
        const View *v = &list->items[i].as.tensor->view;
        if (v->ndim != 1)
            return op_raise("torch.gradient expected each element of spacing to have one dimension, but got an element with %d dimensions!", v->ndim);
        if (v->size[0] != self->size[g->dim[i]])
            return op_raise("torch.gradient expected each element to have a corresponding coordinate, but got %lld coordinates for dimension %d of size %lld",
                            (long long)v->size[0], g->dim[i], (long long)self->size[g->dim[i]]);
    }
    return ST_OK;
}

// The middle and both ends, over even steps.
static IValue gradient_even(Sequence *q, IValue x, int dim, IValue step, bool second)
{
    IValue center = OVER(SUB(part(q, x, dim, 2, NONE), part(q, x, dim, 0, INT(-2))), step), first, last;
    center = OVER(center, INT(2));
    if (second) {
        first = SUB(ADD(TIMES(element(q, x, dim, 0), value_float(-1.5)), TIMES(element(q, x, dim, 1), INT(2))), TIMES(element(q, x, dim, 2), value_float(0.5)));
        last = ADD(SUB(TIMES(element(q, x, dim, -3), value_float(0.5)), TIMES(element(q, x, dim, -2), INT(2))), TIMES(element(q, x, dim, -1), value_float(1.5)));
    } else {
        first = SUB(element(q, x, dim, 1), element(q, x, dim, 0));
        last = SUB(element(q, x, dim, -1), element(q, x, dim, -2));
    }
    return joined(q, 3, (IValue[]){OVER(first, step), center, OVER(last, step)}, dim);
}

static IValue weighted(Sequence *q, const IValue *weights, const IValue *values)
{
    return ADD(ADD(MUL(values[0], weights[0]), MUL(values[1], weights[1])), MUL(values[2], weights[2]));
}

// Weights of three neighbours for the slope in the first, the middle or the last of them (at 0, 1, 2); b and c are the two steps.
static IValue slope(Sequence *q, int at, IValue b, IValue c, const IValue *values)
{
    IValue sum = ADD(b, c), left = MUL(b, sum), right = MUL(c, sum), minus = INT(-1);
    if (at == 1)
        return weighted(q, (IValue[]){TIMES(DIV(c, left), minus), DIV(SUB(c, b), MUL(b, c)), DIV(b, right)}, values);
    IValue middle = DIV(sum, MUL(b, c));
    if (at == 0)
        return weighted(q, (IValue[]){TIMES(DIV(ADD(sum, b), left), minus), middle, TIMES(DIV(b, right), minus)}, values);
    return weighted(q, (IValue[]){DIV(c, left), TIMES(middle, minus), DIV(ADD(sum, c), right)}, values);
}

static IValue gradient_at(Sequence *q, IValue x, int dim, IValue coordinates, bool second)
{
    if (q->status != ST_OK)
        return NONE;
    int64_t shape[VIEW_MAX_DIMS];
    for (int d = 0; d < x.as.tensor->view.ndim; d++)
        shape[d] = d == dim ? -1 : 1;
    IValue steps = SUB(part(q, coordinates, 0, 1, NONE), part(q, coordinates, 0, 0, INT(-1)));
    steps = STEP(q, "aten::view", steps, sequence_ints(q, x.as.tensor->view.ndim, shape));
    SequenceMark mark = sequence_mark(q);
    IValue around[3] = {part(q, x, dim, 0, INT(-2)), part(q, x, dim, 1, INT(-1)), part(q, x, dim, 2, NONE)};
    IValue center = sequence_rewind(q, mark, slope(q, 1, part(q, steps, dim, 0, INT(-1)), part(q, steps, dim, 1, NONE), around)), first, last;
    mark = sequence_mark(q);
    if (second) {
        IValue begin[3] = {element(q, x, dim, 0), element(q, x, dim, 1), element(q, x, dim, 2)};
        first = sequence_rewind(q, mark, slope(q, 0, element(q, steps, dim, 0), element(q, steps, dim, 1), begin));
        mark = sequence_mark(q);
        IValue end[3] = {element(q, x, dim, -3), element(q, x, dim, -2), element(q, x, dim, -1)};
        last = sequence_rewind(q, mark, slope(q, 2, element(q, steps, dim, -2), element(q, steps, dim, -1), end));
    } else {
        first = DIV(SUB(element(q, x, dim, 1), element(q, x, dim, 0)), element(q, steps, dim, 0));
        last = DIV(SUB(element(q, x, dim, -1), element(q, x, dim, -2)), element(q, steps, dim, -1));
    }
    return joined(q, 3, (IValue[]){first, center, last}, dim);
}

OP_FN(op_gradient)
{
    const GradientRow *row = site->op->data;
    const View *self = &args[0].as.tensor->view;
    Gradient g = {.args = args, .edge_order = args[site->arg_count - 1].as.i};
    TRY(gradient_dims(&g, self, row->dim < 0 ? NONE : args[row->dim]));
    TRY(gradient_spacing(&g, self, row->spacing < 0 ? NONE : args[row->spacing]));
    if (g.edge_order != 1 && g.edge_order != 2)
        return op_raise("torch.gradient only supports edge_order=1 and edge_order=2.");
    for (int i = 0; i < g.count; i++)
        if (self->size[g.dim[i]] < g.edge_order + 1)
            return op_raise("torch.gradient expected each dimension size to be at least edge_order+1");
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    Tensor *made[VIEW_MAX_DIMS];
    int count = 0;
    for (int i = 0; i < g.count && q->status == ST_OK; i++) {
        SequenceMark mark = sequence_mark(q);
        IValue r = g.spacing[i].tag == TAG_TENSOR ? gradient_at(q, args[0], g.dim[i], g.spacing[i], g.edge_order == 2)
                                                  : gradient_even(q, args[0], g.dim[i], g.spacing[i], g.edge_order == 2);
        if (q->status == ST_OK)
            made[count++] = tensor_retain(r.as.tensor);
        if (q->status == ST_OK)
            sequence_rewind(q, mark, INT(0));
    }
    if (q->status == ST_OK)
        q->status = list_of_tensors_take(lane, made, count, &rets[0]);
    else
        while (count)
            tensor_release(made[--count]);
    return sequence_end(q);
}

#define GRADIENT(name, spacing, dim) {"aten::gradient." name, op_gradient, 0, &(const GradientRow){spacing, dim}, sequence_free}

const OpBinding OPS_DIFFERENCE[] = {
    {"aten::diff", op_diff, 0, NULL, sequence_free},
    GRADIENT("scalarint", 1, 2), GRADIENT("scalararray", 1, 2), GRADIENT("array", -1, 1), GRADIENT("scalarrayint", 1, 2),
    GRADIENT("scalarrayarray", 1, 2), GRADIENT("tensorarrayint", 1, 2), GRADIENT("tensorarray", 1, 2),
    {0},
};
