// Datum: a plain value as archives hold it: what the unpickler returns, what a graph keeps as a constant, what the
// saver writes. Data only: no reference counts, no code. A Datum and all it points to live in one arena (or are
// static); tensor bytes may also lie in a mapped archive or in a shared weight window. Whoever owns that memory says
// how long it lives. Identity matters: two attributes that share one list, object or storage point to the same Datum or
// Storage.
#ifndef TSB_IO_DATUM_H
#define TSB_IO_DATUM_H

#include "io/base/arena.h"
#include "io/base/dtype.h"

typedef enum DatumKind {
    DATUM_NONE,
    DATUM_BOOL,
    DATUM_INT,
    DATUM_FLOAT,
    DATUM_COMPLEX,
    DATUM_STR,
    DATUM_DEVICE,
    DATUM_TENSOR,
    DATUM_TUPLE,
    DATUM_LIST,
    DATUM_DICT,
    DATUM_OBJECT,   // an instance of a class: `name` is the class, `state` what follows BUILD
    DATUM_ENUM,     // `name` is the class, items[0] the bare value
    DATUM_FUNCTION, // only in graphs: `name` is the qualified name of a function
} DatumKind;

// The bytes behind one or more tensors.
typedef struct DatumStorage {
    Str key; // "0": the record is data/0 or constants/0
    DType dtype;
    Str device;          // as stored: "cpu", "cuda:0", "meta"
    uint64_t size;       // bytes
    const uint8_t *data; // NULL for meta tensors and empty storages
    bool mapped;         // data lies in a file mapping shared by all processes of the node
    uint32_t id;         // 0, 1, … in order of first appearance
} DatumStorage;

typedef struct DatumQuantizer {
    int scheme; // 0 per tensor affine, 1 per channel affine, … (torchscript.md §2.4)
    double scale;
    int64_t zero_point;
    struct Datum *scales, *zero_points; // per channel: 1-d tensors
    int64_t axis;
} DatumQuantizer;

typedef struct DatumTensor {
    DatumStorage *storage;
    DType dtype;
    int ndim;
    const int64_t *size, *stride; // [ndim], strides in elements
    int64_t offset;               // elements from the start of the storage
    bool requires_grad, conj, neg;
    bool sparse;                     // parsed, but nothing runs it yet
    const DatumQuantizer *quantizer; // NULL for plain tensors
} DatumTensor;

typedef struct Datum {
    DatumKind kind;
    uint32_t count; // of items (a dict has count pairs: 2 × count items, key first)
    union {
        bool b;
        int64_t i;
        double f;
        struct {
            double re, im;
        } c;
        Str s; // STR, DEVICE
        DatumTensor *tensor;
        struct Datum **items; // TUPLE, LIST, DICT, ENUM
        struct Datum *state;  // OBJECT: usually a DICT from attribute name (STR) to value
    };
    Str name;  // OBJECT, ENUM, FUNCTION: qualified name; LIST, DICT: type annotation ("List[int]") or ""
    void *cls; // OBJECT, ENUM: set by the loader to the ClassDef of `name`
} Datum;

extern Datum datum_none, datum_true, datum_false;

Datum *datum_int(Arena *a, int64_t v);
Datum *datum_float(Arena *a, double v);
Datum *datum_complex(Arena *a, double re, double im);
Datum *datum_bool(bool v);
Datum *datum_str(Arena *a, Str v);                                                   // copies
Datum *datum_list(Arena *a, DatumKind list_or_tuple, Datum **items, uint32_t count); // borrows the array
// A contiguous tensor over `data` (borrowed; bytes = product of sizes × element size).
Datum *datum_tensor(Arena *a, DType dtype, int ndim, const int64_t *size, const void *data);

// The value of an attribute of an OBJECT, or NULL.
Datum *datum_attr(const Datum *object, Str name);
// Replaces it (adds it when absent).
void datum_set_attr(Datum *object, Arena *a, Str name, Datum *value);

int64_t datum_tensor_numel(const DatumTensor *t);
// Address of the first element.
static inline const void *datum_tensor_data(const DatumTensor *t)
{
    return t->storage->data ? t->storage->data + (uint64_t)t->offset * dtype_size(t->dtype) : NULL;
}
// Same kind and same value; tensors: same dtype, shape and bytes; objects: the same Datum.
bool datum_equal(const Datum *a, const Datum *b);

// "cuda:1", as torch.device reads it: the kind and the index, -1 without one. False when it has another form.
bool device_text_parse(Str text, Str *kind, int64_t *index);
// Kinds of devices that PyTorch knows, as its messages list them.
#define DEVICE_KINDS "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, hpu, mtia, privateuseone"
bool device_kind_known(Str kind); // one of them, or "ort" of older ones

#endif
