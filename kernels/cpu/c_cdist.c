// Distances of all pairs of rows, float32 and float64: Euclidean ones in tiles of pairs, with fused multiply-add where the
// machine has it; the others pair by pair in 16 parts, the same on every instruction set. Contiguous operands with the same
// batch dimensions.
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"

#include <math.h>
#include <string.h>

enum { PARTS = 16 };

typedef struct Cdist {
    double p;
    bool upper;
    int64_t batches, rows, others, width;
} Cdist;

Status c_cdist_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const View *a = &in[0], *b = &in[1];
    int n = a->ndim;
    if (n < 2 || b->ndim != n || a->size[n - 1] != b->size[n - 1] || a->size[n - 1] == 0 || any_private(in, n_in) || a->dtype != b->dtype ||
        (a->dtype != DT_F32 && a->dtype != DT_F64) || !view_is_contiguous(a) || !view_is_contiguous(b))
        return ST_DECLINED;
    Cdist s = {.p = ((const CdistParams *)params)->p, .upper = ((const CdistParams *)params)->upper, .batches = 1, .rows = a->size[n - 2], .others = b->size[n - 2], .width = a->size[n - 1]};
    int64_t size[VIEW_MAX_DIMS];
    for (int d = 0; d < n - 2; d++) {
        if (a->size[d] != b->size[d])
            return ST_DECLINED;
        size[d] = a->size[d];
        s.batches *= a->size[d];
    }
    size[n - 2] = s.rows;
    size[n - 1] = s.others;
    kernel_output(k, 0, (DType)a->dtype, n, size);
    void *state;
    TRY(kernel_state_new(k, sizeof(Cdist), &state));
    *(Cdist *)state = s;
    return ST_OK;
}

// One row against `others` rows; term(d) of each absolute difference, joined by `join`.
#define WALK(T, JOIN, TERM, FINISH)                                                                                    \
    for (int64_t o = 0; o < s->others; o++, b += n) {                                                                  \
        T part[PARTS] = {0}, sum = 0;                                                                                  \
        int64_t i = 0;                                                                                                 \
        for (; i + PARTS <= n; i += PARTS)                                                                             \
            for (int j = 0; j < PARTS; j++) {                                                                          \
                T d = a[i + j] - b[i + j];                                                                             \
                part[j] = JOIN(part[j], TERM(d));                                                                      \
            }                                                                                                          \
        for (; i < n; i++) {                                                                                           \
            T d = a[i] - b[i];                                                                                         \
            sum = JOIN(sum, TERM(d));                                                                                  \
        }                                                                                                              \
        for (int half = PARTS / 2; half; half /= 2)                                                                    \
            for (int j = 0; j < half; j++)                                                                             \
                part[j] = JOIN(part[j], part[j + half]);                                                               \
        sum = JOIN(sum, part[0]);                                                                                      \
        y[o] = FINISH(sum);                                                                                            \
    }
#define PLUS(x, y) ((x) + (y))
#define GREATER(x, y) ((y) > (x) || (y) != (y) ? (y) : (x))
#define SIZE(d) ((d) < 0 ? -(d) : (d))
#define NONZERO(d) ((d) != 0)
#define AS_IS(x) (x)

