// Kernels are prepared, then run.
//
// An operator has an ordered list of variants, fast first, the plain C reference last. kernel_prepare gives the operand
// signatures (and constant operands' data) to each in turn; the first that does not decline wins. Preparing may allocate,
// choose algorithms and pack weights; running allocates nothing, and takes plain views. A prepared kernel belongs to one
// lane and is used by one thread at a time.
#ifndef TSB_KERNELS_KERNEL_H
#define TSB_KERNELS_KERNEL_H

#include "kernels/view.h"

enum { KERNEL_MAX_INPUTS = 16, KERNEL_MAX_OUTPUTS = 8 };

typedef struct Stream Stream; // CUDA stream; NULL on the CPU

// Where packed weights live: once per process, or once per node (shared window). See kernels/pack.h.
typedef struct PackStore PackStore;

typedef struct KernelContext {
    PackStore *packs;
    int threads; // inside one kernel
    bool reference_only; // tests: skip every variant but the last
} KernelContext;

typedef struct Kernel Kernel;

// One implementation of an operator. `params` points to the operator's parameter struct (kernels/ops.h), which the
// kernel must copy if it needs it after prepare.
typedef struct KernelVariant {
    const char *name; // "dnnl", "reference", shown by --profile
    uint8_t device;   // DeviceKind
    // Fills k->outputs (all but data), k->scratch_bytes and k->state. ST_DECLINED: not for these operands.
    // An absent optional operand has dtype DT_INVALID.
    Status (*prepare)(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in);
    // Outputs have the signatures that prepare gave; none overlaps an input unless k->in_place says so.
    Status (*run)(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream);
    void (*destroy)(Kernel *k); // frees state; may be NULL
} KernelVariant;

struct Kernel {
    const KernelVariant *variant;
    void *state;
    size_t scratch_bytes;
    int output_count;
    View outputs[KERNEL_MAX_OUTPUTS];
    // Output 0 may be written over this input (same bytes), -1: none. The caller uses it when that operand dies here.
    int in_place;
    double flops; // of one run, 0 when not worth counting; for --profile and the FMA share
};

// An operator's ordered list of variants, ended by a row without a name. The lists are in kernels/registry.c.
typedef struct KernelOp {
    const char *name; // "conv"
    const KernelVariant *variants;
} KernelOp;

// kernels/ops.h declares one `extern const KernelOp kernel_conv;` per operator.
Status kernel_prepare(Kernel *k, const KernelOp *op, const KernelContext *ctx, const void *params, const View *in, int n_in);
void kernel_destroy(Kernel *k); // a zeroed Kernel is fine

// kernels/pack.h in short: bytes computed once from constant operands and shared by every lane and every rank of a node.
// `key` must name everything the bytes depend on (operand address, shape, algorithm, ISA). fill is called by exactly one
// caller per store; the others wait for it. The pointer stays valid as long as the store.
Status pack_get(PackStore *s, const void *key, size_t key_size, size_t bytes, Status (*fill)(void *ctx, void *bytes), void *ctx, const void **out);
Status pack_store_new(PackStore **out);                                  // private memory
Status pack_store_attach(PackStore **out, void *window, size_t size, bool first); // memory shared by the node's ranks; `first` initialises it, before the others attach
size_t pack_store_used(const PackStore *s);
void pack_store_free(PackStore *s);

#endif
