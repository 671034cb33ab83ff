// Quantised embeddings and embedding bags: rows of 8, 4 or 2 bits with a scale and a bias each, kept as packed parameters
// (a quantised tensor with float zero points) or as bytes with the two numbers at the end of each row.
#include "worker/ops_quant.h"

#include "kernels/half.h"
#include "kernels/quant.h"

#include <math.h>
#include <stdlib.h>

// A table of rows. Packed parameters have a byte per element; in bytes of a plain tensor the elements lie close, the first
// in the low bits, followed by scale and bias: float32 for 8 bits, float16 for fewer.
typedef struct Table {
    int bits;
    int64_t rows, columns, pitch;
    const uint8_t *data;
    const float *scales, *zeros; // of packed parameters; NULL: at the end of each row
} Table;

static int64_t row_bytes(int bits, int64_t columns) { return bits == 8 ? columns : (columns * bits + 7) / 8; }
static int64_t tail_bytes(int bits) { return bits == 8 ? 2 * (int64_t)sizeof(float) : 2 * (int64_t)sizeof(uint16_t); }
static float to_half(float x) { return f16_to_float(f16_from_float(x)); }

static Status packed_table(const Object *packed, int bits, Table *out)
{
    const Tensor *w = packed_get(packed, "weight").as.tensor;
    const Quant *q = w->quant;
    if (arg_int(packed_get(packed, "bit_rate")) != bits || tensor_dtype(w) != (bits == 8 ? DT_QU8 : DT_QU4X2))
        return op_raise("quantized embedding of %d bits: the weight has %lld bits", bits, (long long)arg_int(packed_get(packed, "bit_rate")));
    if (!q || q->scheme != QUANT_PER_CHANNEL_FLOAT || q->axis != 0 || w->view.ndim != 2 || !view_is_contiguous(&w->view) ||
        tensor_numel(q->scales) != w->view.size[0])
        return op_raise("quantized embedding: the weight must be quantized per row with float zero points");
    *out = (Table){bits, w->view.size[0], w->view.size[1], w->view.size[1], w->view.data, q->scales->view.data, q->zero_points->view.data};
    return ST_OK;
}

static Status byte_table(const Tensor *w, int bits, Table *out)
{
    const View *v = &w->view;
    if (v->dtype != DT_U8 || v->ndim != 2 || !view_is_contiguous(v) || v->size[1] < tail_bytes(bits))
        return op_raise("quantized embedding_bag: the weight must be a contiguous byte tensor of two dimensions with scale and bias in each row");
    *out = (Table){.bits = bits, .rows = v->size[0], .columns = (v->size[1] - tail_bytes(bits)) * (8 / bits), .pitch = v->size[1], .data = v->data};
    return ST_OK;
}

// The row's elements, a byte each: in place, or in `buffer`.
static const uint8_t *row_elements(const Table *t, int64_t row, uint8_t *buffer)
{
    const uint8_t *q = t->data + row * t->pitch;
    if (t->bits == 8 || t->scales)
        return q;
    int per_byte = 8 / t->bits, mask = (1 << t->bits) - 1;
    for (int64_t i = 0; i < t->columns; i++)
        buffer[i] = (uint8_t)(q[i / per_byte] >> (i % per_byte * t->bits) & mask);
    return buffer;
}

static void row_numbers(const Table *t, int64_t row, float *scale, float *bias)
{
    if (t->scales) {
        *scale = t->scales[row];
        *bias = t->zeros[row] * t->scales[row] * -1;
        if (t->bits != 8) {
            *scale = to_half(*scale);
            *bias = to_half(*bias);
        }
        return;
    }
    const uint8_t *tail = t->data + row * t->pitch + row_bytes(t->bits, t->columns);
    if (t->bits == 8) {
        memcpy(scale, tail, sizeof *scale);
        memcpy(bias, tail + sizeof *scale, sizeof *bias);
        return;
    }
    uint16_t half[2];
    memcpy(half, tail, sizeof half);
    *scale = f16_to_float(half[0]);
    *bias = f16_to_float(half[1]);
}

// ---- bags

