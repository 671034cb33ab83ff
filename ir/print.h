// Text of graphs, methods and modules, exactly as PyTorch prints a loaded module; and the reader of printed graphs.
#ifndef TSB_IR_PRINT_H
#define TSB_IR_PRINT_H

#include "ir/program.h"

// `.graph` (§5.4): ends with a newline.
void graph_print(Buf *out, const Graph *g);
// One node as a line of the graph (its blocks follow it), for messages and dumps.
void node_print(Buf *out, const Node *n);
// Reads what graph_print wrote: print -> read -> print is identical. Constants that do not print whole (tensors over ten
// elements, objects) are kept by reference when `like` holds a value of the same name, else refused.
Status graph_read(Arena *a, TypeTable *types, OpTable *ops, Str text, const Graph *like, Graph **out);

// `.code` of a function or method (§5.7), as `module.code` returns it: ends with a newline.
Status code_print(Buf *out, Program *p, const Function *f);
// The same for any graph: `name` and the defaults of `schema` head it, `is_method` leaves the type of self out.
Status code_print_graph(Buf *out, const Graph *g, const Schema *schema, bool is_method);

// `print(module)` (§5.8), with a final newline.
void module_print_tree(Buf *out, const Datum *module);

// Literals (§5.5.5): `1.`, `1.0000000000000001e-05`, `1.+2.j`, `"it\'s"`.
void print_float(Buf *out, double v);
void print_complex(Buf *out, double re, double im);
void print_quoted(Buf *out, Str s);
// A constant in `repr` form; tensors as print_tensor_literal, objects as `object(0x…)`. `type` (may be NULL) says what an
// empty container would hold.
void print_datum(Buf *out, const Datum *d, const Type *type);
// A list or dict of such elements must be printed with its type, `annotate(List[Optional[Tensor]], [x])`.
bool needs_annotation(const Type *element);
// `{2.5}`, a small tensor on one line, or `<Tensor>`. True when the text tells the whole value (but not its dtype).
bool print_tensor_literal(Buf *out, const DatumTensor *t);
// The first element as a number Datum (bool, int, float or complex), NULL when it has no bytes or no such value.
Datum *datum_tensor_number(Arena *a, const DatumTensor *t);
// The name of an enum's member: `RED`; empty when the class is not known or has no such value.
Str enum_member_name(const Datum *e);

#endif
