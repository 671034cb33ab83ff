// Suppression of overlapping boxes, as torchvision computes it on the CPU: in the precision of the boxes, the best score
// first, equal scores in their order.
#include "kernels/isa.h"
#include "kernels/ops.h"

#include <math.h>
#include <string.h>

// The greatest number of a type that is at most `threshold`: what is above the one is above the other.
static float floor_float(double threshold)
{
    float f = (float)threshold;
    return (double)f > threshold ? nextafterf(f, -INFINITY) : f;
}
static double floor_double(double threshold) { return threshold; }

// Does score a come before b? NaN is the greatest.
#define BEFORE(a, b) ((a) > (b) || ((a) != (a) && (b) == (b)))

// Corners and areas in the order of the scores.
#define NMS(T, suffix, floor_to)                                                                                       \
    static void sort_##suffix(const T *scores, int64_t *order, int64_t *spare, int64_t n)                              \
    {                                                                                                                  \
        for (int64_t width = 1; width < n; width *= 2) {                                                               \
            for (int64_t start = 0; start < n; start += 2 * width) {                                                   \
                int64_t a = start, middle = start + width < n ? start + width : n, b = middle;                         \
                int64_t end = start + 2 * width < n ? start + 2 * width : n;                                           \
                for (int64_t to = start; to < end; to++) {                                                             \
                    bool first = b >= end || (a < middle && !BEFORE(scores[order[b]], scores[order[a]]));              \
                    spare[to] = first ? order[a++] : order[b++];                                                       \
                }                                                                                                      \
            }                                                                                                          \
            memcpy(order, spare, sizeof *order * (size_t)n);                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_INLINE void suppress_##suffix##_body(const T *x1, const T *y1, const T *x2, const T *y2, const T *area,        \
                                             uint8_t *restrict gone, int64_t i, int64_t n, T threshold)                \
    {                                                                                                                  \
        T left = x1[i], top = y1[i], right = x2[i], bottom = y2[i], mine = area[i];                                    \
        for (int64_t j = i + 1; j < n; j++) {                                                                          \
            T w = (x2[j] < right ? x2[j] : right) - (x1[j] > left ? x1[j] : left);                                     \
            T h = (y2[j] < bottom ? y2[j] : bottom) - (y1[j] > top ? y1[j] : top);                                     \
            T inter = (w > 0 ? w : 0) * (h > 0 ? h : 0);                                                               \
            gone[j] |= inter / (mine + area[j] - inter) > threshold;                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(suppress_##suffix,                                                                                    \
                 (const T *x1, const T *y1, const T *x2, const T *y2, const T *area, uint8_t *gone, int64_t i, int64_t n, T threshold), \
                 (x1, y1, x2, y2, area, gone, i, n, threshold))                                                        \
    int64_t nms_##suffix(const T *boxes, const T *scores, int64_t n, double threshold, int64_t *keep, int64_t *order,  \
                         T *columns, uint8_t *gone)                                                                    \
    {                                                                                                                  \
        T *x1 = columns, *y1 = x1 + n, *x2 = y1 + n, *y2 = x2 + n, *area = y2 + n;                                     \
        int64_t kept = 0;                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                                                \
            order[i] = i;                                                                                              \
        sort_##suffix(scores, order, keep, n);                                                                         \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const T *box = boxes + 4 * order[i];                                                                       \
            x1[i] = box[0];                                                                                            \
            y1[i] = box[1];                                                                                            \
            x2[i] = box[2];                                                                                            \
            y2[i] = box[3];                                                                                            \
            area[i] = (box[2] - box[0]) * (box[3] - box[1]);                                                           \
            gone[i] = 0;                                                                                               \
        }                                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                                                \
            if (!gone[i]) {                                                                                            \
                keep[kept++] = order[i];                                                                               \
                suppress_##suffix(x1, y1, x2, y2, area, gone, i, n, floor_to(threshold));                              \
            }                                                                                                          \
        return kept;                                                                                                   \
    }

NMS(float, f32, floor_float)
NMS(double, f64, floor_double)
