// Expressions of the code printer: what stands to the right of `=`, node kind by node kind (torchscript.md §5.7).
// The text of the inputs is there already, as names or as inlined expressions.
#include "ir/print_code.h"

bool is_identifier(Str s)
{
    if (s.len == 0 || (s.ptr[0] >= '0' && s.ptr[0] <= '9'))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return true;
}

// Constants ----------------------------------------------------------------------------------------------------------

static bool is_ascii(Str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    return true;
}

static bool in_table(const Datum *d)
{
    return d->kind == DATUM_TENSOR || d->kind == DATUM_OBJECT || (d->kind == DATUM_STR && !is_ascii(d->s));
}

static bool holds_non_ascii(const Datum *d)
{
    if (d->kind == DATUM_STR)
        return !is_ascii(d->s);
    uint32_t n = d->kind == DATUM_TUPLE || d->kind == DATUM_LIST ? d->count : d->kind == DATUM_DICT ? 2 * d->count : 0;
    for (uint32_t i = 0; i < n; i++)
        if (holds_non_ascii(d->items[i]))
            return true;
    return false;
}

static uint32_t table_index(CodePrinter *p, const Datum *d)
{
    for (uint32_t i = 0; d->kind == DATUM_TENSOR && i < p->constant_count; i++)
        if (datum_equal(p->constants[i], d))
            return i;
    ARENA_PUSH(p->arena, p->constants, p->constant_count, (Datum *)d);
    return p->constant_count - 1;
}

static const Type *part_type(const Type *type, uint32_t i)
{
    if (type && type->kind == TYPE_OPTIONAL)
        type = type->elem[0];
    if (type && type->kind == TYPE_LIST)
        i = 0;
    bool has_parts = type && (type->kind == TYPE_LIST || type->kind == TYPE_DICT || type->kind == TYPE_TUPLE);
    return has_parts && i < type->count ? type->elem[i] : NULL;
}

static void constant_parts(CodePrinter *p, Buf *out, const Datum *d, const Type *type)
{
    bool dict = d->kind == DATUM_DICT, tuple = d->kind == DATUM_TUPLE;
    buf_char(out, dict ? '{' : tuple ? '(' : '[');
    for (uint32_t i = 0; i < d->count; i++) {
        if (i)
            buf_z(out, ", ");
        code_constant(p, out, d->items[dict ? 2 * i : i], part_type(type, dict ? 0 : i));
        if (dict) {
            buf_z(out, ": ");
            code_constant(p, out, d->items[2 * i + 1], part_type(type, 1));
        }
    }
    buf_z(out, dict ? "}" : tuple ? (d->count == 1 ? ",)" : ")") : "]");
}

static void constant_container(CodePrinter *p, Buf *out, const Datum *d, const Type *type)
{
    const Type *element = part_type(type, d->kind == DATUM_DICT ? 1 : 0);
    if ((d->count == 0 || (element && needs_annotation(element))) && (element || d->name.len)) {
        buf_z(out, "annotate(");
        if (element)
            type_print_python(out, type->kind == TYPE_OPTIONAL ? type->elem[0] : type);
        else
            buf_str(out, d->name);
        buf_z(out, d->kind == DATUM_DICT ? "," : ", ");
        constant_parts(p, out, d, type);
        buf_char(out, ')');
    } else {
        constant_parts(p, out, d, type);
    }
}

void code_constant(CodePrinter *p, Buf *out, const Datum *d, const Type *type)
{
    if (in_table(d) || holds_non_ascii(d)) {
        buf_printf(out, "CONSTANTS.c%u", table_index(p, d));
    } else if (d->kind == DATUM_FUNCTION) {
        buf_str(out, d->name);
    } else if (d->kind == DATUM_DEVICE) {
        buf_z(out, "torch.device(");
        print_quoted(out, d->s);
        buf_char(out, ')');
    } else if (d->kind == DATUM_TUPLE) {
        if (type && type->kind == TYPE_TUPLE && type->name.len)
            type_print_python(out, type);
        constant_parts(p, out, d, type);
    } else if (d->kind == DATUM_LIST || d->kind == DATUM_DICT) {
        constant_container(p, out, d, type);
    } else {
        print_datum(out, d, type);
    }
}

// Operators ----------------------------------------------------------------------------------------------------------

static void list_uses(Buf *out, const Node *n, uint32_t from)
{
    for (uint32_t i = from; i < n->input_count; i++) {
        if (i > from)
            buf_z(out, ", ");
        buf_str(out, code_use(n->inputs[i]));
    }
}

// `f(a, b, )`: how calls of methods and functions print their arguments.
static void call_arguments(Buf *out, const Node *n)
{
    buf_char(out, '(');
    for (uint32_t i = 1; i < n->input_count; i++) {
        buf_str(out, code_use(n->inputs[i]));
        buf_z(out, ", ");
    }
    buf_char(out, ')');
}

