// Planning and running elementwise operators: picks the inner loop, decides what has to be converted or gathered into
// blocks, and walks strided operands.
#include "kernels/pointwise.h"

#include "kernels/cpu/vec.h"
#include "kernels/pointwise_loops.h"

#include <string.h>

enum {
    BLOCK = 512,   // elements; all blocks of a complex loop stay within 32 KiB
    SHORT_ROW = 64 // shorter rows are gathered, several to a block
};

PwInfo pw_info(PwOp op)
{
    enum { Z = PW_ZERO_KEEPING, B = PW_BITS };
#define X(name, inputs, result, flags) [PW_##name] = {inputs, PW_RESULT_##result, flags},
    static const PwInfo rows[PW_COUNT] = {PW_LIST(X)};
#undef X
    return rows[op];
}

static PwLoop loop_of(PwOp op, DType type)
{
    const VecTable *vec = vec_table();
    switch (type) {
    case DT_F32: return vec->f32[op] ? vec->f32[op] : PW_LOOPS_SPECIAL_F32[op];
    case DT_F64: return vec->f64[op] ? vec->f64[op] : PW_LOOPS_SPECIAL_F64[op];
    case DT_U8: return PW_LOOPS_U8[op];
    case DT_I8: return PW_LOOPS_I8[op];
    case DT_I16: return PW_LOOPS_I16[op];
    case DT_I32: return PW_LOOPS_I32[op];
    case DT_I64: return PW_LOOPS_I64[op];
    case DT_BOOL: return PW_LOOPS_BOOL[op];
    case DT_C64: return PW_LOOPS_C64[op];
    case DT_C128: return PW_LOOPS_C128[op];
    default: return NULL;
    }
}

PwLoop pw_loop(PwOp op, DType type, uint8_t *loop_types)
{
    PwInfo info = pw_info(op);
    if (info.flags & PW_BITS) {
        int condition = op == PW_WHERE ? 1 : 2;
        for (int k = 0; k <= 3; k++)
            loop_types[k] = k == condition ? DT_BOOL : (uint8_t)type;
        return pw_bits_loop(op, dtype_size(type));
    }
    if (type == DT_F16 || type == DT_BF16)
        type = DT_F32;
    if (type == DT_C32)
        type = DT_C64;
    for (int k = 1; k <= info.inputs; k++)
        loop_types[k] = (uint8_t)type;
    loop_types[0] = (uint8_t)type;
    if (info.result == PW_RESULT_BOOL)
        loop_types[0] = DT_BOOL;
    else if (info.result == PW_RESULT_REAL && dtype_is_complex(type))
        loop_types[0] = type == DT_C64 ? DT_F32 : DT_F64;
    return loop_of(op, type);
}

// One row with everything in place: the loop can be called at once.
static bool is_flat(PwPlan *p)
{
    if (p->iter.ndim != 1)
        return false;
    p->scalars = 0;
    for (int k = 0; k <= p->inputs; k++) {
        if (p->convert[k])
            return false;
        if (p->iter.stride[0][k] == p->sizes[k])
            continue;
        if (p->iter.size[0] == 1) // any stride will do
            continue;
        if (p->iter.stride[0][k] != 0 || k == 0 || p->inputs != 2)
            return false;
        p->scalars |= 1u << (k - 1);
    }
    return p->scalars != 3;
}

Status pw_plan(PwPlan *p, PwOp op, DType type, const View *out, const View *const *in)
{
    p->inputs = pw_info(op).inputs;
    p->loop = pw_loop(op, type, p->loop_types);
    if (!p->loop)
        return ST_DECLINED;
    const View *views[1 + PW_MAX_INPUTS] = {out};
    for (int k = 0; k <= p->inputs; k++) {
        if (k)
            views[k] = in[k - 1];
        DType have = (DType)views[k]->dtype, want = (DType)p->loop_types[k];
        p->sizes[k] = (uint8_t)dtype_size(want);
        p->convert[k] = have != want;
        bool known = k == 0 ? converter_find(want, have, &p->converters[k]) : converter_find(have, want, &p->converters[k]);
        if (!known)
            return ST_DECLINED;
    }
    iter_plan(&p->iter, out->ndim, out->size, 1 + p->inputs, views);
    p->flat = is_flat(p);
    p->tiled = p->iter.ndim > 1 && p->iter.size[0] < SHORT_ROW;
    if (p->tiled) {
        p->outer = p->iter;
        p->outer.ndim--;
        memmove(p->outer.size, p->iter.size + 1, sizeof p->iter.size - sizeof p->iter.size[0]);
        memmove(p->outer.stride, p->iter.stride + 1, sizeof p->iter.stride - sizeof p->iter.stride[0]);
    }
    return ST_OK;
}

