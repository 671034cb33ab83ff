// Program: source files, what they define, and compiling it on demand.
// Every public entry point sets the arena's guard; below it an error is a jump (failure.h).
#include "ir/compile.h"

enum { MAX_NESTED_DEFINITIONS = 300 };

#define ENTER(p)                                                                                                       \
    jmp_buf entry_guard;                                                                                               \
    jmp_buf *const outer_guard = (p)->arena->guard;                                                                    \
    const int outer_depth = (p)->depth;                                                                                \
    (p)->failure.code = ST_MEMORY;                                                                                     \
    (p)->arena->guard = &entry_guard;                                                                                  \
    if (setjmp(entry_guard)) {                                                                                         \
        (p)->arena->guard = outer_guard;                                                                               \
        (p)->depth = outer_depth;                                                                                      \
        return (p)->failure.code;                                                                                      \
    }

#define LEAVE(p) ((p)->arena->guard = outer_guard)

Status program_new(Arena *arena, const ProgramOptions *options, Program **out)
{
    Program *p = arena_alloc(arena, sizeof *p);
    if (!p)
        return ST_MEMORY;
    p->arena = arena;
    p->failure.arena = arena;
    p->options = *options;
    ENTER(p);
    p->types = type_table_new(arena);
    p->ops = op_table_new(arena, p->types);
    LEAVE(p);
    *out = p;
    return ST_OK;
}

Arena *program_arena(Program *p) { return p->arena; }
TypeTable *program_types(Program *p) { return p->types; }
OpTable *program_ops(Program *p) { return p->ops; }

// ---- files --------------------------------------------------------------------------------------------------------

static void load_file(Program *p, Str prefix)
{
    SourceFile *file = ARENA_NEW(p->arena, SourceFile);
    strmap_put(&p->files, p->arena, arena_str(p->arena, prefix), file);
    if (!p->options.sources.find)
        return;
    Source *s = &file->source;
    Status status = p->options.sources.find(p->options.sources.ctx, prefix, &s->file, &s->text, &s->debug);
    if (status != ST_OK)
        fail_forward(&p->failure, status);
    if (!s->text.ptr)
        return;
    if (s->text.len >= UINT32_MAX)
        fail_plain(&p->failure, ST_BAD_MODEL, STR_FMT ": source file of %zu bytes is too large", STR_ARG(s->file), s->text.len);
    const Ast *block = parse_file(&p->failure, s);
    for (uint32_t i = 0; i < block->count; i++) {
        Definition *d = ARENA_NEW(p->arena, Definition);
        *d = (Definition){block->kids[i], s};
        Str name = arena_printf(p->arena, STR_FMT "." STR_FMT, STR_ARG(prefix), STR_ARG(block->kids[i]->text));
        strmap_put(&p->defs, p->arena, name, d);
    }
}

const Definition *find_definition(Program *p, Str name)
{
    ptrdiff_t dot = str_rfind(name, '.');
    if (dot < 0)
        return NULL;
    Str prefix = str_first(name, (size_t)dot);
    if (!strmap_get(&p->files, prefix))
        load_file(p, prefix);
    return strmap_get(&p->defs, name);
}

// ---- definitions --------------------------------------------------------------------------------------------------

ClassDef *find_class(Program *p, Str name)
{
    ClassDef *c = strmap_get(&p->classes, name);
    if (c)
        return c;
    if (str_starts(name, STR("__torch__.torch.classes.")))
        return builtin_class(p, name);
    const Definition *d = find_definition(p, name);
    if (!d || d->ast->kind != AST_CLASS)
        return NULL;
    if (++p->depth > MAX_EMIT_DEPTH)
        fail_at(&p->failure, d->source, d->ast->start, ST_BAD_MODEL, "definitions are nested too deeply");
    c = import_class(p, name, d);
    p->depth--;
    return c;
}

