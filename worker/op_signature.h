// The signatures of ops.def as text, taken apart just enough to find operators that are forms of others.
#ifndef TSB_WORKER_OP_SIGNATURE_H
#define TSB_WORKER_OP_SIGNATURE_H

#include "io/base/str.h"

enum { SIGNATURE_ARGS = 24 };

typedef struct Param {
    Str type, name, otherwise; // "int[1]?", "dim" and "None" ("": no default); without annotations, SymInt as int
    bool writes;
} Param;

typedef struct Signature {
    Param params[SIGNATURE_ARGS];
    int count, written;
    char text[1024]; // the bytes of the types
} Signature;

// "(Tensor self, *, int? dim=None) -> Tensor". False when it is longer than the limits.
bool signature_read(Signature *s, const char *text);
// "aten::add" of "aten::add.Tensor".
static inline Str signature_symbol(const char *name) { return (Str){name, strcspn(name, ".")}; }

#endif