typedef struct Bags {
    Tensor *indices, *offsets, *weights, *mapping; // int64, int64 or NULL, float32 or NULL, int32 or NULL; contiguous
    bool include_last;
} Bags;

static void bags_release(Bags *b)
{
    Tensor *all[] = {b->indices, b->offsets, b->weights, b->mapping};
    for (int i = 0; i < 4; i++)
        if (all[i])
            tensor_release(all[i]);
}

static Status as_row(Lane *lane, IValue v, DType dtype, Tensor **out)
{
    return v.tag == TAG_NONE ? ST_OK : tensor_contiguous_as(lane, v.as.tensor, dtype, out);
}

static Status add_row(const Table *t, const Bags *b, int64_t at, uint8_t *buffer, float *y)
{
    int64_t row = ((const int64_t *)b->indices->view.data)[at];
    if (b->mapping) {
        if (row < 0 || row >= tensor_numel(b->mapping))
            return op_raise("Invalid indices data for Sparse Op.");
        row = ((const int32_t *)b->mapping->view.data)[row];
        if (row == -1)
            return ST_OK;
    }
    if (row < 0 || row >= t->rows)
        return op_raise("Invalid indices data: %lld of a table of %lld rows", (long long)row, (long long)t->rows);
    float scale, bias, factor = b->weights ? ((const float *)b->weights->view.data)[at] : 1;
    row_numbers(t, row, &scale, &bias);
    scaled_bytes_add(row_elements(t, row, buffer), factor * scale, factor * bias, y, t->columns);
    return ST_OK;
}

// Bag i holds the indices from where its offset says to where the next one begins.
static Status sum_bags(Lane *lane, const Table *t, const Bags *b, int64_t bags, int64_t every, Tensor **out)
{
    const int64_t *offsets = b->offsets ? b->offsets->view.data : NULL;
    int64_t count = tensor_numel(b->indices), last = bags;
    if (offsets)
        last = tensor_numel(b->offsets);
    Tensor *y;
    TRY(tensor_new(lane, DT_F32, 2, (const int64_t[]){bags, t->columns}, &y));
    memset(y->view.data, 0, (size_t)tensor_numel(y) * sizeof(float));
    uint8_t *buffer = malloc((size_t)t->columns + 1);
    Status status = buffer ? ST_OK : status_no_memory((size_t)t->columns);
    for (int64_t i = 0; i < bags && status == ST_OK; i++) {
        int64_t first = offsets ? offsets[i] : i * every, end = !offsets ? (i + 1) * every : i + 1 < last ? offsets[i + 1] : count;
        if (first < 0 || end > count || first > end)
            status = op_raise("Expect the lengths data to be less than indices size");
        for (int64_t at = first; at < end && status == ST_OK; at++)
            status = add_row(t, b, at, buffer, (float *)y->view.data + i * t->columns);
    }
    free(buffer);
    if (status != ST_OK) {
        tensor_release(y);
        return status;
    }
    *out = y;
    return ST_OK;
}

// args: weight, indices, offsets, scale_grad_by_freq, mode, pruned_weights, per_sample_weights, mapping, include_last_offset
static Status embedding_bag(Lane *lane, const IValue *args, const Table *t, IValue *rets)
{
    const Tensor *indices = args[1].as.tensor;
    if (indices->view.ndim < 1 || indices->view.ndim > 2)
        return op_raise("qembedding/qembedding_bag operator supports 1 or 2d indices, got %d", indices->view.ndim);
    if ((indices->view.ndim == 1) != (args[2].tag == TAG_TENSOR))
        return op_raise(indices->view.ndim == 1 ? "embedding_bag expects offsets for 1D indices"
                                                : "embedding_bag operator: input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences.");
    Bags b = {.include_last = args[8].as.b};
    Status status = as_row(lane, args[1], DT_I64, &b.indices);
    if (status == ST_OK)
        status = as_row(lane, args[2], DT_I64, &b.offsets);
    if (status == ST_OK)
        status = as_row(lane, args[6], DT_F32, &b.weights);
    if (status == ST_OK && args[5].as.b)
        status = as_row(lane, args[7], DT_I32, &b.mapping);
    if (status == ST_OK && b.mapping && tensor_numel(b.mapping) == 1 && ((const int32_t *)b.mapping->view.data)[0] == 0) {
        tensor_release(b.mapping); // says that nothing was pruned
        b.mapping = NULL;
    }
    if (status == ST_OK && b.weights && tensor_numel(b.weights) != tensor_numel(b.indices))
        status = op_raise("expected per_sample_weights to have the same number of elements as the indices");
    int64_t bags = indices->view.size[0], every = indices->view.ndim == 2 ? indices->view.size[1] : 0;
    if (status == ST_OK && b.offsets) {
        bags = tensor_numel(b.offsets) - b.include_last;
        if (b.offsets->view.ndim != 1 || bags < 0)
            status = op_raise("embedding_bag: offsets must have one dimension");
    }
    Tensor *y;
    if (status == ST_OK)
        status = sum_bags(lane, t, &b, bags, every, &y);
    bags_release(&b);
    TRY(status);
    rets[0] = value_tensor_take(y);
    return ST_OK;
}

