// The SSA graph, as TorchScript's own: nodes in blocks, blocks in nodes, values with uses (torchscript.md §5).
// Everything is allocated in the program's arena; nodes that are removed are only unlinked.
//
//   Graph -> Block (top)      param node: its outputs are the block's inputs
//              Node, Node …   in order, a doubly linked ring through `ret`
//              ret node       its inputs are the block's outputs
#ifndef TSB_IR_GRAPH_H
#define TSB_IR_GRAPH_H

#include "ir/schema.h"

// X(enumerator, text). Closed: everything else is NODE_OP, found by schema.
#define NODE_KIND_LIST(X)                                                                                              \
    X(OP, "")                                                                                                          \
    X(PARAM, "prim::Param")                                                                                            \
    X(RETURN, "prim::Return")                                                                                          \
    X(CONSTANT, "prim::Constant")                                                                                      \
    X(IF, "prim::If")                                                                                                  \
    X(LOOP, "prim::Loop")                                                                                              \
    X(GET_ATTR, "prim::GetAttr")                                                                                       \
    X(SET_ATTR, "prim::SetAttr")                                                                                       \
    X(CALL_METHOD, "prim::CallMethod")                                                                                 \
    X(CALL_FUNCTION, "prim::CallFunction")                                                                             \
    X(TUPLE_CONSTRUCT, "prim::TupleConstruct")                                                                         \
    X(TUPLE_UNPACK, "prim::TupleUnpack")                                                                               \
    X(TUPLE_INDEX, "prim::TupleIndex")                                                                                 \
    X(TUPLE_SLICE, "prim::TupleSlice")                                                                                 \
    X(LIST_CONSTRUCT, "prim::ListConstruct")                                                                           \
    X(LIST_UNPACK, "prim::ListUnpack")                                                                                 \
    X(DICT_CONSTRUCT, "prim::DictConstruct")                                                                           \
    X(CREATE_OBJECT, "prim::CreateObject")                                                                             \
    X(ISINSTANCE, "prim::isinstance")                                                                                  \
    X(UNCHECKED_CAST, "prim::unchecked_cast")                                                                          \
    X(UNINITIALIZED, "prim::Uninitialized")                                                                            \
    X(RAISE, "prim::RaiseException")                                                                                   \
    X(PRINT, "prim::Print")                                                                                            \
    X(TOLIST, "prim::tolist")                                                                                          \
    X(FORK, "prim::fork")                                                                                              \
    X(AWAITABLE, "prim::awaitable")                                                                                    \
    X(ENTER, "prim::Enter")                                                                                            \
    X(EXIT, "prim::Exit")                                                                                              \
    X(ENUM_NAME, "prim::EnumName")                                                                                     \
    X(ENUM_VALUE, "prim::EnumValue")                                                                                   \
    X(MODULE_CONTAINER_INDEX, "prim::ModuleContainerIndex")                                                            \
    X(CLOSURE, "prim::Closure")         /* while emitting only */                                                      \
    X(STORE, "prim::Store")             /* while emitting only */                                                      \
    X(LOAD, "prim::Load")               /* while emitting only */                                                      \
    X(BREAK, "prim::BreakStmt")         /* while emitting only */                                                      \
    X(CONTINUE, "prim::ContinueStmt")   /* while emitting only */                                                      \
    X(RETURN_STMT, "prim::ReturnStmt")  /* while emitting only */                                                      \
    X(LOOP_CONDITION, "prim::LoopContinuation") /* while emitting only */                                              \
    X(EMPTY_LIST, "prim::EmptyListLiteral")     /* while emitting only */                                              \
    X(COMPREHENSION_SCOPE, "prim::ComprehensionScope") /* while emitting only */                                       \
    X(WITH, "prim::With")               /* while emitting only */

typedef enum NodeKind {
#define X(name, text) NODE_##name,
    NODE_KIND_LIST(X)
#undef X
    NODE_KIND_COUNT
} NodeKind;

const char *node_kind_text(NodeKind k);

typedef struct Value Value;
typedef struct Node Node;
typedef struct Block Block;
typedef struct Graph Graph;

typedef struct Use {
    Node *user;
    uint32_t index; // which input of it
    struct Use *next, *prev;
} Use;

struct Value {
    Node *node;      // the producer; a block's inputs are outputs of its param node
    uint32_t offset; // which output of it
    uint32_t id;     // by order of creation in the graph, never reused
    Str name;        // debug name, empty when the value prints as its id
    const Type *type;
    Graph *graph;
    Use *uses;       // in order of creation: first, and last for appending
    Use *last_use;
    uint32_t use_count;
    void *note;      // scratch for the running pass: no meaning between passes
};

// Where a node came from. `file` empty: unknown.
typedef struct SourceRange {
    Str file;            // "code/__torch__.py", or the original file when the archive has debug files
    int line, column;    // line from 1, column from 0
    const struct Source *source; // for tracebacks: the serialized text, or NULL
    uint32_t start, end; // byte range in source
} SourceRange;

