// Program: everything a set of source files defines, compiled on demand: classes, functions, their graphs.
// It knows nothing of files: source text comes through SourceProvider, object data as Datum.
#ifndef TSB_IR_PROGRAM_H
#define TSB_IR_PROGRAM_H

#include "ir/graph.h"

typedef struct Program Program;
typedef struct ClassDef ClassDef;
typedef struct Function Function;

// One source text and its map to original files.
typedef struct Source {
    Str file;   // "code/__torch__.py"
    Str text;
    Datum *debug; // contents of the .debug_pkl, or NULL (§1.6)
} Source;

typedef struct SourceProvider {
    // Text of `prefix` ("__torch__.a.b" is code/__torch__/a/b.py). No such file is ST_OK with text.ptr NULL: it only
    // means that nothing is defined there. `debug` may stay NULL. Memory lives as long as the program.
    Status (*find)(void *ctx, Str prefix, Str *file, Str *text, Datum **debug);
    void *ctx;
} SourceProvider;

typedef enum ClassKind { CLASS_PLAIN, CLASS_MODULE, CLASS_NAMED_TUPLE, CLASS_INTERFACE, CLASS_MODULE_INTERFACE, CLASS_ENUM, CLASS_BUILTIN } ClassKind;

typedef struct ClassAttr {
    Str name;
    const Type *type;
    bool is_parameter, is_buffer;
} ClassAttr;

typedef struct ClassConstant { // NAME : Final[T] = value; enum members too
    Str name;
    const Type *type;
    Datum *value;
} ClassConstant;

struct ClassDef {
    Str name;          // qualified: "__torch__.torch.nn.modules.linear.Linear"
    ClassKind kind;
    const Type *type;
    ClassAttr *attrs;  // in slot order
    uint32_t attr_count;
    ClassConstant *constants;
    uint32_t constant_count;
    Function **methods; // in order of the file; hooks included
    uint32_t method_count;
    Str *forward_pre_hooks, *forward_hooks; // names of methods
    uint32_t forward_pre_hook_count, forward_hook_count;
    StrMap attr_index;  // name -> ClassAttr*
    StrMap method_index; // name -> Function*
    Program *program;
};

struct Function {
    Str name;           // "forward"
    Str qualified_name; // "__torch__.M.forward"
    ClassDef *cls;      // NULL for free functions
    Schema *schema;     // args[0] is self for methods
    Graph *graph;       // the graph PyTorch shows as `.graph`; NULL until compiled
    const struct Def *def; // syntax tree
    const Source *source;
    int state;          // compile state: ir/program.c
};

typedef struct ProgramOptions {
    SourceProvider sources;
    Datum **constants;  // CONSTANTS.c0 … (the items of constants.pkl)
    uint32_t constant_count;
    int version;        // of the archive: chooses upgraders (§6)
} ProgramOptions;

// All memory of a program (graphs, types, schemas) lives in `arena`, which must outlive it.
Status program_new(Arena *arena, const ProgramOptions *options, Program **out);
Arena *program_arena(Program *p);
TypeTable *program_types(Program *p);
OpTable *program_ops(Program *p);

// Resolves, loads and compiles on first use. Unknown names: ST_BAD_MODEL, saying in which file they were expected.
// Compile errors: ST_BAD_MODEL or ST_UNSUPPORTED with file, line and the source line.
Status program_class(Program *p, Str qualified_name, ClassDef **out);
Status program_function(Program *p, Str qualified_name, Function **out);
// A method by name; NULL when the class has none. Compiled already.
Function *class_method(const ClassDef *c, Str name);
const ClassAttr *class_attr(const ClassDef *c, Str name);
// Every method of the interface is there with a compatible signature.
bool class_implements(const ClassDef *c, const ClassDef *interface);
// A type written as in an annotation: `List[Tensor]`, `__torch__.M`.
Status program_parse_type(Program *p, Str text, const Type **out);

// Program objects with their classes resolved: walks a Datum from pickle_read, sets `cls` of objects and enums, checks
// that every declared attribute is there and has a value of its type (§2.6). `where` starts messages ("data.pkl").
Status program_bind_datum(Program *p, Datum *d, const char *where);

#endif
