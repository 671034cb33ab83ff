// What the parts of the compiler share: the program behind its public face, the state of one function being compiled,
// and the values that exist only while compiling ("sugar": methods, builtins, ranges …).
#ifndef TSB_IR_COMPILE_H
#define TSB_IR_COMPILE_H

#include "ir/ast.h"

// ---- sources ----------------------------------------------------------------------------------------------------

typedef struct SourceMap SourceMap;

// A Source that the program made; every `const Source *` below points to the first member of one of these.
typedef struct SourceFile {
    Source source;
    SourceMap *map; // lines and original places, built at first use
} SourceFile;

// A byte range in the source of the function being compiled; NO_LOC: none.
typedef struct Loc {
    uint32_t start, end;
} Loc;

#define NO_LOC ((Loc){UINT32_MAX, 0})
static inline Loc loc_of(const Ast *a) { return (Loc){a->start, a->end}; }

// The original place of a range, through the debug file when there is one.
SourceRange source_range(Program *p, const Source *source, Loc loc);

// ---- the program ------------------------------------------------------------------------------------------------

typedef struct BuiltinSet { // script-defined overloads of one symbol
    Function **items;
    uint32_t count;
} BuiltinSet;

struct Program {
    Arena *arena;
    Failure failure;
    TypeTable *types;
    OpTable *ops;
    ProgramOptions options;
    StrMap files;     // prefix -> SourceFile, or to the program itself when there is none
    StrMap defs;      // qualified name -> Definition
    StrMap classes;   // qualified name -> ClassDef
    StrMap functions; // qualified name -> Function
    StrMap builtins;  // symbol -> BuiltinSet
    StrMap upgraders; // full name of an overload -> Function
    int depth;        // of nested definitions being compiled and expressions being emitted
    int64_t warn_count;
};

enum { MAX_EMIT_DEPTH = 3000 };

typedef enum { FUNCTION_DECLARED, FUNCTION_COMPILING, FUNCTION_COMPILED } FunctionState;

typedef struct Definition {
    const Ast *ast; // AST_DEF or AST_CLASS
    const Source *source;
} Definition;

ClassDef *find_class(Program *p, Str qualified_name);                // NULL: no such class (or NamedTuple, enum …)
Function *find_function(Program *p, Str qualified_name);             // NULL: no such function
const Definition *find_definition(Program *p, Str qualified_name);
ClassDef *import_class(Program *p, Str name, const Definition *def); // classes.c
void declare_packed(ClassDef *c, Str name);  // attributes of a builtin class, from what follows "__torch__.torch.classes."
void unpack_state(Program *p, Datum *d, const char *where); // state of an object of one -> dict of those attributes
ClassDef *builtin_class(Program *p, Str name); // a class that is no source: __torch__.torch.classes.…
Function *new_function(Program *p, ClassDef *cls, Str name, const Ast *def, const Source *source);
void ensure_compiled(Program *p, Function *f, const Source *from, Loc loc);
const Type *parse_type(Program *p, const Source *source, const Ast *expr);
const Type *parse_type_text(Program *p, Str text); // `text` must last
// The value of a constant expression, as defaults and Final constants have; its type may be NULL.
Datum *constant_expression(Program *p, const Source *source, const Ast *expr, const Type *type);
const Type *type_of_datum(Program *p, const Datum *d);
void bind_datum(Program *p, Datum *d, const char *where);
const BuiltinSet *find_builtins(Program *p, Str symbol);
// The old signature of an overload for files of `version`, or NULL when it did not change (torchscript.md §6).
const Schema *find_upgraded(Program *p, const Schema *current, int version);

// ---- one function being compiled --------------------------------------------------------------------------------

typedef struct Sugar Sugar;

typedef struct VarFrame {
    struct VarFrame *next; // the enclosing one
    Block *block;
    StrMap types;       // variable -> Type
    StrMap sugars;      // variable -> Sugar that is no first-class value
    Str *names;         // variables in `types`, in order of definition
    uint32_t name_count;
    StrMap errors;      // variable -> message, why it is not defined after an if
} VarFrame;

typedef struct DefState {
    const Type *declared, *merged; // return type: as annotated, as found so far
    struct DefState *outer;
} DefState;

