// Operator bindings: what the optimiser fuses (the tsb:: rows of ir/ops.def).
// The optimiser does not know shapes: an addend that is not shaped like the result is added in a pass of its own.
#include "worker/ops_heavy.h"

#include <string.h>

// The act, lo and hi arguments, from `first` on.
static Status act_args(const IValue *args, int first, ActParams *p)
{
    Act act;
    memset(p, 0, sizeof *p);
    if (!act_from_name(str_of_value(args[first]), &act))
        return status_fail(ST_INTERNAL, "unknown activation '" STR_FMT "'", STR_ARG(str_of_value(args[first])));
    p->act = (int32_t)act;
    p->lo = (float)arg_double(args[first + 1]);
    p->hi = (float)arg_double(args[first + 2]);
    return ST_OK;
}

static Status add_act(Lane *lane, Site *site, const ActParams *p, Tensor *y_taken, Tensor *add, Tensor **out)
{
    Tensor *in[2] = {y_taken, add};
    Status s = kernel_call(lane, site, &kernel_add_act, p, sizeof *p, in, 2, out, 1);
    tensor_release(y_taken);
    return s;
}

// tsb::conv(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, add, act, lo, hi)
static Status op_conv(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    ConvParams p;
    ActParams a;
    Tensor *out, *in[4] = {arg_tensor(args[0]), arg_tensor(args[1]), arg_tensor(args[2]), arg_tensor(args[9])}, *add = in[3];
    TRY(act_args(args, 10, &a));
    TRY(conv_params_from(args, &p));
    p.act = a.act;
    p.lo = a.lo;
    p.hi = a.hi;
    Status s = kernel_call(lane, site, &kernel_conv, &p, sizeof p, in, add ? 4 : 3, &out, 1);
    if (s == ST_UNSUPPORTED && add) {
        p.act = ACT_NONE;
        p.lo = p.hi = 0;
        TRY(kernel_call(lane, site, &kernel_conv, &p, sizeof p, in, 3, &out, 1));
        s = add_act(lane, site, &a, out, add, &out);
    }
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

static Status linear_add_act(Lane *lane, Site *site, const ActParams *a, Tensor *in[4], Tensor **out)
{
    Tensor *add = in[3];
    Status s = kernel_call(lane, site, &kernel_linear, a, sizeof *a, in, add ? 4 : 3, out, 1);
    if (s != ST_UNSUPPORTED || !add)
        return s;
    ActParams none;
    memset(&none, 0, sizeof none);
    TRY(kernel_call(lane, site, &kernel_linear, &none, sizeof none, in, 3, out, 1));
    return add_act(lane, site, a, *out, add, out);
}

// tsb::linear(input, weight, bias, add, act, lo, hi)
static Status op_linear(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    ActParams a;
    Tensor *out, *in[4] = {arg_tensor(args[0]), arg_tensor(args[1]), arg_tensor(args[2]), arg_tensor(args[3])}, *rows = NULL;
    TRY(act_args(args, 4, &a));
    // A residual seen through a transposition (attention over [steps, batch, features]) is put in the result's order first:
    // fast products only add to what lies like their result.
    if (in[3] && !view_is_contiguous(&in[3]->view)) {
        TRY(tensor_contiguous(lane, in[3], &rows));
        in[3] = rows;
    }
    Status s = linear_add_act(lane, site, &a, in, &out);
    if (rows)
        tensor_release(rows);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

const OpBinding OPS_FUSED[] = {
    {"tsb::conv", op_conv, OP_PRIVATE_LAYOUT, NULL, NULL},
    {"tsb::linear", op_linear, 0, NULL, NULL},
    {0},
};
