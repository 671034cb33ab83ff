// Tables of the element types.
// Everything here expands DTYPE_LIST.
#include "io/base/dtype.h"

static const struct {
    uint8_t size, category, valid;
    const char *torch_name, *python_name;
} table[DT_COUNT] = {
#define X(name, code, size, category, torch_name, python_name) [code] = {size, category, 1, torch_name, python_name},
    DTYPE_LIST(X)
#undef X
};

bool dtype_valid(int64_t code) { return code >= 0 && code < DT_COUNT && table[code].valid; }
size_t dtype_size(DType t) { return dtype_valid(t) ? table[t].size : 0; }
DTypeCategory dtype_category(DType t) { return dtype_valid(t) ? (DTypeCategory)table[t].category : DT_NO_CATEGORY; }
const char *dtype_torch_name(DType t) { return dtype_valid(t) ? table[t].torch_name : "Undefined"; }
const char *dtype_python_name(DType t) { return dtype_valid(t) ? table[t].python_name : "undefined"; }

DType dtype_from_torch_name(Str name)
{
    for (int i = 0; i < DT_COUNT; i++)
        if (table[i].valid && str_is(name, table[i].torch_name))
            return (DType)i;
    return DT_INVALID;
}

DType dtype_from_python_name(Str name)
{
    for (int i = 0; i < DT_COUNT; i++)
        if (table[i].valid && str_is(name, table[i].python_name))
            return (DType)i;
    return DT_INVALID;
}
