// IValue: a value of a running program.
// Ownership: callers lend, callees give. A function borrows the IValues it is passed and hands out ones that the caller
// must release; the exceptions have `take` or `steal` in their name. Counts are not atomic: a value belongs to one lane.
#ifndef TSB_WORKER_VALUE_H
#define TSB_WORKER_VALUE_H

#include "ir/program.h"
#include "kernels/view.h"

typedef enum ValueTag {
    TAG_NONE,
    TAG_BOOL,
    TAG_INT,
    TAG_FLOAT,
    TAG_DEVICE,        // as.device
    TAG_UNINITIALIZED, // prim::Uninitialized
    TAG_FUNCTION,      // as.function, of the program
    // from here on `as.obj` is counted
    TAG_TENSOR,
    TAG_STR,
    TAG_LIST,
    TAG_TUPLE,
    TAG_DICT,
    TAG_OBJECT,
    TAG_COMPLEX,
    TAG_ENUM,
    TAG_FUTURE,
    TAG_GENERATOR,     // worker/random.h: a struct that starts with Counted, in one block of malloc
} ValueTag;

#define TAG_FIRST_COUNTED TAG_TENSOR

// Head of everything that is counted.
typedef struct Counted {
    uint32_t refs;
    uint8_t tag;
} Counted;

typedef struct Device {
    uint8_t kind;  // DeviceKind
    int8_t index;  // -1: none
} Device;

typedef struct Tensor Tensor;
typedef struct StrObj StrObj;
typedef struct ListObj ListObj;
typedef struct TupleObj TupleObj;
typedef struct DictObj DictObj;
typedef struct Object Object;
typedef struct ComplexObj ComplexObj;
typedef struct EnumObj EnumObj;
typedef struct FutureObj FutureObj;
typedef struct Quant Quant; // worker/quant.h
typedef struct Nested Nested; // worker/nested.h

enum { TENSOR_CONJ = 1, TENSOR_NEG = 2, TENSOR_NESTED = 4 }; // bits of a tensor

typedef struct IValue {
    uint8_t tag;
    union {
        bool b;
        int64_t i;
        double f;
        Device device;
        Counted *obj;
        Tensor *tensor;
        StrObj *str;
        ListObj *list;
        TupleObj *tuple;
        DictObj *dict;
        Object *object;
        ComplexObj *complex;
        EnumObj *enumeration;
        FutureObj *future;
        Function *function;
    } as;
} IValue;

struct Lane;

// Memory behind tensors. `data` may point into the archive mapping, the constants of the model or an input batch: then
// `shared` is set and the first write makes a private copy (storage_make_writable), which every view of the storage sees.
typedef struct Storage {
    uint32_t refs;
    bool shared;       // read-only: copy before writing
    bool dirty;        // was shared, has been copied in this call (lane_reset_state undoes it when the call ends)
    bool tracked;      // was made shared: `tensors` lists its tensors
    uint8_t device;
    size_t size;       // bytes
    size_t capacity;   // bytes of the block that the allocator gave, 0 when data is not the allocator's
    void *data;
    void *origin;      // the shared bytes, when dirty
    size_t origin_capacity; // likewise for them
    const void *source; // bytes of the archive that `data` is an aligned copy of, or NULL
    struct Storage *next_dirty;
    Tensor *tensors;   // every live tensor of a tracked storage, so that a private copy can move them
    struct Lane *lane; // whose allocator owns data, this struct and its tensors
} Storage;

struct Tensor {
    Counted head;
    bool requires_grad;   // reported only
    bool is_constant;     // from the model file or folded: packed weights may be kept for it while its storage is shared
    bool wrapped_number;  // 0-dim constant that counts as a Python number in add/sub/mul/div (torchscript.md §7.2)
    uint8_t bits;         // how its elements are to be read (worker/bits.h); the first two are copied by tensor_view
    Storage *storage;
    Quant *quant;         // of a quantised dtype: what its integers stand for; counted, NULL for all others
    Nested *nested;       // with TENSOR_NESTED: the rows' lengths; counted
    View view;            // view.data == storage->data + offset; kept in step by storage_make_writable
    int64_t offset;       // elements from the start of the storage
    Tensor *next_of_storage, *prev_of_storage; // ring-less list headed by storage->tensors, when that is tracked
};

struct StrObj { Counted head; uint32_t len; char bytes[]; };
struct ListObj { Counted head; uint32_t len, capacity; const Type *elem; IValue *items; };
struct TupleObj { Counted head; uint32_t len; const Type *type; IValue items[]; };
struct ComplexObj { Counted head; double re, im; };
struct EnumObj { Counted head; const ClassDef *cls; Str name; IValue value; };
struct FutureObj { Counted head; bool failed; /* value is the message of what was raised */ IValue value; };
struct Object {
    Counted head;
    bool persistent; // of the module: what a call assigns is undone
    uint32_t len;
    ClassDef *cls;
    Object *next, **link; // in the list of what this call made (object_list); link: what points here, NULL when in none
    IValue slots[];
};

