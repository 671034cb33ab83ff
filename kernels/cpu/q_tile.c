// Tiles of integer products: AVX-512 with and without VNNI, AVX2, SSE2, plain C. One body, expanded for each.
// A pair of 16-bit factors is broadcast per row; multiply-add of pairs gives 32-bit sums without saturation.
#include "kernels/cpu/q_tile.h"

#include "kernels/isa.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

// name_rows: a tile of a known number of rows; name_tile: of any number up to `max_rows`.
#define TILE(name, isa, vec, lanes, max_rows, zero, load, store, broadcast, madd)                                      \
    __attribute__((always_inline, target(isa))) static inline void name##_rows(const QTileJob *job, const int rows)    \
    {                                                                                                                  \
        vec sum[max_rows][2];                                                                                          \
        _Pragma("GCC unroll 12") for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = zero();                        \
        const int16_t *b = job->b;                                                                                     \
        for (int64_t t = 0; t < job->taps; t++) {                                                                      \
            int64_t at = job->offset[t], end = at + 2 * job->pairs;                                                    \
            for (; at < end; at += 2, b += 4 * (lanes)) {                                                              \
                vec b0 = load((const void *)b), b1 = load((const void *)(b + 2 * (lanes)));                            \
                _Pragma("GCC unroll 12") for (int r = 0; r < rows; r++)                                                \
                {                                                                                                      \
                    int32_t pair;                                                                                      \
                    memcpy(&pair, job->a[r] + at, sizeof pair);                                                        \
                    vec a = broadcast(pair);                                                                           \
                    sum[r][0] = madd(sum[r][0], a, b0);                                                                \
                    sum[r][1] = madd(sum[r][1], a, b1);                                                                \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        _Pragma("GCC unroll 12") for (int r = 0; r < rows; r++)                                                        \
        {                                                                                                              \
            store((void *)(job->sums + r * 2 * (lanes)), sum[r][0]);                                                   \
            store((void *)(job->sums + r * 2 * (lanes) + (lanes)), sum[r][1]);                                         \
        }                                                                                                              \
    }

#define ROWS(name, n) case n: name##_rows(job, n); break;
#define TILE_6(name, isa)                                                                                              \
    __attribute__((target(isa))) static void name##_tile(const QTileJob *job)                                          \
    {                                                                                                                  \
        switch (job->rows) {                                                                                           \
            ROWS(name, 1) ROWS(name, 2) ROWS(name, 3) ROWS(name, 4) ROWS(name, 5) ROWS(name, 6)                        \
        }                                                                                                              \
    }
#define TILE_12(name, isa)                                                                                             \
    __attribute__((target(isa))) static void name##_tile(const QTileJob *job)                                          \
    {                                                                                                                  \
        switch (job->rows) {                                                                                           \
            ROWS(name, 1) ROWS(name, 2) ROWS(name, 3) ROWS(name, 4) ROWS(name, 5) ROWS(name, 6)                        \
            ROWS(name, 7) ROWS(name, 8) ROWS(name, 9) ROWS(name, 10) ROWS(name, 11) ROWS(name, 12)                     \
        }                                                                                                              \
    }

// Two taps at a time: their vectors are interleaved, so that each pair of neighbours is one product and sum.
#define DEPTH(name, isa, vec, lanes, zero, load, store, low, high, madd, join)                                         \
    __attribute__((always_inline, target(isa))) static inline void name##_depth_rows(const QDepthJob *job, const int rows) \
    {                                                                                                                  \
        vec sum[Q_DEPTH_ROWS][2];                                                                                      \
        _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = zero();                         \
        const int16_t *w = job->w;                                                                                     \
        for (int64_t p = 0; p < job->pairs; p++, w += 4 * (lanes)) {                                                   \
            vec w0 = load((const void *)w), w1 = load((const void *)(w + 2 * (lanes)));                                \
            int64_t at0 = job->offset[2 * p], at1 = job->offset[2 * p + 1];                                            \
            _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++)                                                     \
            {                                                                                                          \
                vec x0 = load((const void *)(job->a[r] + at0)), x1 = load((const void *)(job->a[r] + at1));            \
                sum[r][0] = madd(sum[r][0], low(x0, x1), w0);                                                          \
                sum[r][1] = madd(sum[r][1], high(x0, x1), w1);                                                         \
            }                                                                                                          \
        }                                                                                                              \
        _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++)                                                         \
        {                                                                                                              \
            vec lo = sum[r][0], hi = sum[r][1];                                                                        \
            join(lo, hi);                                                                                              \
            store((void *)(job->sums + r * 2 * (lanes)), lo);                                                          \
            store((void *)(job->sums + r * 2 * (lanes) + (lanes)), hi);                                                \
        }                                                                                                              \
    }                                                                                                                  \
    __attribute__((target(isa))) static void name##_depth(const QDepthJob *job)                                        \
    {                                                                                                                  \
        if (job->rows == Q_DEPTH_ROWS) {                                                                               \
            name##_depth_rows(job, Q_DEPTH_ROWS);                                                                      \
            return;                                                                                                    \
        }                                                                                                              \
        QDepthJob one = *job;                                                                                          \
        for (int r = 0; r < job->rows; r++) {                                                                          \
            one.a[0] = job->a[r];                                                                                      \
            one.sums = job->sums + r * 2 * (lanes);                                                                    \
            name##_depth_rows(&one, 1);                                                                                \
        }                                                                                                              \
    }

// Sums of interleaved vectors in the order of the channels.
#define JOIN_512(lo, hi)                                                                                               \
    vec512 first = _mm512_permutex2var_epi64(lo, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), hi);                     \
    hi = _mm512_permutex2var_epi64(lo, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), hi);                             \
    lo = first