typedef struct RowContext {
    const PwPlan *plan;
    PwParams *params;
} RowContext;

// Where the loop reads input k of this block: in place, from a gathered block, or a single element.
static const void *block_input(const PwPlan *p, int k, const char *data, int64_t stride, int64_t m, char *block, bool may_be_scalar, unsigned *scalars)
{
    if (!p->convert[k] && (stride == p->sizes[k] || m == 1))
        return data;
    if (stride == 0 && may_be_scalar) {
        *scalars |= 1u << (k - 1);
        if (!p->convert[k])
            return data;
        m = 1;
    }
    convert_row(&p->converters[k], block, p->sizes[k], data, stride, m);
    return block;
}

static void pw_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    const RowContext *c = ctx;
    const PwPlan *p = c->plan;
    _Alignas(64) char blocks[1 + PW_MAX_INPUTS][BLOCK * 16];
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t m = n - at < BLOCK ? n - at : BLOCK;
        const void *in[PW_MAX_INPUTS];
        unsigned scalars = 0;
        for (int k = 1; k <= p->inputs; k++) {
            if (at && stride[k] == 0 && p->inputs != 2) // the block of before is full of this number
                in[k - 1] = blocks[k];
            else
                in[k - 1] = block_input(p, k, data[k] + at * stride[k], stride[k], m, blocks[k], p->inputs == 2 && scalars == 0, &scalars);
        }
        char *out = data[0] + at * stride[0];
        if (!p->convert[0] && (stride[0] == p->sizes[0] || m == 1)) {
            p->loop(out, in, m, scalars, c->params);
        } else {
            p->loop(blocks[0], in, m, scalars, c->params);
            convert_row(&p->converters[0], out, stride[0], blocks[0], p->sizes[0], m);
        }
    }
}

#define GATHER(name, T)                                                                                                \
    static void name(T *block, const char *data, int64_t n, int64_t stride, int64_t rows, int64_t row_stride)          \
    {                                                                                                                  \
        for (int64_t r = 0; r < rows; r++, block += n, data += row_stride) {                                           \
            T first;                                                                                                   \
            memcpy(&first, data, sizeof first);                                                                        \
            for (int64_t i = 0; stride == 0 && i < n; i++)                                                             \
                block[i] = first;                                                                                      \
            for (int64_t i = 0; stride == sizeof(T) && i < n; i++)                                                     \
                memcpy(block + i, data + i * (int64_t)sizeof(T), sizeof(T));                                           \
            for (int64_t i = 0; stride != 0 && stride != sizeof(T) && i < n; i++)                                      \
                memcpy(block + i, data + i * stride, sizeof(T));                                                       \
        }                                                                                                              \
    }
GATHER(gather_4, uint32_t)
GATHER(gather_8, uint64_t)

