// The two spellings of a type: that of `.graph` and that of annotations.
// Both come from PyTorch and must match it to the byte (torchscript.md §3.7, §5.4).
#include "ir/type.h"

typedef void Print(Buf *out, const Type *t);

static void list_of(Buf *out, const Type *t, Print *print)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (i)
            buf_z(out, ", ");
        print(out, t->elem[i]);
    }
}

// Names of the kinds that have no elements; NULL for the others.
static const char *simple_name(TypeKind k, bool python)
{
    switch (k) {
    case TYPE_ANY: return "Any";
    case TYPE_TENSOR: return "Tensor";
    case TYPE_INT: return "int";
    case TYPE_FLOAT: return "float";
    case TYPE_COMPLEX: return "complex";
    case TYPE_NUMBER: return python ? "number" : "Scalar";
    case TYPE_BOOL: return "bool";
    case TYPE_STR: return "str";
    case TYPE_NONE: return "NoneType";
    case TYPE_DEVICE: return "Device";
    case TYPE_GENERATOR: return "Generator";
    case TYPE_STREAM: return "Stream";
    case TYPE_STORAGE: return "Storage";
    case TYPE_CAPSULE: return "Capsule";
    case TYPE_ANY_LIST: return "list";
    case TYPE_ANY_TUPLE: return "tuple";
    case TYPE_ANY_ENUM: return "AnyEnumType";
    case TYPE_ANY_CLASS: return "AnyClassType";
    case TYPE_FUNCTION: return "Function";
    default: return NULL;
    }
}

static void wrapped(Buf *out, const char *name, const Type *t, Print *print)
{
    buf_printf(out, "%s[", name);
    list_of(out, t, print);
    buf_char(out, ']');
}

static void named_tuple_ir(Buf *out, const Type *t)
{
    buf_z(out, "NamedTuple(");
    for (uint32_t i = 0; i < t->count; i++) {
        buf_printf(out, "%s" STR_FMT " : ", i ? ", " : "", STR_ARG(t->fields[i]));
        type_print_ir(out, t->elem[i]);
    }
    buf_char(out, ')');
}

void type_print_ir(Buf *out, const Type *t)
{
    const char *name = simple_name(t->kind, false);
    if (name) {
        buf_z(out, name);
        return;
    }
    switch (t->kind) {
    case TYPE_LIST:
        type_print_ir(out, t->elem[0]);
        buf_z(out, "[]");
        break;
    case TYPE_OPTIONAL:
        type_print_ir(out, t->elem[0]);
        buf_char(out, '?');
        break;
    case TYPE_DICT:
        buf_z(out, "Dict(");
        list_of(out, t, type_print_ir);
        buf_char(out, ')');
        break;
    case TYPE_TUPLE:
        if (t->fields) {
            named_tuple_ir(out, t);
        } else {
            buf_char(out, '(');
            list_of(out, t, type_print_ir);
            buf_char(out, ')');
        }
        break;
    case TYPE_UNION:
        buf_z(out, "Union(");
        list_of(out, t, type_print_ir);
        buf_char(out, ')');
        break;
    case TYPE_FUTURE: wrapped(out, "Future", t, type_print_ir); break;
    case TYPE_AWAIT: wrapped(out, "Await", t, type_print_ir); break;
    case TYPE_RREF: wrapped(out, "RRef", t, type_print_ir); break;
    case TYPE_ENUM:
        buf_printf(out, "Enum<" STR_FMT ">", STR_ARG(t->name));
        break;
    case TYPE_INTERFACE: // only the last part of its name
        buf_printf(out, "InterfaceType<" STR_FMT ">", STR_ARG(str_from(t->name, (size_t)(str_rfind(t->name, '.') + 1))));
        break;
    default: // CLASS, VAR
        buf_str(out, t->name);
        break;
    }
}

void type_print_python(Buf *out, const Type *t)
{
    const char *name = simple_name(t->kind, true);
    if (name) {
        buf_z(out, name);
        return;
    }
    switch (t->kind) {
    case TYPE_LIST: wrapped(out, "List", t, type_print_python); break;
    case TYPE_OPTIONAL: wrapped(out, "Optional", t, type_print_python); break;
    case TYPE_DICT: wrapped(out, "Dict", t, type_print_python); break;
    case TYPE_UNION: wrapped(out, "Union", t, type_print_python); break;
    case TYPE_FUTURE: wrapped(out, "Future", t, type_print_python); break;
    case TYPE_AWAIT: wrapped(out, "Await", t, type_print_python); break;
    case TYPE_RREF: wrapped(out, "RRef", t, type_print_python); break;
    case TYPE_TUPLE:
        if (t->fields && t->name.len)
            buf_str(out, t->name);
        else if (t->count == 0)
            buf_z(out, "Tuple[()]");
        else
            wrapped(out, "Tuple", t, type_print_python);
        break;
    default: // CLASS, INTERFACE, ENUM, VAR
        buf_str(out, t->name);
        break;
    }
}
