// Conversion of rows of elements between dtypes. The common pairs have a loop of their own; every other pair goes through
// int64 (integers), double (floating point) or complex double, in blocks that stay in the first-level cache.
#include "kernels/convert.h"

#include "kernels/cpu/vec.h"
#include "kernels/half.h"

typedef struct Complex64 { float re, im; } Complex64;
typedef struct Complex128 { double re, im; } Complex128;
typedef struct Complex32 { uint16_t re, im; } Complex32;

// A loop with a contiguous case that compilers vectorise, and the strided case.
#define ROW(name, SRC, DST, expr)                                                                                      \
    static void name(char *dst, int64_t dst_stride, const char *src, int64_t src_stride, int64_t n)                    \
    {                                                                                                                  \
        if (dst_stride == (int64_t)sizeof(DST) && src_stride == (int64_t)sizeof(SRC)) {                                \
            const SRC *in = (const SRC *)src;                                                                          \
            DST *out = (DST *)dst;                                                                                     \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                SRC x = in[i];                                                                                         \
                out[i] = expr;                                                                                         \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t i = 0; i < n; i++, src += src_stride, dst += dst_stride) {                                        \
            SRC x = *(const SRC *)src;                                                                                 \
            *(DST *)dst = expr;                                                                                        \
        }                                                                                                              \
    }

// Same dtype: by element size.
ROW(copy_1, uint8_t, uint8_t, x)
ROW(copy_2, uint16_t, uint16_t, x)
ROW(copy_4, uint32_t, uint32_t, x)
ROW(copy_8, uint64_t, uint64_t, x)
ROW(copy_16, Complex128, Complex128, x)

// Direct pairs.
ROW(f32_f64, float, double, (double)x)
ROW(f64_f32, double, float, (float)x)
ROW(u8_f32, uint8_t, float, (float)x)
ROW(i8_f32, int8_t, float, (float)x)
ROW(i16_f32, int16_t, float, (float)x)
ROW(bool_f32, uint8_t, float, (float)(x != 0))
ROW(i32_f32, int32_t, float, (float)x)
ROW(i64_f32, int64_t, float, (float)x)
ROW(i32_i64, int32_t, int64_t, (int64_t)x)
ROW(i64_i32, int64_t, int32_t, (int32_t)x)
ROW(u8_i64, uint8_t, int64_t, (int64_t)x)
ROW(bool_i64, uint8_t, int64_t, (int64_t)(x != 0))
ROW(i64_bool, int64_t, uint8_t, (uint8_t)(x != 0))
ROW(i32_bool, int32_t, uint8_t, (uint8_t)(x != 0))
ROW(i16_bool, int16_t, uint8_t, (uint8_t)(x != 0))
ROW(u8_bool, uint8_t, uint8_t, (uint8_t)(x != 0))
ROW(i64_u8, int64_t, uint8_t, (uint8_t)x)
ROW(i32_u8, int32_t, uint8_t, (uint8_t)x)
ROW(i16_u8, int16_t, uint8_t, (uint8_t)x)
ROW(u8_i32, uint8_t, int32_t, (int32_t)x)
ROW(i16_i32, int16_t, int32_t, (int32_t)x)
ROW(u8_f64, uint8_t, double, (double)x)
ROW(bool_f64, uint8_t, double, (double)(x != 0))
ROW(i16_f64, int16_t, double, (double)x)
ROW(i32_f64, int32_t, double, (double)x)
ROW(f32_bool, float, uint8_t, (uint8_t)(x != 0))
ROW(f32_i64_strided, float, int64_t, int64_from_double(x))
ROW(f32_i32, float, int32_t, int32_from_double(x))
ROW(f32_u8_strided, float, uint8_t, (uint8_t)int64_from_double(x))
ROW(f32_bf16_strided, float, uint16_t, bf16_from_float(x))
ROW(bf16_f32_strided, uint16_t, float, bf16_to_float(x))
ROW(f32_f16_strided, float, uint16_t, f16_from_float(x))
ROW(f16_f32_strided, uint16_t, float, f16_to_float(x))

// Pairs with a vectorised loop for contiguous rows.
#define VECTOR_ROW(name, SRC, DST)                                                                                     \
    static void name(char *dst, int64_t dst_stride, const char *src, int64_t src_stride, int64_t n)                    \
    {                                                                                                                  \
        if (dst_stride == (int64_t)sizeof(DST) && src_stride == (int64_t)sizeof(SRC))                                  \
            vec_table()->LOOP_##name((DST *)dst, (const SRC *)src, n);                                                 \
        else                                                                                                           \
            name##_strided(dst, dst_stride, src, src_stride, n);                                                       \
    }
