// Reductions over every set of dimensions of permuted and strided operands, against a plain loop; accuracy of long float
// sums; the same bits for every instruction set; running results.
#include "kernels/isa.h"
#include "kernels/reduce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 3000 };

// Element i (logical order) of the test data.
static double element(int64_t i) { return (double)(i * 37 % 101) - 40; }

static int64_t position_of(const View *v, int64_t i)
{
    int64_t at = 0;
    for (int d = v->ndim - 1; d >= 0; d--) {
        at += i % v->size[d] * v->stride[d];
        i /= v->size[d];
    }
    return at;
}

static View operand(DType dtype, const int64_t *size, const int *order, int64_t step, void *data)
{
    View v = {.dtype = (uint8_t)dtype, .data = data};
    view_set_contiguous(&v, 3, size);
    int64_t stride = step;
    for (int i = 2; i >= 0; i--) {
        v.stride[order[i]] = stride;
        stride *= size[order[i]];
    }
    for (int64_t i = 0, n = view_numel(&v); i < n; i++) {
        int64_t at = position_of(&v, i);
        if (dtype == DT_F32)
            ((float *)data)[at] = (float)element(i);
        else if (dtype == DT_F64)
            ((double *)data)[at] = element(i);
        else
            ((int16_t *)data)[at] = (int16_t)element(i);
    }
    return v;
}

// value, and position for ARG…, of the group of elements whose kept coordinates are those of result r.
static void plain(ReduceOp op, const View *v, const bool *reduced, int64_t r, double number, double *value, int64_t *position)
{
    int64_t want[3] = {-1, -1, -1}, rest = r, count = 0;
    for (int d = 2; d >= 0; d--)
        if (!reduced[d]) {
            want[d] = rest % v->size[d];
            rest /= v->size[d];
        }
    double sum = 0, squares = 0, product = 1, best = 0, power = 0, exps = 0;
    for (int pass = 0; pass < 2; pass++) {
        double mean = count ? sum / (double)count : 0;
        count = 0;
        for (int64_t i = 0, n = view_numel(v); i < n; i++) {
            int64_t at = i;
            bool in = true;
            for (int d = 2; d >= 0; d--) {
                in = in && (want[d] < 0 || at % v->size[d] == want[d]);
                at /= v->size[d];
            }
            if (!in)
                continue;
            double x = element(i);
            if (pass) {
                squares += (x - mean) * (x - mean);
                count++;
                continue;
            }
            sum += x;
            product *= x;
            power += pow(fabs(x), number);
            exps += exp(x);
            bool better = count == 0 || (op == REDUCE_MIN || op == REDUCE_ARGMIN ? x < best : x > best);
            if (better) {
                best = x;
                *position = count;
            }
            count++;
        }
    }
    *value = op == REDUCE_SUM ? sum : op == REDUCE_MEAN ? sum / (double)count : op == REDUCE_PROD ? product
           : op == REDUCE_VAR ? squares / ((double)count - number) : op == REDUCE_NORM ? pow(power, 1 / number)
           : op == REDUCE_LOGSUMEXP ? log(exps) : best;
}

static void against_plain(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{4, 5, 6}, {1, 7, 150}, {150, 3, 2}, {2, 1, 40}, {17, 16, 3}};
    static const int orders[][3] = {{0, 1, 2}, {2, 0, 1}, {1, 2, 0}};
    static const ReduceOp ops[] = {REDUCE_SUM, REDUCE_MEAN, REDUCE_PROD, REDUCE_MAX, REDUCE_MIN, REDUCE_ARGMAX, REDUCE_ARGMIN, REDUCE_VAR, REDUCE_NORM, REDUCE_LOGSUMEXP};
    static const DType types[] = {DT_F32, DT_F64, DT_I16};
    double data[MOST], values[MOST];
    int64_t positions[MOST];
    for (int s = 0; s < 5; s++)
        for (int o = 0; o < 3; o++)
            for (int t = 0; t < 3; t++)
                for (int mask = 0; mask < 8; mask++)
                    for (int k = 0; k < 10; k++) {
                        View in = operand(types[t], shapes[s], orders[o], 1 + (s + o) % 2, data);
                        ReduceParams p = {.op = (uint8_t)ops[k], .number = ops[k] == REDUCE_VAR ? 0 : ops[k] == REDUCE_NORM ? 1 + mask % 3 : 0};
                        View out = {.dtype = DT_F64, .data = values}, at = {.dtype = DT_I64, .data = positions};
                        int64_t size[3];
                        int ndim = 0;
                        for (int d = 0; d < 3; d++)
                            if (!(p.reduced[d] = mask >> d & 1))
                                size[ndim++] = shapes[s][d];
                        view_set_contiguous(&out, ndim, size);
                        view_set_contiguous(&at, ndim, size);
                        bool arg = ops[k] == REDUCE_ARGMAX || ops[k] == REDUCE_ARGMIN;
                        const View *outs[2] = {&out, arg ? &at : NULL};
                        assert_int_equal(reduce_run(&p, &in, outs), ST_OK);
                        for (int64_t r = 0, n = view_numel(&out); r < n; r += 1 + n / 20) {
                            double want;
                            int64_t where = 0;
                            plain(ops[k], &in, p.reduced, r, p.number, &want, &where);
                            if (ops[k] == REDUCE_PROD && (types[t] == DT_I16 || !isfinite(want)))
                                continue; // wraps, or overflows
                            assert_true(fabs(values[r] - want) <= 1e-6 * fmax(1, fabs(want)));
                            if (arg)
                                assert_int_equal(positions[r], where);
                        }
                    }
}