typedef struct Emit {
    Program *p;
    Arena *arena;
    Graph *g;
    Function *fn;
    const Source *source;
    Node *at; // new nodes go before this one
    VarFrame *frame;
    DefState *def;
    StrMap ints, floats, complexes; // literals of this function: bytes of the number -> Value
    StrMap exits;                   // addresses of blocks that always return, raise, break or continue
    int version;                    // of operators, 0 when operators are never upgraded here
    enum { NOT_IN_LOOP, IN_LOOP, IN_UNROLLED_LOOP } loop;
    uint32_t temporaries;
} Emit;

_Noreturn void emit_fail(Emit *e, Loc loc, const char *fmt, ...) PRINTF_LIKE(3, 4);
const char *type_text(Arena *a, const Type *t); // for messages: as annotations print it

// Emits, converts to SSA and cleans up f->graph.
void compile_function(Program *p, Function *f);
// The signature of a definition. A missing return annotation leaves `returns` empty and *inferred true.
Schema *signature_of(Program *p, const Source *source, const Ast *def, const ClassDef *self, Str name, bool *inferred);

// Nodes at the insertion point.
Node *emit_node(Emit *e, NodeKind kind, Loc loc);
Value *emit_constant(Emit *e, Datum *d, const Type *type, Loc loc);
Value *emit_int(Emit *e, int64_t v, Loc loc);
Value *emit_bool(Emit *e, bool v, Loc loc);
Value *emit_none(Emit *e, Loc loc);
Value *emit_str(Emit *e, Str s, Loc loc);
Value *emit_literal_int(Emit *e, int64_t v, Loc loc); // one per function, at its front
Value *emit_tuple(Emit *e, Value **values, uint32_t count, const Type *type, Loc loc); // type NULL: from the values
Value *emit_list(Emit *e, const Type *elem, Value **values, uint32_t count);
Value *emit_tuple_index(Emit *e, Value *tuple, Value *index, const Type *type);
Value *emit_unchecked_cast(Emit *e, Value *v, const Type *type);
Value *emit_uninitialized(Emit *e, const Type *type);
// The elements of a tuple: the inputs of its TupleConstruct, or a TupleUnpack.
Value **emit_tuple_unpack(Emit *e, Value *tuple, uint32_t *count);

// Insertion point.
static inline Node *at_block(Emit *e, Block *b)
{
    Node *old = e->at;
    e->at = b->ret;
    return old;
}
void mark_exit(Emit *e, Block *b);
bool exits(Emit *e, Block *b);

// Variables.
void push_frame(Emit *e, Block *b);
VarFrame *pop_frame(Emit *e);
void set_var(Emit *e, Loc loc, Str name, Value *v);
void set_sugar(Emit *e, Loc loc, Str name, Sugar *s, const Type *annotated);
Value *get_var(Emit *e, Str name, Loc loc);
Sugar *get_sugar(Emit *e, Str name, Loc loc, bool required);
// Looks in `from` and the frames around it; a Load is inserted at the insertion point.
Sugar *find_in_frames(Emit *e, VarFrame *from, Str name);

// ---- operators and calls (match.c) ------------------------------------------------------------------------------

typedef struct Actual {
    Str name;          // of a keyword, else ""
    Value *value;      // or NULL and
    Datum *constant;   // a constant, made when it is used
    const Type *type;  // of the constant
    Loc loc;
} Actual;

typedef struct Matched {
    Value **inputs;
    uint32_t count;
    const Type **returns;
    uint32_t return_count;
    const Schema *schema;
} Matched;

static inline Actual actual_of(Value *v, Loc loc) { return (Actual){.value = v, .loc = loc}; }

Value *actual_value(Emit *e, Actual *a);
// Matches one signature, converting where needed, or fails.
Matched match_one(Emit *e, Loc loc, const Schema *s, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count,
                  const Actual *self);
// Calls operator `symbol` ("aten::add").
Value *emit_builtin(Emit *e, Loc loc, Str symbol, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count,
                    const Actual *self);
// The same with plain values.
Value *emit_op(Emit *e, Loc loc, const char *symbol, Value **args, uint32_t count);
// An operator without results, as a statement of the language rather than a call.
void emit_op_statement(Emit *e, Loc loc, const char *symbol, Value **args, uint32_t count);
Value *try_convert(Emit *e, Loc loc, const Type *to, Value *v, bool allow_conversions);
bool builtin_exists(Emit *e, Str symbol, Value *self);
NodeKind node_kind_of(Str symbol); // NODE_OP when the symbol has no kind of its own
// Copies the nodes of `callee` to the insertion point with its inputs replaced; gives its only output.
Value *insert_graph(Emit *e, const Graph *callee, Value **inputs);