#define LOOP_f32_f16 f32_to_f16
#define LOOP_f16_f32 f16_to_f32
#define LOOP_f32_bf16 f32_to_bf16
#define LOOP_bf16_f32 bf16_to_f32
#define LOOP_f32_u8 f32_to_u8
#define LOOP_f32_i64 f32_to_i64
VECTOR_ROW(f32_f16, float, uint16_t)
VECTOR_ROW(f16_f32, uint16_t, float)
VECTOR_ROW(f32_bf16, float, uint16_t)
VECTOR_ROW(bf16_f32, uint16_t, float)
VECTOR_ROW(f32_u8, float, uint8_t)
VECTOR_ROW(f32_i64, float, int64_t)

// Between the two half types, through float32.
#define HALF_ROW(name, to_float, from_float)                                                                           \
    static void name(char *dst, int64_t dst_stride, const char *src, int64_t src_stride, int64_t n)                    \
    {                                                                                                                  \
        float wide[256];                                                                                               \
        for (int64_t at = 0; at < n; at += 256) {                                                                      \
            int64_t m = n - at < 256 ? n - at : 256;                                                                   \
            to_float((char *)wide, 4, src + at * src_stride, src_stride, m);                                           \
            from_float(dst + at * dst_stride, dst_stride, (const char *)wide, 4, m);                                   \
        }                                                                                                              \
    }
HALF_ROW(f16_bf16, f16_f32, f32_bf16)
HALF_ROW(bf16_f16, bf16_f32, f32_f16)
// From integers, which float32 rounds first.
HALF_ROW(u8_f16, u8_f32, f32_f16)
HALF_ROW(bool_f16, bool_f32, f32_f16)
HALF_ROW(i16_f16, i16_f32, f32_f16)
HALF_ROW(i32_f16, i32_f32, f32_f16)
HALF_ROW(i64_f16, i64_f32, f32_f16)
HALF_ROW(u8_bf16, u8_f32, f32_bf16)
HALF_ROW(bool_bf16, bool_f32, f32_bf16)
HALF_ROW(i16_bf16, i16_f32, f32_bf16)
HALF_ROW(i32_bf16, i32_f32, f32_bf16)
HALF_ROW(i64_bf16, i64_f32, f32_bf16)

// To the wide types.
ROW(load_u8, uint8_t, int64_t, x)
ROW(load_i8, int8_t, int64_t, x)
ROW(load_i16, int16_t, int64_t, x)
ROW(load_u16, uint16_t, int64_t, x)
ROW(load_u32, uint32_t, int64_t, x)
ROW(load_u64, uint64_t, int64_t, (int64_t)x)
ROW(load_bool, uint8_t, int64_t, x != 0)
ROW(load_f16, uint16_t, double, (double)f16_to_float(x))
ROW(load_bf16, uint16_t, double, (double)bf16_to_float(x))
ROW(load_u64_f, uint64_t, double, (double)x)
ROW(load_c32, Complex32, Complex128, ((Complex128){f16_to_float(x.re), f16_to_float(x.im)}))
ROW(load_c64, Complex64, Complex128, ((Complex128){x.re, x.im}))

// From int64.
ROW(i_u8, int64_t, uint8_t, (uint8_t)x)
ROW(i_i8, int64_t, int8_t, (int8_t)x)
ROW(i_i16, int64_t, int16_t, (int16_t)x)
ROW(i_u16, int64_t, uint16_t, (uint16_t)x)
ROW(i_u32, int64_t, uint32_t, (uint32_t)x)
ROW(i_u64, int64_t, uint64_t, (uint64_t)x)
ROW(i_f16, int64_t, uint16_t, f16_from_float((float)x))
ROW(i_bf16, int64_t, uint16_t, bf16_from_float((float)x))
ROW(i_f64, int64_t, double, (double)x)
ROW(i_c32, int64_t, Complex32, ((Complex32){f16_from_float((float)x), 0}))
ROW(i_c64, int64_t, Complex64, ((Complex64){(float)x, 0}))
ROW(i_c128, int64_t, Complex128, ((Complex128){(double)x, 0}))