static inline IValue value_none(void) { return (IValue){.tag = TAG_NONE}; }
static inline IValue value_bool(bool b) { return (IValue){.tag = TAG_BOOL, .as.b = b}; }
static inline IValue value_int(int64_t i) { return (IValue){.tag = TAG_INT, .as.i = i}; }
static inline IValue value_float(double f) { return (IValue){.tag = TAG_FLOAT, .as.f = f}; }
static inline IValue value_tensor_take(Tensor *t) { return (IValue){.tag = TAG_TENSOR, .as.tensor = t}; }
static inline IValue value_function(Function *f) { return (IValue){.tag = TAG_FUNCTION, .as.function = f}; }
static inline IValue value_list_take(ListObj *l) { return (IValue){.tag = TAG_LIST, .as.list = l}; }
static inline IValue value_tuple_take(TupleObj *t) { return (IValue){.tag = TAG_TUPLE, .as.tuple = t}; }
static inline IValue value_dict_take(DictObj *d) { return (IValue){.tag = TAG_DICT, .as.dict = d}; }
static inline IValue value_object_take(Object *o) { return (IValue){.tag = TAG_OBJECT, .as.object = o}; }

void value_free(IValue v); // the last reference is gone; use value_release
static inline IValue value_retain(IValue v)
{
    if (v.tag >= TAG_FIRST_COUNTED)
        v.as.obj->refs++;
    return v;
}
static inline void value_release(IValue v)
{
    if (v.tag >= TAG_FIRST_COUNTED && --v.as.obj->refs == 0)
        value_free(v);
}
static inline bool value_unique(IValue v) { return v.tag >= TAG_FIRST_COUNTED && v.as.obj->refs == 1; }

// Constructors: NULL or ST_MEMORY when memory runs out.
Status value_str(Str s, IValue *out); // copies
Status value_complex(double re, double im, IValue *out);
ListObj *list_new(const Type *elem, uint32_t capacity);
Status list_push_take(ListObj *l, IValue v); // releases v on failure
Status list_of_ints(const int64_t *v, int n, IValue *out);
TupleObj *tuple_new(uint32_t len, const Type *type); // items are None
Object *object_new(ClassDef *cls);                  // slots are uninitialised
// Puts a new object in front of a list. Objects that are freed leave it by themselves.
void object_list(Object *o, Object **list);
// Empties the list. `garbage`: nobody but those on it can reach them, so objects that hold each other are freed.
void objects_forget(Object **list, bool garbage);
// Does the value hold an object? (True for one that is nested too deeply to tell.)
bool value_has_object(IValue v);
// Puts the objects that the values hold and that are on no list on this one; takes those that are on one off it (the
// search goes no deeper where it meets one that is on none). False: nested too deeply to find all.
bool values_list(const IValue *values, uint32_t count, Object **list);
bool values_unlist(const IValue *values, uint32_t count);
// Releases values and makes them None. Objects that they hold and that hold each other are freed too, unless `kept` (which
// stay) hold them; nobody else may. None of the objects may be on a list.
void values_discard(IValue *values, uint32_t count, const IValue *kept, uint32_t kept_count);
Status value_enum(const ClassDef *cls, Str name, IValue value, IValue *out); // borrows the name, retains the value
Status value_future_take(IValue result, IValue *out); // one that is complete
Status future_result(IValue future, IValue *out);      // waits: the result, or raises what was raised

// Insertion-ordered dictionary; keys int, float, complex, bool, str, Device (by value) or Tensor (by identity).
DictObj *dict_new(const Type *key, const Type *value);
uint32_t dict_len(const DictObj *d);
const IValue *dict_get(const DictObj *d, IValue key);             // NULL when absent; borrowed
Status dict_set(DictObj *d, IValue key, IValue value);            // retains both
bool dict_remove(DictObj *d, IValue key);
void dict_clear(DictObj *d);
void dict_free(DictObj *d); // of value_free
// Iterates in insertion order: for (uint32_t at = 0; dict_next(d, &at, &k, &v);) — borrowed.
bool dict_next(const DictObj *d, uint32_t *at, IValue *key, IValue *value);
const Type *dict_key_type(const DictObj *d);
const Type *dict_value_type(const DictObj *d);

static inline Str str_of_value(IValue v) { return (Str){v.as.str->bytes, v.as.str->len}; }

// A new list of what `change` makes of each item.
Status list_changed(const ListObj *l, Status (*change)(void *ctx, IValue item, IValue *out), void *ctx, IValue *out);
// Recursion over values: a program can nest lists of Any as deeply as it likes, or put one into itself. value_enter fails
// (ST_RAISED) at VALUE_DEPTH; each success is followed by value_leave. value_free needs none: it never recurses deeply.
enum { VALUE_DEPTH = 500 };
Status value_enter(void);
void value_leave(void);

// Replaces the tensors in v, however deep, by what `change` gives for each: a new reference, or nothing to leave it.
Status value_change_tensors(struct Lane *lane, IValue *v, Status (*change)(struct Lane *lane, Tensor *t, Tensor **out));

// `==` of the language on anything but tensors; identity for `is`.
bool value_equal(IValue a, IValue b);
bool value_is(IValue a, IValue b);

// Run-time text (str(), print, format; torchscript.md §14.2, tensors §7.9).
struct Buf;
void value_print(Buf *out, IValue v);

// Conversions between archive data and values of a lane. Shared lists, objects and storages stay shared: `memo` maps
// Datum and DatumStorage addresses to what was made for them; zero-initialise it, free it with value_memo_free.
typedef struct ValueMemo ValueMemo;
Status value_from_datum(struct Lane *lane, ValueMemo **memo, const Datum *d, const Type *type, IValue *out);
void value_memo_free(ValueMemo *memo);
// Copies into `arena` (tensors contiguous unless strided views of constants). Objects are refused (ST_DECLINED) but for
// packed parameters.
Status value_to_datum(Arena *arena, IValue v, Datum **out);

#endif