// ---- sugar (sugar.c) ---------------------------------------------------------------------------------------------

typedef enum SugarKind {
    SUGAR_VALUE,      // value
    SUGAR_BUILTIN,    // operator `name`, `value` is self or NULL; `magic` the method that classes answer with
    SUGAR_CAST,       // int(), float() …: operator `name` to `type`
    SUGAR_TENSOR_CAST, // x.float() and the like, of `value`, to `dtype`
    SUGAR_PRINT,
    SUGAR_SPECIAL,    // form
    SUGAR_OPS,        // the name `ops`
    SUGAR_OPERATORS,  // operators of namespace `name`
    SUGAR_CONSTANTS,  // the name CONSTANTS
    SUGAR_NAMESPACE,  // a qualified name that is no definition yet
    SUGAR_CLASS,      // type
    SUGAR_NAMED_TUPLE, // type
    SUGAR_ENUM,       // type
    SUGAR_FUNCTION,   // fn
    SUGAR_METHOD,     // method `name` of `value`
    SUGAR_EXCEPTION,  // class `name`
    SUGAR_EXCEPTION_MESSAGE, // value
    SUGAR_RANGE,      // start, stop, step
    SUGAR_TREE,       // zip and enumerate: kids
    SUGAR_TUPLE,      // kids
    SUGAR_CLOSURE,    // value: of the Closure node
    SUGAR_NONE,       // the result of print()
} SugarKind;

typedef enum SpecialForm {
    FORM_FORK,
    FORM_AWAITABLE,
    FORM_ANNOTATE,
    FORM_UNCHECKED_CAST,
    FORM_UNINITIALIZED,
    FORM_TUPLE,
    FORM_GETATTR,
    FORM_HASATTR,
    FORM_ISINSTANCE,
    FORM_TOLIST,
    FORM_CREATE_OBJECT,
    FORM_RANGE,
    FORM_ZIP,
    FORM_ENUMERATE,
    FORM_LIST,
    FORM_DICT,
} SpecialForm;

struct Sugar {
    SugarKind kind;
    SpecialForm form;
    DType dtype;
    Value *value;
    Str name, magic;
    const Type *type;
    Function *fn;
    Value *start, *stop, *step;
    bool only_stop;
    Sugar **kids;
    uint32_t count;
};

Sugar *sugar_new(Emit *e, SugarKind kind);
Sugar *sugar_value(Emit *e, Value *v);
Sugar *sugar_builtin(Emit *e, Str symbol, Value *self);
Sugar *sugar_global(Emit *e, Str name, Loc loc); // built-in names and those of the import environment, NULL for others
Value *sugar_as_value(Emit *e, Sugar *s, Loc loc);
Sugar *sugar_attr(Emit *e, Sugar *s, Str field, Loc loc);
bool sugar_has_attr(Emit *e, Sugar *s, Str field, Loc loc);
void sugar_set_attr(Emit *e, Sugar *s, Str field, Value *v, Loc loc);
Sugar *sugar_call(Emit *e, Sugar *s, Loc loc, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count);
Sugar **sugar_as_tuple(Emit *e, Sugar *s, Loc loc, int size_hint, uint32_t *count); // size_hint -1: unknown
Sugar *sugar_iter(Emit *e, Sugar *s, Loc loc);
bool sugar_unrolls(const Sugar *s, uint32_t *length);
Value *sugar_len(Emit *e, Sugar *s, Loc loc);
Sugar *sugar_item(Emit *e, Sugar *s, Loc loc, Value *index, const Type *hint);
Sugar *sugar_range(Emit *e, Loc loc, Value **inputs, uint32_t count);
Function *method_of(const Type *t, Str name); // of a class or interface, or NULL
Value *call_method(Emit *e, Value *self, Str name, Loc loc, Actual *args, uint32_t count);

// ---- expressions (emit_expr.c, emit_cond.c, emit_index.c) -----------------------------------------------------