static Status packed_bag(Lane *lane, const IValue *args, int bits, IValue *rets)
{
    Table t;
    TRY(packed_table(args[0].as.object, bits, &t));
    return embedding_bag(lane, args, &t, rets);
}
OP_FN(op_bag_byte) { return packed_bag(lane, args, 8, rets); }
OP_FN(op_bag_4bit) { return packed_bag(lane, args, 4, rets); }

static Status bytes_bag(Lane *lane, const IValue *args, int bits, IValue *rets)
{
    Table t;
    TRY(byte_table(args[0].as.tensor, bits, &t));
    return embedding_bag(lane, args, &t, rets);
}
OP_FN(op_bag_bytes_8) { return bytes_bag(lane, args, 8, rets); }
OP_FN(op_bag_bytes_4) { return bytes_bag(lane, args, 4, rets); }
OP_FN(op_bag_bytes_2) { return bytes_bag(lane, args, 2, rets); }

// ---- embeddings: weight, indices, pruned_weights

static Status embedding(Lane *lane, const IValue *args, int bits, IValue *rets)
{
    Table t;
    Tensor *indices = args[1].as.tensor, *y, *shaped;
    int64_t size[VIEW_MAX_DIMS];
    int n = indices->view.ndim;
    TRY(packed_table(args[0].as.object, bits, &t));
    if (args[2].as.b)
        return op_raise("quantized embedding with pruned weights is not supported");
    if (n + 1 > VIEW_MAX_DIMS)
        return op_raise("tensor has too many dimensions (%d, limit %d)", n + 1, VIEW_MAX_DIMS);
    Bags b = {0};
    TRY(as_row(lane, args[1], DT_I64, &b.indices));
    Status status = sum_bags(lane, &t, &b, tensor_numel(b.indices), 1, &y);
    bags_release(&b);
    TRY(status);
    memcpy(size, indices->view.size, (size_t)n * sizeof *size);
    size[n] = t.columns;
    View contiguous;
    view_set_contiguous(&contiguous, n + 1, size);
    status = tensor_view(lane, y, n + 1, size, contiguous.stride, 0, &shaped);
    tensor_release(y);
    TRY(status);
    rets[0] = value_tensor_take(shaped);
    return ST_OK;
}
OP_FN(op_embedding_byte) { return embedding(lane, args, 8, rets); }
OP_FN(op_embedding_4bit) { return embedding(lane, args, 4, rets); }

// ---- packing

OP_FN(op_prepack) // weight
{
    Tensor *w = args[0].as.tensor;
    if (!w->quant || w->quant->scheme != QUANT_PER_CHANNEL_FLOAT || (tensor_dtype(w) != DT_QU8 && tensor_dtype(w) != DT_QU4X2))
        return op_raise("Expect embedding_bag weights to be quantized using kPerChannelAffineFloatQParams");
    return packed_new_take(site, (IValue[]){value_retain(args[0]), value_int(tensor_dtype(w) == DT_QU8 ? 8 : 4)}, 2, &rets[0]);
}

