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

// Depthwise: sums[r][i] = sum over pairs p of taps: a[r][offset[2p] + i] * w[p][i][0] + a[r][offset[2p + 1] + i] * w[p][i][1], for
// `channels` channels i. The weights of a pair lie as a vector unit interleaves two vectors: see q_depth_weight_at.
enum { Q_DEPTH_ROWS = 4 };
typedef struct QDepthJob {
    const int16_t *a[Q_DEPTH_ROWS]; // [rows]; the others are not read
    const int64_t *offset;  // [2 * pairs], in elements
    int64_t pairs;
    const int16_t *w;       // [pairs][2 * channels]
    int32_t *sums;          // [rows][channels]
    int rows;
} QDepthJob;

// Place of channel i of tap `half` (0 or 1) of a pair: groups of four channels, those of the lower halves of each 128 bits first.
static inline int q_depth_weight_at(int channels, int i, int half)
{
    int lane = i / 8, within = i % 8;
    return (within < 4 ? 0 : channels) + lane * 8 + within % 4 * 2 + half;
}

typedef struct QTile {
    int rows, columns;      // of a whole tile
    void (*run)(const QTileJob *job);
    int channels;           // of a depthwise block, at most Q_COLUMNS_MAX
    void (*depth)(const QDepthJob *job);
} QTile;

const QTile *q_tile(void);

#endif
