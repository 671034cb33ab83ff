// Preparing a kernel: the first variant of an operator's ordered list that takes the operands.
// Running one is a call through k->variant->run; nothing of it passes through here.
#include "kernels/isa.h"
#include "kernels/kernel.h"

static uint8_t device_of(const View *in, int n_in)
{
    for (int i = 0; i < n_in; i++)
        if (in[i].dtype != DT_INVALID && in[i].device != DEVICE_CPU)
            return in[i].device;
    return DEVICE_CPU;
}

static Status no_variant(const KernelOp *op, const View *in, int n_in)
{
    for (int i = 0; i < n_in; i++)
        if (in[i].dtype != DT_INVALID)
            return status_fail(ST_UNSUPPORTED, "\"%s\" not implemented for '%s'", op->name, dtype_torch_name((DType)in[i].dtype));
    return status_fail(ST_UNSUPPORTED, "\"%s\" not implemented without tensors", op->name);
}

Status kernel_prepare(Kernel *k, const KernelOp *op, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    uint8_t device = device_of(in, n_in);
    kernel_thread_init(ctx->threads); // what is prepared here runs on this thread
    for (const KernelVariant *v = op->variants; v->name; v++) {
        bool last = !v[1].name || v[1].device != v->device;
        if (v->device != device || (ctx->reference_only && !last))
            continue;
        *k = (Kernel){.variant = v, .in_place = -1};
        Status s = v->prepare(k, ctx, params, in, n_in);
        if (s == ST_OK)
            return ST_OK;
        kernel_destroy(k);
        if (s != ST_DECLINED)
            return s;
    }
    return no_variant(op, in, n_in);
}

void kernel_destroy(Kernel *k)
{
    if (k->variant && k->variant->destroy)
        k->variant->destroy(k);
    *k = (Kernel){.in_place = -1};
}
