// DType: element types, with the integer codes that TorchScript programs see (`dtype=6` is float32).
#ifndef TSB_IO_BASE_DTYPE_H
#define TSB_IO_BASE_DTYPE_H

#include "io/base/str.h"

// X(enumerator, code, size in bytes, category, name as in `CPUFloatType` and `FloatStorage`, name as in torch.float32)
// Categories order type promotion: bool < integral < floating < complex; quantised types take no part in it.
#define DTYPE_LIST(X)                                                                                                  \
    X(U8, 0, 1, DT_INTEGRAL, "Byte", "uint8")                                                                          \
    X(I8, 1, 1, DT_INTEGRAL, "Char", "int8")                                                                           \
    X(I16, 2, 2, DT_INTEGRAL, "Short", "int16")                                                                        \
    X(I32, 3, 4, DT_INTEGRAL, "Int", "int32")                                                                          \
    X(I64, 4, 8, DT_INTEGRAL, "Long", "int64")                                                                         \
    X(F16, 5, 2, DT_FLOATING, "Half", "float16")                                                                       \
    X(F32, 6, 4, DT_FLOATING, "Float", "float32")                                                                      \
    X(F64, 7, 8, DT_FLOATING, "Double", "float64")                                                                     \
    X(C32, 8, 4, DT_COMPLEX, "ComplexHalf", "complex32")                                                               \
    X(C64, 9, 8, DT_COMPLEX, "ComplexFloat", "complex64")                                                              \
    X(C128, 10, 16, DT_COMPLEX, "ComplexDouble", "complex128")                                                         \
    X(BOOL, 11, 1, DT_BOOLEAN, "Bool", "bool")                                                                         \
    X(QI8, 12, 1, DT_QUANTISED, "QInt8", "qint8")                                                                      \
    X(QU8, 13, 1, DT_QUANTISED, "QUInt8", "quint8")                                                                    \
    X(QI32, 14, 4, DT_QUANTISED, "QInt32", "qint32")                                                                   \
    X(QU4X2, 16, 1, DT_QUANTISED, "QUInt4x2", "quint4x2") /* unpacked: a byte per element */                             \
    X(BF16, 15, 2, DT_FLOATING, "BFloat16", "bfloat16")                                                                \
    X(U16, 27, 2, DT_INTEGRAL, "UInt16", "uint16")                                                                     \
    X(U32, 28, 4, DT_INTEGRAL, "UInt32", "uint32")                                                                     \
    X(U64, 29, 8, DT_INTEGRAL, "UInt64", "uint64")

typedef enum DTypeCategory { DT_BOOLEAN, DT_INTEGRAL, DT_FLOATING, DT_COMPLEX, DT_QUANTISED, DT_NO_CATEGORY } DTypeCategory;

typedef enum DType {
#define X(name, code, size, category, torch_name, python_name) DT_##name = code,
    DTYPE_LIST(X)
#undef X
    DT_COUNT = 30, // one more than the largest code
    DT_INVALID = 255
} DType;

bool dtype_valid(int64_t code);              // a code of DTYPE_LIST
size_t dtype_size(DType t);                  // bytes of one element
DTypeCategory dtype_category(DType t);
const char *dtype_torch_name(DType t);       // "Float"
const char *dtype_python_name(DType t);      // "float32"
DType dtype_from_torch_name(Str name);       // DT_INVALID when unknown ("Float")
DType dtype_from_python_name(Str name);      // DT_INVALID when unknown ("float32")
static inline bool dtype_is_floating(DType t) { return dtype_category(t) == DT_FLOATING; }
static inline bool dtype_is_complex(DType t) { return dtype_category(t) == DT_COMPLEX; }
// Integral in PyTorch's sense without bool.
static inline bool dtype_is_integral(DType t) { return dtype_category(t) == DT_INTEGRAL; }

#endif