// From double.
ROW(d_u8, double, uint8_t, (uint8_t)int64_from_double(x))
ROW(d_i8, double, int8_t, (int8_t)int32_from_double(x))
ROW(d_i16, double, int16_t, (int16_t)int32_from_double(x))
ROW(d_i32, double, int32_t, int32_from_double(x))
ROW(d_i64, double, int64_t, int64_from_double(x))
ROW(d_u16, double, uint16_t, (uint16_t)int64_from_double(x))
ROW(d_u32, double, uint32_t, (uint32_t)int64_from_double(x))
ROW(d_u64, double, uint64_t, x >= 0x1p63 && x < 0x1p64 ? (uint64_t)x : (uint64_t)int64_from_double(x))
ROW(d_bool, double, uint8_t, (uint8_t)(x != 0))
ROW(d_f16, double, uint16_t, f16_from_float((float)x))
ROW(d_bf16, double, uint16_t, bf16_from_float((float)x))
ROW(d_c32, double, Complex32, ((Complex32){f16_from_float((float)x), 0}))
ROW(d_c64, double, Complex64, ((Complex64){(float)x, 0}))
ROW(d_c128, double, Complex128, ((Complex128){x, 0}))

// From complex double. The stores to real types take doubles at this type's stride: the real parts.
ROW(c_c32, Complex128, Complex32, ((Complex32){f16_from_float((float)x.re), f16_from_float((float)x.im)}))
ROW(c_c64, Complex128, Complex64, ((Complex64){(float)x.re, (float)x.im}))
ROW(c_bool, Complex128, uint8_t, (uint8_t)(x.re != 0 || x.im != 0))

typedef struct Pair { DType src, dst; ConvertRow row; } Pair;

static const Pair DIRECT[] = {
    {DT_F32, DT_F64, f32_f64},   {DT_F64, DT_F32, f64_f32},   {DT_U8, DT_F32, u8_f32},     {DT_BOOL, DT_F32, bool_f32},
    {DT_I32, DT_F32, i32_f32},   {DT_I64, DT_F32, i64_f32},   {DT_I32, DT_I64, i32_i64},   {DT_I64, DT_I32, i64_i32},
    {DT_U8, DT_I64, u8_i64},     {DT_BOOL, DT_I64, bool_i64}, {DT_I64, DT_BOOL, i64_bool}, {DT_F32, DT_BOOL, f32_bool},
    {DT_F32, DT_I64, f32_i64},   {DT_F32, DT_I32, f32_i32},   {DT_F32, DT_U8, f32_u8},     {DT_F32, DT_BF16, f32_bf16},
    {DT_BF16, DT_F32, bf16_f32}, {DT_F32, DT_F16, f32_f16},   {DT_F16, DT_F32, f16_f32},
    {DT_F16, DT_BF16, f16_bf16}, {DT_BF16, DT_F16, bf16_f16}, {DT_U8, DT_F16, u8_f16},     {DT_U8, DT_BF16, u8_bf16},
    {DT_BOOL, DT_F16, bool_f16}, {DT_BOOL, DT_BF16, bool_bf16}, {DT_I16, DT_F16, i16_f16}, {DT_I16, DT_BF16, i16_bf16},
    {DT_I32, DT_F16, i32_f16},   {DT_I32, DT_BF16, i32_bf16}, {DT_I64, DT_F16, i64_f16},   {DT_I64, DT_BF16, i64_bf16},
    {DT_I32, DT_BOOL, i32_bool}, {DT_I16, DT_BOOL, i16_bool}, {DT_U8, DT_BOOL, u8_bool},   {DT_I8, DT_BOOL, u8_bool},
    {DT_BOOL, DT_U8, u8_bool},   {DT_BOOL, DT_I8, u8_bool},   {DT_I64, DT_U8, i64_u8},     {DT_I32, DT_U8, i32_u8},
    {DT_I16, DT_U8, i16_u8},     {DT_U8, DT_I32, u8_i32},     {DT_I16, DT_I32, i16_i32},   {DT_U8, DT_F64, u8_f64},
    {DT_BOOL, DT_F64, bool_f64}, {DT_I16, DT_F64, i16_f64},   {DT_I32, DT_F64, i32_f64},
    {DT_I8, DT_F32, i8_f32},     {DT_I16, DT_F32, i16_f32},
};

