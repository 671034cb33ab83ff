// Recurrent layers in plain C: the reference that the oneDNN variant is tested against, and what float64 runs on.
// Formulas are those of PyTorch's documentation of torch.nn.LSTM, GRU and RNN; everything is computed in double.
#include "kernels/cpu/variants.h"
#include "kernels/rnn.h"

#include <math.h>

static Status size_error(const char *what, int64_t got, const char *want, int64_t expected)
{
    return status_fail(ST_RAISED, "%s has size %lld, expected %s %lld", what, (long long)got, want, (long long)expected);
}

static Status check_weights(const View *w, const View *x, int64_t gates, int64_t units, int64_t projected)
{
    if (w[0].ndim != 2 || w[1].ndim != 2)
        return status_fail(ST_RAISED, "weights of a recurrent layer must be matrices");
    if (w[0].size[1] != x->size[2])
        return status_fail(ST_RAISED, "input.size(-1) must be equal to input_size. Expected %lld, got %lld",
                           (long long)w[0].size[1], (long long)x->size[2]);
    if (w[0].size[0] != gates * units || w[1].size[0] != gates * units)
        return size_error("weight_ih", w[0].size[0], "gates × hidden_size =", gates * units);
    if (w[1].size[1] != projected)
        return size_error("hx", projected, "hidden_size", w[1].size[1]);
    for (int b = 2; b < 4; b++)
        if (w[b].dtype != DT_INVALID && (w[b].ndim != 1 || w[b].size[0] != gates * units))
            return size_error("bias", w[b].ndim == 1 ? w[b].size[0] : -1, "gates × hidden_size =", gates * units);
    bool has_projection = w[4].dtype != DT_INVALID;
    if (has_projection && (w[4].ndim != 2 || w[4].size[0] != projected || w[4].size[1] != units))
        return status_fail(ST_RAISED, "weight_hr must be [%lld, %lld]", (long long)projected, (long long)units);
    if (!has_projection && projected != units)
        return size_error("hx", projected, "hidden_size", units);
    return ST_OK;
}

Status rnn_check(const RnnParams *p, const View *in, int n_in)
{
    if (n_in < RNN_FIRST_WEIGHT + RNN_WEIGHTS * p->directions)
        return status_fail(ST_INTERNAL, "recurrent layer: %d operands", n_in);
    const View *x = &in[RNN_X], *h0 = &in[RNN_H0], *c0 = &in[RNN_C0], *w = in + RNN_FIRST_WEIGHT;
    if (x->ndim != 3)
        return status_fail(ST_RAISED, "input must have 3 dimensions, got %d", x->ndim);
    if (h0->ndim != 3 || h0->size[0] != p->directions || h0->size[1] != x->size[1])
        return status_fail(ST_RAISED, "Expected hidden size for %d directions and batch %lld", p->directions, (long long)x->size[1]);
    int64_t gates = rnn_gates(p->mode), units = w[1].ndim == 2 ? w[1].size[0] / gates : 0;
    if (p->mode == RNN_LSTM && (c0->dtype == DT_INVALID || c0->ndim != 3 || c0->size[0] != p->directions ||
                                c0->size[1] != x->size[1] || c0->size[2] != units))
        return status_fail(ST_RAISED, "Expected cell state [%d, %lld, %lld]", p->directions, (long long)x->size[1], (long long)units);
    for (int d = 0; d < p->directions; d++)
        TRY(check_weights(w + RNN_WEIGHTS * d, x, gates, units, h0->size[2]));
    for (int i = 0; i < n_in; i++)
        if (in[i].dtype != DT_INVALID && in[i].dtype != x->dtype)
            return status_fail(ST_RAISED, "expected scalar type %s but found %s", dtype_torch_name((DType)x->dtype),
                               dtype_torch_name((DType)in[i].dtype));
    return dtype_is_floating((DType)x->dtype) ? ST_OK
                                              : status_fail(ST_RAISED, "recurrent layers need floating point, got %s",
                                                            dtype_torch_name((DType)x->dtype));
}

int rnn_outputs(const RnnParams *p, const View *in, View out[3])
{
    const View *x = &in[RNN_X];
    int64_t units = in[RNN_FIRST_WEIGHT + 1].size[0] / rnn_gates(p->mode), width = in[RNN_H0].size[2] * p->directions;
    int64_t steps = x->size[0], batch = x->size[1];
    bool batch_outside = x->stride[1] > x->stride[0] && steps > 1 && batch > 1;
    for (int i = 0; i < 3; i++)
        out[i] = (View){.dtype = x->dtype};
    view_set_contiguous(&out[0], 3, (int64_t[]){steps, batch, width});
    if (batch_outside) {
        out[0].stride[0] = width;
        out[0].stride[1] = steps * width;
    }
    view_set_contiguous(&out[1], 3, in[RNN_H0].size);
    if (p->mode != RNN_LSTM)
        return 2;
    view_set_contiguous(&out[2], 3, (int64_t[]){p->directions, batch, units});
    return 3;
}

typedef struct RefRnn {
    RnnParams p;
    bool present[RNN_INPUTS_MAX];
} RefRnn;

