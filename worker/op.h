// Operators as the interpreter calls them. A family file (worker/ops_*.c) is a table of OpBinding rows: the schema name and
// the function. A new operator is a row here (ops.def has its schema already), a reference kernel, a test case.
#ifndef TSB_WORKER_OP_H
#define TSB_WORKER_OP_H

#include "worker/lane.h"
#include "worker/tensor.h"

// args: borrowed, one per schema argument, defaults filled in (vararg operators: site->arg_count of them).
// rets: site->ret_count slots to fill; on failure all are left untouched.
// A Python-visible error is op_raise(...): ST_RAISED with PyTorch's text.
typedef Status (*OpFn)(Lane *lane, Site *site, const IValue *args, IValue *rets);

enum {
    OP_PRIVATE_LAYOUT = 1, // takes tensors in private layouts; all others get plain ones
    OP_WRITES_ARG0 = 2,    // in-place on argument 0: the interpreter makes it writable first
    OP_OUT_CASTS = 4,      // its out= form (op_derived.c) takes tensors of other dtypes too; so do all elementwise operators
    OP_QUANTISED = 8,      // knows quantised tensors; what the others do with them: ops_on_quant.c
    OP_BITS = 16,          // knows conjugate and negative views; all others get resolved arguments (worker/bits.h)
};

typedef struct OpBinding {
    const char *name;   // "aten::add.Tensor": full name of a row of ops.def
    OpFn fn;
    uint32_t flags;
    const void *data;   // of the family: kernel id, parameters …
    void (*free_user)(void *user); // for site->user, or NULL
} OpBinding;

// Tables, one per family, ended by a row without a name; worker/ops.c lists them and finds a row by name (hash, built once).
extern const OpBinding OPS_FACTOR[], OPS_SOLVE[], OPS_SPECTRUM[], OPS_MATRIX_NORM[], OPS_PRODUCTS[], OPS_FFT[], OPS_STFT[], OPS_MATMUL_DTYPE[];
extern const OpBinding OPS_LOSS[], OPS_NLL[], OPS_EMBED[], OPS_UNPOOL[], OPS_NN[]; // neural networks
extern const OpBinding OPS_DIFFERENCE[], OPS_COMPOSITE[], OPS_INNER[], OPS_INTERPOLATE[], OPS_DRAW[], OPS_OBSERVE[], OPS_FBGEMM[], OPS_QUANTILE[], OPS_UNIQUE[];
extern const OpBinding OPS_SCALAR[], OPS_CONTAINER[], OPS_STRING[], OPS_VIEW[], OPS_CREATE[], OPS_INDEX[], OPS_POINTWISE[],
    OPS_REDUCE[], OPS_MATMUL[], OPS_CONV[], OPS_NORM[], OPS_RNN[], OPS_ATTENTION[], OPS_RANDOM[], OPS_FUSED[], OPS_MISC[],
    OPS_TENSOR[], OPS_SPLIT[], OPS_DICT[], OPS_COMPOSE[], OPS_PART[], OPS_EQUAL[], OPS_DROPOUT[], OPS_SAMPLE[],
    OPS_MATH[], OPS_VIEW_COPY[], OPS_TRANSFORMER[], OPS_NESTED[], OPS_POOL[], OPS_RESIZE[], OPS_VISION[], OPS_SPECIAL[], OPS_GROUPED[], OPS_HISTOGRAM[], OPS_AUDIO[],
    OPS_QUANT[], OPS_QUANT_LINEAR[], OPS_QUANT_MATH[], OPS_QUANT_RNN[], OPS_QUANT_EMBEDDING[];
const OpBinding *op_find(Str full_name);
const OpBinding *op_find_bound(Str full_name); // only what has a row of its own, no forms derived from others
// What runs when an argument may be a quantised tensor, or a conjugate or negative view: changes *fn (the operator's own
// function) where those have another. ST_RAISED when the operator takes none. In ops_on_quant.c.
Status op_choose(Site *site, const IValue *args, uint32_t n, OpFn *fn);

// Runs `op` through the site's cache of prepared kernels: finds the one prepared for these signatures and parameters, or
// prepares it; allocates the outputs (or reuses the dying input that the kernel may overwrite) and the scratch; runs.
// in[i] may be NULL (absent operand). params: params_size bytes compared with memcmp, so zero their padding.
Status kernel_call(Lane *lane, Site *site, const KernelOp *op, const void *params, size_t params_size, Tensor *const *in, int n_in, Tensor **out, int n_out);
// The same into existing tensors (in-place operators, out=).
Status kernel_call_into(Lane *lane, Site *site, const KernelOp *op, const void *params, size_t params_size, Tensor *const *in, int n_in, Tensor *const *out, int n_out);

// Frees what a site keeps (cache and user).
void site_clear(Site *site);
// Name of the kernel variant that ran last, or NULL.
const char *site_variant(const Site *site);

// Raises RuntimeError (or the given Python class) in the model.
Status op_raise(const char *fmt, ...) PRINTF_LIKE(1, 2);
Status op_raise_class(const char *python_class, const char *fmt, ...) PRINTF_LIKE(2, 3);

// Argument helpers: no copy; the list's ints. ST_RAISED when n > max.
Status arg_ints(IValue v, int64_t *out, int max, int *n);
static inline Tensor *arg_tensor(IValue v) { return v.tag == TAG_TENSOR ? v.as.tensor : NULL; }
static inline bool arg_is_none(IValue v) { return v.tag == TAG_NONE; }
double arg_double(IValue number);   // int, float or bool
int64_t arg_int(IValue number);
// Wraps a dimension; ST_RAISED "Dimension out of range (expected to be in range of [-2, 1], but got 5)".
Status wrap_dim(int64_t dim, int ndim, int *out);

#endif