typedef struct Refinement {
    Str name;
    const Type *type;
} Refinement;

typedef struct Refinements {
    Refinement *when_true, *when_false;
    uint32_t true_count, false_count;
} Refinements;

typedef struct Condition {
    Value *value;
    Refinements refine;
    bool is_static, known; // known: the value, when is_static
} Condition;

Sugar *emit_sugar(Emit *e, const Ast *a, const Type *hint);
Value *emit_expr(Emit *e, const Ast *a, const Type *hint);
Value **emit_exprs(Emit *e, Ast *const *exprs, uint32_t count, uint32_t *value_count); // unpacks *args
Sugar *emit_apply(Emit *e, const Ast *a, const Type *hint);
Actual *emit_actuals(Emit *e, const Ast *apply, uint32_t first, uint32_t *count, Actual **kwargs, uint32_t *kw_count);
Value *emit_operator(Emit *e, Loc loc, const char *symbol, const char *magic, Value **values, const Loc *locs, uint32_t count);
Sugar *emit_fork(Emit *e, Loc loc, Sugar *callee, NodeKind kind, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count);
Condition emit_condition(Emit *e, const Ast *a);
Condition emit_isinstance(Emit *e, const Ast *object, const Ast *types);
Condition emit_hasattr(Emit *e, const Ast *object, const Ast *name);
Value *emit_to_bool(Emit *e, Loc loc, Value *v);
Value *emit_ternary(Emit *e, const Ast *a, const Type *hint);
void insert_refinements(Emit *e, Loc loc, const Refinement *r, uint32_t count);
Sugar *emit_subscript(Emit *e, const Ast *a, const Type *hint);
void emit_subscript_assign(Emit *e, Loc loc, const Ast *lhs, Actual rhs);
void emit_subscript_augment(Emit *e, const Ast *stmt);
Value *augmented_value(Emit *e, const Ast *stmt, Value *left, Value *right);
Value *emit_list_comp(Emit *e, const Ast *a, const Type *hint);
Value *emit_dict_comp(Emit *e, const Ast *a, const Type *hint);

// ---- statements (emit.c, emit_stmt.c, emit_loop.c) ------------------------------------------------------------

void emit_block(Emit *e, const Ast *block);
void emit_if_blocks(Emit *e, Loc loc, const Condition *c, const Ast *when_true, const Ast *when_false);
void emit_while(Emit *e, const Ast *stmt);
void emit_for(Emit *e, const Ast *stmt);
// `body` is emitted for each element of the iterable, which is assigned to `target`.
void emit_for_each(Emit *e, Loc loc, const Ast *target, const Ast *iterable, void (*body)(Emit *e, void *ctx), void *ctx);
void emit_assign_to(Emit *e, const Ast *target, Sugar *value, Loc rhs);
void emit_def_body(Emit *e, const Ast *def, const ClassDef *self, Block *block, Schema *schema, bool inferred);

// ---- after emission (ssa.c, exits.c, cleanup.c …) --------------------------------------------------------------

// A copy of `n`, not yet in a block: its inputs mapped, its blocks too. Outputs take new ids and the names of the old.
typedef Value *ValueMapper(void *ctx, Value *v);
Node *node_clone(Graph *g, Node *n, ValueMapper *map, void *ctx);
void block_clone_into(Graph *g, Block *to, Block *from, ValueMapper *map, void *ctx);
Value *same_value(void *ctx, Value *v); // the identity mapper

void ssa_convert(Program *p, Graph *g);
void exits_transform(Program *p, Graph *g);
void upgrade_operators(Program *p, Graph *g);
void loops_canonicalize(Program *p, Graph *g);
void ops_normalize(Program *p, Graph *g);
void graph_cleanup(Program *p, Graph *g);
void lift_closures(Program *p, Graph *g); // also gives forks their subgraphs
// Parts of graph_cleanup that the optimiser's passes can use too.
void lower_simple_tuples(Graph *g);
void eliminate_dead_code(Graph *g);
// Marks the operators that write to memory which neither a root nor the result depends on; false when there is none. (dce.c)
bool find_dead_writes(Arena *arena, Graph *g, bool (*is_root)(const Node *n));
bool is_dead_write(const Node *n); // until notes are used for something else
bool propagate_constants(Program *p, Graph *g);
void pool_constants(Graph *g);

#endif