Status ref_rnn_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const RnnParams *p = params;
    TRY(rnn_check(p, in, n_in));
    if (any_private(in, n_in))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(RefRnn), &state));
    RefRnn *r = state;
    r->p = *p;
    for (int i = 0; i < n_in && i < RNN_INPUTS_MAX; i++)
        r->present[i] = in[i].dtype != DT_INVALID;
    k->output_count = rnn_outputs(p, in, k->outputs);
    int64_t units = in[RNN_FIRST_WEIGHT + 1].size[0] / rnn_gates(p->mode), rows = rnn_gates(p->mode) * units;
    // sums from x, sums from h, h, c, output before projection
    k->scratch_bytes = sizeof(double) * (size_t)(2 * rows + in[RNN_H0].size[2] + 2 * units);
    k->flops = 2.0 * (double)(in[RNN_X].size[0] * in[RNN_X].size[1] * p->directions * rows) *
               (double)(in[RNN_X].size[2] + in[RNN_H0].size[2]);
    return ST_OK;
}

static double at1(const View *v, int64_t i) { return element_get(v->data, (DType)v->dtype, i * v->stride[0]); }
static double at2(const View *v, int64_t i, int64_t j)
{
    return element_get(v->data, (DType)v->dtype, i * v->stride[0] + j * v->stride[1]);
}
static int64_t place(const View *v, int64_t i, int64_t j, int64_t k) { return i * v->stride[0] + j * v->stride[1] + k * v->stride[2]; }
static double at3(const View *v, int64_t i, int64_t j, int64_t k) { return element_get(v->data, (DType)v->dtype, place(v, i, j, k)); }
static void put3(const View *v, int64_t i, int64_t j, int64_t k, double value)
{
    element_set(v->data, (DType)v->dtype, place(v, i, j, k), value);
}
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

typedef struct Step {
    double *from_x, *from_h; // [G·H] each
    double *h, *c, *out;     // [P], [H], [H]
    int64_t units, projected;
} Step;

// The cell's new c and its output, from the sums of the gates.
static void cell(int mode, const Step *s)
{
    int64_t n = s->units;
    for (int64_t j = 0; j < n; j++) {
        const double *x = s->from_x + j, *h = s->from_h + j;
        switch (mode) {
        case RNN_LSTM: {
            double i = sigmoid(x[0] + h[0]), f = sigmoid(x[n] + h[n]), g = tanh(x[2 * n] + h[2 * n]), o = sigmoid(x[3 * n] + h[3 * n]);
            s->c[j] = f * s->c[j] + i * g;
            s->out[j] = o * tanh(s->c[j]);
            break;
        }
        case RNN_GRU: {
            double r = sigmoid(x[0] + h[0]), z = sigmoid(x[n] + h[n]), next = tanh(x[2 * n] + r * h[2 * n]);
            s->out[j] = (1 - z) * next + z * s->h[j];
            break;
        }
        case RNN_TANH: s->out[j] = tanh(x[0] + h[0]); break;
        default: s->out[j] = x[0] + h[0] > 0 ? x[0] + h[0] : 0; break;
        }
    }
}

static void project(const View *w_hr, bool has, const Step *s)
{
    for (int64_t j = 0; j < s->projected; j++) {
        double sum = has ? 0 : s->out[j];
        for (int64_t q = 0; has && q < s->units; q++)
            sum += at2(w_hr, j, q) * s->out[q];
        s->h[j] = sum;
    }
}

static void run_sequence(const RefRnn *r, const View *in, const View *out, const Step *s, int d, int64_t n)
{
    const View *x = &in[RNN_X], *w = in + RNN_FIRST_WEIGHT + RNN_WEIGHTS * d;
    const bool *has = r->present + RNN_FIRST_WEIGHT + RNN_WEIGHTS * d;
    int64_t steps = x->size[0], rows = rnn_gates(r->p.mode) * s->units;
    bool backwards = d == 1 || r->p.reverse, lstm = r->p.mode == RNN_LSTM;
    for (int64_t j = 0; j < s->projected; j++)
        s->h[j] = at3(&in[RNN_H0], d, n, j);
    for (int64_t j = 0; lstm && j < s->units; j++)
        s->c[j] = at3(&in[RNN_C0], d, n, j);
    for (int64_t step = 0; step < steps; step++) {
        int64_t t = backwards ? steps - 1 - step : step;
        for (int64_t g = 0; g < rows; g++) {
            double a = has[2] ? at1(&w[2], g) : 0, b = has[3] ? at1(&w[3], g) : 0;
            for (int64_t i = 0; i < x->size[2]; i++)
                a += at2(&w[0], g, i) * at3(x, t, n, i);
            for (int64_t i = 0; i < s->projected; i++)
                b += at2(&w[1], g, i) * s->h[i];
            s->from_x[g] = a;
            s->from_h[g] = b;
        }
        cell(r->p.mode, s);
        project(&w[4], has[4], s);
        for (int64_t j = 0; j < s->projected; j++)
            put3(&out[0], t, n, d * s->projected + j, s->h[j]);
    }
    for (int64_t j = 0; j < s->projected; j++)
        put3(&out[1], d, n, j, s->h[j]);
    for (int64_t j = 0; lstm && j < s->units; j++)
        put3(&out[2], d, n, j, s->c[j]);
}

Status ref_rnn_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const RefRnn *r = k->state;
    int64_t units = in[RNN_FIRST_WEIGHT + 1].size[0] / rnn_gates(r->p.mode), rows = rnn_gates(r->p.mode) * units;
    Step s = {.units = units, .projected = in[RNN_H0].size[2], .from_x = scratch};
    s.from_h = s.from_x + rows;
    s.h = s.from_h + rows;
    s.c = s.h + s.projected;
    s.out = s.c + units;
    for (int d = 0; d < r->p.directions; d++)
        for (int64_t n = 0; n < in[RNN_X].size[1]; n++)
            run_sequence(r, in, out, &s, d, n);
    return ST_OK;
}

void ref_rnn_destroy(Kernel *k) { kernel_state_free(k); }
