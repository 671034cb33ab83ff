// Makes tensors over the rows that the reader delivered; copies only where the model may keep or extend them.
#include "coordinator/arguments.h"

#include "worker/tensor.h"

#include <string.h>

// A tensor over `bytes` bytes at `data`, or a copy of them.
static Status make_tensor(const ArgumentMaker *m, Lane *lane, DType dtype, int ndim, const int64_t *size, const void *data, size_t bytes, IValue *out)
{
    Tensor *t;
    if (m->own) {
        TRY(tensor_new(lane, dtype, ndim, size, &t));
        if (bytes)
            memcpy(t->view.data, data, bytes);
    } else {
        View v = {.data = (void *)(uintptr_t)data, .dtype = (uint8_t)dtype, .device = DEVICE_CPU};
        view_set_contiguous(&v, ndim, size);
        TRY(tensor_borrow(lane, &v, bytes, &t));
    }
    *out = value_tensor_take(t);
    return ST_OK;
}

// `count` rows as one tensor, the last one repeated up to `padded`.
static Status make_rows(const ArgumentMaker *m, Lane *lane, const H5ColumnInfo *info, const H5Block *block, int64_t padded, IValue *out)
{
    int64_t size[H5_MAX_DIMS];
    memcpy(size, info->shape, sizeof size);
    size[0] = padded;
    size_t row = (size_t)info->row_bytes;
    if (padded == block->count)
        return make_tensor(m, lane, info->dtype, info->ndim, size, block->data, (size_t)block->count * row, out);
    Tensor *t;
    TRY(tensor_new(lane, info->dtype, info->ndim, size, &t));
    char *to = t->view.data;
    memcpy(to, block->data, (size_t)block->count * row);
    for (int64_t i = block->count; i < padded; i++)
        memcpy(to + (size_t)i * row, to + (size_t)(block->count - 1) * row, row);
    *out = value_tensor_take(t);
    return ST_OK;
}

static Status make_row(const ArgumentMaker *m, Lane *lane, const H5ColumnInfo *info, const H5Block *block, int64_t row, IValue *out)
{
    const char *data = block->data;
    if (info->ragged)
        return make_tensor(m, lane, info->dtype, block->row_ndim, block->row_shape + row * block->row_ndim, data + block->row_offset[row],
                           (size_t)(block->row_offset[row + 1] - block->row_offset[row]), out);
    return make_tensor(m, lane, info->dtype, info->ndim - 1, info->shape + 1, data + (size_t)row * (size_t)info->row_bytes, (size_t)info->row_bytes, out);
}

static Status make_list(const ArgumentMaker *m, Lane *lane, const H5ColumnInfo *info, const H5Block *block, int64_t first, int64_t count, IValue *out)
{
    ListObj *l = list_new(type_of_kind(lane->types, TYPE_TENSOR), (uint32_t)count);
    Status s = l ? ST_OK : status_no_memory((size_t)count * sizeof(IValue));
    for (int64_t i = first; i < first + count && s == ST_OK; i++) {
        IValue v;
        s = make_row(m, lane, info, block, i < block->count ? i : block->count - 1, &v);
        if (s == ST_OK)
            s = list_push_take(l, v);
    }
    if (s != ST_OK && l)
        value_release(value_list_take(l));
    *out = value_list_take(l);
    return s;
}

static Status make_number(const BoundArg *arg, Lane *lane, const ArgumentMaker *m, const H5ColumnInfo *info, const H5Block *block, int64_t row, IValue *out)
{
    IValue tensor, number;
    TRY(make_row(m, lane, info, block, row, &tensor));
    Status s = tensor_item(lane, tensor.as.tensor, &number);
    value_release(tensor);
    TRY(s);
    if (arg->kind == BOUND_FLOAT)
        *out = number.tag == TAG_FLOAT ? number : value_float(number.tag == TAG_INT ? (double)number.as.i : number.as.b);
    else if (arg->kind == BOUND_INT)
        *out = number.tag == TAG_INT ? number : value_int(number.as.b);
    else
        *out = number.tag == TAG_BOOL ? number : value_bool(number.as.i != 0);
    return ST_OK;
}

// row < 0: the whole batch.
static Status make_argument(const ArgumentMaker *m, Lane *lane, const BoundArg *arg, const H5Batch *batch, int64_t row, int64_t padded, IValue *out)
{
    if (arg->column < 0) {
        // Without a default the argument is an Optional: None.
        *out = (IValue){.tag = arg->arg->default_value ? TAG_UNINITIALIZED : TAG_NONE};
        return ST_OK;
    }
    const H5ColumnInfo *info = h5_column_info(m->columns[arg->column]);
    const H5Block *block = &batch->columns[arg->column];
    switch (arg->kind) {
    case BOUND_TENSOR:
        return row < 0 ? make_rows(m, lane, info, block, padded, out) : make_row(m, lane, info, block, row, out);
    case BOUND_ROWS:
        return row < 0 ? make_list(m, lane, info, block, 0, padded, out) : make_list(m, lane, info, block, row, 1, out);
    default:
        return make_number(arg, lane, m, info, block, row, out);
    }
}

Status arguments_of_call(const ArgumentMaker *m, Lane *lane, const H5Batch *batch, int64_t row, int64_t padded, IValue *args)
{
    for (int i = 0; i < m->binding->count; i++) {
        Status s = make_argument(m, lane, &m->binding->args[i], batch, row, padded, &args[i]);
        if (s != ST_OK) {
            while (i-- > 0)
                value_release(args[i]);
            return s;
        }
    }
    return ST_OK;
}
