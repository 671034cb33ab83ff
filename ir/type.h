// Types of TorchScript (torchscript.md §3.7, §4). Types are interned in a TypeTable: equal types are the same pointer.
#ifndef TSB_IR_TYPE_H
#define TSB_IR_TYPE_H

#include "io/base/arena.h"
#include "io/base/buf.h"

typedef enum TypeKind {
    TYPE_ANY,
    TYPE_TENSOR,
    TYPE_INT,
    TYPE_FLOAT,
    TYPE_COMPLEX,
    TYPE_NUMBER, // Scalar
    TYPE_BOOL,
    TYPE_STR,
    TYPE_NONE,
    TYPE_DEVICE,
    TYPE_GENERATOR,
    TYPE_STREAM,
    TYPE_STORAGE,
    TYPE_CAPSULE,
    TYPE_ANY_LIST,
    TYPE_ANY_TUPLE,
    TYPE_ANY_ENUM,
    TYPE_ANY_CLASS,
    TYPE_LIST,      // elem[0]
    TYPE_DICT,      // elem[0] key, elem[1] value
    TYPE_TUPLE,     // elem[0 … count); NamedTuple: `name` and `fields` set
    TYPE_OPTIONAL,  // elem[0]; Optional[T] is never a TYPE_UNION
    TYPE_UNION,     // elem sorted as PyTorch sorts them
    TYPE_FUTURE,    // elem[0]
    TYPE_AWAIT,     // elem[0]
    TYPE_RREF,      // elem[0]
    TYPE_CLASS,     // `name`, `cls`: plain classes and modules
    TYPE_INTERFACE, // `name`, `cls`
    TYPE_ENUM,      // `name`, `cls`
    TYPE_FUNCTION,  // `name`
    TYPE_VAR,       // `name`: t in `t[] -> t`, only in schemas
} TypeKind;

struct ClassDef;

typedef struct Type {
    TypeKind kind;
    uint32_t count;               // of elem
    const struct Type **elem;
    Str name;                     // qualified name, or variable name
    const Str *fields;            // NamedTuple: field names, [count]
    struct ClassDef *cls;         // CLASS, INTERFACE, ENUM
    uint32_t id;                  // of interning, for ordering
} Type;

typedef struct TypeTable TypeTable;

TypeTable *type_table_new(Arena *a);
// The type with this `id`, or NULL. Ids count from 0 in the order of interning: processes that compile the same sources in
// the same order number them alike. Safe from several threads while none of them adds types.
const Type *type_by_id(const TypeTable *t, uint32_t id);

const Type *type_of_kind(TypeTable *t, TypeKind kind); // kinds without elements
const Type *type_list(TypeTable *t, const Type *elem);
const Type *type_optional(TypeTable *t, const Type *elem); // Optional[Optional[T]] is Optional[T]; of Any/None: itself
const Type *type_dict(TypeTable *t, const Type *key, const Type *value);
const Type *type_tuple(TypeTable *t, const Type **elem, uint32_t count);
const Type *type_named_tuple(TypeTable *t, Str name, const Str *fields, const Type **elem, uint32_t count);
const Type *type_union(TypeTable *t, const Type **elem, uint32_t count); // flattens, sorts; may give an Optional
const Type *type_future(TypeTable *t, const Type *elem);
const Type *type_wrap(TypeTable *t, TypeKind kind, const Type *elem); // AWAIT, RREF
const Type *type_class(TypeTable *t, TypeKind kind, Str name, struct ClassDef *cls);
const Type *type_function(TypeTable *t, Str name);
const Type *type_var(TypeTable *t, Str name);

bool type_is_subtype(const Type *a, const Type *b); // torchscript.md §4.2
// The smallest common type as PyTorch unifies if-branches, or NULL.
const Type *type_unify(TypeTable *t, const Type *a, const Type *b, bool default_to_union);
// The same over several types; NULL also for none at all.
const Type *type_unify_all(TypeTable *t, const Type *const *types, uint32_t count, bool default_to_union);
bool type_contains_tensor(const Type *t);
// A union or optional that has a member of this kind, or the kind itself.
bool type_can_hold(const Type *t, TypeKind kind);
// Optional[T] gives T, a union loses its None.
const Type *type_without_none(TypeTable *t, const Type *type);
// The members of a union of `types`: flattened, merged, sorted. The array is the table's.
uint32_t type_members(TypeTable *t, const Type **types, uint32_t count, const Type ***out);

// As `.graph` prints it: `Tensor`, `int?`, `Dict(str, int)`, `(A, B)`; §5.4.
void type_print_ir(Buf *out, const Type *t);
// As annotations print it: `Optional[int]`, `Dict[str, int]`, `Tuple[A, B]`; §3.7.
void type_print_python(Buf *out, const Type *t);

#endif