static void operator_name(Buf *out, Str symbol)
{
    if (str_is(symbol, "aten::backward") || str_is(symbol, "aten::grad")) {
        buf_z(out, "torch.autograd.");
        buf_str(out, str_from(symbol, 6));
    } else if (str_starts(symbol, STR("aten::"))) {
        buf_z(out, "torch.");
        buf_str(out, str_from(symbol, 6));
    } else {
        ptrdiff_t colon = str_find(symbol, ':');
        buf_z(out, "ops.");
        buf_str(out, str_first(symbol, (size_t)colon));
        buf_char(out, '.');
        buf_str(out, str_from(symbol, (size_t)colon + 2));
    }
}

// How many arguments must be written: trailing ones that equal their defaults are left out. *outs: number of `out=` ones.
static uint32_t necessary_arguments(const Node *n, uint32_t *outs)
{
    const Schema *s = n->schema;
    uint32_t i = s->arg_count;
    while (i > 0 && s->args[i - 1].is_out)
        i--;
    *outs = s->arg_count - i;
    if (s->arg_count < n->input_count)
        return n->input_count;
    for (; i > 0; i--) {
        const Datum *given = value_constant(n->inputs[i - 1]), *usual = s->args[i - 1].default_value;
        if (!usual || !given || !datum_equal(given, usual))
            return i;
    }
    return 0;
}

static void operator_call(Buf *out, const Node *n)
{
    const Schema *s = n->schema;
    operator_name(out, s->symbol);
    buf_char(out, '(');
    uint32_t outs = 0, count = s->arg_count ? necessary_arguments(n, &outs) : s->vararg ? n->input_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buf_z(out, ", ");
        if (i < s->arg_count && s->args[i].keyword_only) {
            buf_str(out, s->args[i].name);
            buf_char(out, '=');
        }
        buf_str(out, code_use(n->inputs[i]));
    }
    for (uint32_t i = s->arg_count - outs; i < s->arg_count; i++) {
        buf_z(out, ", ");
        buf_str(out, s->args[i].name);
        buf_char(out, '=');
        buf_str(out, code_use(n->inputs[n->input_count - (s->arg_count - i)]));
    }
    buf_char(out, ')');
}

static void annotated_use(Buf *out, const char *function, const Type *type, Str use)
{
    buf_z(out, function);
    type_print_python(out, type);
    buf_z(out, ", ");
    buf_str(out, use);
    buf_char(out, ')');
}

static void unwrap_optional(Buf *out, const Node *n)
{
    buf_z(out, "torch._unwrap_optional(");
    if (value_is_none(n->inputs[0])) {
        // The type of unwrapping a plain None could not be read back.
        TypeTable *types = n->owner->graph->types;
        annotated_use(out, "annotate(", type_optional(types, n->outputs[0]->type), code_use(n->inputs[0]));
    } else {
        buf_str(out, code_use(n->inputs[0]));
    }
    buf_char(out, ')');
}

static void index_operator(Buf *out, const Node *n)
{
    Str base = code_use(n->inputs[0]);
    if (is_identifier(base)) {
        buf_str(out, base);
    } else {
        buf_char(out, '(');
        buf_str(out, base);
        buf_char(out, ')');
    }
    buf_char(out, '[');
    buf_str(out, code_use(n->inputs[1]));
    buf_char(out, ']');
}

static void operator_expression(Buf *out, const Node *n)
{
    static const char *const CALLS[][2] = {{"aten::Int", "int("}, {"aten::Float", "float("}, {"aten::Bool", "bool("}, {"aten::str", "str("}, {"aten::sorted", "sorted("}};
    Str symbol = n->schema->symbol;
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++)
        if (str_is(symbol, CALLS[i][0])) {
            buf_z(out, CALLS[i][1]);
            list_uses(out, n, 0);
            buf_char(out, ')');
            return;
        }
    if (str_is(symbol, "aten::ScalarImplicit") || str_is(symbol, "aten::FloatImplicit") || str_is(symbol, "aten::IntImplicit") || str_is(symbol, "aten::ComplexImplicit"))
        annotated_use(out, "annotate(", n->outputs[0]->type, code_use(n->inputs[0]));
    else if (str_is(symbol, "aten::__getitem__"))
        index_operator(out, n);
    else if (str_is(symbol, "aten::_unwrap_optional"))
        unwrap_optional(out, n);
    else
        operator_call(out, n);
}

// Constructors and the other closed kinds ----------------------------------------------------------------------------

static void list_construct(Buf *out, const Node *n)
{
    const Type *type = n->outputs[0]->type;
    bool annotate = n->input_count == 0 || (type->count && needs_annotation(type->elem[0]));
    if (annotate) {
        buf_z(out, "annotate(");
        type_print_python(out, type);
        buf_z(out, ", ");
    }
    buf_char(out, '[');
    list_uses(out, n, 0);
    buf_char(out, ']');
    if (annotate)
        buf_char(out, ')');
}