// The call that an inlined node comes from: frames lead from the innermost function outwards.
typedef struct Frame {
    Str function;      // whose body it was: "forward"
    SourceRange call;  // where it was called
    const struct Frame *caller; // of the function that holds the call; NULL: the graph's own
} Frame;

// Attributes of the few kinds that have some (name=, types=, beg=, end=).
struct Node {
    NodeKind kind;
    const Schema *schema;    // NODE_OP; for the other kinds NULL
    Block *owner;
    Node *prev, *next;       // in the owner's ring
    uint64_t position;       // grows along the ring; kept by the functions below
    Value **inputs;
    Use **input_uses;        // [i] is the Use record of inputs[i]
    uint32_t input_count;
    Value **outputs;
    uint32_t output_count;
    Block **blocks;
    uint32_t block_count;
    Datum *constant;         // CONSTANT: the value, NULL means None
    Str name;                // GET_ATTR, SET_ATTR, CALL_METHOD: name=
    const Type **types;      // ISINSTANCE: types=
    uint32_t type_count;
    int64_t beg, end;        // TUPLE_SLICE; beg of an aten::warn is one more than its warn_id, 0 when not numbered
    Graph *subgraph;         // FORK, CLOSURE
    struct Function *callee; // CALL_FUNCTION, once resolved
    SourceRange range;
    const Frame *frame;      // of inlined nodes: their callers; NULL in the graph's own function
    Str scope;               // of inlined nodes: "layer1.0.conv1" (module path), for profiles and cuts
    void *note;              // scratch for the running pass
};

struct Block {
    Graph *graph;
    Node *owner;  // NULL for a graph's top block
    Node *param;  // outputs are the block's inputs
    Node *ret;    // inputs are the block's outputs; ret->next is the first node, ret->prev the last
};

struct Graph {
    Arena *arena;
    TypeTable *types;
    Block *top;
    uint32_t next_id;
    StrMap names;       // debug name -> Value
    StrMap name_suffix; // base -> next suffix, as PyTorch counts it (§5.5.1)
};

Graph *graph_new(Arena *a, TypeTable *types);
// A deep copy; ids are renumbered in print order as PyTorch's copy does (§5.5.4).
Graph *graph_copy(const Graph *g);

// Copies src's nodes before `at`, a node of g. The replacement in g of every value that src takes from outside (its block's
// inputs too) must stand in the value's `note`; the copies of src's own values are left in theirs.
void block_clone_before(Graph *g, const Block *src, Node *at);
Node *node_clone_before(Graph *g, const Node *n, Node *at); // of one node, in the same way

Node *node_new(Graph *g, NodeKind kind);                       // not yet in a block
Node *node_new_op(Graph *g, const Schema *schema);
// The same kind, schema, attributes, place and subgraph (copied) as n; no inputs, outputs or blocks yet.
Node *node_new_like(Graph *g, const Node *n);
Value *node_add_output(Graph *g, Node *n, const Type *type);   // takes the next id
void node_add_input(Node *n, Value *v);
void node_insert_input(Node *n, uint32_t index, Value *v);
void node_set_input(Node *n, uint32_t index, Value *v);
void node_remove_input(Node *n, uint32_t index);
void node_clear_inputs(Node *n);
void node_remove_output(Node *n, uint32_t index);              // must be unused
Block *node_add_block(Graph *g, Node *n);
void node_insert_before(Node *n, Node *at);                    // at == block->ret appends to the block
void node_insert_after(Node *n, Node *at);
void node_move_before(Node *n, Node *at);
void node_move_after(Node *n, Node *at);
// Unlinks the node, gives up its inputs and names, recursively for its blocks. Its outputs must be unused.
void node_destroy(Node *n);
static inline Node *block_append(Block *b, Node *n) { node_insert_before(n, b->ret); return n; }
static inline Node *block_first(const Block *b) { return b->ret->next; } // == b->ret when empty
static inline Value *block_add_input(Graph *g, Block *b, const Type *t) { return node_add_output(g, b->param, t); }
static inline void block_add_output(Block *b, Value *v) { node_add_input(b->ret, v); }
bool node_is_before(const Node *a, const Node *b);             // in the same block

// Sets the debug name; a holder of that name is renamed as PyTorch does. An empty name makes it unnamed.
void value_set_name(Value *v, Str name);
bool name_is_meaningful(Str name); // §5.5.1
void value_replace_all(Value *v, Value *by);
void value_replace_after(Value *v, const Node *after, Value *by); // only uses in nodes after `after`

// New nodes before `at`.
Value *graph_constant(Graph *g, Node *at, Datum *value, const Type *type);
// The Datum behind a NODE_CONSTANT output, or NULL when v is not constant.
Datum *value_constant(const Value *v);
bool value_constant_int(const Value *v, int64_t *out);
bool value_constant_bool(const Value *v, bool *out);
bool value_is_none(const Value *v);

// Every node of every block, depth first, in order: for (Node *n = graph_first(g); n; n = node_next_deep(n)).
// The order is: a node, then the nodes of its blocks, then its successor.
Node *graph_first(const Graph *g);
Node *node_next_deep(const Node *n);

#endif
