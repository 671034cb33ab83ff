// Class definitions: modules, plain classes, NamedTuples, enums and interfaces (torchscript.md §3.3).
// A class is known by its name before its methods are compiled, so that they can mention it.
#include "ir/compile.h"

static _Noreturn void class_fail(Program *p, const Definition *def, const Ast *at, const char *what)
{
    fail_at(&p->failure, def->source, at->start, ST_BAD_MODEL, "%s", what);
}

static ClassDef *class_new(Program *p, Str name, ClassKind kind, TypeKind type)
{
    ClassDef *c = ARENA_NEW(p->arena, ClassDef);
    c->name = arena_str(p->arena, name);
    c->kind = kind;
    c->program = p;
    if (kind != CLASS_NAMED_TUPLE)
        c->type = type_class(p->types, type, c->name, c);
    strmap_put(&p->classes, p->arena, c->name, c);
    return c;
}

static void add_attr(Program *p, ClassDef *c, Str name, const Type *type, const StrMap *parameters, const StrMap *buffers)
{
    ClassAttr attr = {name, type, strmap_get(parameters, name) != NULL, strmap_get(buffers, name) != NULL};
    ARENA_PUSH(p->arena, c->attrs, c->attr_count, attr);
}

static void index_attrs(Program *p, ClassDef *c)
{
    for (uint32_t i = 0; i < c->attr_count; i++)
        strmap_put(&c->attr_index, p->arena, c->attrs[i].name, &c->attrs[i]);
}

static void add_method(Program *p, ClassDef *c, const Ast *def, const Source *source)
{
    Function *f = new_function(p, c, def->text, def, source);
    ARENA_PUSH(p->arena, c->methods, c->method_count, f);
    strmap_put(&c->method_index, p->arena, f->name, f);
}

// The strings of `__parameters__ = ["a", "b", ]`.
static void string_list(Program *p, const Definition *def, const Ast *list, Str **items, uint32_t *count)
{
    if (!list || (list->kind != AST_LIST && list->kind != AST_TUPLE))
        class_fail(p, def, list ? list : def->ast, "expected a list of strings");
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->kids[i]->kind != AST_STRING)
            class_fail(p, def, list->kids[i], "expected a string");
        ARENA_PUSH(p->arena, *items, *count, list->kids[i]->text);
    }
}

static void string_set(Program *p, const Definition *def, const Ast *list, StrMap *set)
{
    Str *items = NULL;
    uint32_t count = 0;
    string_list(p, def, list, &items, &count);
    for (uint32_t i = 0; i < count; i++)
        strmap_put(set, p->arena, items[i], set);
}

// `___torch_mangle_N` atoms taken out of a name.
static Str without_mangling(Arena *a, Str name)
{
    Str mangle = STR("___torch_mangle_");
    for (size_t i = 0; i + mangle.len < name.len; i++)
        if (str_starts(str_from(name, i), mangle)) {
            Str rest = str_from(name, i);
            ptrdiff_t dot = str_find(rest, '.');
            return dot < 0 ? name : arena_printf(a, "%.*s" STR_FMT, (int)i, name.ptr, STR_ARG(str_from(rest, (size_t)dot + 1)));
        }
    return name;
}

// Old quantised modules declare their packed parameters as Tensor, though they hold torchbind objects.
static const Type *patched_attr_type(Program *p, Str cls, Str attr, const Type *type)
{
    static const struct {
        const char *cls, *packed;
    } rows[] = {
        {"quantized.modules.linear.LinearPackedParams", "Linear"},
        {"quantized.modules.linear.Linear", "Linear"},
        {"quantized.dynamic.modules.linear.Linear", "Linear"},
        {"quantized.modules.conv.Conv2d", "Conv2d"},
        {"quantized.modules.conv.Conv3d", "Conv3d"},
        {"intrinsic.quantized.modules.conv_relu.ConvReLU2d", "Conv2d"},
        {"intrinsic.quantized.modules.conv_relu.ConvReLU3d", "Conv3d"},
    };
    if (type->kind != TYPE_TENSOR || !str_is(attr, "_packed_params"))
        return type;
    Str plain = without_mangling(p->arena, cls);
    Str prefixes[] = {STR("__torch__.torch.nn."), STR("__torch__.torch.ao.nn.")};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; str_starts(plain, prefixes[k]) && i < sizeof rows / sizeof *rows; i++)
            if (str_is(str_from(plain, prefixes[k].len), rows[i].cls)) {
                Str name = arena_printf(p->arena, "__torch__.torch.classes.quantized.%sPackedParamsBase", rows[i].packed);
                return find_class(p, name)->type;
            }
    return type;
}

