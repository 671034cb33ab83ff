// Text of graphs, methods and modules, exactly as PyTorch prints a loaded module; and the reader of printed graphs.
#ifndef TSB_IR_PRINT_H
#define TSB_IR_PRINT_H

#include "ir/program.h"

// `.graph` (§5.4): ends with a newline.
void graph_print(Buf *out, const Graph *g);
// Reads what graph_print wrote: print -> read -> print is identical. Constants that do not print whole (tensors over ten
// elements, objects) are kept by reference when `like` holds a value of the same name, else refused.
Status graph_read(Arena *a, TypeTable *types, OpTable *ops, Str text, const Graph *like, Graph **out);

// `.code` of a function or method (§5.7), as `module.code` returns it: ends with a newline.
Status code_print(Buf *out, Program *p, const Function *f);
// A whole source file of the archive, as torch.jit.save writes it, for every class in `classes` order (§5.7). Later.

// `print(module)` (§5.8), with a final newline.
void module_print_tree(Buf *out, const Datum *module);

#endif
