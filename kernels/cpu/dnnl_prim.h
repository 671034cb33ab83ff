// One oneDNN primitive with its memory arguments: made once when a kernel is prepared, run many times.
// Everything is created before the first run; running sets addresses and allocates nothing (the library's scratchpad is
// part of the kernel's scratch).
#ifndef TSB_KERNELS_CPU_DNNL_PRIM_H
#define TSB_KERNELS_CPU_DNNL_PRIM_H

#include "kernels/cpu/dnnl_common.h"

#include <dnnl.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t Md; // owned
#define MD_REF(md) (md)
typedef const_dnnl_memory_desc_t MdRef;
#else
typedef struct Md {
    dnnl_memory_desc_t d;
    bool set;
} Md;
#define MD_REF(md) ((md).set ? &(md).d : NULL)
typedef const dnnl_memory_desc_t *MdRef;
#endif

// A failed call of the library as a Status.
Status dnnl_check(dnnl_status_t s, const char *what);
dnnl_engine_t dnnl_cpu_engine(void); // one per process; NULL when the library cannot make one
Status dnnl_data_type(DType t, dnnl_data_type_t *out); // ST_DECLINED when it has none

// Descriptors: all-zero is empty. md_free on an empty one is fine.
void md_free(Md *md);
Status md_strided(Md *out, DType t, int ndim, const int64_t *size, const int64_t *stride);
Status md_layout(Md *out, DType t, Layout layout, int ndim, const int64_t *size); // LAYOUT_STRIDED: contiguous
Status md_any(Md *out, DType t, int ndim, const int64_t *size);
Status md_of_view(Md *out, const View *v);
bool md_equal(MdRef a, MdRef b);
size_t md_size(MdRef md);
// Which of our layouts a descriptor is; ST_DECLINED when none, or when a block is not full.
Status md_to_layout(MdRef md, DType t, int ndim, const int64_t *size, Layout *out);
void md_key(PackKey *k, MdRef md);

typedef dnnl_primitive_desc_t Pd;
MdRef pd_md(Pd pd, int what); // dnnl_query_src_md, …; lives as long as pd
void pd_free(Pd pd);
bool pd_is_reference(Pd pd); // the library's slow and general implementation

typedef dnnl_primitive_attr_t Attr;
Status attr_new(Attr *out); // scratchpad from the user
void attr_free(Attr a);
// out = act(result + sum_operand): appends what is asked for. ST_DECLINED when the library lacks `act`.
Status attr_post_ops(Attr a, bool sum, Act act, float lo, float hi);
bool dnnl_has_act(Act act);

typedef struct ConvGeometry {
    const int64_t *stride, *dilation, *padding, *padding_end; // dilation as PyTorch counts it: 1 is dense
    int spatial;
    bool transposed;
} ConvGeometry;
Status pd_conv(Pd *out, const ConvGeometry *g, MdRef src, MdRef weight, MdRef bias, MdRef dst, Attr a);
Status pd_inner_product(Pd *out, MdRef src, MdRef weight, MdRef bias, MdRef dst, Attr a);
Status pd_matmul(Pd *out, MdRef a, MdRef b, MdRef bias, MdRef dst, Attr attr);
typedef enum PoolKind { POOL_MAX, POOL_AVG_VALID, POOL_AVG_PADDED } PoolKind;
Status pd_pool(Pd *out, PoolKind kind, int spatial, MdRef src, MdRef dst, const int64_t *stride, const int64_t *kernel,
               const int64_t *dilation, const int64_t *padding, const int64_t *padding_end, Attr a);
Status pd_reorder(Pd *out, MdRef src, MdRef dst, Attr a);

enum { PRIM_MAX_ARGS = 10 };
typedef struct Prim {
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    dnnl_memory_t memory[PRIM_MAX_ARGS];
    dnnl_exec_arg_t args[PRIM_MAX_ARGS];
    int count;
    size_t scratch_bytes;
    int scratch_at; // its argument, or -1
} Prim;
// Creates the primitive. A failure leaves nothing behind.
Status prim_new(Prim *p, Pd pd);
void prim_free(Prim *p);
// Declares argument `id` (DNNL_ARG_SRC …) in order; returns its index in *at for prim_set.
Status prim_arg(Prim *p, int id, MdRef md, int *at);
static inline void prim_set(const Prim *p, int at, const void *data)
{
    dnnl_memory_set_data_handle(p->memory[at], (void *)data);
}
Status prim_run(const Prim *p, void *scratch);

// A reorder, when the two descriptors differ.
typedef struct Reorder {
    Prim prim;
    bool needed;
    int src, dst;
    size_t bytes; // of the result
} Reorder;
Status reorder_new(Reorder *r, MdRef src, MdRef dst);
void reorder_free(Reorder *r);
Status reorder_run(const Reorder *r, const void *src, void *dst, void *scratch);

// A constant operand in the form a primitive wants, shared through the store. `source` describes v's bytes.
Status pack_operand(PackStore *s, const char *what, const View *v, MdRef source, MdRef wanted, const void **out);

static inline size_t scratch_align(size_t n) { return (n + 63) & ~(size_t)63; }

#endif