// Indexed by DType code.
static const ConvertRow LOAD[DT_COUNT] = {
    [DT_U8] = load_u8,     [DT_I8] = load_i8,     [DT_I16] = load_i16, [DT_I32] = i32_i64,  [DT_I64] = copy_8,
    [DT_U16] = load_u16,   [DT_U32] = load_u32,   [DT_U64] = load_u64, [DT_BOOL] = load_bool, [DT_F16] = load_f16,
    [DT_BF16] = load_bf16, [DT_F32] = f32_f64,    [DT_F64] = copy_8,   [DT_C32] = load_c32, [DT_C64] = load_c64,
    [DT_C128] = copy_16,
};
static const ConvertRow FROM_INT[DT_COUNT] = {
    [DT_U8] = i_u8,   [DT_I8] = i_i8,   [DT_I16] = i_i16, [DT_I32] = i64_i32,   [DT_I64] = copy_8,  [DT_U16] = i_u16,
    [DT_U32] = i_u32, [DT_U64] = i_u64, [DT_BOOL] = i64_bool, [DT_F16] = i_f16, [DT_BF16] = i_bf16, [DT_F32] = i64_f32,
    [DT_F64] = i_f64, [DT_C32] = i_c32, [DT_C64] = i_c64, [DT_C128] = i_c128,
};
static const ConvertRow FROM_DOUBLE[DT_COUNT] = {
    [DT_U8] = d_u8,   [DT_I8] = d_i8,   [DT_I16] = d_i16, [DT_I32] = d_i32,   [DT_I64] = d_i64,   [DT_U16] = d_u16,
    [DT_U32] = d_u32, [DT_U64] = d_u64, [DT_BOOL] = d_bool, [DT_F16] = d_f16, [DT_BF16] = d_bf16, [DT_F32] = f64_f32,
    [DT_F64] = copy_8, [DT_C32] = d_c32, [DT_C64] = d_c64, [DT_C128] = d_c128,
};
static const ConvertRow FROM_COMPLEX[DT_COUNT] = {[DT_C32] = c_c32, [DT_C64] = c_c64, [DT_C128] = copy_16, [DT_BOOL] = c_bool};

static ConvertRow same_size_copy(size_t size)
{
    return size == 1 ? copy_1 : size == 2 ? copy_2 : size == 4 ? copy_4 : size == 8 ? copy_8 : copy_16;
}

// Quantised types hold plain integers; conversions between dtypes treat them as such.
static DType plain_type(DType t) { return t == DT_QI8 ? DT_I8 : t == DT_QU8 ? DT_U8 : t == DT_QI32 ? DT_I32 : t; }

bool converter_find(DType src, DType dst, Converter *out)
{
    src = plain_type(src);
    dst = plain_type(dst);
    if (src >= DT_COUNT || dst >= DT_COUNT || !LOAD[src] || !LOAD[dst])
        return false;
    *out = (Converter){.src_size = (uint8_t)dtype_size(src), .dst_size = (uint8_t)dtype_size(dst)};
    if (src == dst) {
        out->direct = same_size_copy(dtype_size(src));
        return true;
    }
    for (size_t i = 0; i < sizeof DIRECT / sizeof DIRECT[0]; i++)
        if (DIRECT[i].src == src && DIRECT[i].dst == dst)
            out->direct = DIRECT[i].row;
    DTypeCategory from = dtype_category(src), to = dtype_category(dst);
    out->load = LOAD[src];
    if (from == DT_COMPLEX) {
        out->wide_size = 16;
        out->store = FROM_COMPLEX[dst] ? FROM_COMPLEX[dst] : FROM_DOUBLE[dst];
    } else if (from == DT_FLOATING || (src == DT_U64 && to >= DT_FLOATING)) {
        out->load = src == DT_U64 ? load_u64_f : LOAD[src];
        out->wide_size = 8;
        out->store = FROM_DOUBLE[dst];
    } else {
        out->wide_size = 8;
        out->store = FROM_INT[dst];
    }
    return true;
}

void convert_row(const Converter *c, char *dst, int64_t dst_stride, const char *src, int64_t src_stride, int64_t n)
{
    if (c->direct) {
        c->direct(dst, dst_stride, src, src_stride, n);
        return;
    }
    enum { BLOCK = 256 };
    Complex128 wide[BLOCK];
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t m = n - at < BLOCK ? n - at : BLOCK;
        c->load((char *)wide, c->wide_size, src + at * src_stride, src_stride, m);
        c->store(dst + at * dst_stride, dst_stride, (const char *)wide, c->wide_size, m);
    }
}