static void long_float_sums(void **state)
{
    (void)state;
    int64_t n = 1 << 20;
    float *x = malloc(sizeof *x * (size_t)n), result;
    double want = 0;
    for (int64_t i = 0; i < n; i++)
        want += x[i] = 0.1f + (float)(i % 3) * 1e-4f;
    View in = {.dtype = DT_F32, .data = x}, out = {.dtype = DT_F32, .data = &result};
    view_set_contiguous(&in, 1, &n);
    ReduceParams p = {.op = REDUCE_SUM, .reduced = {true}};
    const View *outs[2] = {&out, NULL};
    assert_int_equal(reduce_run(&p, &in, outs), ST_OK);
    assert_true(fabs(result - want) < want * 2e-7);
    free(x);
}

// Runs last: the limit stays.
static void every_instruction_set(void **state)
{
    (void)state;
    static const char *const names[] = {"avx512", "avx2", "base"};
    double data[MOST], first[3][200], values[200];
    static const int order[] = {0, 1, 2};
    for (int i = 0; i < 3; i++) {
        (void)kernel_limit_isa(names[i]); // oneDNN takes only the first limit, which is of no matter here
        assert_true(kernel_isa() <= (Isa)(ISA_AVX512 - i));
        for (int k = 0; k < 3; k++) {
            View in = operand(DT_F32, (int64_t[]){10, 11, 17}, order, 1, data);
            for (int j = 0; j < 1870; j++)
                ((float *)data)[j] *= 0.37f;
            ReduceParams p = {.op = k == 2 ? REDUCE_VAR : REDUCE_SUM, .reduced = {k == 0, k != 0, k != 0}, .number = 1};
            View out = {.dtype = DT_F64, .data = values};
            int64_t n = k == 0 ? 187 : 10;
            if (k == 0)
                view_set_contiguous(&out, 2, (int64_t[]){11, 17});
            else
                view_set_contiguous(&out, 1, &n);
            const View *outs[2] = {&out, NULL};
            assert_int_equal(reduce_run(&p, &in, outs), ST_OK);
            if (i == 0)
                memcpy(first[k], values, sizeof values);
            assert_memory_equal(values, first[k], sizeof values[0] * (size_t)n);
        }
    }
}

static void running(void **state)
{
    (void)state;
    float x[6] = {1, -2, 3, NAN, 5, 2}, y[6];
    int64_t at[6], size[2] = {2, 3};
    View in = {.dtype = DT_F32, .data = x}, out = {.dtype = DT_F32, .data = y}, where = {.dtype = DT_I64, .data = at};
    view_set_contiguous(&in, 2, size);
    view_set_contiguous(&out, 2, size);
    view_set_contiguous(&where, 2, size);
    assert_int_equal(cumulative_run(CUM_SUM, 1, &in, &out, NULL), ST_OK);
    assert_true(y[0] == 1 && y[1] == -1 && y[2] == 2 && isnan(y[3]) && isnan(y[5]));
    assert_int_equal(cumulative_run(CUM_MAX, 0, &in, &out, &where), ST_OK);
    assert_true(y[0] == 1 && y[1] == -2 && isnan(y[3]) && y[4] == 5 && y[5] == 3);
    assert_true(at[3] == 1 && at[4] == 1 && at[5] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_plain), cmocka_unit_test(long_float_sums), cmocka_unit_test(running),
                                       cmocka_unit_test(every_instruction_set)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
