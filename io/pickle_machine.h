// What the two halves of the unpickler share: its state, its values, and how it fails.
// pickle.c is the stack machine, pickle_rebuild.c turns the arguments of REDUCE into values. Private to these two.
#ifndef TSB_IO_PICKLE_MACHINE_H
#define TSB_IO_PICKLE_MACHINE_H

#include "io/pickle.h"

// Values that live on the stack and inside argument tuples only; no result may hold one.
enum { KIND_GLOBAL = 100, KIND_STORAGE };

// What a GLOBAL stands for. X(enumerator, module, name): an exact match is needed.
#define PICKLE_GLOBALS(X)                                                                                              \
    X(REBUILD_TENSOR, "torch._utils", "_rebuild_tensor_v2")                                                            \
    X(REBUILD_QTENSOR, "torch._utils", "_rebuild_qtensor")                                                             \
    X(REBUILD_SPARSE, "torch._utils", "_rebuild_sparse_tensor")                                                        \
    X(REBUILD_FROM_TYPE, "torch._tensor", "_rebuild_from_type_v2")                                                     \
    X(INT_LIST, "torch.jit._pickle", "build_intlist")                                                                  \
    X(INT_LIST_OLD, "__main__", "IntList")                                                                             \
    X(FLOAT_LIST, "torch.jit._pickle", "build_doublelist")                                                             \
    X(BOOL_LIST, "torch.jit._pickle", "build_boollist")                                                                \
    X(TENSOR_LIST, "torch.jit._pickle", "build_tensorlist")                                                            \
    X(TYPE_TAG, "torch.jit._pickle", "restore_type_tag")                                                               \
    X(TENSOR_FROM_ID, "torch.jit._pickle", "build_tensor_from_id")                                                     \
    X(TENSOR_ID_OLD, "__main__", "TensorID")                                                                           \
    X(COMPLEX, "builtins", "complex")                                                                                  \
    X(DEVICE, "torch", "device")                                                                                       \
    X(TENSOR_TYPE, "torch", "Tensor")                                                                                  \
    X(PARAMETER_TYPE, "torch.nn.parameter", "Parameter")                                                               \
    X(ORDERED_DICT, "collections", "OrderedDict")                                                                      \
    X(PER_TENSOR_AFFINE, "torch", "per_tensor_affine")                                                                 \
    X(PER_CHANNEL_AFFINE, "torch", "per_channel_affine")                                                               \
    X(PER_TENSOR_SYMMETRIC, "torch", "per_tensor_symmetric")                                                           \
    X(PER_CHANNEL_SYMMETRIC, "torch", "per_channel_symmetric")                                                         \
    X(PER_CHANNEL_FLOAT, "torch", "per_channel_affine_float_qparams")

typedef enum GlobalKind {
#define X(enumerator, module, name) GLOBAL_##enumerator,
    PICKLE_GLOBALS(X)
#undef X
        GLOBAL_STORAGE_TYPE, // torch FloatStorage: Box.dtype
    GLOBAL_CLASS,            // below __torch__: Datum.name
} GlobalKind;

// A Datum made here that contains others or is internal. Scalars are bare Datums.
typedef struct Box {
    Datum d;
    uint32_t depth;  // 1 + that of the deepest item
    size_t capacity; // of d.items
    bool frozen;     // was fetched from the memo: changing it now could make it contain itself
    bool impure;     // a tuple that holds, somewhere, an internal value
    GlobalKind global;
    DType dtype; // of a storage or storage type
    DatumStorage *storage;
} Box;

enum {
    PICKLE_DEPTH_MAX = 1000,
    PICKLE_DIMS_MAX = 64,
};

typedef struct Machine {
    Unpickler *u;
    Str bytes;
    size_t at;    // next byte
    size_t op_at; // of the opcode being run
    Datum **stack;
    size_t count, capacity;
    size_t *marks; // stack heights
    size_t mark_count, mark_capacity;
    Datum **memo;
    size_t memo_size;
} Machine;

// ST_BAD_MODEL: "FILE: data.pkl at byte N: …".
Status pickle_fail(const Machine *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Box of a kind that is one, else NULL.
static inline Box *pickle_box(Datum *d)
{
    return d->kind >= DATUM_TUPLE && d->kind != DATUM_FUNCTION ? (Box *)d : NULL;
}
bool pickle_is_pure(Datum *d);
// A tuple, list, dict, object or enum over `items`; checks depth and purity (tuples may be impure).
Status pickle_container(Machine *m, DatumKind kind, Datum **items, uint32_t count, Datum **out);

// function(args) for an accepted global.
Status pickle_call(Machine *m, Box *function, Datum *args, Datum **out);
// The storage that a persistent id tuple names.
Status pickle_storage(Machine *m, Datum *id, Datum **out);

#endif