Function *new_function(Program *p, ClassDef *cls, Str name, const Ast *ast, const Source *source)
{
    Function *f = ARENA_NEW(p->arena, Function);
    struct Def *def = ARENA_NEW(p->arena, struct Def);
    def->ast = ast;
    f->name = name;
    f->cls = cls;
    f->def = def;
    f->source = source;
    if (cls)
        f->qualified_name = arena_printf(p->arena, STR_FMT "." STR_FMT, STR_ARG(cls->name), STR_ARG(name));
    return f;
}

Function *find_function(Program *p, Str name)
{
    Function *f = strmap_get(&p->functions, name);
    if (f)
        return f;
    const Definition *d = find_definition(p, name);
    if (!d || d->ast->kind != AST_DEF)
        return NULL;
    f = new_function(p, NULL, d->ast->text, d->ast, d->source);
    f->qualified_name = arena_str(p->arena, name);
    strmap_put(&p->functions, p->arena, f->qualified_name, f);
    return f;
}

void ensure_compiled(Program *p, Function *f, const Source *from, Loc loc)
{
    if (f->state == FUNCTION_COMPILED)
        return;
    const Source *source = from ? from : f->source;
    uint32_t at = from ? loc.start : f->def->ast->start;
    if (f->state == FUNCTION_COMPILING)
        fail_at(&p->failure, source, at, ST_BAD_MODEL,
                "function '" STR_FMT "' is called recursively. Recursive calls are not supported", STR_ARG(f->name));
    p->depth += MAX_EMIT_DEPTH / MAX_NESTED_DEFINITIONS;
    if (p->depth > MAX_EMIT_DEPTH)
        fail_at(&p->failure, source, at, ST_BAD_MODEL, "definitions are nested too deeply (limit %d)", MAX_NESTED_DEFINITIONS);
    f->state = FUNCTION_COMPILING;
    compile_function(p, f);
    f->state = FUNCTION_COMPILED;
    p->depth -= MAX_EMIT_DEPTH / MAX_NESTED_DEFINITIONS;
}

// ---- the public face ----------------------------------------------------------------------------------------------

static _Noreturn void fail_unknown(Program *p, Str name, const char *what)
{
    ptrdiff_t dot = str_rfind(name, '.');
    Str prefix = dot < 0 ? name : str_first(name, (size_t)dot);
    char file[400];
    size_t n = 0;
    for (; n < prefix.len && n + 1 < sizeof file; n++)
        file[n] = prefix.ptr[n] == '.' ? '/' : prefix.ptr[n];
    file[n] = 0;
    fail_plain(&p->failure, ST_BAD_MODEL, "Unknown %s name '" STR_FMT "': code/%s.py does not define it", what, STR_ARG(name), file);
}

static Function *compiled_function(Program *p, Str name)
{
    Function *f = find_function(p, name);
    if (!f)
        fail_unknown(p, name, "function");
    ensure_compiled(p, f, NULL, NO_LOC);
    return f;
}

Status program_class(Program *p, Str name, ClassDef **out)
{
    ENTER(p);
    *out = find_class(p, name);
    if (!*out)
        fail_unknown(p, name, "type");
    LEAVE(p);
    return ST_OK;
}

Status program_function(Program *p, Str name, Function **out)
{
    ENTER(p);
    *out = compiled_function(p, name);
    LEAVE(p);
    return ST_OK;
}

Status program_parse_type(Program *p, Str text, const Type **out)
{
    ENTER(p);
    *out = parse_type_text(p, arena_str(p->arena, text));
    LEAVE(p);
    return ST_OK;
}

Status program_bind_datum(Program *p, Datum *d, const char *where)
{
    ENTER(p);
    bind_datum(p, d, where);
    LEAVE(p);
    return ST_OK;
}

Function *class_method(const ClassDef *c, Str name) { return strmap_get(&c->method_index, name); }

const ClassAttr *class_attr(const ClassDef *c, Str name) { return strmap_get(&c->attr_index, name); }