typedef struct ClassBody {
    const Ast **attrs, **constants;
    uint32_t attr_count, constant_count;
    StrMap parameters, buffers;
} ClassBody;

static bool is_final(const Ast *type)
{
    return type && type->kind == AST_SUBSCRIPT && type->kids[0]->kind == AST_NAME && str_is(type->kids[0]->text, "Final");
}

static void read_class_assign(Program *p, ClassDef *c, const Definition *def, const Ast *s, ClassBody *body)
{
    const Ast *target = s->kids[2], *value = s->kids[0], *type = s->kids[1];
    if (target->kind == AST_NAME && str_is(target->text, "__annotations__"))
        return;
    if (target->kind == AST_NAME && str_is(target->text, "__parameters__"))
        string_set(p, def, value, &body->parameters);
    else if (target->kind == AST_NAME && str_is(target->text, "__buffers__"))
        string_set(p, def, value, &body->buffers);
    else if (target->kind == AST_NAME && str_is(target->text, "__forward_pre_hooks__"))
        string_list(p, def, value, &c->forward_pre_hooks, &c->forward_pre_hook_count);
    else if (target->kind == AST_NAME && str_is(target->text, "__forward_hooks__"))
        string_list(p, def, value, &c->forward_hooks, &c->forward_hook_count);
    else if (value && is_final(type))
        ARENA_PUSH(p->arena, body->constants, body->constant_count, s);
    else if (target->kind == AST_NAME || (target->kind == AST_SUBSCRIPT && target->count == 2 && target->kids[1]->kind == AST_STRING))
        ARENA_PUSH(p->arena, body->attrs, body->attr_count, s);
    else
        class_fail(p, def, target, "Unexpected statement in a class body");
}

static ClassDef *import_object_class(Program *p, Str name, const Definition *def, bool is_module)
{
    ClassDef *c = class_new(p, name, is_module ? CLASS_MODULE : CLASS_PLAIN, TYPE_CLASS);
    const Ast *block = def->ast->kids[1];
    ClassBody body = {0};
    for (uint32_t i = 0; i < block->count; i++) {
        const Ast *s = block->kids[i];
        if (s->kind == AST_ASSIGN)
            read_class_assign(p, c, def, s, &body);
        else if (s->kind == AST_DEF)
            add_method(p, c, s, def->source);
        else if (s->kind != AST_PASS)
            class_fail(p, def, s, "Unexpected statement in a class body");
    }
    for (uint32_t i = 0; i < body.attr_count; i++) {
        const Ast *s = body.attrs[i], *target = s->kids[2];
        Str attr = target->kind == AST_NAME ? target->text : target->kids[1]->text;
        const Type *type = parse_type(p, def->source, s->kids[1] ? s->kids[1] : s->kids[0] ? s->kids[0] : target);
        add_attr(p, c, attr, patched_attr_type(p, name, attr, type), &body.parameters, &body.buffers);
    }
    index_attrs(p, c);
    for (uint32_t i = 0; i < body.constant_count; i++) {
        const Ast *s = body.constants[i];
        ClassConstant constant = {.name = s->kids[2]->text, .type = parse_type(p, def->source, s->kids[1])};
        constant.value = constant_expression(p, def->source, s->kids[0], constant.type);
        ARENA_PUSH(p->arena, c->constants, c->constant_count, constant);
    }
    Function *init = strmap_get(&c->method_index, STR("__init__"));
    if (init)
        ensure_compiled(p, init, NULL, NO_LOC);
    for (uint32_t i = 0; i < c->method_count; i++)
        if (c->methods[i]->state == FUNCTION_DECLARED)
            ensure_compiled(p, c->methods[i], NULL, NO_LOC);
    return c;
}

