// Types of TorchScript: interning, subtyping and unification.
// Two equal types are one pointer, so that comparing types is comparing addresses.
#include "ir/type.h"

#include "ir/program.h"

enum { INITIAL_SLOTS = 256 };

struct TypeTable {
    Arena *arena;
    Type **slots; // open addressing, capacity is a power of two
    size_t count, capacity;
    const Type **by_id;
    uint32_t next_id;
    const Type *simple[TYPE_VAR + 1];
};

static uint64_t type_hash(const Type *t)
{
    uint64_t h = 1469598103934665603u ^ (uint64_t)t->kind;
    h = h * 1099511628211u ^ str_hash(t->name);
    for (uint32_t i = 0; i < t->count; i++)
        h = (h ^ t->elem[i]->id) * 1099511628211u;
    for (uint32_t i = 0; t->fields && i < t->count; i++)
        h = h * 1099511628211u ^ str_hash(t->fields[i]);
    return h ^ h >> 29;
}

static bool type_same(const Type *a, const Type *b)
{
    if (a->kind != b->kind || a->count != b->count || !str_eq(a->name, b->name) || !a->fields != !b->fields)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->elem[i] != b->elem[i] || (a->fields && !str_eq(a->fields[i], b->fields[i])))
            return false;
    return true;
}