OP_FN(op_unpack)
{
    rets[0] = value_retain(packed_get(args[0].as.object, "weight"));
    return ST_OK;
}

// The range that a row is quantised to: its own, a given one, or the best that a search finds.
typedef struct RowRange {
    const float *given; // [rows, 2], or NULL
    int64_t bins;       // of the search; 0: no search
    double ratio;
} RowRange;

static void pack_row(const float *x, int64_t n, int bits, float lo, float hi, uint8_t *out)
{
    int levels = (1 << bits) - 1, per_byte = 8 / bits;
    uint8_t *tail = out + row_bytes(bits, n);
    if (bits == 8) {
        float range = hi - lo, inverse = 255.0f / (range + 1e-8f), scale = range / 255.0f;
        memcpy(tail, &scale, sizeof scale);
        memcpy(tail + sizeof scale, &lo, sizeof lo);
        for (int64_t i = 0; i < n; i++) {
            float v = nearbyintf((x[i] - lo) * inverse);
            out[i] = (uint8_t)(int)(v > 0 ? v < 255 ? v : 255 : 0);
        }
        return;
    }
    lo = to_half(lo);
    float range = hi - lo, scale = range == 0 ? 1 : to_half(range / (float)levels);
    if (scale == 0)
        scale = 1;
    float inverse = 1.0f / scale;
    if (isinf(inverse))
        scale = inverse = 1;
    uint16_t half[2] = {f16_from_float(scale), f16_from_float(lo)};
    memcpy(tail, half, sizeof half);
    memset(out, 0, (size_t)row_bytes(bits, n));
    for (int64_t i = 0; i < n; i++) {
        float v = nearbyintf((x[i] - lo) * inverse);
        int q = (int)(v > 0 ? v < (float)levels ? v : (float)levels : 0);
        out[i / per_byte] |= (uint8_t)(q << (i % per_byte * bits));
    }
}