static ClassDef *import_named_tuple(Program *p, Str name, const Definition *def)
{
    const Ast *block = def->ast->kids[1];
    Str *fields = NULL;
    const Type **types = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        const Ast *s = block->kids[i];
        if (s->kind == AST_PASS)
            continue;
        if (s->kind != AST_ASSIGN)
            class_fail(p, def, s, "Unexpected statement in the body of a NamedTuple");
        const Ast *target = s->kids[2];
        Str field = target->kind == AST_NAME ? target->text
                    : target->kind == AST_SUBSCRIPT && target->kids[1]->kind == AST_STRING ? target->kids[1]->text : STR("");
        const Ast *type = s->kids[1] ? s->kids[1] : s->kids[0];
        if (!field.len || !type)
            class_fail(p, def, s, "Unexpected statement in the body of a NamedTuple");
        uint32_t count = n;
        ARENA_PUSH(p->arena, fields, count, field);
        ARENA_PUSH(p->arena, types, n, parse_type(p, def->source, type));
    }
    ClassDef *c = class_new(p, name, CLASS_NAMED_TUPLE, TYPE_TUPLE);
    c->type = type_named_tuple(p->types, c->name, fields, types, n);
    for (uint32_t i = 0; i < n; i++)
        add_attr(p, c, fields[i], types[i], &(StrMap){0}, &(StrMap){0});
    index_attrs(p, c);
    return c;
}

static ClassDef *import_enum(Program *p, Str name, const Definition *def)
{
    ClassDef *c = class_new(p, name, CLASS_ENUM, TYPE_ENUM);
    const Ast *block = def->ast->kids[1];
    for (uint32_t i = 0; i < block->count; i++) {
        const Ast *s = block->kids[i];
        if (s->kind == AST_PASS)
            continue;
        if (s->kind != AST_ASSIGN || s->kids[2]->kind != AST_NAME || !s->kids[0])
            class_fail(p, def, s, "Unexpected statement in the body of an enum");
        Datum *member = ARENA_NEW(p->arena, Datum);
        Datum **items = ARENA_ARRAY(p->arena, Datum *, 1);
        items[0] = constant_expression(p, def->source, s->kids[0], NULL);
        *member = (Datum){.kind = DATUM_ENUM, .count = 1, .items = items, .name = c->name, .cls = c};
        ClassConstant constant = {.name = s->kids[2]->text, .type = c->type, .value = member};
        ARENA_PUSH(p->arena, c->constants, c->constant_count, constant);
    }
    return c;
}

static ClassDef *import_interface(Program *p, Str name, const Definition *def, bool is_module)
{
    ClassDef *c = class_new(p, name, is_module ? CLASS_MODULE_INTERFACE : CLASS_INTERFACE, TYPE_INTERFACE);
    const Ast *block = def->ast->kids[1];
    for (uint32_t i = 0; i < block->count; i++) {
        const Ast *s = block->kids[i];
        if (s->kind == AST_PASS)
            continue;
        if (s->kind != AST_DEF)
            class_fail(p, def, s, "Unexpected statement in the body of an interface");
        add_method(p, c, s, def->source);
    }
    for (uint32_t i = 0; i < c->method_count; i++) {
        Function *f = c->methods[i];
        bool inferred;
        f->schema = signature_of(p, f->source, f->def->ast, c, f->name, &inferred);
        if (inferred)
            class_fail(p, def, f->def->ast, "Interface declarations must have a return type annotated");
        f->state = FUNCTION_COMPILED;
    }
    return c;
}