// Rows of n elements to a block, or back: `rows` of them, strides in bytes.
static void gather_rows(const PwPlan *p, int k, char *block, const char *data, int64_t n, int64_t stride, int64_t rows, int64_t row_stride)
{
    int64_t size = p->sizes[k];
    if (!p->convert[k] && size == 4) {
        gather_4((uint32_t *)block, data, n, stride, rows, row_stride);
        return;
    }
    if (!p->convert[k] && size == 8) {
        gather_8((uint64_t *)block, data, n, stride, rows, row_stride);
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        convert_row(&p->converters[k], block + r * n * size, size, data + r * row_stride, stride, n);
}
static void scatter_rows(const PwPlan *p, char *data, const char *block, int64_t n, int64_t stride, int64_t rows, int64_t row_stride)
{
    for (int64_t r = 0; r < rows; r++)
        convert_row(&p->converters[0], data + r * row_stride, stride, block + r * n * p->sizes[0], p->sizes[0], n);
}

// Do the rows of operand k follow one another in memory, as the loop wants them?
static bool rows_in_place(const PwPlan *p, int k, int64_t row_stride)
{
    int64_t n = p->iter.size[0], stride = p->iter.stride[0][k];
    return !p->convert[k] && stride == p->sizes[k] && row_stride == n * stride;
}

// Rows that are long enough for the loop to be called for each, with its operands where they are.
static bool rows_stand_alone(const PwPlan *p, unsigned *scalars)
{
    *scalars = 0;
    for (int k = 0; k <= p->inputs; k++) {
        if (p->convert[k])
            return false;
        if (k && p->inputs == 2 && p->iter.stride[0][k] == 0)
            *scalars |= 1u << (k - 1);
        else if (p->iter.stride[0][k] != p->sizes[k])
            return false;
    }
    return *scalars != 3 && p->iter.size[0] * p->sizes[0] >= 64;
}

// A run of short rows: size rows of iter.size[0] elements.
static void pw_tile(void *ctx, char **data, const int64_t *row_stride, int64_t size)
{
    const RowContext *c = ctx;
    const PwPlan *p = c->plan;
    _Alignas(64) char blocks[1 + PW_MAX_INPUTS][BLOCK * 16];
    int64_t n = p->iter.size[0], step = BLOCK / n;
    const int64_t *stride = p->iter.stride[0];
    unsigned scalars;
    if (rows_stand_alone(p, &scalars)) {
        for (int64_t r = 0; r < size; r++) {
            const void *in[PW_MAX_INPUTS];
            for (int k = 1; k <= p->inputs; k++)
                in[k - 1] = data[k] + r * row_stride[k];
            p->loop(data[0] + r * row_stride[0], in, n, scalars, c->params);
        }
        return;
    }
    for (int64_t at = 0; at < size; at += step) {
        int64_t rows = size - at < step ? size - at : step;
        const void *in[PW_MAX_INPUTS];
        for (int k = 1; k <= p->inputs; k++) {
            const char *from = data[k] + at * row_stride[k];
            in[k - 1] = from;
            if (!rows_in_place(p, k, row_stride[k])) {
                gather_rows(p, k, blocks[k], from, n, stride[k], rows, row_stride[k]);
                in[k - 1] = blocks[k];
            }
        }
        char *out = data[0] + at * row_stride[0];
        bool direct = rows_in_place(p, 0, row_stride[0]);
        p->loop(direct ? out : blocks[0], in, n * rows, 0, c->params);
        if (!direct)
            scatter_rows(p, out, blocks[0], n, stride[0], rows, row_stride[0]);
    }
}

Status pw_run(const PwPlan *p, char *const *data, PwParams *params)
{
    PwParams none;
    if (!params) {
        memset(&none, 0, sizeof none);
        params = &none;
    }
    params->error = NULL;
    if (p->flat && p->iter.numel) {
        const void *in[PW_MAX_INPUTS] = {data[1], p->inputs > 1 ? data[2] : NULL, p->inputs > 2 ? data[3] : NULL};
        p->loop(data[0], in, p->iter.size[0], p->scalars, params);
    } else {
        RowContext c = {p, params};
        if (p->tiled && p->iter.numel)
            iter_run(&p->outer, data, pw_tile, &c);
        else
            iter_run(&p->iter, data, pw_row, &c);
    }
    return params->error ? status_fail(ST_RAISED, "%s", params->error) : ST_OK;
}

bool view_physical(const View *v, Layout layout, int ndim, int64_t channels, View *out)
{
    int64_t block = layout == LAYOUT_BLOCK16 ? 16 : layout == LAYOUT_BLOCK8 ? 8 : 1;
    int pad = ndim - v->ndim;
    bool own = v->layout == layout;
    if (channels % block || (v->layout != LAYOUT_STRIDED && !own) || (own && pad))
        return false;
    *out = (View){.data = v->data, .dtype = v->dtype, .device = v->device, .ndim = (uint8_t)(ndim + 1)};
    for (int d = 0; d < ndim; d++) {
        int64_t size = d < pad ? 1 : v->size[d - pad], stride = d < pad ? 0 : v->stride[d - pad];
        out->size[d] = size;
        out->stride[d] = stride;
    }
    // Channels split into blocks; the elements of one block are the last dimension.
    bool all = out->size[1] == channels;
    out->size[ndim] = all ? block : 1;
    out->stride[ndim] = all ? out->stride[1] : 0;
    out->stride[1] *= block;
    if (all)
        out->size[1] = channels / block;
    if (!own)
        return true;
    // Packed: N, C/b, spatial…, b (channels-last is the block of all channels).
    int64_t stride = 1;
    if (layout == LAYOUT_CHANNELS_LAST) {
        stride = v->size[1];
        out->stride[1] = 1;
    } else {
        out->stride[ndim] = 1;
        stride = block;
    }
    for (int d = ndim - 1; d >= 2; d--) {
        out->stride[d] = stride;
        stride *= out->size[d];
    }
    if (layout != LAYOUT_CHANNELS_LAST) {
        out->stride[1] = stride;
        stride *= out->size[1];
    }
    out->stride[0] = stride;
    return true;
}