#define DISTANCES(T, POW)                                                                                              \
    ISA_INLINE void distances_##T##_body(const Cdist *s, const T *a, const T *b, T *y)                                 \
    {                                                                                                                  \
        int64_t n = s->width;                                                                                          \
        T p = (T)s->p;                                                                                                 \
        if (s->p == 1)                                                                                            \
            WALK(T, PLUS, SIZE, AS_IS)                                                                                 \
        else if (s->p == 0)                                                                                            \
            WALK(T, PLUS, NONZERO, AS_IS)                                                                              \
        else if (isinf(s->p))                                                                                          \
            WALK(T, GREATER, SIZE, AS_IS)                                                                              \
        else                                                                                                           \
            for (int64_t o = 0; o < s->others; o++, b += n) {                                                          \
                T sum = 0;                                                                                             \
                for (int64_t i = 0; i < n; i++)                                                                        \
                    sum += POW(SIZE(a[i] - b[i]), p);                                                                  \
                y[o] = POW(sum, 1 / p);                                                                                \
            }                                                                                                          \
    }                                                                                                                  \
    ISA_VARIANTS(distances_##T, (const Cdist *s, const T *a, const T *b, T *y), (s, a, b, y))
DISTANCES(float, powf)
DISTANCES(double, pow)

// Euclidean: 6 rows against as many others as a vector of 64 bytes has elements, which lie transposed; DEEP elements of
// the rows at a time, whose squares are summed before they join those before them in y.
enum { DEEP = 256 };
#define EUCLIDEAN(T, SQRT, FMA)                                                                                            \
    typedef T Wide_##T __attribute__((vector_size(64)));                                                               \
    ISA_INLINE void euclidean_##T##_rows(const Wide_##T *others, const T *a, int64_t width, int64_t deep, int rows, bool fused, Wide_##T *sum) \
    {                                                                                                                  \
        for (int r = 0; r < rows; r++)                                                                                 \
            sum[r] = (Wide_##T){0};                                                                                    \
        for (int64_t i = 0; i < deep; i++)                                                                             \
            for (int r = 0; r < rows; r++) {                                                                           \
                Wide_##T d = others[i] - a[r * width + i];                                                             \
                for (int j = 0; j < 64 / (int)sizeof(T); j++)                                                          \
                    sum[r][j] = fused ? FMA(d[j], d[j], sum[r][j]) : sum[r][j] + d[j] * d[j];                          \
            }                                                                                                          \
    }                                                                                                                  \
    ISA_INLINE void euclidean_##T##_body(const Cdist *s, const T *a, const T *b, T *y, bool fused)                          \
    {                                                                                                                  \
        enum { W = 64 / sizeof(T), ROWS = 6 };                                                                         \
        Wide_##T packed[DEEP], sum[ROWS];                                                                              \
        for (int64_t o = 0; o < s->others; o += W) {                                                                   \
            int64_t wide = s->others - o < W ? s->others - o : W, rows = s->upper && s->rows > o + wide - 1 ? o + wide - 1 : s->rows; \
            for (int64_t from = 0; from < s->width; from += DEEP) {                                                    \
                int64_t deep = s->width - from < DEEP ? s->width - from : DEEP;                                        \
                memset(packed, 0, sizeof packed);                                                                      \
                for (int64_t j = 0; j < wide; j++)                                                                     \
                    for (int64_t i = 0; i < deep; i++)                                                                 \
                        packed[i][j] = b[(o + j) * s->width + from + i];                                               \
                for (int64_t r = 0, n; r < rows; r += n) {                                                             \
                    n = rows - r >= ROWS ? ROWS : 1;                                                                   \
                    if (n == ROWS)                                                                                     \
                        euclidean_##T##_rows(packed, a + r * s->width + from, s->width, deep, ROWS, fused, sum);             \
                    else                                                                                               \
                        euclidean_##T##_rows(packed, a + r * s->width + from, s->width, deep, 1, fused, sum);             \
                    for (int64_t q = 0; q < n; q++) {                                                                  \
                        T *to = y + (r + q) * s->others + o;                                                           \
                        Wide_##T total = sum[q], before = {0};                                                         \
                        memcpy(&before, to, from ? (size_t)wide * sizeof(T) : 0);                                      \
                        total += before;                                                                               \
                        for (int64_t j = 0; from + deep == s->width && j < W; j++)                                     \
                            total[j] = SQRT(total[j]);                                                                 \
                        memcpy(to, &total, (size_t)wide * sizeof(T));                                                  \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(euclidean_##T, (const Cdist *s, const T *a, const T *b, T *y, bool fused), (s, a, b, y, fused))
EUCLIDEAN(float, sqrtf, fmaf)
EUCLIDEAN(double, sqrt, fma)

Status c_cdist_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const Cdist *all = k->state;
    bool fused = kernel_isa() != ISA_BASE; // where it is an instruction
    for (int64_t i = 0; all->p == 2 && i < all->batches; i++) {
        int64_t a = i * all->rows * all->width, b = i * all->others * all->width, y = i * all->rows * all->others;
        if (in[0].dtype == DT_F32)
            euclidean_float(all, (const float *)in[0].data + a, (const float *)in[1].data + b, (float *)out[0].data + y, fused);
        else
            euclidean_double(all, (const double *)in[0].data + a, (const double *)in[1].data + b, (double *)out[0].data + y, fused);
    }
    if (all->p == 2)
        return ST_OK;
    for (int64_t i = 0; i < all->batches * all->rows; i++) {
        int64_t skip = all->upper ? i % all->rows + 1 : 0;
        Cdist one = *all, *s = &one;
        one.others = all->others > skip ? all->others - skip : 0;
        int64_t a = i * s->width, b = (i / s->rows * all->others + skip) * s->width, y = i * all->others + skip;
        if (in[0].dtype == DT_F32)
            distances_float(s, (const float *)in[0].data + a, (const float *)in[1].data + b, (float *)out[0].data + y);
        else
            distances_double(s, (const double *)in[0].data + a, (const double *)in[1].data + b, (double *)out[0].data + y);
    }
    return ST_OK;
}

void c_cdist_destroy(Kernel *k) { kernel_state_free(k); }