static Type **find_slot(Type **slots, size_t capacity, const Type *key)
{
    size_t i = type_hash(key) & (capacity - 1);
    while (slots[i] && !type_same(slots[i], key))
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

static void grow(TypeTable *t)
{
    size_t capacity = t->capacity ? t->capacity * 2 : INITIAL_SLOTS;
    Type **slots = ARENA_ARRAY(t->arena, Type *, capacity);
    for (size_t i = 0; i < t->capacity; i++)
        if (t->slots[i])
            *find_slot(slots, capacity, t->slots[i]) = t->slots[i];
    t->slots = slots;
    t->capacity = capacity;
}

// The interned twin of `key`; copies it (and what it points to) when it is new.
static Type *intern(TypeTable *t, const Type *key)
{
    if (2 * (t->count + 1) > t->capacity)
        grow(t);
    Type **slot = find_slot(t->slots, t->capacity, key);
    if (*slot)
        return *slot;
    Type *n = ARENA_NEW(t->arena, Type);
    *n = *key;
    n->id = t->next_id;
    ARENA_PUSH(t->arena, t->by_id, t->next_id, n);
    if (key->count)
        n->elem = arena_copy(t->arena, key->elem, key->count * sizeof *key->elem);
    if (key->name.len)
        n->name = arena_str(t->arena, key->name);
    if (key->fields) {
        Str *fields = ARENA_ARRAY(t->arena, Str, key->count + 1);
        for (uint32_t i = 0; i < key->count; i++)
            fields[i] = arena_str(t->arena, key->fields[i]);
        n->fields = fields;
    }
    t->count++;
    return *slot = n;
}

TypeTable *type_table_new(Arena *a)
{
    TypeTable *t = ARENA_NEW(a, TypeTable);
    if (!t)
        return NULL;
    t->arena = a;
    for (int k = TYPE_ANY; k <= TYPE_ANY_CLASS; k++)
        t->simple[k] = intern(t, &(Type){.kind = (TypeKind)k});
    return t;
}

const Type *type_by_id(const TypeTable *t, uint32_t id) { return id < t->next_id ? t->by_id[id] : NULL; }

const Type *type_of_kind(TypeTable *t, TypeKind kind)
{
    if (!t->simple[kind])
        t->simple[kind] = intern(t, &(Type){.kind = kind});
    return t->simple[kind];
}

const Type *type_list(TypeTable *t, const Type *elem)
{
    return intern(t, &(Type){.kind = TYPE_LIST, .count = 1, .elem = (const Type *[]){elem}});
}

const Type *type_optional(TypeTable *t, const Type *elem)
{
    if (elem->kind == TYPE_OPTIONAL || elem->kind == TYPE_ANY || elem->kind == TYPE_NONE)
        return elem;
    if (elem->kind == TYPE_UNION)
        return type_union(t, (const Type *[]){elem, type_of_kind(t, TYPE_NONE)}, 2);
    return intern(t, &(Type){.kind = TYPE_OPTIONAL, .count = 1, .elem = (const Type *[]){elem}});
}

const Type *type_dict(TypeTable *t, const Type *key, const Type *value)
{
    return intern(t, &(Type){.kind = TYPE_DICT, .count = 2, .elem = (const Type *[]){key, value}});
}

const Type *type_tuple(TypeTable *t, const Type **elem, uint32_t count)
{
    return intern(t, &(Type){.kind = TYPE_TUPLE, .count = count, .elem = elem});
}

const Type *type_named_tuple(TypeTable *t, Str name, const Str *fields, const Type **elem, uint32_t count)
{
    static const Str no_fields[1];
    return intern(t, &(Type){.kind = TYPE_TUPLE, .count = count, .elem = elem, .name = name,
                             .fields = fields ? fields : no_fields});
}

const Type *type_future(TypeTable *t, const Type *elem) { return type_wrap(t, TYPE_FUTURE, elem); }

const Type *type_wrap(TypeTable *t, TypeKind kind, const Type *elem)
{
    return intern(t, &(Type){.kind = kind, .count = 1, .elem = (const Type *[]){elem}});
}

const Type *type_class(TypeTable *t, TypeKind kind, Str name, struct ClassDef *cls)
{
    Type *n = intern(t, &(Type){.kind = kind, .name = name});
    if (cls)
        n->cls = cls;
    return n;
}

const Type *type_function(TypeTable *t, Str name) { return intern(t, &(Type){.kind = TYPE_FUNCTION, .name = name}); }

const Type *type_var(TypeTable *t, Str name) { return intern(t, &(Type){.kind = TYPE_VAR, .name = name}); }

// PyTorch sorts the members of a union by the order of its own list of type kinds, then by text.
static int union_rank(TypeKind k)
{
    static const uint8_t rank[] = {
        [TYPE_ANY] = 0,      [TYPE_ENUM] = 1,      [TYPE_ANY_ENUM] = 2,  [TYPE_TENSOR] = 3,    [TYPE_STORAGE] = 4,
        [TYPE_TUPLE] = 5,    [TYPE_LIST] = 6,      [TYPE_DICT] = 7,      [TYPE_NUMBER] = 8,    [TYPE_FLOAT] = 9,
        [TYPE_COMPLEX] = 10, [TYPE_FUTURE] = 11,   [TYPE_AWAIT] = 12,    [TYPE_RREF] = 13,     [TYPE_INT] = 14,
        [TYPE_NONE] = 15,    [TYPE_STR] = 16,      [TYPE_GENERATOR] = 17, [TYPE_BOOL] = 18,    [TYPE_OPTIONAL] = 19,
        [TYPE_VAR] = 20,     [TYPE_DEVICE] = 21,   [TYPE_STREAM] = 22,   [TYPE_FUNCTION] = 23, [TYPE_CLASS] = 24,
        [TYPE_CAPSULE] = 25, [TYPE_INTERFACE] = 26, [TYPE_ANY_LIST] = 27, [TYPE_ANY_TUPLE] = 28, [TYPE_ANY_CLASS] = 29,
        [TYPE_UNION] = 30,
    };
    return rank[k];
}

static int compare_text(const Type *a, const Type *b)
{
    Buf ta = {0}, tb = {0};
    type_print_ir(&ta, a);
    type_print_ir(&tb, b);
    Str sa = buf_view(&ta), sb = buf_view(&tb);
    int c = memcmp(sa.ptr, sb.ptr, sa.len < sb.len ? sa.len : sb.len);
    if (c == 0)
        c = (sa.len > sb.len) - (sa.len < sb.len);
    buf_free(&ta);
    buf_free(&tb);
    return c;
}

static bool union_before(const Type *a, const Type *b)
{
    if (a->kind != b->kind)
        return union_rank(a->kind) < union_rank(b->kind);
    return a != b && compare_text(a, b) < 0;
}

static uint32_t flatten(TypeTable *table, const Type *t, const Type ***list, uint32_t count)
{
    if (t->kind == TYPE_UNION || t->kind == TYPE_OPTIONAL) {
        for (uint32_t i = 0; i < t->count; i++)
            count = flatten(table, t->elem[i], list, count);
        if (t->kind == TYPE_OPTIONAL)
            ARENA_PUSH(table->arena, *list, count, table->simple[TYPE_NONE]);
    } else {
        ARENA_PUSH(table->arena, *list, count, t);
    }
    return count;
}

// Merges members that have a common supertype, moving from right to left as PyTorch does.
static uint32_t merge_members(TypeTable *t, const Type **m, uint32_t count)
{
    if (count == 0)
        return 0;
    uint32_t end = count - 1;
    for (uint32_t i = count - 1; i > 0; i--)
        for (uint32_t j = i - 1 < end ? i - 1 : end;; j--) {
            bool none_i = m[i]->kind == TYPE_NONE, none_j = m[j]->kind == TYPE_NONE;
            const Type *both = none_i != none_j ? NULL : type_unify(t, m[i], m[j], false);
            if (both) {
                m[j] = both;
                m[i] = m[end];
                end--;
                break;
            }
            if (j == 0)
                break;
        }
    return end + 1;
}

uint32_t type_members(TypeTable *t, const Type **types, uint32_t count, const Type ***out)
{
    const Type **m = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        n = flatten(t, types[i], &m, n);
    n = merge_members(t, m, n);
    for (uint32_t i = 1; i < n; i++) { // insertion sort: a union has a few members
        const Type *x = m[i];
        uint32_t j = i;
        for (; j > 0 && union_before(x, m[j - 1]); j--)
            m[j] = m[j - 1];
        m[j] = x;
    }
    *out = m;
    return n;
}

const Type *type_union(TypeTable *t, const Type **elem, uint32_t count)
{
    const Type **m;
    uint32_t n = type_members(t, elem, count, &m);
    if (n == 1)
        return m[0];
    // int, float and complex together are a number.
    uint32_t numeric = 0;
    for (uint32_t i = 0; i < n; i++)
        numeric += m[i]->kind == TYPE_INT || m[i]->kind == TYPE_FLOAT || m[i]->kind == TYPE_COMPLEX;
    if (numeric == 3) {
        uint32_t k = 0;
        for (uint32_t i = 0; i < n; i++)
            if (m[i]->kind != TYPE_INT && m[i]->kind != TYPE_FLOAT && m[i]->kind != TYPE_COMPLEX)
                m[k++] = m[i];
        m[k++] = type_of_kind(t, TYPE_NUMBER);
        return type_union(t, m, k);
    }
    if (n == 2 && (m[0]->kind == TYPE_NONE || m[1]->kind == TYPE_NONE))
        return type_optional(t, m[0]->kind == TYPE_NONE ? m[1] : m[0]);
    return intern(t, &(Type){.kind = TYPE_UNION, .count = n, .elem = m});
}

static bool is_union(const Type *t) { return t->kind == TYPE_UNION || t->kind == TYPE_OPTIONAL; }

bool type_can_hold(const Type *t, TypeKind kind)
{
    if (t->kind == TYPE_OPTIONAL)
        return kind == TYPE_NONE || type_can_hold(t->elem[0], kind);
    for (uint32_t i = 0; t->kind == TYPE_UNION && i < t->count; i++)
        if (t->elem[i]->kind == kind)
            return true;
    return t->kind == kind;
}

static bool tuple_is_subtype(const Type *a, const Type *b)
{
    if (b->kind != TYPE_TUPLE || a->count != b->count || (b->fields && !a->fields))
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if ((b->fields && !str_eq(a->fields[i], b->fields[i])) || !type_is_subtype(a->elem[i], b->elem[i]))
            return false;
    return true;
}

bool type_is_subtype(const Type *a, const Type *b)
{
    if (a == b || b->kind == TYPE_ANY)
        return true;
    if (a->kind == TYPE_OPTIONAL)
        return type_can_hold(b, TYPE_NONE) && type_is_subtype(a->elem[0], b);
    if (a->kind == TYPE_UNION) {
        for (uint32_t i = 0; i < a->count; i++)
            if (!type_is_subtype(a->elem[i], b))
                return false;
        return true;
    }
    if (is_union(b)) {
        if (b->kind == TYPE_OPTIONAL && a->kind == TYPE_NONE)
            return true;
        for (uint32_t i = 0; i < b->count; i++)
            if (type_is_subtype(a, b->elem[i]))
                return true;
        return false;
    }
    switch (a->kind) {
    case TYPE_INT:
    case TYPE_FLOAT:
    case TYPE_COMPLEX:
        return b->kind == TYPE_NUMBER;
    case TYPE_LIST:
        return b->kind == TYPE_ANY_LIST;
    case TYPE_TUPLE:
        return b->kind == TYPE_ANY_TUPLE || tuple_is_subtype(a, b);
    case TYPE_FUTURE:
    case TYPE_AWAIT:
    case TYPE_RREF:
        return b->kind == a->kind && type_is_subtype(a->elem[0], b->elem[0]);
    case TYPE_ENUM:
        return b->kind == TYPE_ANY_ENUM;
    case TYPE_CLASS:
    case TYPE_INTERFACE:
        if (b->kind == TYPE_ANY_CLASS)
            return a->kind == TYPE_CLASS;
        return b->kind == TYPE_INTERFACE && a->cls && b->cls && class_implements(a->cls, b->cls);
    default:
        return false;
    }
}

static const Type *unify_tuples(TypeTable *t, const Type *a, const Type *b, bool default_to_union)
{
    if (a->count != b->count)
        return NULL;
    const Type **elem = ARENA_ARRAY(t->arena, const Type *, a->count);
    for (uint32_t i = 0; i < a->count; i++)
        if (!(elem[i] = type_unify(t, a->elem[i], b->elem[i], default_to_union)))
            return NULL;
    return type_tuple(t, elem, a->count);
}

static const Type *unify_strictly(TypeTable *t, const Type *a, const Type *b, bool default_to_union)
{
    if (type_is_subtype(a, b))
        return b;
    if (type_is_subtype(b, a))
        return a;
    if (a->kind == TYPE_NONE)
        return type_optional(t, b);
    if (b->kind == TYPE_NONE)
        return type_optional(t, a);
    if (a->kind == TYPE_OPTIONAL || b->kind == TYPE_OPTIONAL) {
        const Type *elem = a->kind == TYPE_OPTIONAL ? type_unify(t, a->elem[0], b, false) : type_unify(t, b->elem[0], a, false);
        if (elem)
            return type_optional(t, elem);
    }
    if (a->kind == TYPE_TUPLE && b->kind == TYPE_TUPLE)
        return unify_tuples(t, a, b, default_to_union);
    if (a->kind == b->kind && (a->kind == TYPE_FUTURE || a->kind == TYPE_AWAIT || a->kind == TYPE_RREF)) {
        const Type *elem = type_unify(t, a->elem[0], b->elem[0], false);
        return elem ? type_wrap(t, a->kind, elem) : NULL;
    }
    return NULL;
}

const Type *type_unify(TypeTable *t, const Type *a, const Type *b, bool default_to_union)
{
    const Type *both = unify_strictly(t, a, b, default_to_union);
    if (!both && default_to_union)
        return type_union(t, (const Type *[]){a, b}, 2);
    return both;
}

const Type *type_unify_all(TypeTable *t, const Type *const *types, uint32_t count, bool default_to_union)
{
    if (count == 0)
        return NULL;
    const Type *all = types[0];
    for (uint32_t i = 1; i < count && all; i++)
        all = type_unify(t, all, types[i], default_to_union);
    return all;
}

const Type *type_without_none(TypeTable *t, const Type *type)
{
    if (type->kind == TYPE_OPTIONAL)
        return type->elem[0];
    if (type->kind != TYPE_UNION)
        return type;
    const Type **m = ARENA_ARRAY(t->arena, const Type *, type->count);
    uint32_t n = 0;
    for (uint32_t i = 0; i < type->count; i++)
        if (type->elem[i]->kind != TYPE_NONE)
            m[n++] = type->elem[i];
    return type_union(t, m, n);
}

bool type_contains_tensor(const Type *t)
{
    if (t->kind == TYPE_TENSOR || t->kind == TYPE_ANY)
        return true;
    for (uint32_t i = 0; i < t->count; i++)
        if (type_contains_tensor(t->elem[i]))
            return true;
    return false;
}
