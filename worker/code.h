// Linear code: a graph as a register machine runs it. Immutable and shared by lanes; what a lane needs of its own
// (constants as values, inline caches) stands beside it in an Instance.
//
// A frame has registers, each holding one IValue; constants are a second, read-only bank. An operand names one or the
// other, and says whether the value dies there: then it is moved out (or released) and the register is free again. So
// every register outside live ranges holds None, and memory is given up at the last use.
#ifndef TSB_WORKER_CODE_H
#define TSB_WORKER_CODE_H

#include "ir/passes.h"
#include "worker/op.h"

// X(name, what it does). `in` and `out` are the operand lists of the instruction, `aux` its number; node is the node it
// was made from. Semantics stand beside each in worker/interp.c.
#define INSN_LIST(X)                                                                                                   \
    X(OP, "out = operator of site aux (in)")                                                                           \
    X(MOVES, "all of in, then into out")                                                                               \
    X(RELEASE, "registers out die")                                                                                    \
    X(JUMP, "to aux")                                                                                                  \
    X(JUMP_FALSE, "to aux when in[0] is false")                                                                        \
    X(LOOP, "in = counter, trip count, condition; when done to aux; else out[0] = counter++")                          \
    X(RETURN, "in are the results")                                                                                    \
    X(GET_ATTR, "out = in[0].slot[aux]")                                                                               \
    X(SET_ATTR, "in[0].slot[aux] = in[1]")                                                                             \
    X(TUPLE_CONSTRUCT, "out = (in…)")                                                                                  \
    X(TUPLE_UNPACK, "out… = in[0]")                                                                                    \
    X(TUPLE_INDEX, "out = in[0][in[1]]")                                                                               \
    X(TUPLE_SLICE, "out = in[0][node->beg : node->end]")                                                               \
    X(LIST_CONSTRUCT, "out = [in…]")                                                                                   \
    X(LIST_UNPACK, "out… = in[0]")                                                                                     \
    X(DICT_CONSTRUCT, "out = {in[0]: in[1], …}")                                                                       \
    X(CREATE_OBJECT, "out = new object of the class of the result type")                                               \
    X(ISINSTANCE, "out = isinstance(in[0], node->types)")                                                              \
    X(RAISE, "raises in[0], perhaps of class in[1]")                                                                   \
    X(PRINT, "prints in…")                                                                                             \
    X(TOLIST, "out = in[0].tolist() of in[1] dimensions and element code in[2]")                                       \
    X(CALL, "out = function of call aux (in…)")                                                                        \
    X(CALL_INTERFACE, "out = in[0].name(in…), looked up in the object's class")                                        \
    X(FORK, "out = future of function of call aux (in…), run here and now")                                            \
    X(WAIT, "out = result of future in[0]")                                                                            \
    X(CALL_SPECIAL, "out = in[0].__enter__(), or in[0].__exit__(None, None, None)")                                    \
    X(ENUM_NAME, "out = in[0].name")                                                                                   \
    X(ENUM_VALUE, "out = in[0].value")                                                                                 \
    X(MODULE_INDEX, "out = in[0][in[1]] of a module list or dictionary")

typedef enum InsnKind {
#define X(name, text) INSN_##name,
    INSN_LIST(X)
#undef X
    INSN_COUNT
} InsnKind;

// An operand: number of a register or constant, and two flags.
typedef uint32_t Operand;
#define OPERAND_CONSTANT 0x80000000u
#define OPERAND_DIES 0x40000000u
#define OPERAND_INDEX 0x3fffffffu
#define OPERAND_NONE 0x3fffffffu // of a result that nobody uses

typedef struct Insn {
    uint16_t kind;
    uint16_t n_out;
    uint32_t n_in;
    uint32_t at;  // of the operands: in, then out
    uint32_t aux;
} Insn;

typedef struct CodeConstant { const Datum *datum; const Type *type; bool uninitialized; } CodeConstant;
typedef struct CodeSite { const Node *node; const OpBinding *op; uint32_t last_use, arg_count, ret_count; } CodeSite;

typedef struct Code Code;
struct Code {
    const Graph *graph;
    const Function *function; // NULL: body of a fork
    uint32_t index;           // in its set
    Insn *insns;
    const Node **nodes;       // [insn_count], NULL for the odd move
    uint32_t insn_count;
    Operand *operands;
    uint32_t operand_count;
    CodeConstant *constants;
    uint32_t constant_count;
    CodeSite *sites;
    uint32_t site_count;
    Code **calls;
    uint32_t call_count;
    uint32_t input_count, output_count; // inputs are registers 0, 1, …
    uint32_t register_count;
    uint32_t scratch_count;   // slots above the registers, for arguments and results
};

// Every piece of code that a method can reach.
typedef struct CodeSet {
    Arena *arena;
    Code **codes;
    uint32_t count;
    StrMap by_function;       // key: the bytes of the Function pointer
    const Datum *root;        // objects that interface calls may meet
    Datum *const *constants;  // of constants.pkl: 0-dim ones among them count as Python numbers (torchscript.md §7.2)
    uint32_t constant_count;
    ClassDef **classes;       // theirs, and those that code creates
    uint32_t class_count;
    Str *interface_methods;
    uint32_t interface_method_count;
} CodeSet;

// Adds `graph` (of `function`, or NULL), once; then lowers everything added and everything that calls reach. arena (with
// a guard) and root are set by the caller.
Status code_set_add(CodeSet *set, const Graph *graph, const Function *function, Code **out);
Status code_set_lower(CodeSet *set);
// The code of a function that was reachable when the set was made, or NULL.
Code *code_set_find(const CodeSet *set, const Function *f);
// Is this graph constant a 0-dim tensor from constants.pkl? A trace puts Python numbers there.
bool counts_as_number(const Datum *d, Datum *const *constants, uint32_t count);
// One instruction per line, for tests and --dump.
void code_print_linear(Buf *out, const Code *code);

// ---- between code.c and code_live.c

typedef struct NodeLife {
    const uint8_t *dies;     // [input_count]: the input's value ends here
    Value **release[2];      // If: at the start of a branch; Loop: [0] when the loop is left
    uint32_t release_count[2];
} NodeLife;

typedef struct Liveness {
    Arena *arena;            // scratch
    uint32_t value_count, node_count;
    NodeLife *nodes;         // by life_index
    uint8_t *used;           // by value number: somebody reads it
} Liveness;

// Numbers values and nodes of the graph (in their `note`) and computes the liveness of each.
void liveness_compute(Liveness *l, const Graph *g);
static inline uint32_t value_number(const Value *v) { return (uint32_t)(uintptr_t)v->note - 1; }
static inline NodeLife *node_life(const Liveness *l, const Node *n) { return &l->nodes[(uint32_t)(uintptr_t)n->note - 1]; }
// Constants live in their own bank.
static inline bool value_in_bank(const Value *v) { return v->node->kind == NODE_CONSTANT || v->node->kind == NODE_UNINITIALIZED; }

#endif
