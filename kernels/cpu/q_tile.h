// The innermost part of quantised convolutions and linear layers: a tile of sums of products of 16-bit integers, exact in
// 32 bits (wrapping beyond), so that the results do not depend on the instruction set.
#ifndef TSB_KERNELS_CPU_Q_TILE_H
#define TSB_KERNELS_CPU_Q_TILE_H

#include <stdint.h>

enum { Q_ROWS_MAX = 12, Q_COLUMNS_MAX = 32 };

// sums[r][j] = sum over taps t and pairs p: a[r][offset[t] + 2p] * b[t][p][j][0] + a[r][offset[t] + 2p + 1] * b[t][p][j][1]
typedef struct QTileJob {
    const int16_t *a[Q_ROWS_MAX];
    const int64_t *offset;  // [taps], in elements
    int64_t taps, pairs;    // pairs per tap
    const int16_t *b;       // [taps][pairs][columns][2]
    int32_t *sums;          // [rows][columns]
    int rows;
} QTileJob;

typedef struct QTile {
    int rows, columns;      // of a whole tile
    void (*run)(const QTileJob *job);
} QTile;

const QTile *q_tile(void);

#endif