#define JOIN_256(lo, hi)                                                                                               \
    __m256i first = _mm256_permute2x128_si256(lo, hi, 0x20);                                                           \
    hi = _mm256_permute2x128_si256(lo, hi, 0x31);                                                                      \
    lo = first
#define JOIN_128(lo, hi) (void)0
typedef __m512i vec512;

#define MADD_512(s, a, b) _mm512_add_epi32(s, _mm512_madd_epi16(a, b))
#define MADD_256(s, a, b) _mm256_add_epi32(s, _mm256_madd_epi16(a, b))
#define MADD_128(s, a, b) _mm_add_epi32(s, _mm_madd_epi16(a, b))

#define ISA_VNNI "avx512f,avx512bw,avx512vnni"
#define ISA_512 "avx512f,avx512bw"
TILE(vnni, ISA_VNNI, __m512i, 16, 12, _mm512_setzero_si512, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32, _mm512_dpwssd_epi32)
TILE_12(vnni, ISA_VNNI)
DEPTH(vnni, ISA_VNNI, __m512i, 16, _mm512_setzero_si512, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_unpacklo_epi16, _mm512_unpackhi_epi16, _mm512_dpwssd_epi32, JOIN_512)
TILE(avx512, ISA_512, __m512i, 16, 12, _mm512_setzero_si512, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32, MADD_512)
TILE_12(avx512, ISA_512)
DEPTH(avx512, ISA_512, __m512i, 16, _mm512_setzero_si512, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_unpacklo_epi16, _mm512_unpackhi_epi16, MADD_512, JOIN_512)
TILE(avx2, "avx2", __m256i, 8, 6, _mm256_setzero_si256, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32, MADD_256)
TILE_6(avx2, "avx2")
DEPTH(avx2, "avx2", __m256i, 8, _mm256_setzero_si256, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_unpacklo_epi16, _mm256_unpackhi_epi16, MADD_256, JOIN_256)
TILE(sse2, "sse2", __m128i, 4, 6, _mm_setzero_si128, _mm_loadu_si128, _mm_storeu_si128, _mm_set1_epi32, MADD_128)
TILE_6(sse2, "sse2")
DEPTH(sse2, "sse2", __m128i, 4, _mm_setzero_si128, _mm_loadu_si128, _mm_storeu_si128, _mm_unpacklo_epi16, _mm_unpackhi_epi16, MADD_128, JOIN_128)

const QTile *q_tile(void)
{
    static const QTile vnni = {12, 32, vnni_tile, 32, vnni_depth}, avx512 = {12, 32, avx512_tile, 32, avx512_depth};
    static const QTile avx2 = {6, 16, avx2_tile, 16, avx2_depth}, sse2 = {6, 8, sse2_tile, 8, sse2_depth};
    switch (kernel_isa()) {
    case ISA_AVX512: return __builtin_cpu_supports("avx512vnni") ? &vnni : &avx512;
    case ISA_AVX2: return &avx2;
    default: return &sse2;
    }
}

#else

static void plain_tile(const QTileJob *job)
{
    memset(job->sums, 0, sizeof *job->sums * 8 * (size_t)job->rows);
    const int16_t *b = job->b;
    for (int64_t t = 0; t < job->taps; t++)
        for (int64_t at = job->offset[t], end = at + 2 * job->pairs; at < end; at += 2, b += 16)
            for (int r = 0; r < job->rows; r++)
                for (int j = 0; j < 8; j++)
                    job->sums[r * 8 + j] = (int32_t)((uint32_t)job->sums[r * 8 + j] + (uint32_t)((int32_t)job->a[r][at] * b[2 * j]) +
                                                     (uint32_t)((int32_t)job->a[r][at + 1] * b[2 * j + 1]));
}

static void plain_depth(const QDepthJob *job)
{
    for (int r = 0; r < job->rows; r++)
        for (int i = 0; i < 8; i++) {
            uint32_t sum = 0;
            for (int64_t p = 0; p < job->pairs; p++)
                for (int half = 0; half < 2; half++)
                    sum += (uint32_t)((int32_t)job->a[r][job->offset[2 * p + half] + i] * job->w[p * 16 + q_depth_weight_at(8, i, half)]);
            job->sums[r * 8 + i] = (int32_t)sum;
        }
}

const QTile *q_tile(void)
{
    static const QTile plain = {6, 8, plain_tile, 8, plain_depth};
    return &plain;
}

#endif