static Status prepack_bytes(Lane *lane, Tensor *w, int bits, RowRange range, IValue *rets)
{
    if (tensor_dtype(w) != DT_F32 || w->view.ndim != 2 || w->view.size[1] % (8 / bits))
        return op_raise("embedding_bag_%s_prepack expects a float matrix whose rows fill whole bytes", bits == 8 ? "byte" : bits == 4 ? "4bit" : "2bit");
    Tensor *x, *out;
    int64_t rows = w->view.size[0], columns = w->view.size[1], pitch = row_bytes(bits, columns) + tail_bytes(bits);
    if (columns == 0)
        return op_raise("embedding_bag prepack: the weight has no columns");
    TRY(tensor_contiguous(lane, w, &x));
    Status status = tensor_new(lane, DT_U8, 2, (const int64_t[]){rows, pitch}, &out);
    for (int64_t r = 0; r < rows && status == ST_OK; r++) {
        const float *row = (const float *)x->view.data + r * columns;
        float lo, hi;
        if (range.given) {
            lo = range.given[2 * r];
            hi = range.given[2 * r + 1];
        } else if (range.bins) {
            quant_best_range(row, columns, range.bins, range.ratio, bits, &lo, &hi);
        } else {
            min_max_row(row, columns, &lo, &hi);
        }
        pack_row(row, columns, bits, lo, hi, (uint8_t *)out->view.data + r * pitch);
    }
    tensor_release(x);
    TRY(status);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// weight, optimized_qparams, nbins, ratio; bytes have their own range always.
static Status prepack(Lane *lane, const IValue *args, int bits, IValue *rets)
{
    RowRange range = {0};
    if (bits < 8 && args[1].as.b) {
        range = (RowRange){.bins = args[2].as.i, .ratio = arg_double(args[3])};
        if (range.bins < 1 || range.bins > 1 << 20)
            return op_raise("embedding_bag prepack: nbins must be positive (limit 2^20)");
    }
    return prepack_bytes(lane, args[0].as.tensor, bits, range, rets);
}
OP_FN(op_prepack_byte) { return prepack(lane, args, 8, rets); }
OP_FN(op_prepack_4bit) { return prepack(lane, args, 4, rets); }
OP_FN(op_prepack_2bit) { return prepack(lane, args, 2, rets); }

// weight, rowwise_min_max, …: the range of every row is given.
static Status prepack_given(Lane *lane, const IValue *args, int bits, IValue *rets)
{
    Tensor *w = args[0].as.tensor, *ranges = args[1].as.tensor, *rows;
    const View *v = &ranges->view;
    if (v->dtype != DT_F32 || v->ndim != 2 || v->size[1] != 2 || w->view.ndim != 2 || v->size[0] != w->view.size[0])
        return op_raise("embedding_bag prepack: rowwise_min_max must be a float matrix of two columns, with a row for every row of the weight");
    TRY(tensor_contiguous(lane, ranges, &rows));
    Status status = prepack_bytes(lane, w, bits, (RowRange){.given = rows->view.data}, rets);
    tensor_release(rows);
    return status;
}
OP_FN(op_prepack_byte_given) { return prepack_given(lane, args, 8, rets); }
OP_FN(op_prepack_4bit_given) { return prepack_given(lane, args, 4, rets); }
OP_FN(op_prepack_2bit_given) { return prepack_given(lane, args, 2, rets); }

static Status unpack_bytes(Lane *lane, Tensor *w, int bits, IValue *rets)
{
    Table t;
    Tensor *y;
    TRY(byte_table(w, bits, &t));
    TRY(tensor_new(lane, DT_F32, 2, (const int64_t[]){t.rows, t.columns}, &y));
    uint8_t *buffer = malloc((size_t)t.columns + 1);
    if (!buffer) {
        tensor_release(y);
        return status_no_memory((size_t)t.columns);
    }
    for (int64_t r = 0; r < t.rows; r++) {
        float scale, bias, *out = (float *)y->view.data + r * t.columns;
        const uint8_t *q = row_elements(&t, r, buffer);
        row_numbers(&t, r, &scale, &bias);
        for (int64_t i = 0; i < t.columns; i++)
            out[i] = (float)q[i] * scale + bias;
    }
    free(buffer);
    rets[0] = value_tensor_take(y);
    return ST_OK;
}
OP_FN(op_unpack_byte) { return unpack_bytes(lane, args[0].as.tensor, 8, rets); }
OP_FN(op_unpack_4bit) { return unpack_bytes(lane, args[0].as.tensor, 4, rets); }
OP_FN(op_unpack_2bit) { return unpack_bytes(lane, args[0].as.tensor, 2, rets); }

const OpBinding OPS_QUANT_EMBEDDING[] = {
    QROW("quantized::embedding_bag_byte", op_bag_byte), QROW("quantized::embedding_bag_4bit", op_bag_4bit),
    QROW("quantized::embedding_byte", op_embedding_byte), QROW("quantized::embedding_4bit", op_embedding_4bit),
    QROW("quantized::embedding_bag_byte_rowwise_offsets", op_bag_bytes_8), QROW("quantized::embedding_bag_4bit_rowwise_offsets", op_bag_bytes_4),
    QROW("quantized::embedding_bag_2bit_rowwise_offsets", op_bag_bytes_2), QROW("quantized::embedding_bag_prepack", op_prepack),
    QROW("quantized::embedding_bag_unpack", op_unpack), QROW("quantized::embedding_bag_byte_prepack", op_prepack_byte),
    QROW("quantized::embedding_bag_4bit_prepack", op_prepack_4bit), QROW("quantized::embedding_bag_2bit_prepack", op_prepack_2bit),
    QROW("quantized::embedding_bag_byte_prepack_with_rowwise_min_max", op_prepack_byte_given),
    QROW("quantized::embedding_bag_4bit_prepack_with_rowwise_min_max", op_prepack_4bit_given),
    QROW("quantized::embedding_bag_2bit_prepack_with_rowwise_min_max", op_prepack_2bit_given),
    QROW("quantized::embedding_bag_byte_unpack", op_unpack_byte), QROW("quantized::embedding_bag_4bit_unpack", op_unpack_4bit),
    QROW("quantized::embedding_bag_2bit_unpack", op_unpack_2bit),
    {0},
};
