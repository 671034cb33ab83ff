// Bags of embeddings: rows of a table, picked by index and summed, averaged or maximised bag by bag.
#ifndef TSB_KERNELS_EMBEDDING_BAG_H
#define TSB_KERNELS_EMBEDDING_BAG_H

#include "io/base/dtype.h"
#include "io/base/status.h"

typedef enum BagMode { BAG_SUM, BAG_MEAN, BAG_MAX } BagMode;

// Sums are taken in float for the 16-bit types, else in the type of the table.
typedef struct EmbeddingBag {
    const void *table;       // [rows, width], rows `row_stride` elements apart
    DType dtype;             // floating point
    int64_t rows, width, row_stride;
    const int64_t *index;    // [count]
    int64_t count;
    const int64_t *offsets;  // [bags]: where each bag starts; the last ends at `end`
    int64_t bags, end;
    BagMode mode;
    const void *scale;       // [count] of dtype, or NULL: what each row is multiplied with
    int64_t padding;         // index that does not count, or -1
    void *out;               // [bags, width]
    int64_t *bag_size;       // [bags]: without padding
    int64_t *max_index;      // [bags, width] for BAG_MAX, else NULL
} EmbeddingBag;

size_t embedding_bag_scratch(const EmbeddingBag *b);
// ST_RAISED for an index or an offset out of range.
Status embedding_bag_run(const EmbeddingBag *b, void *scratch);

#endif