// Methods of builtin classes that saved code calls. They have a signature and no graph.
static const struct {
    const char *cls, *signature;
} builtin_methods[] = {
#define CONV_METHODS(cls)                                                                                              \
    {cls, "unpack(__torch__.torch.classes." cls " self) -> ((Tensor, Tensor?))"},                                      \
        {cls, "weight(__torch__.torch.classes." cls " self) -> Tensor"},                                               \
        {cls, "bias(__torch__.torch.classes." cls " self) -> Tensor?"},                                                \
        {cls, "stride(__torch__.torch.classes." cls " self) -> int[]"},                                                \
        {cls, "padding(__torch__.torch.classes." cls " self) -> int[]"},                                               \
        {cls, "output_padding(__torch__.torch.classes." cls " self) -> int[]"},                                        \
        {cls, "dilation(__torch__.torch.classes." cls " self) -> int[]"},                                              \
        {cls, "groups(__torch__.torch.classes." cls " self) -> int"},                                                  \
        {cls, "transpose(__torch__.torch.classes." cls " self) -> bool"}
    CONV_METHODS("quantized.Conv2dPackedParamsBase"), CONV_METHODS("quantized.Conv3dPackedParamsBase"),
#undef CONV_METHODS
    {"quantized.LinearPackedParamsBase", "unpack(__torch__.torch.classes.quantized.LinearPackedParamsBase self) -> ((Tensor, Tensor?))"},
    {"quantized.LinearPackedParamsBase", "bias(__torch__.torch.classes.quantized.LinearPackedParamsBase self) -> Tensor?"},
    {"quantized.EmbeddingPackedParamsBase", "unpack(__torch__.torch.classes.quantized.EmbeddingPackedParamsBase self) -> Tensor"},
    {"quantized.EmbeddingPackedParamsBase", "bit_rate(__torch__.torch.classes.quantized.EmbeddingPackedParamsBase self) -> int"},
};

ClassDef *builtin_class(Program *p, Str name)
{
    ClassDef *c = class_new(p, name, CLASS_BUILTIN, TYPE_CLASS);
    Str rest = str_from(name, strlen("__torch__.torch.classes."));
    for (size_t i = 0; i < sizeof builtin_methods / sizeof *builtin_methods; i++) {
        if (!str_is(rest, builtin_methods[i].cls))
            continue;
        Schema *s;
        Status status = schema_parse(p->arena, p->types, str_of(builtin_methods[i].signature), &s);
        if (status != ST_OK)
            fail_forward(&p->failure, status);
        Function *f = new_function(p, c, s->symbol, NULL, NULL);
        f->schema = s;
        f->state = FUNCTION_COMPILED;
        ARENA_PUSH(p->arena, c->methods, c->method_count, f);
        strmap_put(&c->method_index, p->arena, f->name, f);
    }
    declare_packed(c, rest);
    return c;
}

ClassDef *import_class(Program *p, Str name, const Definition *def)
{
    const Ast *base = def->ast->kids[0];
    if (!base)
        return import_object_class(p, name, def, false);
    Str b = base->kind == AST_NAME ? base->text : STR("");
    if (str_is(b, "Module"))
        return import_object_class(p, name, def, true);
    if (str_is(b, "NamedTuple"))
        return import_named_tuple(p, name, def);
    if (str_is(b, "Enum"))
        return import_enum(p, name, def);
    if (str_is(b, "Interface"))
        return import_interface(p, name, def, false);
    if (str_is(b, "ModuleInterface"))
        return import_interface(p, name, def, true);
    class_fail(p, def, base, "Torchscript does not support class inheritance.");
}

bool class_implements(const ClassDef *c, const ClassDef *interface)
{
    if (interface->kind == CLASS_MODULE_INTERFACE && c->kind != CLASS_MODULE && c->kind != CLASS_MODULE_INTERFACE)
        return false;
    for (uint32_t i = 0; i < interface->method_count; i++) {
        const Function *want = interface->methods[i];
        Function *have = strmap_get(&c->method_index, want->name);
        if (!have)
            return false;
        if (!have->schema)
            ensure_compiled(c->program, have, NULL, NO_LOC);
        const Schema *a = have->schema, *b = want->schema;
        if (a->arg_count != b->arg_count || a->return_count != b->return_count)
            return false;
        for (uint32_t k = 1; k < a->arg_count; k++)
            if (!type_is_subtype(b->args[k].type, a->args[k].type))
                return false;
        for (uint32_t k = 0; k < a->return_count; k++)
            if (!type_is_subtype(a->returns[k].type, b->returns[k].type))
                return false;
    }
    return true;
}