static void dict_construct(Buf *out, const Node *n)
{
    const Type *type = n->outputs[0]->type;
    bool annotate = n->input_count == 0 || (type->count == 2 && (needs_annotation(type->elem[0]) || needs_annotation(type->elem[1])));
    if (annotate) {
        buf_z(out, "annotate(");
        type_print_python(out, type);
        buf_z(out, ", ");
    }
    buf_char(out, '{');
    for (uint32_t i = 0; i + 1 < n->input_count; i += 2) {
        if (i)
            buf_z(out, ", ");
        buf_str(out, code_use(n->inputs[i]));
        buf_z(out, ": ");
        buf_str(out, code_use(n->inputs[i + 1]));
    }
    buf_char(out, '}');
    if (annotate)
        buf_char(out, ')');
}

static void tuple_construct(Buf *out, const Node *n)
{
    if (n->outputs[0]->type->name.len)
        type_print_python(out, n->outputs[0]->type);
    buf_char(out, '(');
    list_uses(out, n, 0);
    buf_z(out, n->input_count == 1 ? ",)" : ")");
}

static void is_instance(Buf *out, const Node *n)
{
    buf_z(out, "isinstance(");
    buf_str(out, code_use(n->inputs[0]));
    buf_z(out, n->type_count == 1 ? ", " : ", (");
    for (uint32_t i = 0; i < n->type_count; i++) {
        if (i)
            buf_z(out, ", ");
        type_print_python(out, n->types[i]);
    }
    buf_z(out, n->type_count == 1 ? ")" : "))");
}

static void get_attr(Buf *out, const Node *n)
{
    if (is_identifier(n->name)) {
        buf_str(out, code_use(n->inputs[0]));
        buf_char(out, '.');
        buf_str(out, n->name);
        return;
    }
    buf_z(out, "getattr(");
    buf_str(out, code_use(n->inputs[0]));
    buf_z(out, ", ");
    print_quoted(out, n->name);
    buf_char(out, ')');
}

static void raise_exception(Buf *out, const Node *n)
{
    buf_z(out, "ops.prim.RaiseException(");
    buf_str(out, code_use(n->inputs[0]));
    if (n->input_count > 1 && !value_is_none(n->inputs[1])) {
        buf_z(out, ", ");
        buf_str(out, code_use(n->inputs[1]));
    }
    buf_char(out, ')');
}

static void parenthesised(Buf *out, const Value *v, const char *tail)
{
    buf_char(out, '(');
    buf_str(out, code_use(v));
    buf_char(out, ')');
    buf_z(out, tail);
}

void code_expression(CodePrinter *p, Buf *out, const Node *n)
{
    switch (n->kind) {
    case NODE_CONSTANT: code_constant(p, out, n->constant ? n->constant : &datum_none, n->outputs[0]->type); break;
    case NODE_OP: operator_expression(out, n); break;
    case NODE_PRINT:
        buf_z(out, "print(");
        list_uses(out, n, 0);
        buf_char(out, ')');
        break;
    case NODE_RAISE: raise_exception(out, n); break;
    case NODE_TUPLE_CONSTRUCT: tuple_construct(out, n); break;
    case NODE_TUPLE_INDEX:
        parenthesised(out, n->inputs[0], "[");
        buf_str(out, code_use(n->inputs[1]));
        buf_char(out, ']');
        break;
    case NODE_TUPLE_SLICE:
        parenthesised(out, n->inputs[0], "[");
        buf_printf(out, "%lld:%lld]", (long long)n->beg, (long long)n->end);
        break;
    case NODE_LIST_CONSTRUCT: list_construct(out, n); break;
    case NODE_DICT_CONSTRUCT: dict_construct(out, n); break;
    case NODE_CREATE_OBJECT:
        type_print_python(out, n->outputs[0]->type);
        buf_z(out, ".__new__(");
        type_print_python(out, n->outputs[0]->type);
        buf_char(out, ')');
        break;
    case NODE_GET_ATTR: get_attr(out, n); break;
    case NODE_CALL_FUNCTION:
        buf_str(out, code_use(n->inputs[0]));
        call_arguments(out, n);
        break;
    case NODE_CALL_METHOD:
        parenthesised(out, n->inputs[0], ".");
        buf_str(out, n->name);
        call_arguments(out, n);
        break;
    case NODE_UNCHECKED_CAST: annotated_use(out, "unchecked_cast(", n->outputs[0]->type, code_use(n->inputs[0])); break;
    case NODE_UNINITIALIZED:
        buf_z(out, "uninitialized(");
        type_print_python(out, n->outputs[0]->type);
        buf_char(out, ')');
        break;
    case NODE_ISINSTANCE: is_instance(out, n); break;
    case NODE_TOLIST:
        buf_z(out, "annotate(");
        type_print_python(out, n->outputs[0]->type);
        buf_z(out, ", ");
        buf_str(out, code_use(n->inputs[0]));
        buf_z(out, ".tolist())");
        break;
    case NODE_ENUM_NAME: parenthesised(out, n->inputs[0], ".name"); break;
    case NODE_ENUM_VALUE: parenthesised(out, n->inputs[0], ".value"); break;
    default: buf_z(out, node_kind_text(n->kind)); break;
    }
}
