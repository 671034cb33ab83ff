// Bags of embeddings. A row is added to its bag's sum as it is read; what is no float or double becomes float on the way.
#include "kernels/embedding_bag.h"

#include "kernels/convert.h"
#include "kernels/isa.h"

#include <string.h>

// sum[i] += x[i] * scale
ISA_INLINE void add_f32_body(float *sum, const float *x, float scale, int64_t n)
{
    ISA_INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        sum[i] += x[i] * scale;
}
ISA_VARIANTS(add_f32, (float *sum, const float *x, float scale, int64_t n), (sum, x, scale, n))

ISA_INLINE void add_f64_body(double *sum, const double *x, double scale, int64_t n)
{
    ISA_INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        sum[i] += x[i] * scale;
}
ISA_VARIANTS(add_f64, (double *sum, const double *x, double scale, int64_t n), (sum, x, scale, n))

// The plain case at once: rows of floats, nothing to scale, nothing left out. Indices have been checked.
ISA_INLINE void sum_rows_body(const EmbeddingBag *b, int64_t from, int64_t to, float *sum)
{
    int64_t n = b->width;
    for (int64_t i = from; i < to; i++) {
        const float *x = (const float *)b->table + b->index[i] * b->row_stride;
        ISA_INDEPENDENT
        for (int64_t j = 0; j < n; j++)
            sum[j] += x[j];
    }
}
ISA_VARIANTS(sum_rows, (const EmbeddingBag *b, int64_t from, int64_t to, float *sum), (b, from, to, sum))

#define MAX_ROW(T)                                                                                                     \
    static void max_##T(T *most, const T *x, int64_t row, bool first, int64_t *at, int64_t n)                           \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++)                                                                                \
            if (first || x[i] > most[i]) {                                                                             \
                most[i] = x[i];                                                                                        \
                at[i] = row;                                                                                           \
            }                                                                                                          \
    }
MAX_ROW(float)
MAX_ROW(double)

static DType sum_type(DType t) { return t == DT_F64 ? DT_F64 : DT_F32; }

size_t embedding_bag_scratch(const EmbeddingBag *b)
{
    return b->dtype == DT_F32 || b->dtype == DT_F64 ? 0 : 2 * sizeof(float) * (size_t)b->width; // a sum, and a row as float
}

typedef struct BagRun {
    const EmbeddingBag *b;
    bool wide;           // double
    Converter in, out;   // of 16-bit types
    float *row;          // converted, or NULL
    size_t element;
} BagRun;

static double scale_at(const BagRun *r, int64_t i)
{
    const EmbeddingBag *b = r->b;
    if (!b->scale)
        return 1;
    if (r->wide)
        return ((const double *)b->scale)[i];
    if (!r->row)
        return (double)((const float *)b->scale)[i];
    float f;
    convert_row(&r->in, (char *)&f, sizeof f, (const char *)b->scale + i * (int64_t)r->element, (int64_t)r->element, 1);
    return (double)f;
}

static Status take_row(const BagRun *r, int64_t i, void *sum, bool first, int64_t *most)
{
    const EmbeddingBag *b = r->b;
    int64_t row = b->index[i];
    const void *x = (const char *)b->table + row * b->row_stride * (int64_t)r->element;
    if (r->row) {
        convert_row(&r->in, (char *)r->row, sizeof(float), x, (int64_t)r->element, b->width);
        x = r->row;
    }
    if (b->mode == BAG_MAX && r->wide)
        max_double(sum, x, row, first, most, b->width);
    else if (b->mode == BAG_MAX)
        max_float(sum, x, row, first, most, b->width);
    else if (r->wide)
        add_f64(sum, x, scale_at(r, i), b->width);
    else
        add_f32(sum, x, (float)scale_at(r, i), b->width);
    return ST_OK;
}

static Status run_bag(const BagRun *r, int64_t bag, int64_t from, int64_t to, void *sum)
{
    const EmbeddingBag *b = r->b;
    int64_t taken = 0;
    int64_t *most = b->max_index ? b->max_index + bag * b->width : NULL;
    memset(sum, 0, (size_t)b->width * dtype_size(sum_type(b->dtype)));
    if (most)
        memset(most, 0, sizeof *most * (size_t)b->width);
    for (int64_t i = from; i < to; i++)
        if (b->index[i] < 0 || b->index[i] >= b->rows)
            return status_fail(ST_RAISED, "embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be %lld", (long long)b->index[i]);
    bool plain = b->dtype == DT_F32 && b->mode != BAG_MAX && !b->scale && b->padding < 0;
    if (plain) {
        sum_rows(b, from, to, sum);
        taken = to - from;
    }
    for (int64_t i = from; i < to && !plain; i++) {
        if (b->index[i] == b->padding)
            continue;
        TRY(take_row(r, i, sum, taken == 0, most));
        taken++;
    }
    b->bag_size[bag] = taken;
    for (int64_t i = 0; b->mode == BAG_MEAN && taken > 1 && i < b->width; i++) {
        if (r->wide)
            ((double *)sum)[i] /= (double)taken;
        else
            ((float *)sum)[i] /= (float)taken;
    }
    return ST_OK;
}

Status embedding_bag_run(const EmbeddingBag *b, void *scratch)
{
    BagRun r = {.b = b, .wide = b->dtype == DT_F64, .element = dtype_size(b->dtype)};
    float *own = NULL;
    if (embedding_bag_scratch(b)) {
        if (!converter_find(b->dtype, DT_F32, &r.in) || !converter_find(DT_F32, b->dtype, &r.out))
            return status_fail(ST_UNSUPPORTED, "embedding_bag: not for this element type");
        own = scratch;
        r.row = own + b->width;
    }
    for (int64_t bag = 0; bag < b->bags; bag++) {
        int64_t from = b->offsets[bag], to = bag + 1 < b->bags ? b->offsets[bag + 1] : b->end;
        if (from < 0 || from > to || to > b->count)
            return status_fail(ST_RAISED, "embedding_bag: offsets must not decrease, nor exceed the input's length %lld", (long long)b->count);
        char *place = (char *)b->out + bag * b->width * (int64_t)r.element;
        TRY(run_bag(&r, bag, from, to, own ? (void *)own : place));
        if (own)
            convert_row(&r.out, place, (int64_t)r.element, (const char *)own, sizeof(float), b->width);
    }
    return ST_OK;
}
